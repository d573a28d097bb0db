"""The exchange in time: one step after the other, each committed before it is told.

Market time stands between two marks: everything up to `played` has been matched, and nothing
may show a time beyond `reserved` before that mark is on disk. After a kill the market goes on
at `reserved`; what lay between is matched first, stamped with the time of the resumption.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from alpha.clock import Clock
from alpha.sim.exchange import Exchange
from alpha.sim.frames import publish_private
from alpha.sim.hub import Hub
from alpha.sim.reader import Trade
from alpha.sim.store import Batch, Marks, StoreThread, batch_of

log = structlog.get_logger(__name__)

T = TypeVar("T")
RESERVE_WALL_S = 1.0


class MarketClock:
    """Market time: carried on by the wall clock between what has been played and what comes."""

    def __init__(self, wall: Clock, speed: float, start_ms: int) -> None:
        self.speed = speed
        self._wall = wall
        self._anchor_ms = start_ms
        self._anchor_s = wall.monotonic()
        self._limit_ms = start_ms
        self._shown_ms = start_ms

    def now_ms(self) -> int:
        passed = (self._wall.monotonic() - self._anchor_s) * 1000 * self.speed
        at = min(self._anchor_ms + int(passed), self._limit_ms)
        self._shown_ms = max(self._shown_ms, at)
        return self._shown_ms

    def set(self, now_ms: int, limit_ms: int) -> None:
        """It is `now_ms`; it may become `limit_ms` before the next call."""
        self._anchor_ms = now_ms
        self._anchor_s = self._wall.monotonic()
        self._limit_ms = max(limit_ms, now_ms)
        self._shown_ms = max(self._shown_ms, now_ms)


class Engine:
    """Owns the exchange; every change goes through here, one at a time."""

    def __init__(
        self,
        exchange: Exchange,
        store: StoreThread,
        hub: Hub,
        clock: MarketClock,
        marks: Marks,
        end_ms: int | None,
    ) -> None:
        self.exchange = exchange
        self.store = store
        self.hub = hub
        self.clock = clock
        self.lock = asyncio.Lock()
        self.broken = asyncio.Event()
        self._marks = marks
        self._end_ms = end_ms
        self._numbers = {a.key: a.number for a in exchange.state.accounts.values()}

    @property
    def marks(self) -> Marks:
        return self._marks

    def now_ms(self) -> int:
        """Market time that may be shown: never beyond what is reserved on disk."""
        return min(self.clock.now_ms(), self._marks.reserved_ms)

    async def perform(
        self, work: Callable[[int], T], answer: Callable[[T], Awaitable[None]] | None = None
    ) -> T:
        """Runs a request against the exchange; `answer`, if given, goes out before the frames.

        A `Refusal` of the work is raised to the caller and changes nothing.
        """
        async with self.lock:
            result = work(self.now_ms())
            changes = self.exchange.take_changes()
            if not changes.empty:
                await self._commit_changes(batch_of(changes, self._marks))
            try:
                if answer is not None:
                    await answer(result)
            finally:
                # A caller who hung up has still caused what his socket has to hear.
                publish_private(self.hub, changes.emissions, self._numbers)
            return result

    async def read(self, work: Callable[[int], T]) -> T:
        """Reads the exchange between two steps."""
        async with self.lock:
            return work(self.now_ms())

    async def play(self, trades: list[Trade], stamp_ms: int | None = None) -> None:
        """Matches a slice of the market; the caller holds the lock.

        `stamp_ms` overrides the trades' own time where they are caught up with later.
        """
        exchange = self.exchange
        for trade in trades:
            exchange.tick(
                trade.symbol,
                trade.price,
                trade.qty,
                trade.side,
                gap=trade.gap,
                ms=trade.at_ms if stamp_ms is None else stamp_ms,
            )
        if trades:
            self._marks = Marks(self._marks.reserved_ms, trades[-1].at_ms, self._marks.funded_ms)
        await self.settle()

    async def settle(self, funded_ms: int | None = None) -> None:
        """Commits and tells what the market has done; the caller holds the lock."""
        if funded_ms is not None:
            self._marks = Marks(self._marks.reserved_ms, self._marks.played_ms, funded_ms)
        changes = self.exchange.take_changes()
        if not changes.empty:
            await self._commit_changes(batch_of(changes, self._marks))
        publish_private(self.hub, changes.emissions, self._numbers)

    async def reserve(self, until_ms: int) -> None:
        """Makes sure that market time up to `until_ms` may be shown; the caller holds the lock."""
        if until_ms <= self._marks.reserved_ms:
            return
        ahead = until_ms + round(RESERVE_WALL_S * 1000 * self.clock.speed)
        if self._end_ms is not None:
            ahead = max(min(ahead, self._end_ms), until_ms)
        await self.mark(ahead)

    async def mark(self, reserved_ms: int) -> None:
        """Writes the marks of market time; also downwards, at a clean end."""
        self._marks = Marks(reserved_ms, self._marks.played_ms, self._marks.funded_ms)
        changes = self.exchange.take_changes()
        await self._commit_changes(batch_of(changes, self._marks))
        publish_private(self.hub, changes.emissions, self._numbers)

    async def _commit_changes(self, batch: Batch) -> None:
        try:
            await self.store.commit(batch)
        except Exception:
            # Memory is now ahead of the disk: nothing of it may be told, so the process ends.
            log.exception("the simulator's state cannot be written; stopping")
            self.broken.set()
            raise
        self.hub.faults.record(
            (str(row[1]) for row in batch.executions),
            (str(row[1]) for row in batch.orders if row[7] == row[8]),
            (str(row[1]) for row in batch.orders),
        )
