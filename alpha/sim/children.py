"""The exchange's own orders on a position: whole-position stops and partial ones.

Full: one stop loss, one take profit, one trailing stop, as large as the position. Partial: up to
twenty take profits and stop losses of a size of their own, market or limit; a pair that was set
together ends together. None has a link id; those that came with an order name it as parent.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from alpha.sim.model import (
    CHILD_TYPES,
    PARTIAL_TYPES,
    ZERO,
    Order,
    Position,
    Refusal,
    opposite,
)
from alpha.sim.state import State

MAX_PARTIAL = 20


class Legs(msgspec.Struct, frozen=True, kw_only=True):
    """A partial take profit, stop loss, or a pair of both; a limit price makes a limit order."""

    qty: Decimal
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    tp_limit: Decimal | None = None
    sl_limit: Decimal | None = None
    tp_trigger_by: str = "LastPrice"
    sl_trigger_by: str = "LastPrice"
    parent_link_id: str = ""


def legs_of(order: Order, qty: Decimal) -> Legs:
    """What an order with partial stops brings along for `qty` that it has opened."""
    return Legs(
        qty=qty,
        take_profit=order.take_profit,
        stop_loss=order.stop_loss,
        tp_limit=order.tp_limit,
        sl_limit=order.sl_limit,
        tp_trigger_by=order.tp_trigger_by,
        sl_trigger_by=order.sl_trigger_by,
        parent_link_id=order.link_id,
    )


def children(state: State, held: Position) -> Iterator[Order]:
    """The whole-position stops."""
    for order in state.open_orders(held.account, held.symbol):
        if order.child:
            yield order


def check_room(state: State, account: str, symbol: str, *legs: Decimal | None) -> None:
    """Refuses partial stops above Bybit's limit for a position."""
    there = sum(o.stop_type in PARTIAL_TYPES for o in state.open_orders(account, symbol))
    if there + sum(leg is not None for leg in legs) > MAX_PARTIAL:
        raise Refusal(110061, "The number of TP/SL orders exceeds the limit of 20")


def add_partial(state: State, held: Position, legs: Legs, ms: int) -> None:
    """Adds the partial stops and tells them."""
    made: list[Order] = []
    wanted = (
        ("TakeProfit", legs.take_profit, legs.tp_limit, legs.tp_trigger_by),
        ("StopLoss", legs.stop_loss, legs.sl_limit, legs.sl_trigger_by),
    )
    for leg, trigger, limit, by in wanted:
        if trigger is None:
            continue
        order = new_child(state, held, leg, by, ms)
        order.stop_type = f"Partial{leg}"
        order.create_type = f"CreateByPartial{leg}"
        order.qty = legs.qty
        order.trigger_price = trigger
        order.parent_link_id = legs.parent_link_id
        order.tpsl_mode = "Partial"
        if limit is not None:
            order.order_type = "Limit"
            order.price = limit
            order.time_in_force = "GTC"
        made.append(order)
    if len(made) == 2:
        made[0].pair_id, made[1].pair_id = made[1].order_id, made[0].order_id
    for order in made:
        state.emit_order(order, ms)


def new_child(state: State, held: Position, leg: str, by: str, ms: int) -> Order:
    """A conditional market order that closes the whole position, not yet told to anyone.

    Its trigger price is still open; it fires below the market for a long's stop loss and
    trailing stop and a short's take profit, above it otherwise.
    """
    falls = (leg in ("StopLoss", "TrailingStop")) == (held.side == "Buy")
    return Order(
        order_id=state.new_id(),
        account=held.account,
        symbol=held.symbol,
        side=opposite("Sell" if held.side == "Sell" else "Buy"),
        order_type="Market",
        qty=held.size,
        price=ZERO,
        time_in_force="IOC",
        link_id="",
        reduce_only=True,
        close_on_trigger=True,
        status="Untriggered",
        create_type=f"CreateBy{leg}",
        stop_type=leg,
        tpsl_mode="Full" if leg in CHILD_TYPES else "",
        trigger_direction=2 if falls else 1,
        trigger_by=by,
        last_price_on_created=state.mark(held.symbol),
        created_ms=ms,
        updated_ms=ms,
    )
