"""A model of a crypto market: regimes, eras, and the anchors between which prices run.

Log prices are the sum of a shared market factor and a coin's own path. Both live through
phases of several days (range, trend, squeeze and the breakout that ends it) whose days are cut
into segments of hours (drift, mean reversion, pump, crash). Volatility is stochastic by day and
by bar. The model knows nothing of any trading rule.

Random access needs no history: time is cut into eras of 64 days. A coin's level at each era's
start is drawn on its own, and the era's days are bridged to the next level (days take their
share by variance, as in a Brownian bridge); so any day of any year costs one era, and prices
neither explode nor vanish. All randomness comes from `random.Random` seeded with strings of
(seed, symbol, era or day). Returns are natural logarithms, sigmas standard deviations of them.
"""

from __future__ import annotations

import math
import random  # noqa: TID251  a feed's randomness is its seed
from dataclasses import dataclass
from typing import NamedTuple

# Raised whenever the same seed would make other prices, so that no account goes on in a market
# that has changed under it.
MODEL_VERSION = 1
DAY_BARS = 288  # bars of five minutes
ERA_DAYS = 64
MARKET = "market"
_LEVEL_SIGMA = 0.15
_MARKET_SIGMA = 0.03  # of a day


class Segment(NamedTuple):
    """Some bars of one regime: they end `ret` away from where they began."""

    bars: int
    ret: float
    sigma: float  # of one bar
    memory: float  # of the noise: 1 walks freely, less reverts to the line
    volume: float  # factor


