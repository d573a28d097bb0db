"""Indicators, computed bar by bar in plain floats: one `update` for each closed bar, at a cost
that does not depend on the length (for extremes: on average).

`value` is None until the indicator is defined; EMA alone is defined from its first value on.
Sums over a window are formed anew each time the window has been replaced once, so that rounding
does not add up over years of bars.

Exponential moving average: `EMA_t = EMA_{t-1} + (2 / (n + 1)) * (x_t - EMA_{t-1})`, seeded with
the simple mean of the first n values. Before the n-th value it is the mean of what there is.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import islice
from typing import Literal, Protocol

EmaMode = Literal["converged", "window_1000"]

#: Length of the sliding window of the `window_1000` mode.
WINDOW = 1000


class MovingAverage(Protocol):
    """`value` is None until the average may be used."""

    value: float | None

    def update(self, x: float) -> float | None: ...


class Ema:
    """EMA over everything it was ever given; each update costs the same."""

    __slots__ = ("_alpha", "_count", "_sum", "length", "value")

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ValueError(f"expected a length of at least 1, was {length}")
        self.length = length
        self.value: float | None = None
        self._alpha = 2.0 / (length + 1)
        self._count = 0
        self._sum = 0.0

    def update(self, x: float) -> float:
        previous = self.value
        if previous is None or self._count < self.length:
            self._count += 1
            self._sum += x
            self.value = value = self._sum / self._count
            return value
        self.value = value = previous + self._alpha * (x - previous)
        return value


class WindowEma:
    """EMA computed anew over the last `window` values at each update, seeded inside that window.

    With n = 600 in a window of 1000 a quarter of the weight is still the seed, so its values
    differ from a converged average. It exists for parity with results made that way; `value` is
    None until the window is full."""

    __slots__ = ("_alpha", "_values", "length", "value")

    def __init__(self, length: int, window: int = WINDOW) -> None:
        if not 1 <= length <= window:
            raise ValueError(f"expected a length of 1 to {window}, was {length}")
        self.length = length
        self.value: float | None = None
        self._alpha = 2.0 / (length + 1)
        self._values: deque[float] = deque(maxlen=window)

    def update(self, x: float) -> float | None:
        values = self._values
        values.append(x)
        if len(values) < (values.maxlen or 0):
            return None
        value = sum(islice(values, self.length)) / self.length
        alpha = self._alpha
        for later in islice(values, self.length, None):
            value += alpha * (later - value)
        self.value = value
        return value


def ema(length: int, mode: EmaMode = "converged") -> MovingAverage:
    return Ema(length) if mode == "converged" else WindowEma(length)


class Lag:
    """The value of `length` bars ago."""

    __slots__ = ("_values", "length", "value")

    def __init__(self, length: int) -> None:
        self.length = _checked(length)
        self.value: float | None = None
        self._values: deque[float] = deque(maxlen=length)

    def update(self, x: float) -> float | None:
        values = self._values
        if len(values) == self.length:
            self.value = values[0]
        values.append(x)
        return self.value


class Sma:
    """Simple mean of the last `length` values."""

    __slots__ = ("_since", "_sum", "_values", "length", "value")

    def __init__(self, length: int) -> None:
        self.length = _checked(length)
        self.value: float | None = None
        self._values: deque[float] = deque(maxlen=length)
        self._sum = 0.0
        self._since = 0

    def update(self, x: float) -> float | None:
        values = self._values
        if len(values) == self.length:
            self._sum -= values[0]
        values.append(x)
        self._sum += x
        self._since += 1
        if self._since == self.length:
            self._since = 0
            self._sum = math.fsum(values)
        if len(values) == self.length:
            self.value = self._sum / self.length
        return self.value


class StandardDeviation:
    """Sample standard deviation (n - 1) of the last `length` values; `mean` is theirs."""

    __slots__ = ("_moment", "_since", "_values", "length", "mean", "value")

    def __init__(self, length: int) -> None:
        self.length = _checked(length, least=2)
        self.value: float | None = None
        self.mean: float | None = None
        self._values: deque[float] = deque(maxlen=length)
        self._moment = 0.0  # sum of squared deviations from the mean
        self._since = 0

    def update(self, x: float) -> float | None:
        values, length, mean = self._values, self.length, self.mean
        self._since += 1
        if mean is None or self._since == length:
            values.append(x)
            if len(values) < length:
                return None
            self._since = 0
            self.mean = mean = math.fsum(values) / length
            self._moment = math.fsum((one - mean) ** 2 for one in values)
        else:
            oldest = values[0]
            values.append(x)
            self.mean = moved = mean + (x - oldest) / length
            self._moment += (x - oldest) * (x - moved + oldest - mean)
        # What rounding leaves of a window of equal values may be below zero.
        self.value = value = math.sqrt(max(self._moment, 0.0) / (length - 1))
        return value


class BollingerBands:
    """`middle` +- `width` standard deviations of the last `length` values; `bandwidth` is upper
    minus lower over the middle."""

    __slots__ = ("_deviation", "_mean", "bandwidth", "lower", "middle", "upper", "width")

    def __init__(self, length: int, width: float = 2.0) -> None:
        self.width = width
        self._deviation = StandardDeviation(length)
        self._mean = Sma(length)
        self.middle: float | None = None
        self.upper: float | None = None
        self.lower: float | None = None
        self.bandwidth: float | None = None

    def update(self, x: float) -> float | None:
        """The bandwidth; None as well where the middle is zero."""
        deviation, middle = self._deviation.update(x), self._mean.update(x)
        if deviation is None or middle is None:
            return None
        self.middle = middle
        self.upper = middle + self.width * deviation
        self.lower = middle - self.width * deviation
        self.bandwidth = 2 * self.width * deviation / middle if middle else None
        return self.bandwidth


class _Extreme:
    """Candidates are kept in an order in which each is overtaken by all that precede it."""

    __slots__ = ("_candidates", "_count", "_sign", "length", "value")

    def __init__(self, length: int, sign: float) -> None:
        self.length = _checked(length)
        self.value: float | None = None
        self._sign = sign
        self._candidates: deque[tuple[int, float]] = deque()
        self._count = 0

    def update(self, x: float) -> float | None:
        candidates, signed = self._candidates, self._sign * x
        while candidates and candidates[-1][1] <= signed:
            candidates.pop()
        candidates.append((self._count, signed))
        self._count += 1
        if candidates[0][0] <= self._count - 1 - self.length:
            candidates.popleft()
        if self._count >= self.length:
            self.value = self._sign * candidates[0][1]
        return self.value


class Highest(_Extreme):
    """The greatest of the last `length` values."""

    __slots__ = ()

    def __init__(self, length: int) -> None:
        super().__init__(length, 1.0)


class Lowest(_Extreme):
    """The least of the last `length` values."""

    __slots__ = ()

    def __init__(self, length: int) -> None:
        super().__init__(length, -1.0)


class BufferRsi:
    """Relative strength index with exponential averages (`alpha = 1 / length`) over a sliding
    buffer: both averages start at 0 on the first bar of the last `buffer` ones.

    `RSI = 100 - 100 / (1 + U / D)`, 100 where D is 0, undefined before `length` values. A buffer
    forgets: unlike Wilder's own, the index does not depend on anything before it."""

    __slots__ = (
        "_alpha",
        "_buffer",
        "_changes",
        "_down",
        "_downs",
        "_forget",
        "_keep",
        "_last",
        "_up",
        "_ups",
        "length",
        "value",
    )

    def __init__(self, length: int, buffer: int) -> None:
        self.length = _checked(length)
        if buffer < length:
            raise ValueError(f"expected a buffer of at least {length}, was {buffer}")
        self.value: float | None = None
        self._buffer = buffer
        self._alpha = 1.0 / length
        self._keep = 1.0 - self._alpha
        #: Weight at which the change into the buffer's first bar leaves the averages.
        self._forget = self._alpha * self._keep ** (buffer - 1)
        self._changes: deque[float] = deque()
        self._last: float | None = None
        self._up = self._down = 0.0
        self._ups = self._downs = 0  # changes of each kind inside the buffer

    def update(self, x: float) -> float | None:
        last, changes = self._last, self._changes
        self._last = x
        if last is None:
            if self.length == 1:
                self.value = 100.0
            return self.value
        change = x - last
        up, down = self._up * self._keep, self._down * self._keep
        changes.append(change)
        if change > 0.0:
            up += self._alpha * change
            self._ups += 1
        elif change < 0.0:
            down -= self._alpha * change
            self._downs += 1
        if len(changes) == self._buffer:
            gone = changes.popleft()
            if gone > 0.0:
                up -= self._forget * gone
                self._ups -= 1
            elif gone < 0.0:
                down += self._forget * gone
                self._downs -= 1
        # Nothing in the buffer has moved this way: no residue of rounding either.
        self._up = up = up if self._ups else 0.0
        self._down = down = down if self._downs else 0.0
        if len(changes) + 1 >= self.length:
            self.value = 100.0 if down <= 0.0 else 100.0 - 100.0 / (1.0 + up / down)
        return self.value


class CutlerRsi:
    """Relative strength index with simple means of the last `length` gains and losses."""

    __slots__ = ("_down", "_last", "_up", "length", "value")

    def __init__(self, length: int) -> None:
        self.length = _checked(length)
        self.value: float | None = None
        self._last: float | None = None
        self._up = Sma(length)
        self._down = Sma(length)

    def update(self, x: float) -> float | None:
        last = self._last
        self._last = x
        change = 0.0 if last is None else x - last
        up = self._up.update(max(change, 0.0))
        down = self._down.update(max(-change, 0.0))
        if up is not None and down is not None:
            self.value = 100.0 if down <= 0.0 else 100.0 - 100.0 / (1.0 + up / down)
        return self.value


def _checked(length: int, least: int = 1) -> int:
    if length < least:
        raise ValueError(f"expected a length of at least {least}, was {length}")
    return length
