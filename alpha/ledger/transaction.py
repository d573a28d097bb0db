"""One transaction of the writer: everything of a batch, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from alpha.core.reasons import BUILTIN, ReasonBook
from alpha.ledger import columns
from alpha.ledger.batch import Batch
from alpha.ledger.columns import Columns
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Connection
from alpha.ledger.queries import load
from alpha.ledger.statements import statement

_SQL = load("writes.sql")

#: A statement and its arguments.
Encoded = tuple[str, list[str]]


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a batch writes, encoded: it can be sent, and sent again."""

    accounts: frozenset[str]
    taken_back: Sequence[Encoded]
    written: Encoded

    @classmethod
    def of(cls, batch: Batch, reasons: ReasonBook = BUILTIN) -> Transaction:
        """`reasons` spells order ids out."""
        parts = [
            *insertions(batch, reasons),
            ("advance_marks", columns.marks(batch.accounts, batch.marks)),
        ]
        return cls(
            frozenset(batch.accounts),
            [encoded([part]) for part in deletions(batch)],
            encoded(parts),
        )

    async def send(
        self,
        connection: Connection,
        lease: Lease | None,
        meanwhile: Callable[[], None] | None = None,
    ) -> int:
        """Everything but the COMMIT, without which nothing of it will ever stand; returns the
        commit number. `meanwhile` is called while PostgreSQL works. Raises LeaseLost when an
        account belongs to another daemon now, else what asyncpg raises."""
        await connection.execute(_SQL["begin"])
        if lease is not None:
            await lease.check(connection, self.accounts)
        for sql, arguments in self.taken_back:
            await connection.execute(sql, *arguments)
        sql, arguments = self.written
        if meanwhile is not None:
            asyncio.get_running_loop().call_soon(meanwhile)
        return int(await connection.fetchval(sql, *arguments))


async def write_batch(
    connection: Connection, batch: Batch, lease: Lease | None, reasons: ReasonBook = BUILTIN
) -> int:
    """Writes and commits; returns the commit number. Raises what `Transaction.send` does. The
    transaction is then still open, or its outcome unknown: the caller rolls back or drops the
    connection."""
    commit_no = await Transaction.of(batch, reasons).send(connection, lease)
    await connection.execute("COMMIT")
    return commit_no


def encoded(parts: Sequence[tuple[str, Columns]]) -> Encoded:
    """Statements of `writes.sql` by name, with their columns, as one to send."""
    whole = statement(*(name for name, _ in parts))
    return whole.sql, whole.arguments([column for _, rows in parts for column in rows])


def deletions(batch: Batch) -> Iterator[tuple[str, Columns]]:
    """What is taken back before its replacement comes, by the statement's name in `writes.sql`."""
    if batch.replaced_after:
        replaced = columns.replaced(batch.replaced_after)
        for table in ("fills", "funding", "lots", "round_trips", "cycles"):
            yield f"replace_{table}", replaced


def insertions(batch: Batch, reasons: ReasonBook = BUILTIN) -> Iterator[tuple[str, Columns]]:
    """What is written, all at once, by the statement's name in `writes.sql`."""
    if batch.executions:
        yield "insert_executions", columns.executions(batch.executions.values())
    if batch.adjustments:
        yield "insert_adjustments", columns.adjustments(batch.adjustments.values())
    if batch.overrides:
        yield "insert_overrides", columns.overrides(batch.overrides)
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
