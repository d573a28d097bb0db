"""Latency figures: a bounded sample of the newest measurements of one path."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypedDict


class Figures(TypedDict):
    p50: float | None
    p99: float | None
    max: float | None


class Latencies:
    """Keeps the newest `size` measurements and the maximum of all. Unit: whatever is added."""

    def __init__(self, size: int = 4_096) -> None:
        self._newest: deque[float] = deque(maxlen=size)
        self._max: float | None = None

    def add(self, value: float) -> None:
        self._newest.append(value)
        self._max = value if self._max is None else max(self._max, value)

    @classmethod
    def together(cls, several: Iterable[Latencies]) -> Latencies:
        """One sample of several paths of the same kind."""
        parts = list(several)
        merged = cls(sum(len(part._newest) for part in parts) or 1)
        for part in parts:
            for value in part._newest:
                merged.add(value)
            if part._max is not None:
                merged._max = max(part._max, merged._max or part._max)
        return merged

    def figures(self) -> Figures:
        """Median, 99th percentile (nearest rank) and maximum; None while nothing was measured."""
        if not self._newest:
            return {"p50": None, "p99": None, "max": None}
        ordered = sorted(self._newest)
        last = len(ordered) - 1
        return {
            "p50": ordered[round(last * 0.50)],
            "p99": ordered[round(last * 0.99)],
            "max": self._max,
        }
