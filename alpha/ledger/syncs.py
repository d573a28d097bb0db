"""What the trade sync reads and writes beside the ledger: runs, watermarks, control totals, audits.

Small writes through a pool: nothing of the books is computed from them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from alpha.core.events import CASH_ONLY, POSITION_CHANGING, Execution
from alpha.ledger import columns
from alpha.ledger.pool import Pool
from alpha.ledger.queries import load
from alpha.ledger.stored import executions_from, trimmed

Kind = Literal["backfill", "hourly", "manual"]
State = Literal["running", "completed", "failed", "partial"]
Endpoint = Literal["executions", "closed_pnl", "transactions", "backfill"]

_TRADED = sorted(POSITION_CHANGING - CASH_ONLY)


@dataclass(frozen=True, slots=True)
class Run:
    """One run on one account. Times are Unix ms on the exchange's clock; `error` and `notes` hold
    no secret."""

    id: int
    account: str
    kind: Kind
    start_ms: int
    end_ms: int
    windows: int
    status: State = "running"
    windows_done: int = 0
    seen: int = 0  # executions that the exchange has shown
    new: int = 0  # of them, what the ledger lacked and has now
    left: int = 0  # what stays out: it belongs to a position whose beginning is not known
    closings: int = 0
    cash_rows: int = 0
    error: str = ""
    notes: tuple[str, ...] = ()

    def noting(self, *words: str) -> Run:
        return replace(self, notes=(*self.notes, *words))


@dataclass(frozen=True, slots=True)
class Watermark:
    high_ms: int
    cursor: str


@dataclass(frozen=True, slots=True)
class SymbolSums:
    """`net` is signed and by executions alone; `first_ms` is None where the ledger has nothing."""

    net: Decimal
    adjusted: Decimal
    first_ms: int | None


@dataclass(frozen=True, slots=True)
class ClosedRow:
    """A row of the exchange's closed PnL as it is stored."""

    symbol: str
    order_id: str
    side: str
    size: Decimal
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    open_fee: Decimal
    close_fee: Decimal
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class Total:
    """A symbol from flat to flat: what the exchange and what the ledger say that it has brought.
    Funding is in neither."""

    symbol: str
    opened_ms: int
    closed_ms: int
    orders: int
    trips: int
    exchange_pnl: Decimal
    ledger_pnl: Decimal
    exchange_fees: Decimal
    ledger_fees: Decimal
    tolerance: Decimal

    @property
    def agrees(self) -> bool:
        pnl, fees = self.ledger_pnl - self.exchange_pnl, self.ledger_fees - self.exchange_fees
        return abs(pnl) <= self.tolerance and abs(fees) <= self.tolerance


