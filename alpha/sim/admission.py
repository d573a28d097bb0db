"""The rules that a new or changed order must meet, in the order in which Bybit checks them.

Codes and words follow recorded answers where there is one (Bybit error list, section "UTA").
"""

from __future__ import annotations

import re
from decimal import Decimal

from alpha.sim.book import Book
from alpha.sim.feeds.base import InstrumentSpec
from alpha.sim.model import ZERO, Order, OrderRequest, Position, Refusal
from alpha.sim.state import State

LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
MAX_CONDITIONAL = 10
MAX_ACTIVE = 500
TIMES_IN_FORCE = frozenset({"GTC", "IOC", "FOK", "PostOnly"})


def check_new(state: State, account: str, request: OrderRequest) -> None:
    """Everything about a request that does not depend on money."""
    spec = state.books[request.symbol].spec
    if request.position_idx != 0:
        raise Refusal(10001, "position idx not match position mode")
    check_link(state, account, request.link_id)
    if request.time_in_force not in TIMES_IN_FORCE:
        raise Refusal(10001, "params error: timeInForce invalid")
    if request.order_type == "Limit":
        check_price(spec, request.price)
    check_trigger(state.books[request.symbol], request)
    if request.reduce_only and (request.stop_loss or request.take_profit):
        raise Refusal(10001, "params error: reduceOnly order can not set TP/SL")
    check_caps(state, account, request)


def check_link(state: State, account: str, link_id: str) -> None:
    if not link_id:
        return
    if len(link_id) > 36:
        raise Refusal(10001, "order link id is longer than 36")
    if not LINK_ID.fullmatch(link_id):
        raise Refusal(10001, "invalid order_link_id format")
    if link_id in state.links[account]:
        raise Refusal(110072, "OrderLinkedID is duplicate")


def check_qty(spec: InstrumentSpec, qty: Decimal, *, market: bool) -> None:
    if qty <= 0 or qty % spec.qty_step != 0:
        raise Refusal(10001, "Qty invalid")
    if qty < spec.min_qty:
        raise Refusal(10001, "The number of contracts exceeds minimum limit allowed")
    if qty > (spec.max_market_qty if market else spec.max_qty):
        raise Refusal(10001, "The number of contracts exceeds maximum limit allowed")


def check_price(spec: InstrumentSpec, price: Decimal | None) -> None:
    if price is None or price <= 0 or price % spec.tick_size != 0:
        raise Refusal(110003, "price is invalid")


def check_notional(spec: InstrumentSpec, qty: Decimal, price: Decimal) -> None:
    if qty * price < spec.min_notional:
        minimum = format(spec.min_notional.normalize(), "f")
        raise Refusal(110094, f"Order does not meet minimum order value {minimum}USDT")


def check_trigger(book: Book, request: OrderRequest) -> None:
    if request.trigger_price is None:
        return
    if request.trigger_price <= 0 or request.trigger_price % book.spec.tick_size != 0:
        raise Refusal(10001, "params error: triggerPrice invalid")
    if request.trigger_direction not in (1, 2):
        raise Refusal(10001, "params error: triggerDirection invalid")
    check_trigger_side(
        request.trigger_direction, request.trigger_price, book.last, request.trigger_by
    )


def check_trigger_side(direction: int, trigger: Decimal, last: Decimal, by: str) -> None:
    if direction == 1 and trigger <= last:
        raise Refusal(
            110092,
            f"expect Rising, but trigger_price[{scaled(trigger)}] <= current[{scaled(last)}]??{by}",
        )
    if direction == 2 and trigger >= last:
        raise Refusal(
            110093,
            f"expect Falling, but trigger_price[{scaled(trigger)}]"
            f" >= current[{scaled(last)}]??{by}",
        )


def check_caps(state: State, account: str, request: OrderRequest) -> None:
    conditional = active = 0
    for order in state.open_orders(account, request.symbol):
        if not order.conditional:
            active += 1
        elif not order.child:
            conditional += 1
    if request.trigger_price is not None and conditional >= MAX_CONDITIONAL:
        raise Refusal(110009, "The number of stop orders exceeds the maximum allowable limit")
    if active >= MAX_ACTIVE:
        raise Refusal(110020, "You can't have more than 500 active orders")


def check_stops(
    side: str, base: Decimal, take_profit: Decimal | None, stop_loss: Decimal | None
) -> None:
    """Stop loss below and take profit above the base price of a long, the reverse for a short."""
    above, below = ("TakeProfit", "StopLoss") if side == "Buy" else ("StopLoss", "TakeProfit")
    legs = {"TakeProfit": take_profit or ZERO, "StopLoss": stop_loss or ZERO}
    if legs[below] >= base:
        raise Refusal(10001, _wrong_side(below, legs[below], side, "lower", base))
    if ZERO < legs[above] <= base:
        raise Refusal(10001, _wrong_side(above, legs[above], side, "higher", base))


def _wrong_side(leg: str, price: Decimal, side: str, wanted: str, base: Decimal) -> str:
    return (
        f"{leg}:{scaled(price)} set for {side} position should {wanted} than "
        f"base_price:{scaled(base)}??LastPrice"
    )


def reducible(held: Position, side: str) -> Decimal:
    """How much an order on that side can close; refuses where it can close nothing."""
    if held.size == 0:
        raise Refusal(110017, "current position is zero, cannot fix reduce-only order qty")
    if held.side == side:
        raise Refusal(110017, "orderQty will be truncated to zero")
    return held.size


def check_margin(state: State, order: Order, price: Decimal) -> None:
    if not state.affordable(order, order.leaves, price):
        raise Refusal(110007, "CheckMarginRatio fail! InsufficientAB")


def scaled(price: Decimal) -> str:
    """Prices inside messages are multiplied by ten thousand, as recorded."""
    return str(int(price * 10_000))
