"""Figures against values computed by hand and against formulas written down a second time."""

from __future__ import annotations

import math
import statistics
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.core import performance
from alpha.core.performance import DAY_MS

D = Decimal
RETURN = st.floats(min_value=-0.5, max_value=0.5, allow_subnormal=False)
RETURNS = st.lists(RETURN, min_size=2, max_size=60)


def test_ratios_of_three_days_by_hand() -> None:
    daily = [0.01, -0.02, 0.04]
    # mean 0.01; deviations 0, -0.03, 0.03: variance 0.0018 / 2; below zero only 0.02.
    assert performance.sharpe(daily) == pytest.approx(0.01 / 0.03 * math.sqrt(365))
    assert performance.sortino(daily) == pytest.approx(
        0.01 / math.sqrt(0.0004 / 3) * math.sqrt(365)
    )
    assert performance.returns([100.0, 110.0, 99.0]) == pytest.approx([0.1, -0.1])


def test_growth_is_compounded_over_a_year_of_365_and_a_quarter_days() -> None:
    assert performance.cagr(0.21, 730.5 * DAY_MS) == pytest.approx(0.1)
    assert performance.cagr(0.1, 365.25 * DAY_MS) == pytest.approx(0.1)
    assert performance.cagr(0.1, DAY_MS - 1) is None
    assert performance.cagr(-1.0, 9 * DAY_MS) is None
    assert performance.calmar(0.3, 0.1) == pytest.approx(3)
    assert performance.calmar(0.3, 0.0) is None


def test_the_deepest_fall_and_where_it_lies() -> None:
    found = performance.drawdown([110.0, 99.0, 104.5, 120.0, 118.0], 100.0)
    assert found.depth == pytest.approx(0.1)
    assert (found.peak, found.bottom, found.recovered) == (0, 1, 3)
    below = performance.drawdown([90.0, 80.0, 95.0], 100.0)
    assert below.depth == pytest.approx(0.2)
    assert (below.peak, below.bottom, below.recovered) == (None, 1, None)
    assert performance.drawdown([], 100.0) == performance.Drawdown(0.0)


def test_trades_by_hand() -> None:
    found = performance.of_trades([D(30), D(-10), D(-5), D(0)])
    assert (found.trades, found.wins, found.losses, found.net_pnl) == (4, 1, 2, D(15))
    assert (found.win_rate, found.profit_factor, found.expectancy) == (0.25, D(2), D("3.75"))
    assert (found.average_win, found.average_loss) == (D(30), D("-7.5"))
    assert (found.best, found.worst) == (D(30), D(-10))
    none = performance.of_trades([])
    assert (none.win_rate, none.profit_factor, none.expectancy, none.best) == (None,) * 4


def test_value_at_risk_is_the_loss_of_the_fifth_worst_of_a_hundred_days() -> None:
    daily = [number / 1000 for number in range(-50, 50)]
    assert performance.value_at_risk(daily) == pytest.approx(0.046)
    assert performance.value_at_risk(daily, Fraction(99, 100)) == pytest.approx(0.050)
    assert performance.value_at_risk([0.01] * 30) == 0.0
    assert performance.value_at_risk([-0.01] * 29) is performance.value_at_risk([]) is None


def test_correlation_is_over_the_days_of_both() -> None:
    one, other = {1: 0.1, 2: 0.2, 3: 0.3, 9: 7.0}, {1: -1.0, 2: -2.0, 3: -3.0, 8: 5.0}
    assert performance.correlation(one, other) == pytest.approx(-1)
    assert performance.correlation(one, {1: 2.0}) is None
    assert performance.correlation(one, {1: 2.0, 2: 2.0}) is None


def test_exposure_is_the_part_with_something_open() -> None:
    assert performance.exposure([0, 2, 1, 0]) == 0.5
    assert performance.exposure([]) is None


@given(RETURNS)
def test_ratios_are_those_of_the_statistics_module(daily: list[float]) -> None:
    spread = math.sqrt(statistics.variance(daily))
    sharpe = performance.sharpe(daily)
    if spread > 1e-9:
        assert sharpe is not None
        assert sharpe == pytest.approx(statistics.mean(daily) / spread * math.sqrt(365))
    losses = [one for one in daily if one < -1e-9]
    if losses:
        below = math.sqrt(math.fsum(one * one for one in daily if one < 0) / len(daily))
        assert performance.sortino(daily) == pytest.approx(
            statistics.mean(daily) / below * math.sqrt(365)
        )


@given(RETURNS)
def test_a_fall_is_the_worst_of_all_pairs(daily: list[float]) -> None:
    values, worth = [], 100.0
    for one in daily:
        worth *= 1 + one
        values.append(worth)
    every = [100.0, *values]
    worst = max(1 - later / before for place, before in enumerate(every) for later in every[place:])
    assert performance.drawdown(values, 100.0).depth == pytest.approx(worst, abs=1e-12)


@given(st.lists(RETURN, min_size=30, max_size=90), st.integers(50, 99))
def test_no_more_days_than_allowed_lose_more_than_the_value_at_risk(
    daily: list[float], percent: int
) -> None:
    level = Fraction(percent, 100)
    risk = performance.value_at_risk(daily, level)
    assert risk is not None
    assert sum(-one > risk for one in daily) <= (1 - level) * len(daily)


@given(st.lists(st.decimals("-1000", "1000", places=4), max_size=50))
def test_what_was_won_less_what_was_lost_is_the_net(results: list[Decimal]) -> None:
    found = performance.of_trades(results)
    assert found.gross_profit - found.gross_loss == found.net_pnl == sum(results, D(0))
    assert found.wins + found.losses + results.count(D(0)) == found.trades