class SyncStore:
    """Of one database. Raises what asyncpg raises."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = load("syncs.sql")

    # -- runs ---------------------------------------------------------------------------------

    async def begin(
        self, account: str, kind: Kind, start_ms: int, end_ms: int, windows: int
    ) -> Run:
        number: int = await self._pool.fetchval(
            self._sql["begin_run"], account, kind, start_ms, end_ms, windows
        )
        return Run(number, account, kind, start_ms, end_ms, windows)

    async def update(self, run: Run) -> None:
        await self._pool.execute(
            self._sql["update_run"],
            run.id,
            run.status,
            run.windows_done,
            run.seen,
            run.new,
            run.left,
            run.closings,
            run.cash_rows,
            run.error,
            json.dumps(run.notes),
        )

    async def end_interrupted(self, account: str) -> None:
        """Runs that an earlier process has left behind are over."""
        await self._pool.execute(self._sql["end_interrupted"], account)

    async def last_success_ms(self, account: str) -> int | None:
        """Wall time."""
        found: int | None = await self._pool.fetchval(self._sql["last_success"], account)
        return found

    async def watermark(self, account: str, endpoint: Endpoint) -> Watermark | None:
        row = await self._pool.fetchrow(self._sql["watermark"], account, endpoint)
        return None if row is None else Watermark(row["high_water"], row["cursor"])

    async def advance(
        self, account: str, endpoint: Endpoint, high_ms: int, cursor: str = ""
    ) -> None:
        await self._pool.execute(self._sql["advance"], account, endpoint, high_ms, cursor)

    async def forget_watermark(self, account: str, endpoint: Endpoint) -> None:
        await self._pool.execute(self._sql["forget_watermark"], account, endpoint)

    # -- history on its way into the books ----------------------------------------------------

    async def put_aside(
        self, account: str, rows: Collection[Execution], high_ms: int, cursor: str
    ) -> None:
        """Keeps executions of a window that was fetched whole, and that it was."""
        async with self._pool.acquire() as connection, connection.transaction():
            if rows:
                await connection.execute(self._sql["put_aside"], *columns.executions(rows))
            await connection.execute(self._sql["advance"], account, "backfill", high_ms, cursor)

    async def aside_symbols(self, account: str) -> dict[str, int]:
        rows = await self._pool.fetch(self._sql["aside_symbols"], account)
        return {row["symbol"]: row["rows"] for row in rows}

    async def aside(self, account: str, symbol: str) -> list[Execution]:
        """What was put aside and the ledger lacks, in ledger order."""
        rows = await self._pool.fetch(self._sql["aside"], account, symbol)
        return await executions_from(rows)

    async def clear_aside(self, account: str, symbol: str | None = None) -> None:
        await self._pool.execute(self._sql["clear_aside"], account, symbol)

    async def symbol_sums(self, account: str, symbol: str) -> SymbolSums:
        row = await self._pool.fetchrow(self._sql["symbol_sums"], account, symbol, _TRADED)
        assert row is not None  # aggregates
        return SymbolSums(trimmed(row["net"]), trimmed(row["adjusted"]), row["first"])

    # -- control totals -----------------------------------------------------------------------

    async def put_closings(self, account: str, rows: Sequence[ClosedRow]) -> None:
        await self._pool.execute(
            self._sql["put_closings"],
            account,
            [row.symbol for row in rows],
            [row.order_id for row in rows],
            [row.side for row in rows],
            [row.size for row in rows],
            [row.entry_price for row in rows],
            [row.exit_price for row in rows],
            [row.pnl for row in rows],
            [row.open_fee for row in rows],
            [row.close_fee for row in rows],
            [row.created_ms for row in rows],
            [row.updated_ms for row in rows],
        )

    async def closed_symbols(self, account: str, since_ms: int) -> list[str]:
        rows = await self._pool.fetch(self._sql["closed_symbols"], account, since_ms)
        return sorted(row["symbol"] for row in rows)

    async def flat_cycles(
        self, account: str, symbol: str, after_ms: int | None, until_ms: int
    ) -> list[tuple[int, int]]:
        """(first execution, last execution) of each time from flat to flat of all owners."""
        rows = await self._pool.fetch(self._sql["flat_cycles"], account, symbol, after_ms, until_ms)
        return [(row["opened_at"], row["closed_at"]) for row in rows]

    async def total(self, account: str, symbol: str, opened_ms: int, closed_ms: int) -> Total:
        """Both sides of a time in which the symbol went from flat to flat, `opened_ms` being the
        first execution of it; its tolerance is 0.01 USDT and a ten-thousandth of the turnover."""
        window = account, symbol, opened_ms - 1, closed_ms
        trips = await self._pool.fetchrow(self._sql["trip_sums"], *window)
        closed = await self._pool.fetchrow(self._sql["closing_sums"], *window)
        assert trips is not None and closed is not None  # aggregates
        return Total(
            symbol=symbol,
            opened_ms=opened_ms,
            closed_ms=closed_ms,
            orders=closed["orders"],
            trips=trips["trips"],
            exchange_pnl=trimmed(closed["pnl"]),
            ledger_pnl=trimmed(trips["pnl"]),
            exchange_fees=trimmed(closed["fees"]),
            ledger_fees=trimmed(trips["fees"]),
            tolerance=Decimal("0.01") + trimmed(trips["turnover"]) / 10_000,
        )

    async def put_total(self, account: str, total: Total) -> None:
        await self._pool.execute(
            self._sql["put_total"],
            account,
            total.symbol,
            total.opened_ms,
            total.closed_ms,
            total.orders,
            total.trips,
            total.exchange_pnl,
            total.ledger_pnl,
            total.exchange_fees,
            total.ledger_fees,
            total.tolerance,
        )

    async def drop_totals(
        self, account: str, symbol: str, after_ms: int | None, but: Collection[int]
    ) -> None:
        """Cycles closed after then that are none any more."""
        await self._pool.execute(
            self._sql["drop_totals"], account, symbol, after_ms or 0, list(but)
        )

    async def last_total_ms(self, account: str, symbol: str, until_ms: int) -> int | None:
        found: int | None = await self._pool.fetchval(
            self._sql["last_total"], account, symbol, until_ms
        )
        return found

    async def unknown_closings(self, account: str, since_ms: int) -> list[tuple[str, str]]:
        """(symbol, order id) of closing orders without any execution in the ledger."""
        rows = await self._pool.fetch(self._sql["unknown_closings"], account, since_ms)
        return [(row["symbol"], row["order_id"]) for row in rows]
