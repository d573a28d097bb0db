"""Matching: an order meets the synthetic book, or the market meets a resting order.

Pure: no clock, no input or output; the caller says what time it is. A fill books its fee,
profit and position at once and leaves the frames that tell of it in the state's outbox, in an
order that real connections show too: executions before or after their order, the position
before or after both, drawn from the order's id.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from alpha.sim.book import Book, makers
from alpha.sim.draw import Draw
from alpha.sim.model import PLACES, ZERO, Execution, Order, Row
from alpha.sim.positions import FillEffect, apply_fill
from alpha.sim.state import State

TWO_FRAMES_PERCENT = 35
ORDER_FIRST_PERCENT = 35
POSITION_FIRST_PERCENT = 25

Rows = list[tuple[Decimal, Decimal]]


class Fill(NamedTuple):
    """One fill on its way into the books; `rate` None means the order pays the usual fee."""

    price: Decimal
    qty: Decimal
    maker: bool
    seq: int
    ms: int
    exec_type: str = "Trade"
    rate: Decimal | None = None


class Matcher:
    """Fills orders and books what a fill means for the account."""

    def __init__(self, state: State) -> None:
        self._state = state

    def execute(self, order: Order, ms: int) -> None:
        """Matches an incoming (or just triggered) order against the book; a rest may remain."""
        book = self._state.books[order.symbol]
        if not self._truncate(order, ms):
            return
        if order.time_in_force == "PostOnly" and crosses(book, order):
            self.close(order, ms, reason="EC_PostOnlyWillTakeLiquidity")
            return
        if order.time_in_force == "FOK" and book.reachable(order.side, order.price) < order.leaves:
            self.close(order, ms, reason="EC_NoImmediateQtyToFill")
            return
        taken = book.take(order.side, order.leaves, order.price)
        draw = Draw(self._state.salt, "match", order.order_id, order.cum_qty)
        groups = split(makers(taken, book.spec.qty_step, draw), draw)
        frames = [self._match_event(order, group, ms) for group in groups]
        self._finish(order)
        self._publish(order, frames, draw, ms)

    def fill_resting(self, order: Order, qty: Decimal, ms: int) -> None:
        """The market trades `qty` against a resting limit order, at the order's price."""
        if not self._truncate(order, ms):
            return
        step = self._state.books[order.symbol].spec.qty_step
        draw = Draw(self._state.salt, "rest", order.order_id, order.cum_qty)
        rows = makers([(order.price, min(qty, order.leaves))], step, draw)
        frame = self._match_event(order, rows, ms, maker=True)
        order.status = "Filled" if order.leaves == 0 else "PartiallyFilled"
        self._publish(order, [frame], draw, ms)

    def force(
        self, order: Order, exec_type: str, rate: Decimal, ms: int, *, told: bool = True
    ) -> Execution:
        """Fills a whole order of the exchange's own at its price, past the book.

        `told` False: the fill has no order on any stream or list (settlement).
        """
        seq = self._state.next_seq(order.symbol)
        fill = Fill(order.price, order.qty, False, seq, ms, exec_type, rate)
        execution = self._book_fill(order, fill)
        order.status = "Filled"
        draw = Draw(self._state.salt, "force", order.order_id)
        self._publish(order, [[execution]], draw, ms, told=told)
        return execution

    def close(
        self, order: Order, ms: int, *, cancel: str = "UNKNOWN", reason: str = "EC_NoError"
    ) -> None:
        """Ends an order without (further) fills and tells it."""
        order.status = "Deactivated" if order.conditional else "Cancelled"
        order.cancel_type = cancel
        order.reject_reason = reason
        self._state.emit_order(order, ms)
        self._state.emit_position(order.account, order.symbol, ms)

    def _truncate(self, order: Order, ms: int) -> bool:
        """Cuts a reducing order to the position; False (and cancelled) if nothing is left."""
        if not (order.reduce_only or order.close_on_trigger):
            return True
        held = self._state.position(order.account, order.symbol)
        room = held.size if held.size > 0 and held.side != order.side else ZERO
        if room < order.leaves:
            order.qty = order.cum_qty + room
        if order.leaves == 0:
            self.close(order, ms, cancel="CancelByReduceOnly")
            return False
        return True

    def _match_event(self, order: Order, rows: Rows, ms: int, *, maker: bool = False) -> list[Row]:
        """Books the fills of one match event; they share one seq and travel in one frame."""
        seq = self._state.next_seq(order.symbol)
        return [self._book_fill(order, Fill(price, qty, maker, seq, ms)) for price, qty in rows]

    def _book_fill(self, order: Order, fill: Fill) -> Execution:
        spec = self._state.books[order.symbol].spec
        rate = fill.rate
        if rate is None:
            rate = spec.maker_fee if fill.maker else spec.taker_fee
        fee = (fill.price * fill.qty * rate).quantize(PLACES)
        held = self._state.position(order.account, order.symbol)
        effect = apply_fill(held, order.side, fill.qty, fill.price, fill.ms)
        if effect.closed < fill.qty:
            held.open_fee += fee - (fee * effect.closed / fill.qty).quantize(PLACES)
        self._book_money(order, effect, fee, fill.seq)
        order.cum_qty += fill.qty
        order.cum_value += fill.qty * fill.price
        order.cum_fee += fee
        order.closed_pnl += effect.pnl
        execution = Execution(
            account=order.account,
            symbol=order.symbol,
            exec_id=self._state.new_id(),
            exec_type=fill.exec_type,
            order_id=order.order_id,
            link_id=order.link_id,
            side=order.side,
            order_type=order.order_type,
            stop_type=order.stop_type,
            create_type=order.create_type,
            order_price=order.price,
            order_qty=order.qty,
            leaves_qty=order.leaves,
            price=fill.price,
            qty=fill.qty,
            value=fill.price * fill.qty,
            fee=fee,
            fee_rate=rate,
            pnl=effect.pnl,
            closed_size=effect.closed,
            is_maker=fill.maker,
            mark_price=self._state.mark(order.symbol),
            exec_ms=fill.ms,
            seq=fill.seq,
            balance_after=self._state.accounts[order.account].balance,
            position_after=held.signed,
            open_fee=effect.open_fee,
        )
        self._state.put_execution(execution)
        return execution

    def _book_money(self, order: Order, effect: FillEffect, fee: Decimal, seq: int) -> None:
        held = self._state.position(order.account, order.symbol)
        held.seq = seq
        held.realised += effect.pnl - fee
        held.cum_realised += effect.pnl - fee
        account = self._state.accounts[order.account]
        account.balance += effect.pnl - fee
        account.cum_realised += effect.pnl - fee
        self._state.put_position(held)
        self._state.put_account(account)

    def _finish(self, order: Order) -> None:
        if order.leaves == 0:
            order.status = "Filled"
        elif order.order_type == "Market" or order.time_in_force == "IOC":
            order.status = "Cancelled"
            order.reject_reason = "EC_NoImmediateQtyToFill"
        else:
            order.status = "PartiallyFilled" if order.cum_qty > 0 else "New"

    def _publish(
        self, order: Order, frames: list[list[Row]], draw: Draw, ms: int, *, told: bool = True
    ) -> None:
        state = self._state
        order_first = draw.chance(ORDER_FIRST_PERCENT)
        position_first = draw.chance(POSITION_FIRST_PERCENT)
        if position_first:
            state.emit_position(order.account, order.symbol, ms)
        if order_first and told:
            state.emit_order(order, ms)
        for rows in frames:
            state.emit(order.account, "execution", ms, rows)
        if not order_first and told:
            state.emit_order(order, ms)
        if not position_first:
            state.emit_position(order.account, order.symbol, ms)
        if frames:
            state.emit_wallet(order.account, ms)


