"""Windows of time that the exchange's history endpoints take: at most seven days each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from alpha.bybit.rest import WINDOW_MS


class Window(NamedTuple):
    """Both ends belong to it, as the exchange counts."""

    start_ms: int
    end_ms: int


def windows(start_ms: int, end_ms: int, width_ms: int = WINDOW_MS) -> Iterator[Window]:
    """From `start_ms` to `end_ms`, oldest first, without a hole; neighbours share a millisecond."""
    while start_ms < end_ms:
        upto = min(start_ms + width_ms, end_ms)
        yield Window(start_ms, upto)
        start_ms = upto


def count_windows(start_ms: int, end_ms: int, width_ms: int = WINDOW_MS) -> int:
    return max(-(-(end_ms - start_ms) // width_ms), 0)
