"""Prices that a plan becomes, for either side."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpha.core.events import PositionSide
from alpha.core.intents import StopPlan
from alpha.trading.levels import levels
from tests.plugins.desk import instrument

D = Decimal
COIN = instrument("COINUSDT", "0.05", "1")


@pytest.mark.parametrize(
    ("side", "stop_loss", "take_profit", "activation"),
    [("long", "9.2", "13", "12"), ("short", "10.8", "7", "8")],
)
def test_fractions_refer_to_the_anchor(
    side: PositionSide, stop_loss: str, take_profit: str, activation: str
) -> None:
    plan = StopPlan(
        stop_loss=D("0.08"), take_profit=D("0.3"), trailing=D("0.1"), activation=D("0.2")
    )
    found = levels(plan, side, D(10), COIN)
    assert found.stop_loss == D(stop_loss)
    assert found.take_profit == D(take_profit)
    assert (found.activation, found.trailing) == (D(activation), D(1))


def test_the_trailing_distance_is_at_least_one_tick_and_ties_go_to_even() -> None:
    found = levels(StopPlan(stop_loss=D("0.5"), trailing=D("0.001")), "long", D("0.25"), COIN)
    assert found.trailing == D("0.05")
    assert found.stop_loss == D("0.10")  # 0.125 lies between 2 and 3 ticks


@pytest.mark.parametrize(
    ("side", "price", "expected"),
    [
        ("long", "10.02", "10.00"),
        ("long", "9.1", "9.20"),
        ("short", "9.98", "10.00"),
        ("short", "11", "10.80"),
    ],
)
def test_of_two_stop_losses_the_nearer_holds(side: PositionSide, price: str, expected: str) -> None:
    plan = StopPlan(stop_loss=D("0.08"), stop_loss_price=D(price))
    assert levels(plan, side, D(10), COIN).stop_loss == D(expected)


def test_prices_do_not_move_with_the_anchor() -> None:
    plan = StopPlan(take_profit=D("0.3"), take_profit_price=D("13.02"), stop_loss_price=D(9))
    for anchor in (D(10), D(12)):
        found = levels(plan, "long", anchor, COIN)
        assert (found.take_profit, found.stop_loss) == (D("13.00"), D("9.00"))
