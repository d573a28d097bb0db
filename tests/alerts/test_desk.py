"""What `alpha alerts` is answered with: the database, and the daemon's memory besides."""

from __future__ import annotations

from typing import NoReturn

from pydantic import SecretStr

from alpha.alerts import Alert, Alerts
from alpha.clock import ManualClock, SystemClock
from alpha.config import Config
from alpha.config.settings import AccountSettings, PostgresSettings
from alpha.config.show import secrets_of
from alpha.ledger.alert_journal import AlertJournal
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import Pool
from alpha.live_desk import LiveDesk
from alpha.resources import migrations_folder
from tests.proxied import behind_proxy


def unused(*_: object) -> NoReturn:
    raise AssertionError("expected alerts to be asked for only")


def desk(pool: Pool, alerts: Alerts) -> LiveDesk:
    return LiveDesk(
        pool,
        Config(),
        SystemClock(),
        picture=unused,
        handles={},
        rejoin=unused,
        reconcilers=dict,
        alerts=alerts,
        assign=unused,
        sync=unused,
        syncing=(),
        risk=unused,
    )


def kinds(alerts: list[Alert]) -> list[str]:
    return [alert.kind for alert in alerts]


async def test_each_is_shown_once_whether_or_not_the_database_has_it(postgres_dsn: str) -> None:
    await migrate(postgres_dsn, migrations_folder(), clock=SystemClock())
    clock = ManualClock(1_762_000_000_000)
    async with behind_proxy(postgres_dsn) as (proxy, pool):
        earlier = AlertJournal(pool, clock)
        alerts = Alerts(clock)
        for number in range(4):
            alerts.tell(f"kind_{number}", "expected this, was that")
            clock.advance(1000)
        await earlier.record(alerts.recent.popleft())  # of an earlier run
        await earlier.record(alerts.recent[0])
        shown = desk(pool, alerts)
        assert kinds(list(await shown.alerts(10))) == ["kind_0", "kind_1", "kind_2", "kind_3"]
        assert kinds(list(await shown.alerts(2))) == ["kind_2", "kind_3"]
        proxy.stall()
        assert kinds(list(await shown.alerts(10))) == ["kind_1", "kind_2", "kind_3"]


def test_every_secret_of_the_settings_is_known() -> None:
    config = Config(
        postgres=PostgresSettings(url=SecretStr("postgresql://me:swordfish@db/alpha")),
        accounts={"main": AccountSettings(api_key=SecretStr("key-1"), api_secret=SecretStr("s-2"))},
    )
    assert secrets_of(config) == {
        "postgresql://me:swordfish@db/alpha", "swordfish", "key-1", "s-2",
    }  # fmt: skip
