"""Candle intervals by their wire names, and the buckets of time that they cut.

Minutes count from the Unix epoch, weeks begin on Monday, months on the first, all in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from alpha.clock import utc
from alpha.sim.feeds.base import Candle

MINUTE_MS = 60_000
DAY_MS = 86_400_000
WEEK_SHIFT_MS = 4 * DAY_MS

MINUTES = ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720")
NAMES = (*MINUTES, "D", "W", "M")
FIXED_MS = {**{name: int(name) * MINUTE_MS for name in MINUTES}, "D": DAY_MS, "W": 7 * DAY_MS}


def served(base_ms: int) -> tuple[str, ...]:
    """The intervals that a market with this base bar can show."""
    return tuple(n for n in NAMES if n == "M" or FIXED_MS[n] % base_ms == 0)


def bucket(name: str, ms: int) -> tuple[int, int]:
    """Start and end (exclusive) of the candle that contains a moment."""
    if name == "M":
        return _month(utc(ms))
    length = FIXED_MS[name]
    shift = WEEK_SHIFT_MS if name == "W" else 0
    start = (ms - shift) // length * length + shift
    return start, start + length


def _month(moment: datetime) -> tuple[int, int]:
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    year, month = (first.year + 1, 1) if first.month == 12 else (first.year, first.month + 1)
    following = first.replace(year=year, month=month)
    return round(first.timestamp() * 1000), round(following.timestamp() * 1000)


def merged(start_ms: int, candles: Iterable[Candle | None]) -> Candle | None:
    """One candle out of consecutive ones; None out of none."""
    whole: Candle | None = None
    for part in candles:
        if part is None:
            continue
        if whole is None:
            whole = Candle(start_ms, part.open, part.high, part.low, part.close, part.volume)
            continue
        whole = Candle(
            start_ms,
            whole.open,
            max(whole.high, part.high),
            min(whole.low, part.low),
            part.close,
            whole.volume + part.volume,
        )
    return whole
