"""Conditional orders: triggers, stop loss, take profit, trailing stop, and the market's path.

Between two ticks of one bar the price is taken to move through every level in between, so a
trigger fires at its level and a resting order fills at its price, in the order in which the
path meets them. Into a new bar the price jumps: what lies in the gap fires at the new price.
"""

from __future__ import annotations

from decimal import Decimal

from alpha.sim.children import add_partial, children, legs_of, new_child
from alpha.sim.matching import Matcher, protection_price
from alpha.sim.model import ZERO, Execution, Order, Position, Side, opposite
from alpha.sim.selfmatch import prevented
from alpha.sim.state import State


class Stops:
    """Runs orders through the matcher and keeps a position's stops in step with it."""

    def __init__(self, state: State, matcher: Matcher) -> None:
        self._state = state
        self._matcher = matcher

    # -- running an order -----------------------------------------------------------------

    def run(self, order: Order, ms: int) -> None:
        """Matches an order and lets the position's stops follow what it did."""
        if order.order_type == "Market":
            order.price = protection_price(self._state.books[order.symbol], order)
        if prevented(self._state, self._matcher, order, ms):
            return
        before = self._state.position(order.account, order.symbol).side
        filled = order.cum_qty
        self._matcher.execute(order, ms)
        if order.cum_qty > filled:
            self._follow(order, before, order.cum_qty - filled, ms)

    def fill(self, order: Order, qty: Decimal, ms: int) -> None:
        """Fills a resting order and lets the position's stops follow."""
        before = self._state.position(order.account, order.symbol).side
        filled = order.cum_qty
        self._matcher.fill_resting(order, qty, ms)
        if order.cum_qty > filled:
            self._follow(order, before, order.cum_qty - filled, ms)

    def force(
        self, order: Order, exec_type: str, rate: Decimal, ms: int, *, told: bool = True
    ) -> Execution:
        """Fills an order of the exchange's own and lets the position's stops follow."""
        before = self._state.position(order.account, order.symbol).side
        execution = self._matcher.force(order, exec_type, rate, ms, told=told)
        self._follow(order, before, execution.qty, ms)
        return execution

    def _follow(self, order: Order, before: str, filled: Decimal, ms: int) -> None:
        held = self._state.position(order.account, order.symbol)
        if before and held.side != before:
            self.clear(held, ms)
        if held.size > 0 and held.side == order.side:
            if order.tpsl_mode == "Partial":
                add_partial(self._state, held, legs_of(order, min(filled, held.size)), ms)
            else:
                self._set_whole(held, order, ms)
        self._resize(held, ms)

    def _set_whole(self, held: Position, order: Order, ms: int) -> None:
        """The stops that an order has brought become those of the whole position."""
        link, tp_by, sl_by = order.link_id, order.tp_trigger_by, order.sl_trigger_by
        if order.stop_loss is not None:
            self.set_leg(held, "StopLoss", order.stop_loss, ms, parent_link_id=link, by=sl_by)
        if order.take_profit is not None:
            self.set_leg(held, "TakeProfit", order.take_profit, ms, parent_link_id=link, by=tp_by)

    def _resize(self, held: Position, ms: int) -> None:
        """System children and resting reduce-only orders shrink or grow with the position."""
        for order in self._state.open_orders(held.account, held.symbol):
            if order.child and held.size > 0 and order.qty != held.size:
                order.qty = held.size
                self._state.emit_order(order, ms)
            elif order.reduce_only and not order.conditional:
                room = held.size if held.side != order.side else ZERO
                if room == 0:
                    self._matcher.close(order, ms, cancel="CancelByReduceOnly")
                elif order.leaves > room:
                    order.qty = order.cum_qty + room
                    self._state.emit_order(order, ms)

    # -- a position's own stops -----------------------------------------------------------

    def clear(self, held: Position, ms: int) -> None:
        """The position's side has ended: its stops end with it."""
        held.take_profit = held.stop_loss = held.trailing = None
        self._state.put_position(held)
        for order in self._state.open_orders(held.account, held.symbol):
            if order.system:
                self._matcher.close(order, ms, cancel="CancelByTpSlTsClear")

    def set_leg(
        self,
        held: Position,
        leg: str,
        price: Decimal,
        ms: int,
        *,
        parent_link_id: str = "",
        by: str = "LastPrice",
    ) -> bool:
        """Sets, moves or (price 0) removes the stop loss or take profit; False if unchanged."""
        current = held.stop_loss if leg == "StopLoss" else held.take_profit
        if (current or ZERO) == price:
            return False
        value = price if price > 0 else None
        if leg == "StopLoss":
            held.stop_loss = value
        else:
            held.take_profit = value
        self._state.put_position(held)
        child = next((c for c in children(self._state, held) if c.stop_type == leg), None)
        if value is None:
            if child is not None:
                self._matcher.close(child, ms, cancel="CancelByUser")
        elif child is not None:
            child.trigger_price = value
            self._state.emit_order(child, ms)
        else:
            child = new_child(self._state, held, leg, by, ms)
            child.parent_link_id = parent_link_id
            child.trigger_price = value
            self._state.emit_order(child, ms)
        return True

    def set_trailing(
        self, held: Position, distance: Decimal, active: Decimal | None, ms: int
    ) -> bool:
        """Sets, changes or (distance 0) removes the trailing stop; False if unchanged."""
        child = next(
            (c for c in children(self._state, held) if c.stop_type == "TrailingStop"), None
        )
        same_start = active is None or (child is not None and child.trigger_price == active)
        if (held.trailing or ZERO) == distance and same_start:
            return False
        held.trailing = distance if distance > 0 else None
        self._state.put_position(held)
        if distance == 0:
            if child is not None:
                self._matcher.close(child, ms, cancel="CancelByUser")
            return True
        if child is None:
            child = new_child(self._state, held, "TrailingStop", "LastPrice", ms)
        last = self._state.mark(held.symbol)
        child.distance = distance
        child.trigger_price = active or child.trigger_price or last
        if not child.armed or active is not None:
            child.armed = active is None or reached(child, last)
            child.extreme = last if child.armed else None
        self._state.emit_order(child, ms)
        return True

    # -- the market's path ----------------------------------------------------------------

    def walk(
        self, symbol: str, price: Decimal, qty: Decimal, side: Side, *, gap: bool, ms: int
    ) -> None:
        """Moves the last price to `price`, firing and filling what lies on the way.

        Resting orders at exactly `price` share the `qty` that was traded there.
        """
        book = self._state.books[symbol]
        orders = self._state.orders[symbol]
        touched: set[str] = set()
        while orders:
            start = price if gap or not book.priced else book.last
            met = self._next_met(symbol, start, price, side, touched)
            if met is None:
                break
            order, level = met
            moved: Side = side if level == price else ("Buy" if price > start else "Sell")
            book.move(level, moved)
            if order.conditional:
                self._fire(order, ms)
            elif order.price == price:
                touched.add(order.order_id)
                part = min(qty, order.leaves)
                if part > 0:
                    self.fill(order, part, ms)
                qty -= part
            else:
                self.fill(order, order.leaves, ms)
        book.move(price, side)
        for order in orders.values():
            if order.stop_type == "TrailingStop":
                self._trail(order, price)

    def _next_met(
        self, symbol: str, start: Decimal, end: Decimal, side: Side, passed: set[str]
    ) -> tuple[Order, Decimal] | None:
        """The first order on the way from `start` to `end`, and the price at which it acts."""
        best: tuple[Order, Decimal] | None = None
        for order in self._state.orders[symbol].values():
            if order.order_id in passed:
                continue
            level = self._level(order, start, end, side)
            if level is not None and (best is None or abs(level - start) < abs(best[1] - start)):
                best = (order, level)
        return best

    def _level(self, order: Order, start: Decimal, end: Decimal, side: Side) -> Decimal | None:
        if not order.conditional:
            # A resting order trades when the price goes through it, or stops at it from
            # a taker on the other side.
            if order.side == "Buy":
                met = end < order.price or (end == order.price and side == "Sell")
                return min(start, order.price) if met else None
            met = end > order.price or (end == order.price and side == "Buy")
            return max(start, order.price) if met else None
        trigger = trail_level(order) if order.distance is not None else order.trigger_price
        if trigger is None:
            return None
        if order.trigger_direction == 1:
            return max(start, trigger) if end >= trigger else None
        return min(start, trigger) if end <= trigger else None

    def _trail(self, order: Order, price: Decimal) -> None:
        """Arms a trailing stop at its activation price and drags its extreme along."""
        if not order.armed and reached(order, price):
            order.armed = True
            order.extreme = price
        elif order.armed and order.extreme is not None:
            better = max if order.trigger_direction == 2 else min
            extreme = better(order.extreme, price)
            if extreme == order.extreme:
                return
            order.extreme = extreme
        else:
            return
        self._state.put_order(order, order.updated_ms)

    def _fire(self, order: Order, ms: int) -> None:
        """A trigger is met: Triggered, then matched as the order that it holds."""
        state = self._state
        order.status = "Triggered"
        state.orders[order.symbol].pop(order.order_id, None)
        state.emit_order(order, ms)
        closes = order.reduce_only or order.close_on_trigger
        price = order.price if order.order_type == "Limit" else state.mark(order.symbol)
        if not closes and not state.affordable(order, order.leaves, price):
            self._matcher.close(order, ms, reason="EC_NoEnoughQtyToFill")
            return
        self.run(order, ms)
        pair = state.orders[order.symbol].get(order.pair_id)
        if pair is not None:
            self._matcher.close(pair, ms, cancel="CancelByTpSlTsClear")


def trail_level(order: Order) -> Decimal | None:
    """Where an armed trailing stop fires now."""
    if not order.armed or order.extreme is None or order.distance is None:
        return None
    if order.trigger_direction == 2:
        return order.extreme - order.distance
    return order.extreme + order.distance


def reached(order: Order, price: Decimal) -> bool:
    """True if the price has got to a trailing stop's activation price."""
    if order.trigger_price is None:
        return True
    closes_long = opposite(order.side) == "Buy"
    return price >= order.trigger_price if closes_long else price <= order.trigger_price
