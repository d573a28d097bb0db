"""The only module that reads a clock, sleeps or draws random bytes.

Two clocks exist (wall and venue). Both are handed to the parts that need them; nothing else
may call `time.time`, `datetime.now`, `asyncio.sleep` or `random` (ruff's banned-api checks it).
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall clock of one process. `now_ms` is Unix time in ms, `monotonic` is in seconds."""

    def now_ms(self) -> int: ...

    def monotonic(self) -> float: ...

    def perf_ns(self) -> int: ...

    async def sleep(self, seconds: float) -> None: ...


#: Goes on while the machine sleeps, where there is such a clock: a lease and everything else that
#: others time runs out meanwhile.
_MONOTONIC: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.clock_gettime(_MONOTONIC)

    def perf_ns(self) -> int:
        return time.perf_counter_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that moves only when told; `sleep` advances it and yields once."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000

    def perf_ns(self) -> int:
        return self._now_ms * 1_000_000

    def advance(self, ms: int) -> None:
        self._now_ms += ms

    async def sleep(self, seconds: float) -> None:
        self.advance(round(seconds * 1000))
        await asyncio.sleep(0)


class VenueClock:
    """Exchange time, anchored on `/v5/market/time` and carried on by the wall clock.

    `speed` is 1 on a real exchange. A simulator runs market time faster; the anchor is then
    only a lower bound between two readings, so `now_ms` never runs ahead of the newest reading
    by more than the wall time that has passed since, and never backwards.
    """

    def __init__(self, wall: Clock) -> None:
        self._wall = wall
        self._anchor_ms: int | None = None
        self._anchor_monotonic = 0.0
        self._last_ms = 0

    @property
    def anchored(self) -> bool:
        return self._anchor_ms is not None

    def observe(self, venue_ms: int) -> None:
        """Takes a reading: the exchange's time, or the stamp of something that has happened."""
        if self._anchor_ms is None or venue_ms >= self.now_ms():
            self._anchor_ms = venue_ms
            self._anchor_monotonic = self._wall.monotonic()

    def now_ms(self) -> int:
        if self._anchor_ms is None:
            raise RuntimeError("expected an anchored venue clock; call observe() first")
        elapsed = self._wall.monotonic() - self._anchor_monotonic
        self._last_ms = max(self._last_ms, self._anchor_ms + round(elapsed * 1000))
        return self._last_ms


class Randomness(Protocol):
    """Injected randomness: jitter for back-off and ids for things that need no meaning."""

    def jitter(self, low: float, high: float) -> float: ...

    def token(self) -> str: ...


class SystemRandomness:
    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def jitter(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def token(self) -> str:
        return uuid.UUID(int=self._random.getrandbits(128), version=4).hex


#: CPU time of the calling thread in ns: what a hook has used, however busy the machine is.
cpu_ns = time.thread_time_ns


def utc(ms: int) -> datetime:
    """Unix milliseconds as an aware UTC datetime."""
    return datetime.fromtimestamp(ms // 1000, tz=UTC).replace(microsecond=ms % 1000 * 1000)


def iso(ms: int) -> str:
    """Unix milliseconds as ISO 8601 with milliseconds, e.g. 2025-11-07T05:15:00.000Z."""
    return utc(ms).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"
