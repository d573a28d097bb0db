"""A small exchange for tests of the matching core: one coin, round numbers, no feed."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from alpha.sim.exchange import Exchange
from alpha.sim.feeds.base import InstrumentSpec
from alpha.sim.model import Execution, Order, OrderRequest, Side
from alpha.sim.state import Changes

D = Decimal
COIN = "BTCUSDT"
ACCOUNT = "k"

SPEC = InstrumentSpec(
    symbol=COIN,
    base_coin="BTC",
    tick_size=D("0.1"),
    qty_step=D("0.001"),
    min_qty=D("0.001"),
    max_qty=D("100"),
    max_market_qty=D("50"),
    min_notional=D("5"),
    max_leverage=D("100"),
    taker_fee=D("0.00055"),
    maker_fee=D("0.0002"),
    maintenance_rate=D("0.005"),
    price_limit_ratio=D("0.01"),
    funding_interval_min=480,
    spread_ticks=1,
    depth_qty=D("1"),
)


class Bench:
    """An exchange with one account, driven by hand, one millisecond a step."""

    def __init__(self, price: str = "100", balance: str = "10000", salt: str = "test") -> None:
        self.exchange = Exchange([SPEC], salt)
        self.exchange.add_account(ACCOUNT, 1, D(balance))
        self.ms = 1_000
        self.changes: list[Changes] = []
        self.exchange.state.books[COIN].move(D(price), "Buy")
        self.exchange.take_changes()

    def _step(self) -> int:
        self.ms += 1
        return self.ms

    def _note(self) -> Changes:
        changes = self.exchange.take_changes()
        self.changes.append(changes)
        return changes

    def tick(self, price: str, side: Side = "Buy", *, gap: bool = False, qty: str = "1") -> Changes:
        self.exchange.tick(COIN, D(price), D(qty), side, gap=gap, ms=self._step())
        return self._note()

    def create(self, side: Side, qty: str, **more: object) -> tuple[Order, Changes]:
        """Creates an order; prices may be given as strings, a `price` makes it a limit order."""
        request = msgspec.convert(
            {
                "symbol": COIN,
                "side": side,
                "order_type": "Limit" if "price" in more else "Market",
                "qty": qty,
                **more,
            },
            OrderRequest,
        )
        order = self.exchange.create(ACCOUNT, request, self._step())
        return order, self._note()

    def position(self) -> Decimal:
        return self.exchange.state.position(ACCOUNT, COIN).signed

    def average(self) -> Decimal:
        held = self.exchange.state.position(ACCOUNT, COIN)
        return held.cost / held.size

    def balance(self) -> Decimal:
        return self.exchange.state.accounts[ACCOUNT].balance

    def executions(self) -> list[Execution]:
        return [row for changes in self.changes for row in changes.executions]

    def open_orders(self) -> list[Order]:
        return list(self.exchange.state.open_orders(ACCOUNT, COIN))


def orders_told(changes: Changes) -> list[Order]:
    """Every order row that went out, in the order of the frames."""
    return [row for e in changes.emissions for row in e.rows if isinstance(row, Order)]
