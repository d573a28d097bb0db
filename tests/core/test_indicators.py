from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.core.indicators import Ema, WindowEma, ema
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
