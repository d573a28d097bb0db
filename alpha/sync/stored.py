"""The trade sync of accounts that no daemon holds: with a lease, a writer and books of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import structlog

from alpha.alerts import Alerts
from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.records import Tally
from alpha.errors import RetryLater
from alpha.ledger.booking import known_reasons
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.risk_journal import RiskJournal
from alpha.ledger.syncs import SyncStore
from alpha.ledger.wallet_audits import AuditStore
from alpha.ledger.writer import LedgerWriter
from alpha.sync.account import PASSING, SETTLE_S, AccountSync
from alpha.trading.account import Account
from alpha.trading.catchup import DRAIN_S, CatchUp

log = structlog.get_logger(__name__)


@asynccontextmanager
async def stored_accounts(
    pool: Pool,
    clients: Mapping[str, Rest],
    names: Sequence[str],
    *,
    installation: str,
    clock: Clock,
    alerts: Alerts,
    settle_s: float = SETTLE_S,
) -> AsyncIterator[dict[str, AccountSync]]:
    """Raises LeaseHeld while a daemon has one of the accounts, LeaseLost when one takes it."""
    lease = Lease(pool, names, f"{installation} trade sync", installation=installation, clock=clock)
    await lease.acquire()
    reader = LedgerReader(pool)
    reasons = await known_reasons(reader)
    writer = LedgerWriter(pool, clock=clock, lease=lease, reasons=reasons, alerts=alerts)
    ours = asyncio.current_task()
    failures: list[BaseException] = []

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            failures.append(error)
            if ours is not None:
                ours.cancel()

    tasks = [
        asyncio.create_task(writer.run(), name="ledger"),
        asyncio.create_task(lease.renew(), name="lease"),
    ]
    for task in tasks:
        task.add_done_callback(ended)
    moved: dict[str, dict[str, Decimal]] = {name: {} for name in names}
    try:
        yield {
            name: AccountSync(
                account := await _account(name, reader, writer, clock, alerts, moved[name]),
                clients[name],
                CatchUp(account, reader, writer),
                reader,
                SyncStore(pool),
                AuditStore(pool),
                clock,
                waits_until_live=False,
                settle_s=settle_s,
            )
            for name in names
        }
    except asyncio.CancelledError:
        if failures:
            raise failures[0] from None
        raise
    finally:
        if not failures:
            await _shift_anchors(RiskJournal(lease, clock), writer, moved)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not failures:
            await lease.release()


async def _shift_anchors(
    journal: RiskJournal, writer: LedgerWriter, moved: Mapping[str, Mapping[str, Decimal]]
) -> None:
    """What history has added moves no portfolio limit of the daemon that comes next."""
    for name, cash in moved.items():
        if not cash:
            continue
        try:
            if not await writer.drain(DRAIN_S, name):
                raise RetryLater("expected the ledger to be written, was not")
            await journal.shift(name, cash)
        except PASSING as error:
            log.error("risk_anchors_not_shifted", account=name, error=type(error).__name__)


async def _account(
    name: str,
    reader: LedgerReader,
    writer: LedgerWriter,
    clock: Clock,
    alerts: Alerts,
    moved: dict[str, Decimal],
) -> Account:
    """`moved` gains what history adds to each owner's cash."""
    account = Account(
        name,
        bots={},
        known_bots=await reader.known_bots(name),
        owners=await reader.symbol_owners(name),
        ledger=writer,
        clock=clock,
        qty_steps=await reader.qty_steps(name),
        overrides=await reader.overrides(name),
        reasons=await known_reasons(reader),
        alerts=alerts,
    )
    account.marks = await reader.marks(name)

    def gain(tallies: Iterable[Tally]) -> None:
        for one in tallies:
            moved[one.bot_id] = moved.get(one.bot_id, Decimal(0)) + one.cash

    account.history = gain
    return account
