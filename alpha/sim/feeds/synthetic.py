"""The synthetic feed: an endless market made from a seed.

The model makes five-minute bars, a UTC day of one symbol at a time; minutes are drawn inside
them. Every piece depends on (seed, symbol, day or bar) alone, so the order of questions cannot
matter and the caches below are only for speed.
"""

from __future__ import annotations

import random  # noqa: TID251  a feed's randomness is its seed
from collections import OrderedDict
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from alpha.clock import iso
from alpha.sim.feeds.base import Candle, FeedError, InstrumentSpec, Tick
from alpha.sim.feeds.columns import DAY_MS, MINUTE_MS, Columns, aggregate, floor_to
from alpha.sim.feeds.day_paths import BAR_MS, day_bars, day_path
from alpha.sim.feeds.funding import funding_rate
from alpha.sim.feeds.instruments import INSTRUMENTS
from alpha.sim.feeds.market_model import (
    COINS,
    ERA_DAYS,
    MARKET,
    MODEL_VERSION,
    Day,
    Era,
    coin_era,
    market_era,
    rng_of,
)
from alpha.sim.feeds.ticks import candle_ticks

HISTORY_MS = 40 * DAY_MS
# 2026-06-29T14:15:00Z: a lively afternoon of seed 1. Within two hours majors fall through their
# averages, two coins end a quiet week on large volume and one of them goes on to rise by a tenth.
DEFAULT_OPEN_MS = 1_782_742_500_000
_KEPT_DAYS = 15 * 48
_PARTS = BAR_MS // MINUTE_MS


