"""Clocks and waiting for the tests of the wire."""

from __future__ import annotations

from collections.abc import Callable

from alpha.clock import SystemClock

_REAL = SystemClock()


class FastClock:
    """The machine's clock with time running `factor` times as fast: timers of seconds take
    milliseconds, in the right order and proportion."""

    def __init__(self, factor: float = 20.0) -> None:
        self._factor = factor
        self._started = _REAL.monotonic()
        self._epoch_ms = _REAL.now_ms()

    def now_ms(self) -> int:
        return self._epoch_ms + round(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return (_REAL.monotonic() - self._started) * self._factor

    def perf_ns(self) -> int:
        return _REAL.perf_ns()

    async def sleep(self, seconds: float) -> None:
        await _REAL.sleep(seconds / self._factor)


async def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    """Waits until `condition()` holds; fails when it does not within `within_s` real seconds."""
    deadline = _REAL.monotonic() + within_s
    while not condition():
        assert _REAL.monotonic() < deadline, "expected the condition to hold in time"
        await _REAL.sleep(0.002)