def protection_price(book: Book, order: Order) -> Decimal:
    """A market order is an IOC limit order at the mark price, moved by the price limit ratio.

    A slippage tolerance draws the limit nearer: so many ticks, or per cent, from the best price.
    """
    spec, sign = book.spec, 1 if order.side == "Buy" else -1
    limit = book.last * (1 + sign * spec.price_limit_ratio)
    if order.slippage_type in ("TickSize", "Percent"):
        best = book.ask if order.side == "Buy" else book.bid
        percent = order.slippage_type == "Percent"
        away = best * order.slippage / 100 if percent else spec.tick_size * order.slippage
        limit = min(limit, best + away) if order.side == "Buy" else max(limit, best - away)
    steps = limit // spec.tick_size
    if order.slippage and order.side == "Sell" and limit % spec.tick_size:
        steps += 1
    return max(steps * spec.tick_size, spec.tick_size)


def crosses(book: Book, order: Order) -> bool:
    """True if a limit order would trade at once."""
    return order.price >= book.ask if order.side == "Buy" else order.price <= book.bid


def split(rows: Rows, draw: Draw) -> list[Rows]:
    """One match event, or sometimes two, for the fills of an order."""
    if len(rows) > 1 and draw.chance(TWO_FRAMES_PERCENT):
        cut = 1 + draw.below(len(rows) - 1)
        return [rows[:cut], rows[cut:]]
    return [rows] if rows else []
