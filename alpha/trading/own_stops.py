"""Stops of a symbol that several bots of an account may trade: conditional orders of our own,
so that each bot's quantity has its own, and the reason comes back on the fill.

Each leg (stop, take profit) of a bot's position is one order; of stop loss and trailing stop the
nearer one is there. Its id is
decided from the position and the revision, so that it can be sent any number of times and exists
once. What there is on the exchange is compared with what there should be, again and again: an
order is created, amended or cancelled, and is gone only when the exchange shows it. They are
plain orders of exactly the bot's quantity: reduce-only on the wire speaks of the net position of
all owners (Bybit V5, Place Order).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from alpha.bybit.codes import OrderGone
from alpha.bybit.requests import FALL, RISE, AmendOrder, CreateOrder, OrderTarget
from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.events import Side
from alpha.core.ids import wire_id
from alpha.core.instruments import Instrument
from alpha.core.intents import StopPlan
from alpha.core.orders import OrderState, is_terminal
from alpha.core.records import BotPosition, Commit, OrderRow
from alpha.errors import AlphaError, VenueRejected
from alpha.trading.account import Account
from alpha.trading.guarded import MAX_REFUSALS, RETRY_S, Close, Guarded, Key
from alpha.trading.levels import Levels
from alpha.trading.sending import Sender
from alpha.trading.sizing import Sizing

log = structlog.get_logger(__name__)

ZERO = Decimal(0)
STOP_LOSS, TAKE_PROFIT, TRAILING = "stop_loss", "take_profit", "trailing_stop"
STOPS = (STOP_LOSS, TRAILING)
LEGS = (*STOPS, TAKE_PROFIT)
#: Conditional orders that the exchange takes per symbol (Bybit V5, Place Order).
MOST_PER_SYMBOL = 10
#: A trailing stop is moved at most this often; a cancel that shows no effect is repeated.
TRAIL_EVERY_S = 1.0
CANCEL_AGAIN_S = 1.0
#: retCodes for a trigger price on the wrong side of the market: it has been passed already.
PASSED = frozenset({110092, 110093})
ACCEPTED = frozenset({OrderState.ACKED, OrderState.OPEN, OrderState.PARTIALLY_FILLED})


@dataclass(slots=True)
class _Leg:
    refusals: int = 0
    try_at: float = 0.0
    position_ms: int | None = None


@dataclass(slots=True)
class _Requests:
    """What is under way for single orders, by id."""

    busy: set[str] = field(default_factory=set)
    cancel_at: dict[str, float] = field(default_factory=dict)
    amend_at: dict[str, float] = field(default_factory=dict)


class OwnStops:
    """Conditional orders for one account's bots. `last_price` is the market's newest price of a
    symbol, None while there is none; `spawn` starts a task that the daemon supervises."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        *,
        sender: Sender,
        clock: Clock,
        instruments: Mapping[str, Instrument],
        last_price: Callable[[str], Decimal | None],
        spawn: Callable[[Coroutine[object, object, None], str], object],
        may_send: Callable[[], bool],
        sizing: Sizing,
        close: Close,
    ) -> None:
        self._account = account
        self._rest = rest
        self._sender = sender
        self._clock = clock
        self._instruments = instruments
        self._last_price = last_price
        self._spawn = spawn
        self._may_send = may_send
        self._sizing = sizing
        self._close = close
        self._legs: dict[tuple[Key, str], _Leg] = {}
        self._requests = _Requests()

    # -- what there is ------------------------------------------------------------------------

    def working(self, key: Key | None = None) -> list[OrderRow]:
        """Own conditional orders that are not over."""
        tracker = self._account.tracker
        return [
            row
            for row in tracker.working(None if key is None else key[0])
            if tracker.is_own_stop(row) and (key is None or row.symbol == key[1])
        ]

    def is_covered(self, key: Key) -> bool:
        """The exchange has taken a stop for the position."""
        return any(
            row.reason != TAKE_PROFIT and OrderState(row.state) in ACCEPTED
            for row in self.working(key)
        )

    # -- one look -----------------------------------------------------------------------------

    def settle(self, key: Key, state: Guarded, position: BotPosition, *, entering: bool) -> None:
        """Compares the orders of one position with what there should be, and starts what is
        missing. `entering`: prices are left until the entry is over, quantities follow it."""
        tracker = self._account.tracker
        rows = [row for row in self.working(key) if not tracker.is_fired(row)]
        side: Side = "Sell" if position.signed_qty > 0 else "Buy"
        qty = abs(position.signed_qty) - self._closing(key)
        wanted = self._prices(key, state, position) if qty > 0 else {}
        small = self._sizing.is_small(*key, qty)
        kept: dict[str, OrderRow] = {}
        held_back: list[OrderRow] = []
        for row in sorted(rows, key=lambda row: row.client_order_id, reverse=True):
            leaving = row.client_order_id in self._requests.cancel_at
            fits = row.reason in wanted and row.side == side and not leaving
            fits = fits and (small or not row.reduce_only)
            if fits and row.reason not in kept:
                kept[row.reason] = row
            elif row.reason not in kept and row.reason not in wanted and qty > 0 and not leaving:
                held_back.append(row)
            else:
                self._cancel_soon(row)
        for row in held_back:
            # The stop that takes its place is there first.
            taken = any(OrderState(kept[leg].state) in ACCEPTED for leg in STOPS if leg in kept)
            if taken or row.reason == TAKE_PROFIT or row.side != side:
                self._cancel_soon(row)
        if not self._in_doubt(key) and not (small and entering):
            for leg in LEGS:
                if leg in wanted:
                    self._settle_leg(
                        (key, leg), state, kept.get(leg), side, wanted[leg], qty, entering
                    )
        self._watch_bare(key, state, must=any(leg in wanted for leg in STOPS))
        self._forget_finished()

    def _closing(self, key: Key) -> Decimal:
        """What orders that the exchange has taken are about to close: their stops go at once,
        while exits that are only on their way leave them in place."""
        tracker, total = self._account.tracker, ZERO
        for row in tracker.working(key[0]):
            exits = row.purpose == "exit" or tracker.is_fired(row)
            if row.symbol != key[1] or not exits:
                continue
            state, done = OrderState(row.state), tracker.executed_qty(row.client_order_id)
            if is_terminal(state):
                total += row.filled_qty - done
            elif state in ACCEPTED:
                total += row.qty - done
        return total

    def _in_doubt(self, key: Key) -> bool:
        """An exit is on its way and nobody knows whether it has arrived."""
        return any(
            row.symbol == key[1]
            and row.purpose == "exit"
            and not is_terminal(OrderState(row.state))
            and OrderState(row.state) not in ACCEPTED
            for row in self._account.tracker.working(key[0])
        )

    def _prices(self, key: Key, state: Guarded, position: BotPosition) -> dict[str, Decimal]:
        """The trigger price of each leg that there should be. Where no plan is known (its
        decision was lost in a crash and is not repeated yet), what there is stays."""
        levels = state.wanted(position, self._instruments)
        found: dict[str, Decimal] = {}
        if levels is None:
            rows = [row for row in self.working(key) if row.trigger_price is not None]
            return {row.reason: row.trigger_price or ZERO for row in rows}
        if levels.stop_loss is not None:
            found[STOP_LOSS] = levels.stop_loss
        if levels.take_profit is not None:
            found[TAKE_PROFIT] = levels.take_profit
        trailing = self._trailing(key, state, position, levels)
        if trailing is not None:
            ahead = 1 if position.signed_qty > 0 else -1
            fixed = found.get(STOP_LOSS)
            # One of the two: both would fire in one move of the market, and close twice as much.
            if fixed is None or (trailing - fixed) * ahead > 0:
                found.pop(STOP_LOSS, None)
                found[TRAILING] = trailing
        return found

    def _trailing(
        self, key: Key, state: Guarded, position: BotPosition, levels: Levels
    ) -> Decimal | None:
        """Where the trailing stop stands: behind the best price since it was armed, and never
        further back than the order that is there."""
        if levels.trailing is None:
            return None
        ahead = 1 if position.signed_qty > 0 else -1
        instrument = self._instruments[position.symbol]
        price = self._last_price(position.symbol)
        for row in self.working(key):
            if row.reason == TRAILING and row.trigger_price is not None:
                behind = row.trigger_price + ahead * levels.trailing
                state.extreme = _further(state.extreme, behind, ahead)
        if price is not None:
            reached = levels.activation is None or (price - levels.activation) * ahead >= 0
            if state.extreme is not None or reached:
                state.extreme = _further(state.extreme, price, ahead)
        if state.extreme is None:
            return None
        return instrument.round_price(state.extreme - ahead * levels.trailing)

    # -- one leg ------------------------------------------------------------------------------

    def _settle_leg(
        self,
        name: tuple[Key, str],
        state: Guarded,
        row: OrderRow | None,
        side: Side,
        price: Decimal,
        qty: Decimal,
        entering: bool,
    ) -> None:
        leg = self._legs.setdefault(name, _Leg())
        if leg.position_ms != state.opened_ms:
            self._legs[name] = leg = _Leg(position_ms=state.opened_ms)
        now = self._clock.monotonic()
        if row is None:
            if leg.refusals < MAX_REFUSALS and now >= leg.try_at:
                leg.try_at = now + RETRY_S
                self._create(name, state, leg, side, price, qty)
            return
        if OrderState(row.state) not in ACCEPTED or row.exchange_status != "Untriggered":
            return
        if entering or not _moves(row, price):
            price = row.trigger_price or price
        if (row.qty, row.trigger_price) != (qty, price):
            self._amend_soon(row, state, price, qty)

    def _create(
        self,
        name: tuple[Key, str],
        state: Guarded,
        leg: _Leg,
        side: Side,
        price: Decimal,
        qty: Decimal,
    ) -> None:
        (bot_id, symbol), reason = name
        reduce_only = self._sizing.reduces_only(bot_id, symbol, side, qty)
        tracker, reasons = self._account.tracker, self._account.rules.reasons
        stamp = state.opened_ms or self._clock.now_ms()
        while tracker.get(wire_id(bot_id, reason, stamp, reasons)) is not None:
            stamp += 1  # the next revision
        row = OrderRow(
            account=self._account.name,
            client_order_id=wire_id(bot_id, reason, stamp, reasons),
            bot_id=bot_id,
            symbol=symbol,
            side=side,
            purpose="stop",
            reason=reason,
            order_type="Market",
            qty=qty,
            price=None,
            trigger_price=price,
            reduce_only=reduce_only,
            state=OrderState.PENDING.value,
            exchange_order_id=None,
            exchange_status=None,
            filled_qty=ZERO,
            avg_fill_price=None,
            reject_code=None,
            reject_reason=None,
            decided_ms=stamp,
            sent_ms=None,
            acked_ms=None,
            terminal_ms=None,
            updated_ms=self._clock.now_ms(),
        )
        tracker.plan(row)
        self._account.put(Commit(self._account.name, orders=(row,)))
        self.send(row, state, leg)

    def send(self, row: OrderRow, state: Guarded | None = None, leg: _Leg | None = None) -> None:
        """Sends a stop, or the same once more under its id."""
        self._spawn(self._send(row, state, leg), f"stop:{row.client_order_id}")

    async def _send(self, row: OrderRow, state: Guarded | None, leg: _Leg | None) -> None:
        attempts = 0

        def wanted() -> CreateOrder | None:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and state is not None:
                state.unanswered(self._clock.monotonic())
            held = self._account.position(row.bot_id, row.symbol).signed_qty
            if held == 0 or (held > 0) is not (row.side == "Sell"):
                return None
            return _request(row, held)

        refusal = await self._sender.send(row, wanted)
        known = self._account.tracker.get(row.client_order_id)
        if refusal is None:
            if known is not None and known.state == OrderState.UNKNOWN and state is not None:
                state.unanswered(self._clock.monotonic())
            if leg is not None and known is not None and OrderState(known.state) in ACCEPTED:
                leg.refusals = 0
            return
        if refusal.code in PASSED:
            # The market is beyond the level already: what the stop would have done is done now.
            log.warning("stop_passed", order=row.client_order_id, trigger=str(row.trigger_price))
            self._close(row.bot_id, row.symbol, row.reason, None)
        elif leg is not None and state is not None:
            leg.refusals += 1
            if row.reason != TAKE_PROFIT:
                state.refusals = max(state.refusals, leg.refusals)

    def _watch_bare(self, key: Key, state: Guarded, *, must: bool) -> None:
        now = self._clock.monotonic()
        if not must or self.is_covered(key):
            state.bare_since = None
            if state.refusals >= MAX_REFUSALS and self._account.position(*key).signed_qty:
                state.close_if_lost(key, now, self._account, self._close, bare_for=0.0)
            return
        if not self._in_doubt(key):
            state.bare(key, now, self._account, self._close)

    # -- orders that are there ----------------------------------------------------------------

    def _amend_soon(self, row: OrderRow, state: Guarded, price: Decimal, qty: Decimal) -> None:
        link_id, now = row.client_order_id, self._clock.monotonic()
        requests = self._requests
        if link_id in requests.busy or now < requests.amend_at.get(link_id, 0.0):
            return
        requests.amend_at[link_id] = now + (TRAIL_EVERY_S if row.reason == TRAILING else RETRY_S)
        requests.busy.add(link_id)
        self._spawn(self._amend(row, price, qty), f"amend:{link_id}")

    async def _amend(self, row: OrderRow, price: Decimal, qty: Decimal) -> None:
        target = OrderTarget(row.symbol, order_link_id=row.client_order_id)
        request = AmendOrder(
            target,
            qty=qty if qty != row.qty else None,
            trigger_price=price if price != row.trigger_price else None,
        )
        try:
            if self._may_send():
                await self._rest.amend_order(request)
        except VenueRejected as error:
            if error.code in PASSED:
                self._close(row.bot_id, row.symbol, row.reason, None)
            else:
                log.warning("stop_not_amended", order=row.client_order_id, error=str(error))
                await self._ask(row)
        except AlphaError as error:
            log.warning("stop_not_amended", order=row.client_order_id, error=str(error))
        finally:
            self._requests.busy.discard(row.client_order_id)

    def _cancel_soon(self, row: OrderRow) -> None:
        """A cancel is final only once the exchange shows the order's end: until then it is
        repeated, and asked for."""
        link_id, now = row.client_order_id, self._clock.monotonic()
        requests = self._requests
        if OrderState(row.state) not in ACCEPTED or link_id in requests.busy:
            return
        if now < requests.cancel_at.get(link_id, 0.0):
            return
        requests.cancel_at[link_id] = now + CANCEL_AGAIN_S
        requests.busy.add(link_id)
        self._spawn(self._cancel(row), f"cancel:{link_id}")

    async def _cancel(self, row: OrderRow) -> None:
        target = OrderTarget(row.symbol, order_link_id=row.client_order_id)
        try:
            if self._may_send():
                await self._rest.cancel_order(target)
        except OrderGone:
            await self._ask(row)
        except AlphaError as error:
            log.warning("stop_not_cancelled", order=row.client_order_id, error=str(error))
        finally:
            self._requests.busy.discard(row.client_order_id)

    async def _ask(self, row: OrderRow) -> None:
        """Its state as the exchange has it; a stop that is gone may have fired."""
        try:
            event = await self._rest.order(row.symbol, order_link_id=row.client_order_id)
        except AlphaError as error:
            log.warning("stop_not_read", order=row.client_order_id, error=str(error))
            return
        if event is not None:
            self._account.receive_order(event)

    def _forget_finished(self) -> None:
        requests, tracker = self._requests, self._account.tracker
        for kept in (requests.cancel_at, requests.amend_at):
            for link_id in list(kept):
                row = tracker.get(link_id)
                if row is None or is_terminal(OrderState(row.state)):
                    del kept[link_id]


def legs_of(plan: StopPlan) -> int:
    """How many orders a plan becomes."""
    stop_loss = plan.stop_loss is not None or plan.stop_loss_price is not None
    take_profit = plan.take_profit is not None or plan.take_profit_price is not None
    return stop_loss + take_profit + (plan.trailing is not None)


def _request(row: OrderRow, held: Decimal) -> CreateOrder:
    falls = (held > 0) is not (row.reason == TAKE_PROFIT)
    return CreateOrder(
        symbol=row.symbol,
        side=row.side,
        qty=row.qty,
        order_link_id=row.client_order_id,
        reduce_only=row.reduce_only,
        trigger_price=row.trigger_price,
        trigger_direction=FALL if falls else RISE,
        urgent=True,
    )


def _further(known: Decimal | None, price: Decimal, ahead: int) -> Decimal:
    if known is None:
        return price
    return max(known, price) if ahead > 0 else min(known, price)


def _moves(row: OrderRow, price: Decimal) -> bool:
    """A trailing stop goes one way; the other legs go where they are wanted."""
    if row.reason != TRAILING or row.trigger_price is None:
        return True
    return price > row.trigger_price if row.side == "Sell" else price < row.trigger_price
