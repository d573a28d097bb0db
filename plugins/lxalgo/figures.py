"""What LXAlgo measures of one symbol, and the rule that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from alpha.bots import Bar
from alpha.core.indicators import BufferRsi, Lag, StandardDeviation

#: Bars of history behind every figure; the first decision falls on the last of them.
BUFFER_BARS = 300
RSI_BARS = 84
#: Bars of the volatility, and of the look-back of price and volume: 12 hours.
CHANGE_BARS = 144


@dataclass(frozen=True, slots=True)
class Figures:
    """All in percent but `rsi`. None is undefined and satisfies no condition."""

    pump: float | None
    rsi: float | None
    volatility: float | None
    spread: float | None
    price_change: float | None
    volume_change: float | None

    @property
    def score(self) -> int:
        return (
            _above(self.rsi, 60.0)
            + _above(self.volume_change, 50.0)
            + _below(self.spread, 3.0)
            + _above(self.volatility, 0.005)
            + _above(self.price_change, 5.0)
        )

    @property
    def rule(self) -> str | None:
        """The reason that these figures are for an entry, whatever the pump."""
        if self.score >= 2 and _below(self.spread, 4.0):
            return "rule_8"
        if _above(self.rsi, 55.0) and _above(self.volatility, 0.008):
            return "rule_6"
        return None


class Gauge:
    """Follows the bars of one symbol. A hole in them starts it anew: no figure spans one."""

    __slots__ = (
        "_bar",
        "_count",
        "_lookback",
        "_old_close",
        "_old_open",
        "_old_volume",
        "_returns",
        "_rsi",
        "close",
        "close_ms",
    )

    def __init__(self, lookback: int) -> None:
        self._lookback = lookback
        self.close: float | None = None
        self.close_ms = -1
        self._begin()

    def _begin(self) -> None:
        self._bar: Bar | None = None
        self._count = 0
        self._old_open = Lag(self._lookback)
        self._old_close = Lag(CHANGE_BARS)
        self._old_volume = Lag(CHANGE_BARS)
        self._returns = StandardDeviation(CHANGE_BARS)
        self._rsi = BufferRsi(RSI_BARS, BUFFER_BARS)

    def add(self, bar: Bar) -> None:
        before = self._bar
        if before is not None and bar.start_ms != self.close_ms:
            self._begin()
        elif before is not None:
            self._returns.update((bar.close / before.close - 1.0) * 100.0)
        close = bar.close
        self._old_open.update(bar.open)
        self._old_close.update(close)
        self._old_volume.update(bar.volume)
        self._rsi.update(close)
        self._bar = bar
        self._count += 1
        self.close = close
        self.close_ms = bar.close_ms

    @property
    def ready(self) -> bool:
        return self._count >= BUFFER_BARS

    @property
    def pump(self) -> float | None:
        base, close = self._old_open.value, self.close
        if base is None or close is None:
            return None
        return (close - base) / base * 100.0

    def figures(self) -> Figures:
        bar = self._bar
        if bar is None:
            return Figures(None, None, None, None, None, None)
        old_close = self._old_close.value
        return Figures(
            pump=self.pump,
            rsi=self._rsi.value,
            volatility=self._returns.value,
            spread=(bar.high - bar.low) / bar.close * 100.0,
            price_change=None if old_close is None else (bar.close / old_close - 1.0) * 100.0,
            volume_change=_growth(bar.volume, self._old_volume.value),
        )


def _growth(now: float, before: float | None) -> float | None:
    """In percent. Any volume after none at all is an infinite growth, none after none is no
    growth that could be told."""
    if before is None or (before == 0.0 and now == 0.0):
        return None
    return float("inf") if before == 0.0 else (now / before - 1.0) * 100.0


def _above(value: float | None, bound: float) -> bool:
    return value is not None and value > bound


def _below(value: float | None, bound: float) -> bool:
    return value is not None and value < bound
