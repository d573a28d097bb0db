"""Sizes and prices that the exchange takes, on cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.core.instruments import BUMP_LIMIT, Instrument, SizeRejected
from tests.core.examples import thorough

D = Decimal


def instrument(
    step: str = "0.001", least: str = "0.001", notional: str = "5", tick: str = "0.1"
) -> Instrument:
    return Instrument(
        symbol="BTCUSDT",
        base_coin="BTC",
        tick=D(tick),
        qty_step=D(step),
        min_qty=D(least),
        max_qty=D(1190),
        max_market_qty=D(119),
        min_notional=D(notional),
        max_leverage=D(100),
    )


@pytest.mark.parametrize(
    ("step", "price", "qty"),
    [("0.001", "118000", "0.059"), ("0.01", "3800", "1.83"), ("0.1", "177", "39.4")],
)
def test_seven_percent_of_a_balance_at_ten_times(step: str, price: str, qty: str) -> None:
    target = D("9987.61") * D("0.07") * 10
    assert target.quantize(D("0.01")) == D("6991.33")
    assert instrument(step=step).size_order(target, D(price)) == D(qty)


def test_small_sizes() -> None:
    """Minimum 1, step 0.5, maximum 100, minimum notional 10."""
    coin = replace(
        instrument(step="0.5", least="1", notional="10"), max_qty=D(100), max_market_qty=D(100)
    )
    assert coin.size_order(D("1.7") * 50, D(50)) == D("1.5")
    assert isinstance(coin.size_order(D("0.3") * 50, D(50)), SizeRejected)
    assert isinstance(coin.size_order(D(150) * 50, D(50)), SizeRejected)
    assert isinstance(coin.size_order(D("0.8") * 5, D(5)), SizeRejected)


def test_a_size_below_the_minimum_is_raised_by_a_tenth_at_most() -> None:
    coin = instrument(step="0.01", least="1", notional="5")
    assert coin.size_order(D(100), D(100)) == D(1)
    assert coin.size_order(D("90.91"), D(100)) == D(1)  # 100 / 90.91 = 1.09999
    refused = coin.size_order(D("90.90"), D(100))  # 100 / 90.90 = 1.10011
    assert isinstance(refused, SizeRejected)
    assert str(refused) == (
        "BTCUSDT: below minimum: expected at least 1 (100 USDT), was a target of 90.90 USDT"
    )


def test_the_minimum_notional_rounds_the_quantity_up() -> None:
    coin = instrument(step="0.1", least="0.1", notional="5")
    # 5 / 7 = 0.714.. -> at least 0.8 (5.60 USDT); floored, 5.5 / 7 gives 0.7 (4.90 USDT).
    assert coin.size_order(D("5.5"), D(7)) == D("0.8")
    assert isinstance(coin.size_order(D(5), D(7)), SizeRejected)  # 5.60 > 5 x 1.10


def test_what_exceeds_the_maximum_names_both_figures() -> None:
    refused = instrument().size_order(D(200), D(1))
    assert str(refused) == "BTCUSDT: above maximum: expected at most 119, was 200.000"
    # The smaller of the limits of market and other orders counts.
    assert instrument().size_order(D(119), D(1)) == D(119)


def test_a_minimum_above_the_maximum_is_never_sent() -> None:
    """120 is within 1.10 x 115, and more than the 119 that a market order may have."""
    assert isinstance(instrument(notional="120").size_order(D(115), D(1)), SizeRejected)


@pytest.mark.parametrize(
    ("tick", "price", "rounded"),
    [
        ("0.05", "10.07", "10.05"),
        ("0.05", "10.08", "10.10"),
        ("0.000001", "0.0000125", "0.000012"),  # a tie goes to the even multiple
        ("0.000001", "0.0000135", "0.000014"),
        ("0.5", "99.75", "100.0"),
        ("0.5", "99.25", "99.0"),
        ("10", "95", "100"),
        ("10", "85", "80"),
    ],
)
def test_prices_go_to_the_nearest_tick(tick: str, price: str, rounded: str) -> None:
    assert instrument(tick=tick).round_price(D(price)) == D(rounded)


def test_a_distance_is_one_tick_at_least() -> None:
    coin = instrument(tick="0.05")
    assert coin.round_distance(D("0.001")) == D("0.05")
    assert coin.round_distance(D("0")) == D("0.05")
    assert coin.round_distance(D("0.12")) == D("0.10")


steps = st.sampled_from(["0.000001", "0.001", "0.1", "0.5", "1", "10", "100"])
amounts = st.decimals("0.000001", "1000000", places=6)


@thorough
@given(steps, amounts)
def test_quantities_are_multiples_of_the_step(step: str, qty: Decimal) -> None:
    coin = instrument(step=step)
    floor, ceiling = coin.floor_qty(qty), coin.ceil_qty(qty)
    assert floor % coin.qty_step == 0 == ceiling % coin.qty_step
    assert floor <= qty <= ceiling
    assert ceiling - floor in (0, coin.qty_step)
    assert qty - floor < coin.qty_step and ceiling - qty < coin.qty_step


@thorough
@given(steps, amounts)
def test_prices_are_multiples_of_the_tick(tick: str, price: Decimal) -> None:
    coin = instrument(tick=tick)
    rounded = coin.round_price(price)
    assert rounded % coin.tick == 0
    assert abs(rounded - price) <= coin.tick / 2
    assert coin.round_distance(price) == max(rounded, coin.tick)


@thorough
@given(
    step=steps,
    least=st.integers(1, 50),
    notional=st.sampled_from(["0", "5", "100"]),
    target=st.decimals("0.01", "100000", places=2),
    price=st.decimals("0.01", "100000", places=2),
)
def test_an_order_is_taken_by_the_exchange_or_refused_here(
    step: str, least: int, notional: str, target: Decimal, price: Decimal
) -> None:
    coin = replace(instrument(step=step, notional=notional), min_qty=least * D(step))
    qty = coin.size_order(target, price)
    fits = coin.floor_qty(target / price)
    if isinstance(qty, SizeRejected):
        # Neither what the target buys nor the least that is taken would do.
        too_small = fits < coin.min_qty or fits * price < coin.min_notional
        assert fits > coin.max_market_qty or too_small
        return
    assert qty % coin.qty_step == 0
    assert coin.min_qty <= qty <= min(coin.max_qty, coin.max_market_qty)
    with localcontext(prec=60):
        assert qty * price >= coin.min_notional
        assert qty * price <= target * BUMP_LIMIT
        if qty > fits:  # raised: one step less would be refused
            less = qty - coin.qty_step
            assert less < coin.min_qty or less * price < coin.min_notional
