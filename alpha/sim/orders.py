"""The order desk: create, amend, cancel, trading stop, leverage.

Each call checks its request, changes the state and returns; a `Refusal` leaves no trace.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from alpha.sim import admission
from alpha.sim.book import Book
from alpha.sim.children import Legs, add_partial, check_room
from alpha.sim.draw import Draw
from alpha.sim.matching import Matcher
from alpha.sim.model import (
    ZERO,
    Amendment,
    Order,
    OrderRequest,
    Position,
    Refusal,
    Side,
    StopRequest,
)
from alpha.sim.state import State
from alpha.sim.stops import Stops


class OrderDesk:
    """What an account may ask of the exchange."""

    def __init__(self, state: State, matcher: Matcher, stops: Stops) -> None:
        self._state = state
        self._matcher = matcher
        self._stops = stops

    def create(self, account: str, request: OrderRequest, ms: int) -> Order:
        order = self.checked(account, request, ms)
        spec = self._state.books[order.symbol].spec
        for part in split(order, admission.most(spec, market=order.order_type == "Market")):
            self._place(part, ms)
        return order

    def checked(self, account: str, request: OrderRequest, ms: int) -> Order:
        """The order that the request would become, without an id; nothing changes."""
        state = self._state
        book = state.books[request.symbol]
        admission.check_new(state, account, request)
        if request.tpsl_mode == "Partial":
            check_room(state, account, request.symbol, request.take_profit, request.stop_loss)
        order = self._draft(account, request, ms)
        self._size(order, request, book)
        price = order.price if order.order_type == "Limit" else book.last
        if not order.reduce_only:
            reference = order.trigger_price or price
            admission.check_notional(book.spec, order.qty, reference)
            base = price if order.order_type == "Limit" else reference
            admission.check_stops(order.side, base, order.take_profit, order.stop_loss)
        if request.trigger_price is None and not order.reduce_only:
            best = book.ask if order.side == "Buy" else book.bid
            admission.check_margin(state, order, price if order.order_type == "Limit" else best)
        return order

    def _place(self, order: Order, ms: int) -> None:
        state = self._state
        order.order_id = state.new_id()
        if order.link_id:
            state.links[order.account].add(order.link_id)
        if order.conditional:
            state.emit_order(order, ms)
            state.emit_position(order.account, order.symbol, ms)
        else:
            self._stops.run(order, ms)

    def _draft(self, account: str, request: OrderRequest, ms: int) -> Order:
        book = self._state.books[request.symbol]
        conditional = request.trigger_price is not None
        market = request.order_type == "Market"
        if not market and not request.bbo_side and request.price is not None:
            self._check_far(account, book, request.side, request.price)
        return Order(
            order_id="",
            account=account,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            qty=request.qty,
            price=ZERO if market else nearest_allowed(book, request),
            time_in_force="IOC" if market else request.time_in_force,
            link_id=request.link_id,
            reduce_only=request.reduce_only,
            close_on_trigger=request.close_on_trigger,
            status="Untriggered" if conditional else "New",
            create_type="CreateByStopOrder" if conditional else request.create_type,
            stop_type="Stop" if conditional else "",
            trigger_price=request.trigger_price,
            trigger_direction=request.trigger_direction if conditional else 0,
            trigger_by=request.trigger_by if conditional else "",
            take_profit=request.take_profit or None,
            stop_loss=request.stop_loss or None,
            tp_trigger_by=request.tp_trigger_by if request.take_profit else "",
            sl_trigger_by=request.sl_trigger_by if request.stop_loss else "",
            tpsl_mode=request.tpsl_mode if request.take_profit or request.stop_loss else "",
            tp_limit=request.tp_limit,
            sl_limit=request.sl_limit,
            slippage_type=request.slippage_type or "UNKNOWN",
            slippage=request.slippage or ZERO,
            smp_type=request.smp_type,
            last_price_on_created=book.last,
            created_ms=ms,
            updated_ms=ms,
        )

    def _check_far(self, account: str, book: Book, side: Side, price: Decimal) -> None:
        if self._state.accounts[account].refuses_far:
            admission.check_band(book, side, price)

    def _size(self, order: Order, request: OrderRequest, book: Book) -> None:
        """Checks the quantity; a reduce-only order is cut to the position that it can close."""
        held = self._state.position(order.account, order.symbol)
        market = request.order_type == "Market"
        if order.reduce_only:
            room = admission.reducible(held, order.side)
            if order.qty == 0 and order.close_on_trigger:
                order.qty = min(room, admission.most(book.spec, market=market))
            splits = not order.conditional
            admission.check_qty(book.spec, order.qty, market=market, splits=splits)
            if not order.conditional:
                order.qty = min(order.qty, room)
            return
        admission.check_qty(book.spec, order.qty, market=market)

    # -- changing and ending --------------------------------------------------------------

    def amend(
        self, account: str, symbol: str, order_id: str, link_id: str, new: Amendment, ms: int
    ) -> Order:
        state = self._state
        order = state.find_order(account, symbol, order_id, link_id)
        if order is None:
            raise Refusal(110001, "order not exists or too late to replace")
        changed = msgspec.structs.replace(order)
        self._apply(changed, new)
        self._check_reach(order, changed)
        if changed == order:
            raise Refusal(10001, "order not modified")
        if order.child:
            self._amend_child(order, changed, ms)
            return order
        for name in AMENDED:
            setattr(order, name, getattr(changed, name))
        book = state.books[symbol]
        limit = order.order_type == "Limit" and not order.conditional
        marketable = limit and (
            order.price >= book.ask if order.side == "Buy" else order.price <= book.bid
        )
        if marketable:
            self._stops.run(order, ms)
        else:
            state.emit_order(order, ms)
            state.emit_position(account, symbol, ms)
        return order

    def _apply(self, order: Order, new: Amendment) -> None:
        """Writes the new values into a copy of the order, checking each."""
        book = self._state.books[order.symbol]
        spec = book.spec
        if new.qty is not None and new.qty != order.qty:
            admission.check_qty(spec, new.qty, market=order.order_type == "Market")
            if new.qty <= order.cum_qty:
                raise Refusal(110064, "The order amount after modification is not valid")
            order.qty = new.qty
        if new.price is not None and order.order_type == "Limit":
            admission.check_price(spec, new.price)
            self._check_far(order.account, book, order.side, new.price)
            order.price = within_band(book, order.side, new.price)
        if new.trigger_price is not None and new.trigger_price != order.trigger_price:
            if not order.conditional or new.trigger_price % spec.tick_size != 0:
                raise Refusal(10001, "params error: triggerPrice invalid")
            admission.check_trigger_side(
                order.trigger_direction, new.trigger_price, book.last, order.trigger_by
            )
            order.trigger_price = new.trigger_price
        self._apply_stops(order, new)
        if not order.reduce_only:
            base = order.price if order.order_type == "Limit" else order.trigger_price or book.last
            admission.check_stops(order.side, base, order.take_profit, order.stop_loss)
            if new.qty is not None or new.price is not None:
                admission.check_notional(spec, order.qty, base)

    def _apply_stops(self, order: Order, new: Amendment) -> None:
        if new.take_profit is not None:
            order.take_profit = new.take_profit or None
            order.tp_trigger_by = order.tp_trigger_by or "LastPrice"
        if new.stop_loss is not None:
            order.stop_loss = new.stop_loss or None
            order.sl_trigger_by = order.sl_trigger_by or "LastPrice"
        order.tp_trigger_by = new.tp_trigger_by or order.tp_trigger_by
        order.sl_trigger_by = new.sl_trigger_by or order.sl_trigger_by
        if (order.take_profit or order.stop_loss) and not order.tpsl_mode:
            order.tpsl_mode = "Full"
        spec = self._state.books[order.symbol].spec
        admission.check_limit_legs(spec, order.tpsl_mode, new.tp_limit, new.sl_limit)
        order.tp_limit = new.tp_limit or order.tp_limit
        order.sl_limit = new.sl_limit or order.sl_limit

    def _check_reach(self, order: Order, changed: Order) -> None:
        """A resting order grows no further than its position, or the margin, allows."""
        if order.conditional:
            return
        state = self._state
        if changed.reduce_only:
            room = admission.reducible(state.position(order.account, order.symbol), order.side)
            changed.qty = min(changed.qty, changed.cum_qty + room)
            return
        more = state.required_margin(changed, changed.leaves, changed.price)
        more -= state.required_margin(order, order.leaves, order.price)
        if more > 0 and more > state.wallet_view(order.account).available:
            raise Refusal(110007, "CheckMarginRatio fail! InsufficientAB")

    def _amend_child(self, order: Order, changed: Order, ms: int) -> None:
        """A system stop is moved through its position, so that both say the same."""
        if order.stop_type == "TrailingStop" or changed.trigger_price is None:
            raise Refusal(10001, "order not modified")
        held = self._state.position(order.account, order.symbol)
        self._stops.set_leg(held, order.stop_type, changed.trigger_price, ms)
        self._state.emit_position(order.account, order.symbol, ms)

    def cancel(self, account: str, symbol: str, order_id: str, link_id: str, ms: int) -> Order:
        order = self._state.find_order(account, symbol, order_id, link_id)
        if order is None:
            return self._late(account, symbol, order_id, link_id, ms)
        self._cancel(order, ms)
        return order

    def _late(self, account: str, symbol: str, order_id: str, link_id: str, ms: int) -> Order:
        """A cancel that lost its race: refused, or accepted and answered by a second Filled."""
        order = self._state.just_filled.get(account)
        named = order is not None and (
            order.order_id == order_id if order_id else order.link_id == link_id != ""
        )
        if (
            order is None
            or not named
            or order.symbol != symbol
            or ms - order.updated_ms > RACE_MS
            or not Draw(self._state.salt, "race", order.order_id).chance(RACE_PERCENT)
        ):
            raise Refusal(110001, "order not exists or too late to cancel")
        order.cancel_type = "CancelByUser"
        order.reject_reason = "EC_OrigClOrdIDDoesNotExist"
        self._state.emit_order(order, ms)
        del self._state.just_filled[account]
        return order

    def cancel_all(
        self,
        account: str,
        symbol: str | None,
        which: str,
        stop_type: str,
        ms: int,
        cancel: str = "CancelByUser",
    ) -> list[Order]:
        """Cancels all orders of the account (and symbol); `which` is Bybit's orderFilter."""
        chosen = [
            order
            for order in self._state.open_orders(account, symbol)
            if not (which == "Order" and order.conditional)
            and not (which == "StopOrder" and not order.conditional)
            and not (which == "StopOrder" and stop_type == "Stop" and order.system)
        ][:MAX_CANCELLED]
        for order in chosen:
            self._cancel(order, ms, cancel)
        return chosen

    def _cancel(self, order: Order, ms: int, cancel: str = "CancelByUser") -> None:
        if order.child:
            held = self._state.position(order.account, order.symbol)
            if order.stop_type == "TrailingStop":
                self._stops.set_trailing(held, ZERO, None, ms)
            else:
                self._stops.set_leg(held, order.stop_type, ZERO, ms)
            return
        reason = "EC_NoError" if order.conditional else "EC_PerCancelRequest"
        self._matcher.close(order, ms, cancel=cancel, reason=reason)

    # -- the position's settings ----------------------------------------------------------

    def trading_stop(self, account: str, request: StopRequest, ms: int) -> None:
        state = self._state
        held = state.position(account, request.symbol)
        if held.size == 0:
            raise Refusal(10001, "can not set tp/sl/ts for zero position")
        book = state.books[request.symbol]
        tick = book.spec.tick_size
        for price in (
            request.take_profit,
            request.stop_loss,
            request.trailing,
            request.active_price,
        ):
            if price is not None and (price < 0 or price % tick != 0):
                raise Refusal(10001, "params error: tp/sl/ts price invalid")
        admission.check_stops(held.side, book.last, request.take_profit, request.stop_loss)
        admission.check_limit_legs(book.spec, request.tpsl_mode, request.tp_limit, request.sl_limit)
        if request.tpsl_mode == "Partial":
            changed = self._add_partial(held, request, ms)
        else:
            changed = self._set_whole(held, request, ms)
        if request.trailing is not None:
            active = request.active_price or None
            changed |= self._stops.set_trailing(held, request.trailing, active, ms)
        if not changed:
            raise Refusal(34040, "not modified")
        state.emit_position(account, request.symbol, ms)

    def _set_whole(self, held: Position, request: StopRequest, ms: int) -> bool:
        changed = False
        legs = (
            ("TakeProfit", request.take_profit, request.tp_trigger_by),
            ("StopLoss", request.stop_loss, request.sl_trigger_by),
        )
        for leg, price, by in legs:
            if price is not None:
                changed |= self._stops.set_leg(held, leg, price, ms, by=by)
        return changed

    def _add_partial(self, held: Position, request: StopRequest, ms: int) -> bool:
        """Every call adds stops of a size of their own; they are removed by cancelling them."""
        if not request.take_profit and not request.stop_loss:
            return False
        spec = self._state.books[held.symbol].spec
        size = request.size
        if size is None or size % spec.qty_step != 0 or not 0 < size <= held.size:
            raise Refusal(10001, "params error: tpSize or slSize invalid")
        legs = Legs(
            qty=size,
            take_profit=request.take_profit or None,
            stop_loss=request.stop_loss or None,
            tp_limit=request.tp_limit,
            sl_limit=request.sl_limit,
            tp_trigger_by=request.tp_trigger_by,
            sl_trigger_by=request.sl_trigger_by,
        )
        account, symbol = held.account, held.symbol
        check_room(self._state, account, symbol, legs.take_profit, legs.stop_loss)
        add_partial(self._state, held, legs, ms)
        return True

    def set_leverage(self, account: str, symbol: str, leverage: Decimal, ms: int) -> None:
        state = self._state
        spec = state.books[symbol].spec
        if not 1 <= leverage <= spec.max_leverage:
            raise Refusal(
                110013, f"cannot set leverage [{leverage}] gt maxLeverage [{spec.max_leverage}]"
            )
        held = state.position(account, symbol)
        if held.leverage == leverage:
            raise Refusal(110043, "leverage not modified")
        before = held.leverage
        held.leverage = leverage
        if leverage < before and state.wallet_view(account).available < 0:
            held.leverage = before
            raise Refusal(110007, "CheckMarginRatio fail! InsufficientAB")
        held.updated_ms = ms
        state.put_position(held)
        state.emit_position(account, symbol, ms)


