"""The published entry rules of the three bots, written down once more and as plainly as possible.

They judge a feed: does its market offer the setups that these rules look for? They share no
code with the bots. Every function takes ascending closed candles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev

from alpha.sim.feeds import Candle

MINUTE = 60_000
BAR_5M = 5 * MINUTE
BAR_4H = 240 * MINUTE
DAY = 24 * 60 * MINUTE


@dataclass(frozen=True)
class Setup:
    """A bar at whose close a rule would enter."""

    symbol: str
    close_ms: int
    reason: str


def ema(values: Sequence[float], length: int) -> list[float | None]:
    """Seeded with the mean of the first `length` values, undefined before."""
    average = fmean(values[:length])
    averages: list[float | None] = [None] * (length - 1) + [average]
    for value in values[length:]:
        average += 2 / (length + 1) * (value - average)
        averages.append(average)
    return averages


def ema_crosses(symbol: str, candles: Sequence[Candle], warm_up: int = 3000) -> list[Setup]:
    """Closes below EMA240 and EMA600 with a cross from above on this bar, fewer than 12 crosses
    in the UTC day."""
    closes = [float(candle.close) for candle in candles]
    averages = [ema(closes, 240), ema(closes, 600)]
    crosses: dict[int, int] = {}
    found: list[Setup] = []
    for at in range(warm_up, len(closes)):
        fell = active = 0
        for average in averages:
            now, before = average[at], average[at - 1]
            assert now is not None and before is not None
            active += closes[at] < now
            fell += closes[at] < now and closes[at - 1] > before
        day = candles[at].start_ms // DAY
        crosses[day] = crosses.get(day, 0) + fell
        if active == 2 and fell and crosses[day] < 12:
            found.append(Setup(symbol, candles[at].start_ms + BAR_5M, "ema_cross"))
    return found


def wilder_rsi(closes: Sequence[float], length: int = 84) -> float:
    """Averages start at 0 on the first of `closes`."""
    up = down = 0.0
    for before, now in pairwise(closes):
        up += (max(now - before, 0.0) - up) / length
        down += (max(before - now, 0.0) - down) / length
    return 100.0 if down == 0 else 100 - 100 / (1 + up / down)


def pumps(
    symbol: str, candles: Sequence[Candle], threshold: float = 8.0, warm_up: int = 300
) -> list[Setup]:
    """13 bars up by `threshold` percent, then rule 8 or rule 6."""
    found: list[Setup] = []
    closes = [float(candle.close) for candle in candles]
    for at in range(warm_up, len(candles)):
        bar = candles[at]
        base = float(candles[at - 12].open)
        if (closes[at] / base - 1) * 100 < threshold:
            continue
        rsi = wilder_rsi(closes[max(0, at - 299) : at + 1])
        returns = [(closes[i] / closes[i - 1] - 1) * 100 for i in range(at - 143, at + 1)]
        volatility = stdev(returns)
        spread = float((bar.high - bar.low) / bar.close) * 100
        old_volume = float(candles[at - 144].volume)
        volume_change = (float(bar.volume) / old_volume - 1) * 100 if old_volume else 1e9
        score = (
            (rsi > 60)
            + (volume_change > 50)
            + (spread < 3)
            + (volatility > 0.005)
            + ((closes[at] / closes[at - 144] - 1) * 100 > 5)
        )
        close_ms = bar.start_ms + BAR_5M
        if score >= 2 and spread < 4:
            found.append(Setup(symbol, close_ms, "rule_8"))
        elif rsi > 55 and volatility > 0.008:
            found.append(Setup(symbol, close_ms, "rule_6"))
    return found


def breakouts(symbol: str, candles: Sequence[Candle], warm_up: int = 109) -> list[Setup]:
    """Four-hour closes above the upper band (20, 2) on twice the usual volume after narrow
    bands (width below 65 % of the last 90)."""
    closes = [float(candle.close) for candle in candles]
    volumes = [float(candle.volume) for candle in candles]
    widths = [0.0] * len(closes)
    for at in range(19, len(closes)):
        window = closes[at - 19 : at + 1]
        widths[at] = 4 * stdev(window) / fmean(window)
    found: list[Setup] = []
    for at in range(max(warm_up, 109) - 1, len(closes)):
        window = closes[at - 19 : at + 1]
        upper = fmean(window) + 2 * stdev(window)
        narrower = sum(width < widths[at] for width in widths[at - 89 : at + 1])
        relative_volume = volumes[at] / fmean(volumes[at - 19 : at + 1])
        if narrower / 89 < 0.35 and closes[at] > upper and relative_volume > 2:
            close_ms = candles[at].start_ms + BAR_4H
            found.append(Setup(symbol, close_ms, "volatility_breakout"))
    return found
