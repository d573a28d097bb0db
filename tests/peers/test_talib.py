"""Our indicators against TA-Lib's, where both mean the same, over the recorded candles.

TA-Lib's Wilder RSI starts from a mean and never forgets, ours from 0 in a sliding buffer: they are
different indices and are not compared. Nor are moments of raw prices: TA-Lib takes the difference
of two sums of squares there, which leaves fewer digits than the comparison needs; of returns, and
of prices less their first, both are good.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import talib

from alpha.core.indicators import (
    BollingerBands,
    CutlerRsi,
    Ema,
    Highest,
    Lag,
    Lowest,
    Sma,
    StandardDeviation,
)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the recorded candles of {DATA}")
Update = Callable[[float], float | None]


@cache
def columns(symbol: str) -> tuple[list[float], list[float]]:
    """Closes and volumes."""
    with gzip.open(DATA / f"bybit-linear-{symbol}-5m.csv.gz", "rt", encoding="ascii") as file:
        rows = [row for row in csv.reader(file) if row[0].isdigit()]
    return [float(row[4]) for row in rows], [float(row[5]) for row in rows]


def assert_equal(update: Update, values: Sequence[float], theirs: np.ndarray) -> None:
    """To 1e-9 of the greater of 1 and the value, from TA-Lib's first value on."""
    compared = 0
    for x, expected in zip(values, theirs.tolist(), strict=True):
        ours = update(x)
        if math.isnan(expected):
            continue
        assert ours is not None
        assert abs(ours - expected) <= 1e-9 * max(1.0, abs(expected))
        compared += 1
    assert compared > 25_000


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("length", [20, 144, 240, 600])
def test_averages(symbol: str, length: int) -> None:
    for values in columns(symbol):
        series = np.array(values)
        assert_equal(Ema(length).update, values, talib.EMA(series, length))
        assert_equal(Sma(length).update, values, talib.SMA(series, length))


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("length", [12, 20, 90])
def test_extremes_and_lags(symbol: str, length: int) -> None:
    closes, _ = columns(symbol)
    series = np.array(closes)
    assert_equal(Highest(length).update, closes, talib.MAX(series, length))
    assert_equal(Lowest(length).update, closes, talib.MIN(series, length))
    lag = Lag(length)

    def change(x: float) -> float | None:
        before = lag.update(x)
        return None if before is None else (x / before - 1) * 100

    assert_equal(change, closes, talib.ROC(series, length))


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("length", [20, 144])
def test_deviations(symbol: str, length: int) -> None:
    """Theirs is of the population, ours of a sample."""
    closes, _ = columns(symbol)
    returns = [0.0] + [(b / a - 1) * 100 for a, b in pairwise(closes)]
    sample = math.sqrt(length / (length - 1))
    theirs = talib.STDDEV(np.array(returns), length) * sample
    assert_equal(StandardDeviation(length).update, returns, theirs)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_bollinger_bands(symbol: str) -> None:
    closes, _ = columns(symbol)
    scaled = [x / closes[0] - 1 for x in closes]
    sample = math.sqrt(20 / 19)
    upper, middle, lower = talib.BBANDS(np.array(scaled), 20, 2 * sample, 2 * sample)
    bands = BollingerBands(20)
    for place, x in enumerate(scaled):
        bands.update(x)
        if place >= 19:
            for ours, theirs in (
                (bands.upper, upper), (bands.middle, middle), (bands.lower, lower)
            ):  # fmt: skip
                assert ours == pytest.approx(theirs[place], abs=1e-9)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_rsi_with_simple_means(symbol: str) -> None:
    """TA-Lib has none; it is made of its simple means of gains and losses."""
    closes, _ = columns(symbol)
    changes = [0.0] + [b - a for a, b in pairwise(closes)]
    up = talib.SMA(np.array([max(x, 0.0) for x in changes]), 84)
    down = talib.SMA(np.array([max(-x, 0.0) for x in changes]), 84)
    assert_equal(CutlerRsi(84).update, closes, 100 - 100 / (1 + up / down))
