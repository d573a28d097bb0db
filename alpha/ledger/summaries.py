"""The materialized views, refreshed beside trading.

Open positions every minute; days after trades have closed, and once a night. How long a refresh
took decides how soon the next may follow, so that a large ledger spends little time on it.
Nothing here is truth: a refresh that fails is done again, and no lease is held meanwhile, whose
renewal would have to wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

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
_SQL = load("summaries.sql")


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
        for name in _OF_CLOSED_TRADES:
            if not await self._refresh(name):
                self.stale = True
                break
        self._took_s = self._clock.monotonic() - began
        self._not_before = began + _REST * self._took_s

    async def _refresh(self, name: str) -> bool:
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(_SQL["limits"])
                await connection.execute(_SQL[name])
        except CONNECTION_ERRORS as error:
            log.debug("summary_not_refreshed", what=name, error=f"{type(error).__name__}: {error}")
            return False
        except asyncpg.InsufficientPrivilegeError as error:
            if not self._refused:
                log.warning("summary_not_ours", what=name, error=str(error))
            self._refused = True
            return False
        return True
