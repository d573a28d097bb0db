"""Months of stored candles: partitions ahead of time, and what is old enough to go.

Candles shorter than an hour are kept for some days, others for ever. A month that is old as a
whole is thinned out at once, of the month in which the limit lies a few rows at a time. Time is the
exchange's; a database that is away, or a lock that others hold, leaves all for the next hour.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from alpha.clock import Clock, VenueClock, utc
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.ledger.queries import load
from alpha.schedule import Duty, Every, Schedule

log = structlog.get_logger(__name__)

DAY_MS = 86_400_000
EVERY_S = 3600.0
#: This month and the two that follow stand ready.
MONTHS_AHEAD = 2
SHORT = ("1m", "3m", "5m", "15m", "30m")
_ROWS = 2000
_ASIDE_S = 0.02
_ASIDE_MOST = 50
_SQL = load("market_data.sql")


class CandleRetention:
    """`is_busy` says that the ledger has something to write."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        venue: VenueClock,
        *,
        keep_short_days: int,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._venue = venue
        self._keep_short_days = keep_short_days
        self._is_busy = is_busy
        #: Months that hold no short candles any more: nobody asks the exchange for them.
        self._thinned: set[int] = set()

    def begin(self, schedule: Schedule) -> None:
        schedule.add(Duty("candles", Every(EVERY_S), self.run, at_start=True))

    async def run(self) -> None:
        if not self._venue.anchored:
            return
        now_ms = self._venue.now_ms()
        try:
            await self.prepare(now_ms)
            gone = await self.forget(now_ms - self._keep_short_days * DAY_MS)
        except CONNECTION_ERRORS as error:
            log.debug("candles_not_kept_up", error=f"{type(error).__name__}: {error}")
        else:
            if gone:
                log.info("candles_forgotten", rows=gone)

    async def prepare(self, now_ms: int) -> None:
        """Partitions of this month, the next ones, and those that the default has candles of."""
        stray = await self._pool.fetch(_SQL["stray_months"])
        for month in {*months_from(now_ms, MONTHS_AHEAD), *(row["month"] for row in stray)}:
            if await self._alone("adopt_month", month):
                log.info("candle_month_made", month=f"{utc(month):%Y-%m}")

    async def forget(self, before_ms: int) -> int:
        """Takes out short candles that began before; how many."""
        gone = 0
        for row in await self._pool.fetch(_SQL["past_months"], before_ms):
            if row["month"] not in self._thinned:
                await self._step_aside()
                gone += await self._alone("thin_month", row["month"], list(SHORT))
                self._thinned.add(row["month"])
        (first_ms,) = months_from(before_ms, 0)
        while True:
            await self._step_aside()
            tag = await self._pool.execute(
                _SQL["forget_candles"], first_ms, before_ms, list(SHORT), _ROWS
            )
            deleted = int(tag.split()[-1])
            gone += deleted
            if deleted < _ROWS:
                return gone

    async def _alone(self, name: str, month: int, *arguments: object) -> int:
        """Changes of tables wait for nobody for long: what waits for them waits, too."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '2s'")
            return int(await connection.fetchval(_SQL[name], month, *arguments))

    async def _step_aside(self) -> None:
        for _ in range(_ASIDE_MOST):
            if not self._is_busy():
                return
            await self._clock.sleep(_ASIDE_S)


def months_from(at_ms: int, more: int) -> list[int]:
    """The first moments (UTC) of the month of `at_ms` and of those that follow."""
    first = utc(at_ms).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = [first]
    for _ in range(more):
        months.append((months[-1] + timedelta(days=32)).replace(day=1))
    return [round(month.timestamp() * 1000) for month in months]
