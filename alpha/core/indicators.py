"""Indicators, computed bar by bar in plain floats.

Exponential moving average: `EMA_t = EMA_{t-1} + (2 / (n + 1)) * (x_t - EMA_{t-1})`, seeded with
the simple mean of the first n values. Before the n-th value it is the mean of what there is.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Literal, Protocol

EmaMode = Literal["converged", "window_1000"]

#: Length of the sliding window of the `window_1000` mode.
WINDOW = 1000


class MovingAverage(Protocol):
    """`value` is None until the average may be used."""

    value: float | None

    def update(self, x: float) -> float | None: ...


class Ema:
    """EMA over everything it was ever given; each update costs the same."""

    __slots__ = ("_alpha", "_count", "_sum", "length", "value")

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ValueError(f"expected a length of at least 1, was {length}")
        self.length = length
        self.value: float | None = None
        self._alpha = 2.0 / (length + 1)
        self._count = 0
        self._sum = 0.0

    def update(self, x: float) -> float:
        previous = self.value
        if previous is None or self._count < self.length:
            self._count += 1
            self._sum += x
            self.value = value = self._sum / self._count
            return value
        self.value = value = previous + self._alpha * (x - previous)
        return value


class WindowEma:
    """EMA computed anew over the last `window` values at each update, seeded inside that window.

    With n = 600 in a window of 1000 a quarter of the weight is still the seed, so its values
    differ from a converged average. It exists for parity with results made that way; `value` is
    None until the window is full."""

    __slots__ = ("_alpha", "_values", "length", "value")

    def __init__(self, length: int, window: int = WINDOW) -> None:
        if not 1 <= length <= window:
            raise ValueError(f"expected a length of 1 to {window}, was {length}")
        self.length = length
        self.value: float | None = None
        self._alpha = 2.0 / (length + 1)
        self._values: deque[float] = deque(maxlen=window)

    def update(self, x: float) -> float | None:
        values = self._values
        values.append(x)
        if len(values) < (values.maxlen or 0):
            return None
        value = sum(islice(values, self.length)) / self.length
        alpha = self._alpha
        for later in islice(values, self.length, None):
            value += alpha * (later - value)
        self.value = value
        return value


def ema(length: int, mode: EmaMode = "converged") -> MovingAverage:
    return Ema(length) if mode == "converged" else WindowEma(length)
