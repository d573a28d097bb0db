"""What fails on one account keeps no other from being synced and audited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from alpha.alerts import Alerts
from alpha.bybit.http import HttpAnswer
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.config import load
from alpha.control.offline_sync import sync_stored
from alpha.ledger.registry import AccountEntry, BotEntry, register
from alpha.ledger.syncs import Kind, Run, SyncStore
from alpha.ledger.wallet_audits import AuditStore
from alpha.stores import Stores
from alpha.supervision import Supervisor
from alpha.sync.account import AccountSync
from alpha.syncing import Syncing
from alpha.trading.account import Account, AccountStatus
from alpha.trading.catchup import CatchUp
from alpha.trading.latency import Latencies
from tests.recording.conftest import Desk, desk
from tests.sync.conftest import ACCOUNT, BOT, CLOCK, Site
from tests.trading.conftest import clock, exchange, pool
from tests.trading.life import NOWHERE

__all__ = ["clock", "desk", "exchange", "pool"]

BROKEN = "broken"  # asked before the other one

CONFIG = """
data_dir = "{folder}/data"
[exchange]
rest_url = "{rest}"
public_ws_url = "{public_ws}"
private_ws_url = "{private_ws}"
trade_ws_url = "{trade_ws}"
[accounts.main]
api_key = "{key}"
api_secret = "{secret}"
[accounts.broken]
api_key = "another-key"
api_secret = "another-secret"
[bots.shortseller]
enabled = true
bot_id = "beat_001"
account = "main"
[bots.momentum]
enabled = true
bot_id = "lost_001"
account = "broken"
"""


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "ret_code", "code": 10003}, "10003"),
        ({"kind": "http_status", "code": 503}, "503"),
        ({"kind": "ret_code", "code": 10001, "path": "/v5/execution/list"}, "10001"),
    ],
)
async def test_one_account_that_cannot_be_asked(
    site: Site, tmp_path: Path, fault: dict[str, object], says: str
) -> None:
    file = tmp_path / "alpha.toml"
    venue = site.venue
    file.write_text(
        CONFIG.format(folder=tmp_path, key=venue.key, secret=venue.secret, **venue.urls)
    )
    accounts = [AccountEntry(ACCOUNT, "paper"), AccountEntry(BROKEN, "paper")]
    bots = [
        BotEntry(BOT, ACCOUNT, BOT, "beat", "paper"),
        BotEntry("lost_001", BROKEN, "lost_001", "beat", "paper"),
    ]
    await register(site.pool, accounts, bots)
    await site.trade("Buy", "1")
    await venue.plain("/sim/faults", {"faults": [{**fault, "key": "another-key"}]})
    config = load(file, {}, {})
    assert await sync_stored(site.pool, config, CLOCK, None, None, settle_s=0.3) == [
        BROKEN,
        ACCOUNT,
    ]
    rows = await site.pool.fetch("SELECT account, status, error FROM trading.sync_status")
    runs = {row["account"]: (row["status"], row["error"]) for row in rows}
    assert runs[ACCOUNT] == ("completed", "")
    assert runs[BROKEN][0] == "failed" and says in runs[BROKEN][1]
    assert "another-secret" not in runs[BROKEN][1] and "another-key" not in runs[BROKEN][1]
    assert await site.ledger() == await site.truth()
    audits = await site.pool.fetch("SELECT account, difference FROM trading.wallet_audits")
    assert [tuple(row.values()) for row in audits] == [(ACCOUNT, 0)]


REFUSED = HttpAnswer(200, {}, b'{"retCode": 10003, "retMsg": "no", "result": {}, "time": 0}')


@pytest.mark.parametrize("found", [REFUSED, KeyError("a fault of ours")])
async def test_a_daemon_goes_on_with_the_next_account(
    desk: Desk, found: HttpAnswer | Exception
) -> None:
    clock, life, live = desk.clock, desk.life, desk.live
    await register(life.pool, [AccountEntry(BROKEN, "paper")], [])

    async def answer(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer:
        if isinstance(found, Exception):
            raise found
        return found

    credentials = Credentials("another-key", "another-secret")
    rest = Rest(
        NOWHERE, credentials,
        account=BROKEN, clock=clock, limiter=Limiter(clock), transport=answer,
    )  # fmt: skip
    account = Account(
        BROKEN, bots={}, known_bots=(), owners={}, ledger=life.writer, clock=clock,
        qty_steps={}, overrides={},
    )  # fmt: skip
    account.become(AccountStatus.LIVE)
    alerts, supervisor = Alerts(clock), Supervisor(clock)
    stores = Stores(life.pool, life.reader, life.writer, desk.lease, "", Latencies(), None)
    syncing = Syncing(stores, live, clock, alerts, supervisor)
    live.services[BROKEN] = life.service  # for its status
    syncing.accounts[BROKEN] = AccountSync(
        account, rest, CatchUp(account, life.reader, life.writer), life.reader,
        SyncStore(life.pool), AuditStore(life.pool), clock, waits_until_live=True,
    )  # fmt: skip
    await syncing.hourly()
    assert [one.kind for one in alerts.recent] in ([], ["duty_failed"])
    await syncing.nightly()
    assert {one.account for one in alerts.recent} == {BROKEN}
    assert alerts.recent[-1].kind == "wallet_not_audited"
    done = await life.pool.fetch(
        "SELECT account, status FROM trading.sync_status WHERE status <> 'running'"
    )
    states = [tuple(row.values()) for row in done]
    assert states.count((ACCOUNT, "completed")) == 2
    assert states.count((BROKEN, "failed")) == (2 if found is REFUSED else 0)


class Leaves(AccountSync):
    """Leaves three executions out."""

    async def sync(self, kind: Kind, *, audit: bool = False) -> Run:
        return replace(await super().sync(kind, audit=audit), left=3)


async def test_what_stays_out_is_told_and_a_busy_account_has_its_night(desk: Desk) -> None:
    clock, life = desk.clock, desk.life
    alerts = Alerts(clock)
    stores = Stores(life.pool, life.reader, life.writer, desk.lease, "", Latencies(), None)
    syncing = Syncing(stores, desk.live, clock, alerts, Supervisor(clock))
    service = life.service
    syncing.accounts[ACCOUNT] = Leaves(
        service.account, service.rest, service.recovery.catch_up, life.reader,
        SyncStore(life.pool), AuditStore(life.pool), clock, waits_until_live=True,
    )  # fmt: skip
    await syncing.hourly()
    (alert,) = alerts.recent
    assert (alert.kind, alert.details["executions"]) == ("executions_left_out", 3)
    runs = "SELECT count(*) FROM trading.sync_status WHERE status = 'completed'"
    syncing.busy.add(ACCOUNT)
    await syncing.hourly()
    assert await life.pool.fetchval(runs) == 1
    await syncing.nightly()
    assert await life.pool.fetchval(runs) == 2
