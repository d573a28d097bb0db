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

LINK_ID = re.compile(r"[A-Za-z0-9_-]+")
MAX_CONDITIONAL = 10
MAX_ACTIVE = 500
CENT = Decimal("0.01")
SMP_TYPES = frozenset({"None", "CancelMaker", "CancelTaker", "CancelBoth"})
TIMES_IN_FORCE = frozenset({"GTC", "IOC", "FOK", "PostOnly"})


def check_new(state: State, account: str, request: OrderRequest) -> None:
    """Everything about a request that does not depend on money."""
    spec = state.books[request.symbol].spec
    if request.position_idx != 0:
        raise Refusal(10001, "position idx not match position mode")
    check_link(state, account, request.link_id)
    if request.time_in_force not in TIMES_IN_FORCE:
        raise Refusal(10001, "params error: timeInForce invalid")
    if request.order_type == "Limit" and not request.bbo_side:
        check_price(spec, request.price)
    check_trigger(state.books[request.symbol], request)
    if request.reduce_only and (request.stop_loss or request.take_profit):
        raise Refusal(10001, "params error: reduceOnly order can not set TP/SL")
    check_limit_legs(spec, request.tpsl_mode, request.tp_limit, request.sl_limit)
    check_slippage(request)
    if request.smp_type not in SMP_TYPES:
        raise Refusal(10001, "params error: smpType invalid")
    check_caps(state, account, request)


def check_link(state: State, account: str, link_id: str) -> None:
    if not link_id:
        return
    if len(link_id) > state.link_id_length:
        raise Refusal(10001, f"order link id is longer than {state.link_id_length}")
    if not LINK_ID.fullmatch(link_id):
        raise Refusal(10001, "invalid order_link_id format")
    if link_id in state.links[account]:
        raise Refusal(110072, "OrderLinkedID is duplicate")


def check_limit_legs(spec: InstrumentSpec, mode: str, *prices: Decimal | None) -> None:
    """Stops of the whole position are market orders; partial ones may be limit orders."""
    for price in prices:
        if price is not None and mode != "Partial":
            raise Refusal(10001, "params error: tpOrderType and slOrderType Limit need Partial")
        if price is not None:
            check_price(spec, price)


def check_slippage(request: OrderRequest) -> None:
    """Whole ticks from 1 to 10000, or 0.01 to 10 per cent in steps of 0.01, of market orders."""
    kind, value = request.slippage_type, request.slippage
    if not kind and value is None:
        return
    stops = request.take_profit or request.stop_loss
    if request.order_type != "Market" or request.trigger_price is not None or stops:
        raise Refusal(10001, "params error: slippageTolerance is for plain market orders")
    if kind == "TickSize":
        if value is None or value % 1 != 0 or not 1 <= value <= 10_000:
            raise Refusal(110108, "slippageTolerance of type TickSize must be within 1 and 10000")
    elif kind == "Percent":
        if value is None or value % CENT != 0 or not CENT <= value <= 10:
            raise Refusal(110109, "slippageTolerance of type Percent must be within 0.01 and 10")
    else:
        raise Refusal(10001, "params error: slippageToleranceType invalid")


def check_qty(spec: InstrumentSpec, qty: Decimal, *, market: bool, splits: bool = False) -> None:
    """A quantity on the grid and within the limits; one that `splits` may be any size."""
    if qty <= 0 or qty % spec.qty_step != 0:
        raise Refusal(10001, "Qty invalid")
    if qty < spec.min_qty:
        raise Refusal(10001, "The number of contracts exceeds minimum limit allowed")
    if qty > most(spec, market=market) and not splits:
        raise Refusal(10001, "The number of contracts exceeds maximum limit allowed")


def most(spec: InstrumentSpec, *, market: bool) -> Decimal:
    """The largest quantity of one order."""
    return spec.max_market_qty if market else spec.max_qty


def check_price(spec: InstrumentSpec, price: Decimal | None) -> None:
    if price is None or price <= 0 or price % spec.tick_size != 0:
        raise Refusal(110003, "price is invalid")


def check_band(book: Book, side: str, price: Decimal) -> None:
    """Refuses a limit price that the market's band does not allow on that side."""
    lowest, highest = book.band
    if side == "Buy" and price > highest:
        raise Refusal(30208, "The order price is higher than the maximum buying price")
    if side == "Sell" and price < lowest:
        raise Refusal(30209, "The order price is lower than the minimum selling price")


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
        elif not order.system:
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
