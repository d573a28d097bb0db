"""From a day's plan to its bars: the noise inside segments, wicks and volume.

Volume follows absolute returns, the hour of the day, the regime and a lognormal spread.
"""

from __future__ import annotations

import math
import random  # noqa: TID251  a feed's randomness is its seed
from array import array
from collections.abc import Sequence

from alpha.sim.feeds.base import InstrumentSpec
from alpha.sim.feeds.columns import DAY_MS, Columns
from alpha.sim.feeds.market_model import DAY_BARS, Coin, Day

BAR_MS = DAY_MS // DAY_BARS
_CALM = 0.93  # memory of a bar's volatility
_STIR = 0.18  # its innovation; the stationary variance of the logarithm is 0.24
_WICK = 0.4

# Trading is busiest around 14:30 UTC and quietest around 04:30 UTC.
_HOURS = tuple(
    1.0 + 0.3 * math.cos(2 * math.pi * (bar / DAY_BARS - 14.5 / 24)) for bar in range(DAY_BARS)
)


def day_path(rng: random.Random, day: Day) -> list[float]:
    """Log returns since the start of the day at each bar's close, before couplings and drifts.

    Every segment's noise is bridged to the segment's return, so the day ends at `day.ret`.
    """
    path: list[float] = []
    gauss, exp = rng.gauss, math.exp
    base, heat = 0.0, gauss(0.0, 0.4)
    for bars, ret, sigma, memory, _ in day.segments:
        noise: list[float] = []
        value = 0.0
        for _ in range(bars):
            heat = _CALM * heat + gauss(0.0, _STIR)
            value = memory * value + sigma * exp(heat - 0.24) * gauss(0.0, 1.0)
            noise.append(value)
        tilt = (ret - value) / bars
        path.extend(base + value + tilt * at for at, value in enumerate(noise, start=1))
        base += ret
    return path


def day_bars(
    rng: random.Random,
    coin: Coin,
    spec: InstrumentSpec,
    start_ms: int,
    day: Day,
    drift: float,
    ends: tuple[float, float],
    market: Sequence[float],
) -> Columns:
    """The five-minute bars of the day that starts at `start_ms`.

    `ends` are the log prices at the day's two ends, `drift` is what the bridge adds over the
    day, `market` the market factor's path of the same day. Each bar opens where the one before
    closed, also across days.
    """
    columns = Columns(
        start_ms,
        BAR_MS,
        spec.tick_size,
        spec.qty_step,
        *(array("q") for _ in range(5)),
    )
    own = day_path(rng, day)
    pull, slope = day.coupling * coin.beta, drift / DAY_BARS
    logs = [ends[0] + own[at] + pull * market[at] + slope * (at + 1) for at in range(DAY_BARS - 1)]
    logs.append(ends[1])
    volumes = [segment.volume for segment in day.segments for _ in range(segment.bars)]
    tick, step, unit = float(spec.tick_size), float(spec.qty_step), coin.bar_sigma
    usual = coin.turnover / DAY_BARS * day.volume / step
    random_, gauss, exp, log = rng.random, rng.gauss, math.exp, math.log
    before = ends[0]
    open_ = max(1, round(exp(before) / tick))
    for at, value in enumerate(logs):
        price = exp(value)
        move = min(8.0, abs(value - before) / unit)
        wick = price * _WICK * unit * (0.4 + 0.4 * move) / tick
        close = max(1, round(price / tick))
        top, bottom = (open_, close) if open_ > close else (close, open_)
        high = top + int(-log(1.0 - random_()) * wick)
        low = max(1, bottom - int(-log(1.0 - random_()) * wick))
        size = usual / price * _HOURS[at] * volumes[at] * (0.3 + 0.7 * move)
        volume = max(1, int(size * exp(gauss(-0.045, 0.3))))
        columns.append(open_, high, low, close, volume)
        open_, before = close, value
    return columns