class SyntheticFeed:
    """Fifteen perpetuals with 40 days of history before `start_ms`; satisfies `Feed`.

    The same seed is always the same market: another start is another moment of it.
    """

    name = "synthetic"
    base_ms = MINUTE_MS

    def __init__(self, seed: int, start_ms: int | None = None) -> None:
        self.open_ms = floor_to(DEFAULT_OPEN_MS if start_ms is None else start_ms, MINUTE_MS)
        self.first_ms = floor_to(self.open_ms - HISTORY_MS, DAY_MS)
        if self.first_ms < 0:
            raise FeedError(
                f"expected a start from {iso(HISTORY_MS)} on, was {start_ms}; correct --start"
            )
        self.end_ms: int | None = None
        self.fingerprint = f"synthetic-{MODEL_VERSION}:{seed}:{self.open_ms}"
        self.instruments = tuple(INSTRUMENTS[coin.symbol] for coin in COINS)
        self._seed = seed
        self._coins = {coin.symbol: coin for coin in COINS}
        self._days: OrderedDict[tuple[str, int], Columns] = OrderedDict()
        self._market_era = lru_cache(maxsize=4)(self._make_market_era)
        self._market_path = lru_cache(maxsize=64)(self._make_market_path)
        self._coin_era = lru_cache(maxsize=60)(self._make_coin_era)
        self._minutes = lru_cache(maxsize=64)(self._make_minutes)

    def candle(self, symbol: str, start_ms: int) -> Candle | None:
        if symbol not in self._coins or start_ms % MINUTE_MS or start_ms < self.first_ms:
            return None
        minutes = self._minutes(symbol, floor_to(start_ms, BAR_MS))
        return minutes.candle((start_ms - minutes.first_ms) // MINUTE_MS)

    def candles(self, symbol: str, interval_ms: int, start_ms: int, end_ms: int) -> list[Candle]:
        if interval_ms <= 0 or interval_ms % MINUTE_MS:
            raise ValueError(f"expected an interval of n x {MINUTE_MS} ms, was {interval_ms}")
        start_ms = max(start_ms, self.first_ms)
        if symbol not in self._coins or end_ms - start_ms < interval_ms:
            return []
        if interval_ms % BAR_MS:
            columns = self._joined_minutes(symbol, start_ms, end_ms)
        else:
            columns = self._joined_days(symbol, start_ms, end_ms)
        return aggregate(columns, interval_ms, start_ms, end_ms)

    def ticks(self, symbol: str, candle: Candle) -> Sequence[Tick]:
        return candle_ticks(INSTRUMENTS[symbol], candle, MINUTE_MS)

    def funding_rate(self, symbol: str, ms: int) -> Decimal:
        spec = INSTRUMENTS[symbol]
        return funding_rate(str(self._seed), symbol, ms, spec.funding_interval_min)

    def _joined_days(self, symbol: str, start_ms: int, end_ms: int) -> Columns:
        first = start_ms // DAY_MS
        joined = _empty(INSTRUMENTS[symbol], first * DAY_MS, BAR_MS)
        for day in range(first, (end_ms - 1) // DAY_MS + 1):
            joined.extend(self._day(symbol, day))
        return joined

    def _joined_minutes(self, symbol: str, start_ms: int, end_ms: int) -> Columns:
        first = floor_to(start_ms, BAR_MS)
        joined = _empty(INSTRUMENTS[symbol], first, MINUTE_MS)
        for bar_ms in range(first, end_ms, BAR_MS):
            joined.extend(self._minutes(symbol, bar_ms))
        return joined

    def _day(self, symbol: str, day: int) -> Columns:
        """The five-minute bars of day number `day` since the epoch."""
        key = (symbol, day)
        kept = self._days.get(key)
        if kept is not None:
            self._days.move_to_end(key)
            return kept
        number, at = divmod(day, ERA_DAYS)
        era = self._coin_era(symbol, number)
        made = day_bars(
            rng_of(self._seed, symbol, "day", day),
            self._coins[symbol],
            INSTRUMENTS[symbol],
            day * DAY_MS,
            era.days[at],
            era.drifts[at],
            (era.anchors[at], era.anchors[at + 1]),
            self._market_path(day),
        )
        self._days[key] = made
        if len(self._days) > _KEPT_DAYS:
            self._days.popitem(last=False)
        return made

    def _make_market_era(self, era: int) -> tuple[Day, ...]:
        return market_era(self._seed, era)

    def _make_market_path(self, day: int) -> list[float]:
        number, at = divmod(day, ERA_DAYS)
        plan = self._market_era(number)[at]
        return day_path(rng_of(self._seed, MARKET, "day", day), plan)

    def _make_coin_era(self, symbol: str, era: int) -> Era:
        return coin_era(self._seed, self._coins[symbol], era, self._market_era(era))

    def _make_minutes(self, symbol: str, bar_ms: int) -> Columns:
        bars = self._day(symbol, bar_ms // DAY_MS)
        at = (bar_ms - bars.first_ms) // BAR_MS
        rng = rng_of(self._seed, symbol, "minutes", bar_ms)
        return _split_bar(rng, bars, at)


def _empty(spec: InstrumentSpec, first_ms: int, step_ms: int) -> Columns:
    return Columns(first_ms, step_ms, spec.tick_size, spec.qty_step)


def _split_bar(rng: random.Random, bars: Columns, at: int) -> Columns:
    """Five minutes that aggregate to bar `at`: a bridge of closes, the bar's extremes placed
    where the bridge comes nearest to them, the volume in uneven parts."""
    open_, high, low, close = bars.open[at], bars.high[at], bars.low[at], bars.close[at]
    closes = [open_]
    for left in range(_PARTS, 1, -1):
        step = (close - closes[-1]) / left + rng.gauss(0.0, 0.22) * (high - low)
        closes.append(min(high, max(low, round(closes[-1] + step))))
    closes.append(close)
    tops = [max(pair) for pair in pairwise(closes)]
    bottoms = [min(pair) for pair in pairwise(closes)]
    summit, valley = tops.index(max(tops)), bottoms.index(min(bottoms))
    weights = [rng.random() + 0.3 for _ in range(_PARTS)]
    volume = bars.volume[at]
    minutes = Columns(bars.first_ms + at * BAR_MS, MINUTE_MS, bars.price_unit, bars.volume_unit)
    for part in range(_PARTS):
        top = high if part == summit else tops[part] + int((high - tops[part]) * rng.random() * 0.4)
        gap = (bottoms[part] - low) * rng.random() * 0.4
        bottom = low if part == valley else bottoms[part] - int(gap)
        size = int(bars.volume[at] * weights[part] / sum(weights))
        size = volume if part == _PARTS - 1 else size
        volume -= size
        minutes.append(closes[part], top, bottom, closes[part + 1], size)
    return minutes
