"""Candles as columns of whole units, and the longer candles made of them.

Prices are counted in `price_unit`, volumes in `volume_unit`; integers keep a month of candles
small and add up exactly.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from dataclasses import dataclass, field
from decimal import Decimal

from alpha.sim.feeds.base import Candle

MINUTE_MS = 60_000
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05, the first Monday of the epoch


@dataclass(slots=True)
class Columns:
    """Candles without holes: entry `i` of every column starts at `first_ms + i * step_ms`."""

    first_ms: int
    step_ms: int
    price_unit: Decimal
    volume_unit: Decimal
    open: MutableSequence[int] = field(default_factory=list)
    high: MutableSequence[int] = field(default_factory=list)
    low: MutableSequence[int] = field(default_factory=list)
    close: MutableSequence[int] = field(default_factory=list)
    volume: MutableSequence[int] = field(default_factory=list)

    @property
    def end_ms(self) -> int:
        return self.first_ms + len(self.open) * self.step_ms

    def append(self, open_: int, high: int, low: int, close: int, volume: int) -> None:
        self.open.append(open_)
        self.high.append(high)
        self.low.append(low)
        self.close.append(close)
        self.volume.append(volume)

    def extend(self, other: Columns) -> None:
        """Joins candles that start where these end."""
        if other.first_ms != self.end_ms:
            raise ValueError(f"expected candles from {self.end_ms}, was {other.first_ms}")
        self.open.extend(other.open)
        self.high.extend(other.high)
        self.low.extend(other.low)
        self.close.extend(other.close)
        self.volume.extend(other.volume)

    def index(self, start_ms: int) -> int | None:
        """Position of the candle that starts at `start_ms`, None when there is none."""
        at, rest = divmod(start_ms - self.first_ms, self.step_ms)
        return at if rest == 0 and 0 <= at < len(self.open) else None

    def candle(self, at: int) -> Candle:
        return Candle(
            self.first_ms + at * self.step_ms,
            self.open[at] * self.price_unit,
            self.high[at] * self.price_unit,
            self.low[at] * self.price_unit,
            self.close[at] * self.price_unit,
            self.volume[at] * self.volume_unit,
        )


def floor_to(ms: int, interval_ms: int) -> int:
    """Start of the bar that contains `ms`: multiples of the interval, weeks from Monday."""
    offset = _MONDAY_MS % interval_ms if interval_ms % WEEK_MS == 0 else 0
    return (ms - offset) // interval_ms * interval_ms + offset


def ceil_to(ms: int, interval_ms: int) -> int:
    """Start of the first bar that does not begin before `ms`."""
    return floor_to(ms + interval_ms - 1, interval_ms)


def aggregate(columns: Columns, interval_ms: int, start_ms: int, end_ms: int) -> list[Candle]:
    """Whole bars of `interval_ms` inside both the columns and `[start_ms, end_ms)`."""
    step = columns.step_ms
    if interval_ms <= 0 or interval_ms % step:
        raise ValueError(f"expected an interval of n x {step} ms, was {interval_ms}")
    bar_ms = ceil_to(max(start_ms, columns.first_ms), interval_ms)
    last_ms = min(end_ms, columns.end_ms) - interval_ms
    parts = interval_ms // step
    at = (bar_ms - columns.first_ms) // step
    bars: list[Candle] = []
    while bar_ms <= last_ms:
        if parts == 1:
            bars.append(columns.candle(at))
        else:
            to = at + parts
            bars.append(
                Candle(
                    bar_ms,
                    columns.open[at] * columns.price_unit,
                    max(columns.high[at:to]) * columns.price_unit,
                    min(columns.low[at:to]) * columns.price_unit,
                    columns.close[to - 1] * columns.price_unit,
                    sum(columns.volume[at:to]) * columns.volume_unit,
                )
            )
        at += parts
        bar_ms += interval_ms
    return bars
