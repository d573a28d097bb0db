"""Giving a stored execution to another bot while no daemon runs.

The same as the daemon does with its books: the override, and everything that it changes in the
books of its symbol, in one transaction under the account's lease. So a daemon that starts
meanwhile waits, and one that runs on another host refuses.
"""

from __future__ import annotations

from dataclasses import replace

from alpha.clock import Clock
from alpha.core.book import BEGINNING_MS, Book
from alpha.core.reasons import BUILTIN, ReasonBook
from alpha.core.records import AttributionRules, Commit, Override
from alpha.core.steps import NO_STEPS
from alpha.errors import NotFound
from alpha.ledger.batch import Batch
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
    """Raises LeaseHeld while a daemon has the account, else what asyncpg raises."""
    lease = Lease(
        pool,
        [override.account],
        f"{installation} fills assign",
        installation=installation,
        clock=clock,
    )
    await lease.acquire()
    try:
        async with pool.acquire() as connection:
            commit, reasons = await _refolded(LedgerReader(connection), override, exec_time)
            await write_batch(connection, Batch.of([commit]), lease, reasons)
    finally:
        await lease.release()


async def _refolded(
    reader: LedgerReader, override: Override, exec_time: int
) -> tuple[Commit, ReasonBook]:
    account, symbol = override.account, override.symbol
    reasons = BUILTIN
    for code, name in (await reader.order_codes()).items():
        if reasons.get(name) is None:  # only the names matter here, not what they are for
            reasons = reasons.with_reason(name, code, is_entry=False)
    rules = AttributionRules(
        account=account,
        bots=frozenset(await reader.known_bots(account)),
        owners=await reader.symbol_owners(account),
        orders=await reader.order_tags(account, symbol),
        overrides={**await reader.overrides(account), override.exec_id: override.bot_id},
        reasons=reasons,
    )
    flat_ms = await reader.last_flat_ms(account, symbol, exec_time - 1)
    steps = (await reader.qty_steps(account)).get(symbol, NO_STEPS)
    book = Book(account, symbol, checkpoint_ms=flat_ms, qty_steps=steps)
    change = book.add(await reader.executions_since(account, symbol, flat_ms), rules)
    whole = replace(change, replaced_after_ms=BEGINNING_MS if flat_ms is None else flat_ms)
    return Commit(account, change=whole, overrides=(override,)), reasons
