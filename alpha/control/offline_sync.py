"""The trade sync where no daemon runs."""

from __future__ import annotations

from alpha.alerts import Alerts
from alpha.clock import Clock, SystemRandomness
from alpha.config import Config
from alpha.config.show import secrets_of
from alpha.control.truth import exchange_reader
from alpha.errors import NotFound, NotRunning
from alpha.installation import installation_id
from alpha.ledger.alert_journal import AlertJournal
from alpha.ledger.pool import Pool
from alpha.sync.account import PASSING, SETTLE_S
from alpha.sync.stored import stored_accounts


async def sync_stored(
    pool: Pool,
    config: Config,
    clock: Clock,
    account: str | None,
    months: int | None,
    *,
    settle_s: float = SETTLE_S,
) -> list[str]:
    """Syncs one account, or all, under their leases; returns their names. Raises LeaseHeld while a
    daemon has one of them, NotRunning without an exchange to ask."""
    async with exchange_reader(config, clock) as exchange:
        if exchange is None:
            raise NotRunning(
                "expected an exchange to ask, found none: the built-in one runs with the daemon; "
                "start `alpha run`"
            )
        names = sorted({bot.account for bot in config.bots.values()} & set(exchange.clients))
        if account is not None and account not in names:
            known = ", ".join(names) or "none with an API key"
            raise NotFound(f"expected one of the accounts {known}, was {account!r}")
        wanted = names if account is None else [account]
        if not wanted:
            return []
        alerts = Alerts(clock, secrets=secrets_of(config))
        async with stored_accounts(
            pool,
            exchange.clients,
            wanted,
            installation=installation_id(config.data_dir, SystemRandomness()),
            clock=clock,
            alerts=alerts,
            settle_s=settle_s,
        ) as accounts:
            for one in accounts.values():
                try:
                    await (
                        one.sync("manual", audit=True) if months is None else one.backfill(months)
                    )
                except PASSING as error:
                    await one.not_begun("manual" if months is None else "backfill", error)
        journal = AlertJournal(pool, clock)
        for alert in alerts.recent:
            await journal.record(alert)
        return wanted
