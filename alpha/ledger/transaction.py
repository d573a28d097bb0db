"""One transaction of the writer: everything of a batch, or nothing."""

from __future__ import annotations

from collections.abc import Iterator

from alpha.core.reasons import BUILTIN, ReasonBook
from alpha.ledger import columns
from alpha.ledger.batch import Batch
from alpha.ledger.columns import Columns
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Connection
from alpha.ledger.queries import load

_SQL = load("writes.sql")


async def write_batch(
    connection: Connection, batch: Batch, lease: Lease | None, reasons: ReasonBook = BUILTIN
) -> int:
    """Writes and commits; returns the commit number. `reasons` spells order ids out.

    Raises LeaseLost when an account belongs to another daemon now, else what asyncpg raises. The
    transaction is then still open, or its outcome unknown: the caller rolls back or drops the
    connection."""
    commit_no = await write_uncommitted(connection, batch, lease, reasons)
    await connection.execute("COMMIT")
    return commit_no


async def write_uncommitted(
    connection: Connection, batch: Batch, lease: Lease | None, reasons: ReasonBook = BUILTIN
) -> int:
    """Everything but the COMMIT, without which nothing of it will ever stand."""
    await connection.execute(_SQL["begin"])
    if lease is not None:
        await lease.check(connection, batch.accounts)
    for name, rows in statements(batch, reasons):
        await connection.execute(_SQL[name], *rows)
    commit_no = await connection.fetchval(
        _SQL["advance_marks"], *columns.marks(batch.accounts, batch.marks)
    )
    return int(commit_no)


def statements(batch: Batch, reasons: ReasonBook = BUILTIN) -> Iterator[tuple[str, Columns]]:
    """What is sent, by its name in `writes.sql`: executions before what refers to them, deletions
    before what replaces them."""
    if batch.executions:
        yield "insert_executions", columns.executions(batch.executions.values())
    if batch.adjustments:
        yield "insert_adjustments", columns.adjustments(batch.adjustments.values())
    if batch.overrides:
        yield "insert_overrides", columns.overrides(batch.overrides)
    if batch.replaced_after:
        replaced = columns.replaced(batch.replaced_after)
        for table in ("fills", "funding", "lots", "round_trips", "cycles"):
            yield f"replace_{table}", replaced
    if batch.fills:
        yield "upsert_fills", columns.fills(batch.fills.values(), reasons)
    if batch.funding:
        yield "upsert_funding", columns.funding(batch.funding.values())
    if batch.lots:
        yield "upsert_lots", columns.lots(batch.lots.values())
    if batch.round_trips:
        yield "upsert_round_trips", columns.round_trips(batch.round_trips.values())
    if batch.cycles:
        yield "upsert_cycles", columns.cycles(batch.cycles.values())
    if batch.orders:
        yield "upsert_orders", columns.orders(batch.orders.values(), reasons)
    if batch.decisions:
        yield "insert_decisions", columns.decisions(batch.decisions.values())
        yield "upsert_bot_states", columns.bot_states(batch.bot_states.values())
    if batch.signals:
        yield "insert_signals", columns.signals(batch.signals.values(), reasons)
