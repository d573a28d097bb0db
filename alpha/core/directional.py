"""Directional movement: how strong a trend is, whichever way it goes."""

from __future__ import annotations


class _Smoothed:
    """`y_t = y_{t-1} + (x_t - y_{t-1}) / n`, from the first value on."""

    __slots__ = ("_alpha", "value")

    def __init__(self, length: int) -> None:
        self._alpha = 1.0 / length
        self.value: float | None = None

    def update(self, x: float) -> float:
        before = self.value
        self.value = value = x if before is None else before + self._alpha * (x - before)
        return value


class DirectionalIndex:
    """ADX whose averages are exponential with `alpha = 1 / length` and start at their first value.

    True range is `max(h - l, |h - c'|, |l - c'|)`, that of the first bar `h - l`. The larger of
    `h - h'` and `l' - l` counts as directional movement, if it is positive.
    `DX = 100 |+DI - -DI| / (+DI + -DI)`; bars without any movement so far have none."""

    __slots__ = ("_before", "_down", "_index", "_range", "_up")

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ValueError(f"expected a length of at least 1, was {length}")
        self._range = _Smoothed(length)
        self._up = _Smoothed(length)
        self._down = _Smoothed(length)
        self._index = _Smoothed(length)
        self._before: tuple[float, float, float] | None = None

    @property
    def value(self) -> float | None:
        """0 to 100; None before the first movement."""
        return self._index.value

    def update(self, high: float, low: float, close: float) -> float | None:
        reach, rise, fall = high - low, 0.0, 0.0
        if self._before is not None:
            high_before, low_before, close_before = self._before
            reach = max(reach, abs(high - close_before), abs(low - close_before))
            rise, fall = high - high_before, low_before - low
        self._before = (high, low, close)
        mean_range = self._range.update(reach)
        up = self._up.update(rise if rise > fall and rise > 0.0 else 0.0)
        down = self._down.update(fall if fall > rise and fall > 0.0 else 0.0)
        # The range cancels out of DX, unless there is none.
        if mean_range > 0.0 and up + down > 0.0:
            self._index.update(100.0 * abs(up - down) / (up + down))
        return self._index.value
