"""Compression and expansion: the rank of a value among the last ones, volume against its mean."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from alpha.core.indicators import Sma


class PercentRank:
    """Part of the last `length` values that lie below the newest, itself among them:
    `#{x_i < x_t} / (length - 1)`. 0 is the smallest; equal values do not count. None until the
    window is full. An update costs a search in the sorted window."""

    __slots__ = ("_sorted", "_values", "length", "value")

    def __init__(self, length: int) -> None:
        if length < 2:
            raise ValueError(f"expected a length of at least 2, was {length}")
        self.length = length
        self.value: float | None = None
        self._values: deque[float] = deque()
        self._sorted: list[float] = []

    def update(self, x: float) -> float | None:
        values, ranked = self._values, self._sorted
        if len(values) == self.length:
            del ranked[bisect_left(ranked, values.popleft())]
        values.append(x)
        insort(ranked, x)
        if len(values) == self.length:
            self.value = bisect_left(ranked, x) / (self.length - 1)
        return self.value


class RelativeVolume:
    """A bar's volume over the mean of the last `length` volumes, its own among them; None until
    there are so many, and where all of them are zero."""

    __slots__ = ("_mean", "value")

    def __init__(self, length: int) -> None:
        self.value: float | None = None
        self._mean = Sma(length)

    def update(self, volume: float) -> float | None:
        mean = self._mean.update(volume)
        self.value = volume / mean if mean is not None and mean > 0.0 else None
        return self.value
