"""Booking executions into a stored ledger while no daemon holds the account.

The same as the daemon does with its books: the executions, and everything that they change in the
books of their symbols, in one transaction under the account's lease. So a daemon that starts
meanwhile waits, and where one runs, nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from alpha.clock import Clock
from alpha.core.book import BEGINNING_MS, Book
from alpha.core.events import Execution
from alpha.core.reasons import BUILTIN, ReasonBook
from alpha.core.records import AttributionRules, Commit, Marks
from alpha.core.steps import NO_STEPS
from alpha.ledger.batch import Batch
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.transaction import write_batch


async def book_executions(
    pool: Pool,
    account: str,
    rows: Sequence[Execution],
    *,
    holder: str,
    installation: str,
    clock: Clock,
) -> None:
    """Writes what is new of these rows of one account. Raises LeaseHeld while somebody has the
    account, else what asyncpg raises; then nothing of it stands."""
    symbols = sorted({row.symbol for row in rows})
    lease = Lease(pool, [account], holder, installation=installation, clock=clock)
    await lease.acquire()
    try:
        async with pool.acquire() as connection:
            reader, commits = LedgerReader(connection), []
            reasons = await known_reasons(reader)
            for symbol in symbols:
                mine = [row for row in rows if row.symbol == symbol]
                rules = await stored_rules(reader, account, symbol, reasons)
                since = min(row.exec_time for row in mine)
                commits.append(await refolded(reader, rules, symbol, since, mine))
            seen = Marks(account, max(row.exec_time for row in rows), 0)
            commits.append(Commit(account, marks=seen))
            await write_batch(connection, Batch.of(commits), lease, reasons)
    finally:
        await lease.release()


async def known_reasons(reader: LedgerReader) -> ReasonBook:
    reasons = BUILTIN
    for code, name in (await reader.order_codes()).items():
        if reasons.get(name) is None:  # only the names matter here, not what they are for
            reasons = reasons.with_reason(name, code, is_entry=False)
    return reasons


async def stored_rules(
    reader: LedgerReader,
    account: str,
    symbol: str,
    reasons: ReasonBook,
    overrides: Mapping[str, str] | None = None,
) -> AttributionRules:
    """What the books of a symbol know besides executions, with `overrides` that are not stored
    yet."""
    return AttributionRules(
        account=account,
        bots=frozenset(await reader.known_bots(account)),
        owners=await reader.symbol_owners(account),
        orders=await reader.order_tags(account, symbol),
        overrides={**await reader.overrides(account), **(overrides or {})},
        reasons=reasons,
    )


async def refolded(
    reader: LedgerReader,
    rules: AttributionRules,
    symbol: str,
    since_ms: int,
    rows: Iterable[Execution] = (),
) -> Commit:
    """The books of a symbol, with `rows`, from the last moment before `since_ms` at which nobody
    held anything."""
    account = rules.account
    flat_ms = await reader.last_flat_ms(account, symbol, since_ms - 1)
    steps = (await reader.qty_steps(account)).get(symbol, NO_STEPS)
    book = Book(account, symbol, checkpoint_ms=flat_ms, qty_steps=steps)
    change = book.add([*await reader.executions_since(account, symbol, flat_ms), *rows], rules)
    whole = replace(change, replaced_after_ms=BEGINNING_MS if flat_ms is None else flat_ms)
    return Commit(account, change=whole)
