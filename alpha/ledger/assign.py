"""Giving a stored execution to another bot while no daemon runs.

The same as the daemon does with its books: the override, and everything that it changes in the
books of its symbol, in one transaction under the account's lease. So a daemon that starts
meanwhile waits, and one that runs on another host refuses.
"""

from __future__ import annotations

from dataclasses import replace

from alpha.clock import Clock
from alpha.core.records import Override
from alpha.errors import NotFound
from alpha.ledger.batch import Batch
from alpha.ledger.booking import known_reasons, refolded, stored_rules
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.transaction import write_batch


async def find_execution(
    reader: LedgerReader, exec_id: str, account: str | None
) -> tuple[str, str, int]:
    """(account, symbol, exec_time). Raises NotFound when there is none, or more than one."""
    places = await reader.execution_places(exec_id, account)
    if not places:
        where = f"account {account}" if account else "the ledger"
        raise NotFound(f"expected an execution of {where}, was {exec_id!r}; see `alpha fills`")
    if len(places) > 1:
        found = ", ".join(f"{name} {symbol}" for name, symbol, _ in places)
        raise NotFound(f"expected one execution {exec_id!r}, were {found}; say which --account")
    return places[0]


async def assign_stored(
    pool: Pool, override: Override, exec_time: int, *, installation: str, clock: Clock
) -> None:
    """Gives a stored execution to another bot. Raises LeaseHeld while a daemon has the account,
    else what asyncpg raises."""
    account, holder = override.account, f"{installation} fills assign"
    lease = Lease(pool, [account], holder, installation=installation, clock=clock)
    await lease.acquire()
    try:
        async with pool.acquire() as connection:
            reader = LedgerReader(connection)
            reasons = await known_reasons(reader)
            rules = await stored_rules(
                reader, account, override.symbol, reasons, {override.exec_id: override.bot_id}
            )
            commit = await refolded(reader, rules, override.symbol, exec_time)
            commit = replace(commit, overrides=(override,))
            await write_batch(connection, Batch.of([commit]), lease, reasons)
    finally:
        await lease.release()
