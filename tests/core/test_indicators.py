from __future__ import annotations

import json
import statistics
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.core.indicators import (
    BollingerBands,
    BufferRsi,
    CutlerRsi,
    Ema,
    Highest,
    Lag,
    Lowest,
    Sma,
    StandardDeviation,
    WindowEma,
    ema,
)
from tests.plugins.candles import walk

GOLDEN = json.loads((Path(__file__).parents[1] / "vectors" / "golden_vectors.json").read_text())


@pytest.mark.parametrize(("length", "expected"), [(240, "ema240"), (600, "ema600")])
def test_golden_ema(length: int, expected: str) -> None:
    average = Ema(length)
    window = WindowEma(length)
    for bar in walk(1000, 12345, 0.004, 60000):
        average.update(bar.close)
        window.update(bar.close)
    assert average.value == pytest.approx(GOLDEN["ema"][expected], abs=1e-9)
    assert window.value == pytest.approx(GOLDEN["ema"][expected], abs=1e-9)


def test_golden_ema_of_the_first_600() -> None:
    average = Ema(240)
    for bar in walk(600, 12345, 0.004, 60000):
        average.update(bar.close)
    assert average.value == pytest.approx(GOLDEN["ema"]["ema240_first_600"], abs=1e-9)


def test_seed_is_the_mean_of_the_first_values() -> None:
    average = Ema(3)
    assert [average.update(x) for x in (1.0, 2.0, 6.0)] == [1.0, 1.5, 3.0]
    assert average.update(5.0) == 4.0  # alpha = 1/2
    assert Ema(3).value is None


def test_window_gives_nothing_until_it_is_full() -> None:
    average = WindowEma(2, window=3)
    assert [average.update(x) for x in (1.0, 2.0)] == [None, None]
    assert average.update(3.0) == pytest.approx(1.5 + (3.0 - 1.5) * 2 / 3)
    # The oldest value has left: the seed is the mean of 2 and 3 now.
    assert average.update(9.0) == pytest.approx(2.5 + (9.0 - 2.5) * 2 / 3)


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=60), st.integers(1, 20))
def test_incremental_equals_the_formula(values: list[float], length: int) -> None:
    average = ema(length)
    for x in values:
        average.update(x)
    head = values[:length]
    expected = sum(head) / len(head)
    for x in values[length:]:
        expected = expected * (1 - 2 / (length + 1)) + x * 2 / (length + 1)
    # the rounding of one step is that of its largest term
    assert average.value == pytest.approx(expected, abs=1e-12 * max(values))


@pytest.mark.parametrize("length", [0, -1])
def test_lengths_are_checked(length: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Ema(length)
    with pytest.raises(ValueError, match="expected a length"):
        WindowEma(length)
    with pytest.raises(ValueError, match="expected a length"):
        WindowEma(1001)


# -- over windows ------------------------------------------------------------------------------

PRICES = st.lists(st.floats(0.01, 1e5), min_size=1, max_size=120)
LENGTHS = st.integers(2, 25)


def close_to(expected: float, scale: float) -> object:
    return pytest.approx(expected, rel=1e-9, abs=1e-9 * scale)


@given(PRICES, LENGTHS)
def test_windows_equal_their_definitions(values: list[float], length: int) -> None:
    mean, deviation, lag = Sma(length), StandardDeviation(length), Lag(length)
    highest, lowest, bands = Highest(length), Lowest(length), BollingerBands(length)
    for place, x in enumerate(values):
        for one in (mean, deviation, lag, highest, lowest, bands):
            one.update(x)
        window = values[max(0, place + 1 - length) : place + 1]
        assert lag.value == (values[place - length] if place >= length else None)
        if len(window) < length:
            assert mean.value is deviation.value is highest.value is bands.bandwidth is None
            continue
        sd = statistics.stdev(window)
        assert mean.value == close_to(statistics.fmean(window), 1)
        # What a window forgets leaves rounding of its own size behind, for one window at most.
        assert deviation.value == pytest.approx(sd, rel=1e-9, abs=1e-6 * max(values))
        assert (highest.value, lowest.value) == (max(window), min(window))
        assert bands.middle == mean.value
        assert bands.upper is not None and bands.lower is not None and bands.middle is not None
        assert bands.upper - bands.middle == pytest.approx(2 * (deviation.value or 0.0), abs=1e-6)
        assert bands.bandwidth == pytest.approx(
            (bands.upper - bands.lower) / bands.middle, abs=1e-9
        )


def rsi(gains: list[float], losses: list[float], length: int) -> float:
    """Averages that start at 0 on a first bar without change, bar by bar."""
    up = down = 0.0
    for gain, loss in zip(gains, losses, strict=True):
        up += (gain - up) / length
        down += (loss - down) / length
    return 100.0 if down == 0 else 100.0 - 100.0 / (1.0 + up / down)


@given(PRICES, st.integers(1, 10), st.integers(0, 15))
def test_rsi_of_a_buffer_knows_nothing_before_it(
    values: list[float], length: int, more: int
) -> None:
    index = BufferRsi(length, length + more)
    for place, x in enumerate(values):
        index.update(x)
        buffer = values[max(0, place + 1 - length - more) : place + 1]
        if len(buffer) < length:
            assert index.value is None
            continue
        changes = [0.0] + [b - a for a, b in pairwise(buffer)]
        gains, losses = [max(c, 0.0) for c in changes], [max(-c, 0.0) for c in changes]
        smallest = min((abs(c) for c in changes if c), default=1.0)
        if smallest > 1e-6 * max(values):  # else rounding decides between 0 and 100
            assert index.value == pytest.approx(rsi(gains, losses, length), abs=1e-6)


def test_rsi_of_a_market_that_stands_is_100() -> None:
    """As is one after a fall that the buffer has forgotten: no residue of it is left."""
    index, cutler = BufferRsi(3, 5), CutlerRsi(3)
    for x in (7.3, 5.1, 5.1, 5.1, 5.1):
        index.update(x)
        cutler.update(x)
    assert index.value == 0.0
    assert (index.update(5.1), cutler.update(5.1)) == (100.0, 100.0)


def test_deviation_of_a_market_that_stands_is_zero() -> None:
    deviation = StandardDeviation(4)
    for x in (1e5, 3.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1):
        deviation.update(x)
    assert deviation.value == 0.0


def test_windows_check_their_lengths() -> None:
    with pytest.raises(ValueError, match="at least 1, was 0"):
        Sma(0)
    with pytest.raises(ValueError, match="at least 2, was 1"):
        StandardDeviation(1)
    with pytest.raises(ValueError, match="buffer of at least 84, was 83"):
        BufferRsi(84, 83)
