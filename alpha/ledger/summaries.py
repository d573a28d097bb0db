"""The materialized views and the sums of days, refreshed beside trading.

Open positions every minute; days after trades have closed, and once a night. How long a refresh
took decides how soon the next may follow, so that a large ledger spends little time on it.
Nothing here is truth: a refresh that fails is done again, and no lease is held meanwhile, whose
renewal would have to wait. What the sums of days do not hold yet, or no longer, `analytics.closed`
reads from the trades.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import asyncpg
import structlog

from alpha.clock import Clock
from alpha.core.records import Commit
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.ledger.queries import load
from alpha.schedule import Daily, Duty, Every, Schedule

log = structlog.get_logger(__name__)

POSITIONS_EVERY_S = 60.0
LOOK_EVERY_S = 5.0
FINISH_WITHIN_S = 2.0
#: Days that took longer than this the last time are left to the next start.
FINISH_DAYS_S = 0.3
#: A refresh of the days may take this share of the time, at most.
_REST = 50.0
#: In this order: correlation is computed from the days.
_OF_CLOSED_TRADES = (
    "refresh_days",
    "refresh_correlation",
    "refresh_symbols",
    "refresh_exit_reasons",
)
#: So many days are summed up in one transaction.
_DAYS_AT_ONCE = 31
_SQL = load("summaries.sql")
_T = TypeVar("_T")


class Summaries:
    """`look` is told every commit; the rest are duties."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        #: Trades have closed, or changed, since the days were refreshed. Nobody knows what an
        #: earlier process left to do.
        self.stale = True
        self._not_before = clock.monotonic() + LOOK_EVERY_S
        self._took_s = 0.0
        self._refused = False

    def begin(self, schedule: Schedule) -> None:
        schedule.add(Duty("open_positions", Every(POSITIONS_EVERY_S), self.refresh_positions))
        schedule.add(Duty("closed_trades", Every(LOOK_EVERY_S), self.refresh_stale_days))
        schedule.add(Duty("days", Daily(0, 5), self.refresh_days))

    async def finish(self) -> None:
        """Once more at the end, as far as there is time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_WITHIN_S):
                if self.stale and self._took_s <= FINISH_DAYS_S:
                    await self.refresh_days()
                await self.refresh_positions()

    def look(self, commits: Sequence[Commit], commit_no: int) -> None:
        """Whether these commits closed trades, or computed some anew."""
        if any(
            commit.change is not None
            and (commit.change.round_trips or commit.change.replaced_after_ms is not None)
            for commit in commits
        ):
            self.stale = True

    async def refresh_positions(self) -> None:
        await self._refresh("refresh_positions")

    async def refresh_stale_days(self) -> None:
        if self.stale and self._clock.monotonic() >= self._not_before:
            await self.refresh_days()

    async def refresh_days(self) -> None:
        began = self._clock.monotonic()
        self.stale = False
        if not await self.close_days() or not await self._refresh(*_OF_CLOSED_TRADES):
            self.stale = True
        self._took_s = self._clock.monotonic() - began
        self._not_before = began + _REST * self._took_s

    async def close_days(self) -> bool:
        """Sums up days that are over, and again those whose trades were written again."""
        while True:
            days = await self._attempt("closed_days", self._close_some_days)
            if days is None or days < _DAYS_AT_ONCE:
                return days is not None

    async def _close_some_days(self) -> int:
        """Returns how many. Marks and trades are read as of one moment: a day that is written
        again meanwhile keeps its mark."""
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            await connection.execute(_SQL["limits"])
            await connection.execute(_SQL["lock_closed_days"])
            rows = await connection.fetch(_SQL["days_to_close"], _DAYS_AT_ONCE)
            days = [row["day"] for row in rows]
            for name in ("forget_days", "close_days", "close_days_of_all") if days else ():
                await connection.execute(_SQL[name], days)
            await connection.execute(_SQL["forget_marks"])
        return len(days)

    async def _refresh(self, *names: str) -> bool:
        """Each in its own transaction; False from the first that fails."""

        async def one(name: str) -> bool:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_SQL["limits"])
                await connection.execute(_SQL[name])
            return True

        for name in names:
            if not await self._attempt(name, partial(one, name)):
                return False
        return True

    async def _attempt(self, what: str, work: Callable[[], Awaitable[_T]]) -> _T | None:
        try:
            return await work()
        except CONNECTION_ERRORS as error:
            log.debug("summary_not_refreshed", what=what, error=f"{type(error).__name__}: {error}")
        except asyncpg.InsufficientPrivilegeError as error:
            if not self._refused:
                log.warning("summary_not_ours", what=what, error=str(error))
            self._refused = True
        return None
