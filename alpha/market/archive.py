"""Closed bars on their way into trading.market_data, with a few indicators beside them.

Handing bars over never waits; a task of its own writes them in batches, on a connection of its
own, without waiting for the disk, and steps aside while the ledger has something to commit. With
the database away bars wait; what no longer fits is left out and counted: the exchange has it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import asyncpg
import structlog

from alpha.candles.files import interval_name
from alpha.clock import Clock, utc
from alpha.core.events import Bar
from alpha.core.indicators import CutlerRsi, Ema, Sma
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.ledger.queries import load

log = structlog.get_logger(__name__)

#: Rows of one transaction: a millisecond of the loop, a few for series that are new.
BATCH = 100
MAX_WAITING = 200_000
#: The ledger goes first, but not for ever while it is merely busy.
_ASIDE_S = 0.02
_ASIDE_MOST = 50
_ANSWER_WITHIN_S = 10.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
#: An EMA is stored once it has seen this many times its length: its beginning weighs 0.3 % then.
_SETTLED = 4
_WINDOW = 14

_Numbers = tuple[float | None, ...]
_Row = tuple[Bar, _Numbers, str]
Key = tuple[str, int]  # symbol, interval_ms


class Gauge:
    """The indicators of one series, bar by bar: EMA 20, 50 and 200 of closes, the relative
    strength index (Cutler's) and the mean true range of 14 bars."""

    def __init__(self, first_ms: int) -> None:
        self.first_ms = first_ms
        self.last_ms: int | None = None
        self._count = 0
        self._close: float | None = None
        self._emas = (Ema(20), Ema(50), Ema(200))
        self._rsi = CutlerRsi(_WINDOW)
        self._range = Sma(_WINDOW)

    def update(self, bar: Bar) -> _Numbers:
        """EMA 20, 50, 200, RSI and range after this bar, None where bars are missing for it."""
        before = bar.open if self._close is None else self._close
        true_range = max(bar.high, before) - min(bar.low, before)
        self._close, self.last_ms = bar.close, bar.start_ms
        self._count += 1
        means = [
            (ema.update(bar.close), self._count >= _SETTLED * ema.length) for ema in self._emas
        ]
        strength, mean_range = self._rsi.update(bar.close), self._range.update(true_range)
        seen = self._count > _WINDOW
        return (
            *(mean if settled else None for mean, settled in means),
            strength if seen else None,
            mean_range if seen else None,
        )


class MarketArchive:
    """`keep` from anywhere in the loop, `run` as a task. `is_busy` says that the ledger has
    something to write, `is_away` that its database does not take it."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        *,
        is_busy: Callable[[], bool] = lambda: False,
        is_away: Callable[[], bool] = lambda: False,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._is_busy = is_busy
        self._is_away = is_away
        self._waiting: deque[tuple[Bar, str]] = deque()
        self._under_way = 0
        self._filled = asyncio.Event()
        self._gauges: dict[Key, Gauge] = {}
        self._months: set[int] = set()
        self.written = 0
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many are not in the database yet."""
        return len(self._waiting) + self._under_way

    def keep(self, bars: Sequence[Bar], source: str) -> None:
        """Closed bars of one series, ascending; `source` is `stream` or `rest`."""
        room = MAX_WAITING - len(self._waiting)
        if len(bars) > room:
            self.dropped += len(bars) - room
            bars = bars[:room]
        self._waiting.extend((bar, source) for bar in bars)
        self._filled.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while rows := self._next_rows():
                self._under_way = len(rows)
                await self._step_aside()
                await self._write(rows)
                self._under_way = 0

    # -- inside -------------------------------------------------------------------------------

    def _next_rows(self) -> list[_Row]:
        rows: list[_Row] = []
        while self._waiting and len(rows) < BATCH:
            bar, source = self._waiting.popleft()
            numbers = self._gauged(bar)
            if numbers is not None:
                rows.append((bar, numbers, source))
        return rows

    def _gauged(self, bar: Bar) -> _Numbers | None:
        """The indicators at a bar; None for one that has been here already. A history that
        begins earlier than what has been seen begins them anew."""
        key = (bar.symbol, bar.interval_ms)
        gauge = self._gauges.get(key)
        if gauge is not None and gauge.last_ms is not None:
            if gauge.first_ms <= bar.start_ms <= gauge.last_ms:
                return None
            if bar.start_ms != gauge.last_ms + bar.interval_ms:
                gauge = None
        if gauge is None:
            gauge = self._gauges[key] = Gauge(bar.start_ms)
        return gauge.update(bar)

    async def _step_aside(self) -> None:
        turns = 0
        while self._is_away() or (self._is_busy() and turns < _ASIDE_MOST):
            turns += 1
            await self._clock.sleep(_ASIDE_S)

    async def _write(self, rows: list[_Row]) -> None:
        """Again and again while the server is away; every statement is idempotent."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                async with asyncio.timeout(_ANSWER_WITHIN_S):
                    await self._insert(rows)
            except CONNECTION_ERRORS as error:
                log.debug("candles_wait", rows=len(rows), error=type(error).__name__)
                await self._clock.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
                self._months.clear()
            except asyncpg.PostgresError as error:
                # What the database refuses must not hold up, or take along, anything else.
                if len(rows) > 1:
                    await self._write(rows[: len(rows) // 2])
                    await self._write(rows[len(rows) // 2 :])
                    return
                self.dropped += 1
                log.warning("candle_refused", bar=rows[0][0], error=str(error))
                return
            else:
                self.written += len(rows)
                return

    async def _insert(self, rows: list[_Row]) -> None:
        statements = load("market_data.sql")
        async with self._pool.acquire() as connection:
            for at_ms in {_month(bar.start_ms): bar.start_ms for bar, _, _ in rows}.values():
                if _month(at_ms) not in self._months:
                    async with connection.transaction():
                        await connection.execute("SET LOCAL lock_timeout = 2000")
                        await connection.fetchval(statements["ensure_month"], at_ms)
                    self._months.add(_month(at_ms))
            async with connection.transaction():
                await connection.execute("SET LOCAL synchronous_commit = off")
                await connection.execute(statements["save_candles"], *_columns(rows))


def _month(at_ms: int) -> int:
    at = utc(at_ms)
    return at.year * 12 + at.month


def _columns(rows: Sequence[_Row]) -> list[list[object]]:
    bars = [bar for bar, _, _ in rows]
    return [
        [bar.symbol for bar in bars],
        [interval_name(bar.interval_ms) for bar in bars],
        [bar.start_ms for bar in bars],
        [bar.open for bar in bars],
        [bar.high for bar in bars],
        [bar.low for bar in bars],
        [bar.close for bar in bars],
        [bar.volume for bar in bars],
        [bar.turnover for bar in bars],
        *([*column] for column in zip(*(numbers for _, numbers, _ in rows), strict=True)),
        [source for _, _, source in rows],
    ]