MAX_CANCELLED = 500
RACE_MS = 60_000
RACE_PERCENT = 50
AMENDED = (
    *("qty", "price", "trigger_price", "take_profit", "stop_loss"),
    *("tp_trigger_by", "sl_trigger_by", "tp_limit", "sl_limit", "tpsl_mode"),
)


def split(order: Order, most: Decimal) -> list[Order]:
    """A reduce-only order above the largest size becomes several; the others have no link id."""
    parts = [order]
    rest = order.qty - most if order.reduce_only and not order.conditional else ZERO
    if rest > 0:
        order.qty = most
    while rest > 0:
        parts.append(msgspec.structs.replace(order, link_id="", qty=min(rest, most)))
        rest -= parts[-1].qty
    return parts


def nearest_allowed(book: Book, request: OrderRequest) -> Decimal:
    """The price of the book's level, or the price asked for, moved into the band if need be."""
    price = request.price or ZERO
    if request.bbo_side:
        opposite_side: Side = "Buy" if request.side == "Sell" else "Sell"
        taker = request.side if request.bbo_side == "Counterparty" else opposite_side
        price = book.levels(taker)[request.bbo_level - 1][0]
    return within_band(book, request.side, price)


def within_band(book: Book, side: str, price: Decimal) -> Decimal:
    lowest, highest = book.band
    return min(price, highest) if side == "Buy" else max(price, lowest)
