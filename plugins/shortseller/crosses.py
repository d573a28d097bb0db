"""Averages of one symbol and the crosses of its close through them."""

from __future__ import annotations

from alpha.bots import Bar
from alpha.core.indicators import EmaMode, ema


class Averages:
    """A cross is a close strictly above an average followed by a close strictly below it.

    After a hole in the bars there is no predecessor, so no cross. `crossed` holds the lengths
    that the newest bar crossed; `bars_since_cross` is 0 then, None without a cross so far."""

    __slots__ = (
        "_fast",
        "_lengths",
        "_slow",
        "bars_since_cross",
        "close",
        "crossed",
        "fast",
        "slow",
        "start_ms",
    )

    def __init__(self, fast: int, slow: int, mode: EmaMode) -> None:
        self._fast = ema(fast, mode)
        self._slow = ema(slow, mode)
        self._lengths = (fast, slow)
        self.start_ms = -1
        self.close = 0.0
        self.fast: float | None = None
        self.slow: float | None = None
        self.crossed: tuple[int, ...] = ()
        self.bars_since_cross: int | None = None

    def add(self, bar: Bar) -> None:
        close, before = bar.close, self.close
        fast_before, slow_before = self.fast, self.slow
        self.fast = fast = self._fast.update(close)
        self.slow = slow = self._slow.update(close)
        unbroken = bar.start_ms == self.start_ms + bar.interval_ms
        self.close = close
        self.start_ms = bar.start_ms
        if self.bars_since_cross is not None:
            self.bars_since_cross += 1
        if not unbroken:
            self.bars_since_cross = None
            self.crossed = ()
            return
        first = (
            fast_before is not None and fast is not None and before > fast_before and close < fast
        )
        second = (
            slow_before is not None and slow is not None and before > slow_before and close < slow
        )
        if first or second:
            fast_length, slow_length = self._lengths
            self.crossed = ((fast_length,) if first else ()) + ((slow_length,) if second else ())
            self.bars_since_cross = 0
        elif self.crossed:
            self.crossed = ()

    @property
    def active(self) -> bool:
        """Whether the close lies under both averages."""
        fast, slow = self.fast, self.slow
        return fast is not None and slow is not None and self.close < fast and self.close < slow
