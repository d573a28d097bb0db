"""Whether BTCUSDT's finished days are in an upward trend."""

from __future__ import annotations

from collections import deque

from alpha.bots import Bar
from alpha.core.directional import DirectionalIndex
from alpha.core.indicators import Sma

SYMBOL = "BTCUSDT"
DAY_MS = 86_400_000

ADX_LENGTH = 14
#: The highest price of the newest days must reach that of the days before them.
NEW_DAYS = 5
OLD_DAYS = 20


class Regime:
    """Made of BTCUSDT's own bars; a UTC day counts once all of its bars are in. After a hole
    everything begins anew."""

    def __init__(self, ma_length: int, least_adx: float) -> None:
        self._ma_length = ma_length
        self._least_adx = least_adx
        self._start_ms = -1
        self._begin()

    @staticmethod
    def warmup_days(ma_length: int) -> int:
        return max(ma_length, NEW_DAYS + OLD_DAYS, 2 * ADX_LENGTH)

    def _begin(self) -> None:
        self._mean = Sma(self._ma_length)
        self._adx = DirectionalIndex(ADX_LENGTH)
        self._highs: deque[float] = deque(maxlen=NEW_DAYS + OLD_DAYS)
        self._days = 0
        self._day: list[Bar] = []
        self.is_favourable = False

    def add(self, bar: Bar) -> None:
        if self._start_ms >= 0 and bar.start_ms != self._start_ms + bar.interval_ms:
            self._begin()
        self._start_ms = bar.start_ms
        if bar.start_ms % DAY_MS == 0:
            self._day = [bar]
        elif self._day:
            self._day.append(bar)
        if self._day and bar.close_ms % DAY_MS == 0:
            self._add_day(self._day)
            self._day = []

    def _add_day(self, bars: list[Bar]) -> None:
        high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
        close = bars[-1].close
        self._days += 1
        self._highs.append(high)
        mean = self._mean.update(close)
        adx = self._adx.update(high, low, close)
        highs = list(self._highs)
        self.is_favourable = (
            self._days >= self.warmup_days(self._ma_length)
            and mean is not None
            and adx is not None
            and close > mean
            and max(highs[-NEW_DAYS:]) >= max(highs[:-NEW_DAYS])
            and adx > self._least_adx
        )
