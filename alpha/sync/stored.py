"""The trade sync of accounts that no daemon holds: with a lease, a writer and books of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog

from alpha.alerts import Alerts
from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.ledger.booking import known_reasons
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.syncs import SyncStore
from alpha.ledger.wallet_audits import AuditStore
from alpha.ledger.writer import LedgerWriter
from alpha.sync.account import SETTLE_S, AccountSync
from alpha.trading.account import Account
from alpha.trading.catchup import CatchUp

log = structlog.get_logger(__name__)

#: No bot waits for these books: a position of a hundred thousand executions may take its time.
PATIENCE_S = 60.0


@asynccontextmanager
async def stored_accounts(
    pool: Pool,
    clients: Mapping[str, Rest],
    names: Sequence[str],
    *,
    installation: str,
    clock: Clock,
    alerts: Alerts,
    most_rows: int | None = None,
    settle_s: float = SETTLE_S,
) -> AsyncIterator[dict[str, AccountSync]]:
    """`most_rows`: see AccountSync; here nothing is too much. Raises LeaseHeld while a daemon has
    one of the accounts, LeaseLost when one takes it."""
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
    try:
        yield {
            name: AccountSync(
                account := await _account(name, reader, writer, clock, alerts),
                clients[name],
                CatchUp(
                    account,
                    reader,
                    writer,
                    answer_s=PATIENCE_S,
                    drain_s=PATIENCE_S,
                    alone=True,
                ),
                reader,
                SyncStore(pool),
                AuditStore(pool),
                clock,
                waits_until_live=False,
                most_rows=most_rows,
                settle_s=settle_s,
            )
            for name in names
        }
    except asyncio.CancelledError:
        if failures:
            raise failures[0] from None
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not failures:
            await lease.release()


async def _account(
    name: str,
    reader: LedgerReader,
    writer: LedgerWriter,
    clock: Clock,
    alerts: Alerts,
) -> Account:
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
    return account
