"""Liquidation unprovoked: whose margin is used up loses all positions and never more money."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.sim.exchange import Exchange
from alpha.sim.model import Execution, Order, OrderRequest, Position, Refusal, Side
from tests.sim.pure import ACCOUNT, COIN, SPEC, D

OTHER = "ETHUSDT"
DEEP = replace(SPEC, depth_qty=D(1000), max_qty=D(2000), max_market_qty=D(2000))
SPECS = (DEEP, replace(DEEP, symbol=OTHER, base_coin="ETH", tick_size=D("0.01")))
TICKS = {spec.symbol: spec.tick_size for spec in SPECS}
START = D(1000)
#: What is cut off on the way from prices to the wallet.
DUST = D("0.000001")


class Candles:
    """One account with 1000 USDT on two coins at 100, candle by candle."""

    def __init__(self, leverage: int = 10) -> None:
        self.exchange = Exchange(SPECS, "liquidation")
        self.exchange.add_account(ACCOUNT, 1, START)
        self.ms = 1_000
        self.executions: list[Execution] = []
        for symbol in TICKS:
            self.exchange.state.books[symbol].move(D(100), "Buy")
            if leverage != 10:
                self.exchange.set_leverage(ACCOUNT, symbol, D(leverage), self.ms)

    def create(self, symbol: str, side: Side, qty: str, **more: object) -> Order:
        self.ms += 1
        body = {"symbol": symbol, "side": side, "order_type": "Market", "qty": qty, **more}
        order = self.exchange.create(ACCOUNT, msgspec.convert(body, OrderRequest), self.ms)
        self.executions += self.exchange.take_changes().executions
        return order

    def move(self, symbol: str, price: Decimal) -> list[Execution]:
        """A candle that jumps to `price`, and what is liquidated at its end."""
        self.ms += 60_000
        self.exchange.tick(symbol, price, D(1), "Sell", gap=True, ms=self.ms)
        return self.exchange.liquidations(self.ms)

    def held(self) -> list[Position]:
        return [p for p in self.exchange.state.positions[ACCOUNT].values() if p.size > 0]

    @property
    def balance(self) -> Decimal:
        return self.exchange.state.accounts[ACCOUNT].balance

    @property
    def spare(self) -> Decimal:
        """Equity above maintenance margin."""
        wallet = self.exchange.state.wallet_view(ACCOUNT)
        return wallet.equity - wallet.position_mm


def test_all_positions_and_orders_go_when_the_margin_is_used_up() -> None:
    candles = Candles()
    candles.create(COIN, "Buy", "80", stop_loss="50")
    candles.create(OTHER, "Sell", "5")
    resting = candles.create(OTHER, "Buy", "1", order_type="Limit", price="99.5")
    assert candles.move(COIN, D(95)) == []
    shown = candles.exchange.state.position_view(ACCOUNT, COIN).liquidation_price
    assert shown is not None and D(80) < shown < D(95)
    assert candles.move(COIN, shown + D("0.2")) == []
    taken = candles.move(COIN, shown - D("0.1"))
    assert [(t.symbol, t.exec_type, t.side, t.qty) for t in taken] == [
        (COIN, "BustTrade", "Sell", D(80)),
        (OTHER, "BustTrade", "Buy", D(5)),
    ]
    assert candles.held() == []
    assert (resting.status, resting.cancel_type) == ("Cancelled", "CancelAllBeforeLiq")
    assert list(candles.exchange.state.open_orders(ACCOUNT)) == []
    statuses = [
        row.position.status
        for emission in candles.exchange.take_changes().emissions
        for row in emission.rows
        if hasattr(row, "position")
    ]
    assert statuses.count("Liq") == 2
    assert candles.balance + DUST >= 0 and candles.balance < D("9")
    with pytest.raises(Refusal, match="110007"):
        candles.create(COIN, "Buy", "10")


@pytest.mark.parametrize(("side", "price"), [("Buy", D(60)), ("Sell", D(140))])
def test_a_gap_beyond_the_margin_costs_no_more_than_the_account_has(
    side: Side, price: Decimal
) -> None:
    candles = Candles()
    candles.create(COIN, side, "80")
    (taken,) = candles.move(COIN, price)
    assert taken.fee == (taken.value * D("0.00055")).quantize(D("1e-8"))
    assert abs(taken.price - (D(100) - 12 if side == "Buy" else D(112))) < D("0.5")
    assert -DUST <= candles.balance <= 80 * D("0.1")


@given(side=st.sampled_from(["Buy", "Sell"]), per_mille=st.integers(-90, 90))
def test_an_account_at_the_default_leverage_survives_nine_per_cent(
    side: Side, per_mille: int
) -> None:
    candles = Candles()
    candles.create(COIN, side, "98.5")
    assert candles.exchange.state.wallet_view(ACCOUNT).available < 10
    assert candles.move(COIN, D(100) + D(per_mille) / 10) == []


orders = st.lists(
    st.tuples(st.sampled_from(sorted(TICKS)), st.sampled_from(["Buy", "Sell"]), st.integers(1, 60)),
    min_size=1,
    max_size=4,
)
moves = st.lists(
    st.tuples(st.sampled_from(sorted(TICKS)), st.integers(-150, 150)), min_size=1, max_size=12
)


@settings(max_examples=400, deadline=None)
@given(leverage=st.sampled_from([2, 10, 25, 50, 100]), orders=orders, moves=moves)
def test_nobody_loses_more_than_he_has(
    leverage: int, orders: list[tuple[str, Side, int]], moves: list[tuple[str, int]]
) -> None:
    candles = Candles(leverage)
    for symbol, side, tenths in orders:
        qty = str(D(tenths) * leverage / 10)
        try:
            candles.create(symbol, side, qty)
        except Refusal as refusal:
            assert refusal.code in (110007, 10001)
    for symbol, per_mille in moves:
        before, spare = candles.held(), None
        mark = candles.exchange.state.mark(symbol)
        price = max((mark * (1000 + per_mille) / 1000).quantize(TICKS[symbol]), D(1))
        sizes = {p.symbol: p.size for p in before}
        taken = candles.move(symbol, price)
        candles.executions += candles.exchange.take_changes().executions
        spare = candles.spare
        if taken:
            assert {t.symbol: t.qty for t in taken} == sizes and candles.held() == []
            room = sum((size * TICKS[name] for name, size in sizes.items()), D(0))
            assert -DUST <= candles.balance <= room + DUST
        elif before:
            assert spare >= 0
        assert candles.balance >= -DUST
        booked = sum((row.pnl - row.fee for row in candles.executions), D(0))
        assert candles.balance == START + booked
