"""The recorded candles, and what bots may be shown in their place."""

from __future__ import annotations

import csv
import gzip
import random  # noqa: TID251  (seeded)
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from alpha.core.events import Bar
from tests.plugins.candles import BAR_MS
from tests.plugins.desk import INSTRUMENTS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SYMBOLS = tuple(INSTRUMENTS)
FOUR_HOURS_MS = 48 * BAR_MS

#: The bars of all symbols that close together.
Round = tuple[Bar, ...]


def candles(symbol: str) -> list[Bar]:
    bars: list[Bar] = []
    with gzip.open(DATA / f"bybit-linear-{symbol}-5m.csv.gz", "rt", encoding="ascii") as file:
        for row in csv.reader(file):
            if row[0].isdigit():
                open_, high, low, close, volume = map(float, row[1:])
                bars.append(
                    Bar(
                        symbol, BAR_MS, int(row[0]), open_, high, low, close, volume, volume * close
                    )
                )
    return bars


def four_hours(bars: Sequence[Bar]) -> list[Bar]:
    """Bars of 4 hours, of all 48 parts each."""
    parts: dict[int, list[Bar]] = {}
    for bar in bars:
        parts.setdefault(bar.start_ms // FOUR_HOURS_MS, []).append(bar)
    return [
        Bar(
            some[0].symbol,
            FOUR_HOURS_MS,
            number * FOUR_HOURS_MS,
            some[0].open,
            max(bar.high for bar in some),
            min(bar.low for bar in some),
            some[-1].close,
            sum(bar.volume for bar in some),
            sum(bar.turnover for bar in some),
        )
        for number, some in parts.items()
        if len(some) == 48
    ]


@cache
def rounds() -> Sequence[Round]:
    """5 minutes, 90 days."""
    return list(zip(*(candles(symbol) for symbol in SYMBOLS), strict=True))


@cache
def four_hour_rounds() -> Sequence[Round]:
    return list(zip(*(four_hours(candles(symbol)) for symbol in SYMBOLS), strict=True))


def noise(draw: random.Random, bars: Round) -> Round:
    """Bars of the same time with prices and volumes that nobody could have foreseen."""
    made = []
    for bar in bars:
        prices = [bar.close * draw.uniform(0.5, 2.0) for _ in range(4)]
        made.append(
            replace(
                bar,
                open=prices[0],
                high=max(prices),
                low=min(prices),
                close=prices[1],
                volume=draw.uniform(0.0, 1e6),
            )
        )
    return tuple(made)