class Day(NamedTuple):
    """Plan of one UTC day; the segments' bars add up to `DAY_BARS`."""

    segments: tuple[Segment, ...]
    coupling: float  # share of the market factor that reaches the coin
    volume: float  # factor
    variance: float  # of the day's own return, roughly

    @property
    def ret(self) -> float:
        return sum(segment.ret for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Coin:
    """`price` in USDT around which levels lie, `turnover` in USDT a day, `beta` to the market
    factor, `sigma` of the coin's own daily return, `events` pumps and crashes a day."""

    symbol: str
    price: float
    turnover: float
    beta: float
    sigma: float
    events: float

    @property
    def bar_sigma(self) -> float:
        """Standard deviation of an ordinary five-minute return."""
        return math.hypot(self.sigma, self.beta * _MARKET_SIGMA) / math.sqrt(DAY_BARS)


_MARKET_FACTOR = Coin(MARKET, 1.0, 0.0, 0.0, _MARKET_SIGMA, 0.03)

COINS = (
    Coin("BTCUSDT", 90_000, 12e9, 1.0, 0.008, 0.004),
    Coin("ETHUSDT", 3_100, 8e9, 1.2, 0.014, 0.01),
    Coin("SOLUSDT", 140, 3e9, 1.3, 0.020, 0.04),
    Coin("XRPUSDT", 2.1, 1.5e9, 1.0, 0.024, 0.08),
    Coin("BNBUSDT", 880, 0.8e9, 0.9, 0.02, 0.03),
    Coin("DOGEUSDT", 0.14, 0.9e9, 1.3, 0.025, 0.12),
    Coin("ADAUSDT", 0.39, 0.4e9, 1.2, 0.023, 0.10),
    Coin("AVAXUSDT", 13.5, 0.3e9, 1.3, 0.024, 0.12),
    Coin("LINKUSDT", 13.2, 0.35e9, 1.2, 0.023, 0.10),
    Coin("SUIUSDT", 1.6, 0.5e9, 1.4, 0.029, 0.16),
    Coin("ARBUSDT", 0.2, 0.15e9, 1.3, 0.028, 0.16),
    Coin("OPUSDT", 0.31, 0.12e9, 1.3, 0.029, 0.16),
    Coin("NEARUSDT", 1.6, 0.15e9, 1.3, 0.027, 0.16),
    Coin("WIFUSDT", 0.36, 0.12e9, 1.4, 0.036, 0.26),
    Coin("1000PEPEUSDT", 0.006, 0.4e9, 1.4, 0.033, 0.24),
)


class Era(NamedTuple):
    """64 days of one coin: `anchors[d]` is the log price at the start of day `d`, the last one
    that at the start of the next era; `drifts[d]` is what the bridge adds over day `d`."""

    days: tuple[Day, ...]
    anchors: tuple[float, ...]
    drifts: tuple[float, ...]


def rng_of(seed: int, symbol: str, what: str, number: int) -> random.Random:
    return random.Random(f"{seed}/{symbol}/{what}/{number}")


def market_era(seed: int, era: int) -> tuple[Day, ...]:
    """The market factor's days; its level does not matter, only its changes."""
    return tuple(_days(rng_of(seed, MARKET, "era", era), _MARKET_FACTOR))


def coin_era(seed: int, coin: Coin, era: int, market: tuple[Day, ...]) -> Era:
    days = tuple(_days(rng_of(seed, coin.symbol, "era", era), coin))
    raw = [
        day.ret + day.coupling * coin.beta * whole.ret
        for day, whole in zip(days, market, strict=True)
    ]
    shares = [
        day.variance + (day.coupling * coin.beta) ** 2 * whole.variance
        for day, whole in zip(days, market, strict=True)
    ]
    first, last = _level(seed, coin, era), _level(seed, coin, era + 1)
    gap = (last - first - sum(raw)) / sum(shares)
    drifts = tuple(gap * share for share in shares)
    anchors = [first]
    for ret, drift in zip(raw, drifts, strict=True):
        anchors.append(anchors[-1] + ret + drift)
    anchors[-1] = last
    return Era(days, tuple(anchors), drifts)


def _level(seed: int, coin: Coin, era: int) -> float:
    draw = rng_of(seed, coin.symbol, "level", era).gauss(0.0, _LEVEL_SIGMA)
    return math.log(coin.price) + draw


def _days(rng: random.Random, coin: Coin) -> list[Day]:
    """An era's days, phase by phase. Day volatility and volume are autoregressive."""
    days: list[Day] = []
    mood = rng.gauss(0.0, 0.35)
    crowd = rng.gauss(0.0, 0.25)
    while len(days) < ERA_DAYS:
        for plan in _phase(rng):
            mood = 0.8 * mood + rng.gauss(0.0, 0.2)
            crowd = 0.7 * crowd + rng.gauss(0.0, 0.15)
            sigma = coin.sigma * plan.heat * math.exp(mood)
            segments = _segments(rng, coin, plan, sigma)
            days.append(Day(segments, plan.coupling, math.exp(crowd), sigma * sigma))
    return days[:ERA_DAYS]


class _DayPlan(NamedTuple):
    heat: float  # factor on the coin's sigma
    drift: float  # of the day, in sigmas
    coupling: float
    breakout: int  # +1 or -1 on the day that ends a squeeze


def _phase(rng: random.Random) -> list[_DayPlan]:
    kind = rng.choices(("range", "up", "down", "squeeze"), (0.31, 0.21, 0.19, 0.29))[0]
    if kind == "squeeze":
        side = 1 if rng.random() < 0.62 else -1
        quiet = [_DayPlan(0.2, 0.0, 0.15, 0)] * rng.randint(4, 7)
        after = _DayPlan(0.9, side * rng.uniform(-0.3, 0.9), 0.8, 0)
        return [*quiet, _DayPlan(0.35, 0.3 * side, 0.4, side), *[after] * rng.randint(1, 3)]
    if kind == "range":
        return [_DayPlan(0.75, 0.0, 1.0, 0)] * rng.randint(2, 5)
    drift = rng.uniform(0.2, 0.8) * (1 if kind == "up" else -1)
    return [_DayPlan(1.05, drift, 1.0, 0)] * rng.randint(2, 5)


def _segments(rng: random.Random, coin: Coin, plan: _DayPlan, sigma: float) -> tuple[Segment, ...]:
    event = _event(rng, coin, plan)
    bars = sum(segment.bars for segment in event)
    lead = rng.randint(0, DAY_BARS - bars) if event else DAY_BARS
    before = _background(rng, lead, plan, sigma)
    return (*before, *event, *_background(rng, DAY_BARS - bars - lead, plan, sigma))


def _background(rng: random.Random, bars: int, plan: _DayPlan, sigma: float) -> list[Segment]:
    """Hours of walking and of reverting to a line, in turns that the dice decide."""
    segments: list[Segment] = []
    unit = sigma / math.sqrt(DAY_BARS)
    while bars > 0:
        size = min(bars, rng.randint(18, 72))
        bars -= size
        drift = plan.drift * sigma * size / DAY_BARS
        if rng.random() < 0.45:
            ret = rng.gauss(0.0, 0.45) * unit * math.sqrt(size)
            segments.append(Segment(size, ret + drift, unit, 0.88, 0.85))
        else:
            ret = rng.gauss(0.0, 1.15) * unit * math.sqrt(size)
            segments.append(Segment(size, ret + drift, 0.9 * unit, 1.0, 1.05))
    return segments


def _event(rng: random.Random, coin: Coin, plan: _DayPlan) -> list[Segment]:
    """At most one event a day: the breakout that ends a squeeze, else a pump or a crash."""
    if plan.breakout:
        return _breakout(rng, coin, plan.breakout)
    if plan.heat < 0.5 or rng.random() >= coin.events:
        return []
    scale = min(1.0, coin.sigma / 0.024) if coin.symbol != MARKET else 0.4
    return _pump(rng, scale) if rng.random() < 0.65 else _crash(rng, scale)


def _breakout(rng: random.Random, coin: Coin, side: int) -> list[Segment]:
    bars = rng.randint(18, 44)
    ret = side * rng.uniform(0.7, 1.6) * coin.bar_sigma * math.sqrt(DAY_BARS)
    return [Segment(bars, ret, 0.15 * abs(ret) / math.sqrt(bars), 1.0, 3.5)]


def _pump(rng: random.Random, scale: float) -> list[Segment]:
    """An hour's rise, then either most of it given back or a slower climb on top."""
    bars = rng.randint(6, 13)
    ret = scale * rng.uniform(0.08, 0.17)
    rise = Segment(bars, ret, 0.2 * ret / math.sqrt(bars), 1.0, 5.0)
    after = rng.randint(18, 72)
    back = -rng.uniform(0.3, 0.9) * ret if rng.random() < 0.55 else rng.uniform(0.0, 0.8) * ret
    return [rise, Segment(after, back, 0.25 * ret / math.sqrt(after), 1.0, 2.2)]


def _crash(rng: random.Random, scale: float) -> list[Segment]:
    """A fall within the hour and a partial recovery."""
    bars = rng.randint(4, 12)
    ret = -scale * rng.uniform(0.05, 0.12)
    fall = Segment(bars, ret, 0.25 * -ret / math.sqrt(bars), 1.0, 6.0)
    after = rng.randint(24, 72)
    back = -rng.uniform(0.2, 0.7) * ret
    return [fall, Segment(after, back, 0.3 * -ret / math.sqrt(after), 1.0, 2.5)]
