"""What one symbol's bars tell: bands, how narrow they are, volume, and the strength of it all."""

from __future__ import annotations

from collections import deque

from alpha.bots import Bar
from alpha.core.bandwidth import PercentRank, RelativeVolume
from alpha.core.indicators import BollingerBands

from .settings import MomentumSettings

#: Relative volume, and rise above the mean, that count as full strength.
FULL_VOLUME = 5.0
FULL_RISE = 0.10


class Figures:
    """Figures of the newest bar. After a hole in the bars all of them begin anew."""

    def __init__(self, settings: MomentumSettings) -> None:
        self._settings = settings
        self._most_narrow = float(settings.bbw_pct)
        self._least_volume = float(settings.rvr)
        self.start_ms = -1
        self._begin()

    def _begin(self) -> None:
        settings = self._settings
        self._bands = BollingerBands(settings.ma_length, float(settings.deviations))
        self._rank = PercentRank(settings.lookback)
        self._volume = RelativeVolume(settings.ma_length)
        kept = settings.history_bars if settings.trail_basis == "peak" else 0
        self._highs: deque[tuple[int, float]] = deque(maxlen=kept)
        self.close = 0.0
        self.rank: float | None = None
        self.volume: float | None = None

    def add(self, bar: Bar) -> None:
        if self.start_ms >= 0 and bar.start_ms != self.start_ms + bar.interval_ms:
            self._begin()
        self.start_ms = bar.start_ms
        self.close = bar.close
        self._highs.append((bar.start_ms, bar.high))
        width = self._bands.update(bar.close)
        self.rank = None if width is None else self._rank.update(width)
        self.volume = self._volume.update(bar.volume)

    @property
    def mean(self) -> float | None:
        return self._bands.middle

    @property
    def upper(self) -> float | None:
        return self._bands.upper

    @property
    def breaks_out(self) -> bool:
        """Whether the bar closed above the bands on high volume, and they were narrow."""
        rank, upper, volume, mean = self.rank, self.upper, self.volume, self.mean
        return (
            rank is not None
            and upper is not None
            and volume is not None
            and mean is not None
            and rank < self._most_narrow
            and self.close > upper
            and volume > self._least_volume
            and self.close > mean
        )

    @property
    def strength(self) -> float:
        """Mean of narrowness, volume and rise, each up to 1; 0 while one of them is unknown."""
        rank, volume, mean = self.rank, self.volume, self.mean
        if rank is None or volume is None or not mean:
            return 0.0
        rise = (self.close - mean) / mean
        return (1.0 - rank + min(volume / FULL_VOLUME, 1.0) + min(rise / FULL_RISE, 1.0)) / 3.0

    def peak_since(self, start_ms: int) -> float | None:
        """The highest price of the bars from `start_ms` on (basis peak); None without any."""
        return max((high for start, high in self._highs if start >= start_ms), default=None)
