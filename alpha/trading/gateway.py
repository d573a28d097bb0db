"""The order path of one account: intent -> checks -> rounding -> order row -> send -> track.

A decision and its order rows are queued to the ledger as one unit and sent at once; nothing is
awaited in between. Entries are refused on any doubt, exits are sent through every fault.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import structlog

from alpha.bybit.requests import CreateOrder
from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.decisions import Decision, Planned
from alpha.core.events import PositionSide, Side
from alpha.core.ids import wire_id
from alpha.core.instruments import Instrument
from alpha.core.intents import Enter, Exit, MoveStop, StopPlan
from alpha.core.orders import OrderState
from alpha.core.records import Commit, OrderRow, SignalRow
from alpha.core.refusals import Refusal
from alpha.errors import AlphaError, VenueRejected
from alpha.trading.account import Account
from alpha.trading.latency import Latencies
from alpha.trading.levels import levels
from alpha.trading.protection import Protection
from alpha.trading.sending import EXIT_RETRY_S, Sender
from alpha.trading.signals import Answer, signal_rows
from alpha.trading.sizing import Sized, Sizing

log = structlog.get_logger(__name__)

EXIT_RETRY_MOST_S = 30.0
KEEP_FOLLOWED = 1_000
ZERO = Decimal(0)
#: retCode (Bybit V5, Error Codes): a reduce-only order found nothing left to reduce.
NOTHING_TO_REDUCE = 110017


class Desk(Protocol):
    """What the gateway asks of the bot whose decision it carries out."""

    bot_id: str

    def entry_refusal(self) -> str | None:
        """Why the bot may not enter now; None when it may."""

    def plan_exit(self, intent: Exit, event_key: str, event_ms: int) -> Decision | None:
        """A decision of the host, not of the strategy, with ids like any other."""


@dataclass(frozen=True, slots=True)
class _Aim:
    """What an exit is for: the position opened at `opened_ms`, and how much of it is
    `beyond` what the exchange takes in one order."""

    opened_ms: int
    beyond: Decimal


@dataclass(frozen=True, slots=True)
class _Order:
    """A row with what it is sent with; `anchor` is the price that its stops refer to."""

    row: OrderRow
    plan: StopPlan | None = None
    anchor: Decimal | None = None
    aim: _Aim | None = None


class Gateway:
    """Sends for one account. `spawn` starts a task that the daemon supervises."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        *,
        sender: Sender,
        sizing: Sizing,
        clock: Clock,
        instruments: Mapping[str, Instrument],
        spawn: Callable[[Coroutine[object, object, None], str], object],
        protection: Protection,
    ) -> None:
        self._account = account
        self._rest = rest
        self._sender = sender
        self._sizing = sizing
        self._clock = clock
        self._instruments = instruments
        self._spawn = spawn
        self._protection = protection
        #: Exits that ended early and were followed by one for the rest.
        self._followed: OrderedDict[str, None] = OrderedDict()
        self._aims: OrderedDict[str, _Aim] = OrderedDict()  # of exits, by order id
        self._following: set[tuple[str, str]] = set()  # of these an exit is sent again soon
        self._in_vain: dict[tuple[str, str], int] = {}  # exits in a row that closed nothing

    @property
    def frame_to_order_us(self) -> Latencies:
        """From the socket read of what a decision followed to its order's leaving."""
        return self._sender.frame_to_order_us

    def size_multiplier(self, bot_id: str) -> Decimal:
        """What portfolio limits leave of the size of a bot's entries, up to 1."""
        return self._sizing.size_multiplier(bot_id)

    # -- decisions --------------------------------------------------------------------------

    def carry_out(self, decision: Decision, desk: Desk, received_ns: int | None = None) -> int:
        """Queues the decision with the orders it becomes, then sends them, exits first. Returns
        how many they are."""
        orders: list[_Order] = []
        taken: list[Exit] = []
        answers: list[Answer] = []
        for planned in decision.planned:
            held = self._account.position(desk.bot_id, planned.intent.symbol).signed_qty
            order, why = self._order(decision, planned, desk)
            link_id: str | None = planned.order_link_id
            if order is None and self._was_sent(planned.order_link_id):
                why = None  # before a crash that lost the decision
            elif order is None:
                link_id = None
            elif self._account.tracker.plan(order.row):
                orders.append(order)
                self._note_aim(order)
            elif self._is_anothers(order.row):
                link_id, why = None, Refusal("repeated", f"{link_id} is another order's id")
                if isinstance(planned.intent, Exit):
                    taken.append(planned.intent)
            answers.append(Answer(planned.intent, held, link_id, why))
        self._account.put(
            Commit(
                self._account.name,
                orders=tuple(order.row for order in orders),
                decisions=(decision.row,),
                signals=self._signals(decision, answers),
            )
        )
        for order in sorted(orders, key=lambda order: order.row.purpose != "exit"):
            self._guard(order.row, order.plan)
            self._spawn(self._send(order, desk, received_ns), f"send:{order.row.client_order_id}")
        for intent in taken:
            again = desk.plan_exit(intent, f"again:{decision.row.event_key}", decision.row.event_ms)
            if again is not None:
                self.carry_out(again, desk, received_ns)
        return len(orders)

    def _signals(self, decision: Decision, answers: list[Answer]) -> tuple[SignalRow, ...]:
        if not answers and not decision.dropped:
            return ()
        return signal_rows(
            decision, answers, decided_ms=self._clock.now_ms(), instruments=self._instruments
        )

    def _is_anothers(self, row: OrderRow) -> bool:
        """The id is known, for another order: decisions that were lost in a crash and not
        repeated have used it up."""
        known = self._account.tracker.get(row.client_order_id)
        return known is not None and (known.symbol, known.side) != (row.symbol, row.side)

    def _guard(self, row: OrderRow, plan: StopPlan | None) -> None:
        if plan is not None:
            self._protection.guard(row.bot_id, row.symbol, plan, row.client_order_id)

    def _order(
        self, decision: Decision, planned: Planned, desk: Desk
    ) -> tuple[_Order | None, str | None]:
        """The order that an intent becomes; or None, and why there is none: for a stop that was
        moved there is no why."""
        intent = planned.intent
        if isinstance(intent, MoveStop):
            return None, self._protection.move(desk.bot_id, intent.symbol, intent.stop_loss)
        if isinstance(intent, Exit):
            qty, why = self._sizing.exit(intent, desk.bot_id)
            opened_ms = self._account.position(desk.bot_id, intent.symbol).opened_ms or 0
            if decision.replayed and opened_ms > decision.row.event_ms:
                late = "the position was opened after this was decided"
                qty, why = None, Refusal("nothing_to_close", late)
        else:
            qty, why = self._judged(intent, desk, replayed=decision.replayed)
        link_id = planned.order_link_id
        if qty is None:
            self._refuse(desk.bot_id, intent, why)
            if isinstance(intent, Enter) and self._was_sent(link_id) and intent.stops is not None:
                # Sent before a crash that lost the decision: its stops are wanted all the same.
                self._protection.guard(desk.bot_id, intent.symbol, intent.stops, link_id)
            return None, why
        row = self._row(decision.row.event_ms, link_id, desk.bot_id, intent, qty)
        if isinstance(intent, Enter):
            return _Order(row, intent.stops, intent.price), None
        whole, _ = self._sizing.to_close(intent, desk.bot_id)
        return _Order(row, aim=_Aim(opened_ms, (whole or qty) - qty)), None

    def _judged(self, intent: Enter, desk: Desk, *, replayed: bool) -> Sized:
        """An entry that cannot be judged is refused; exits decided beside it go all the same."""
        try:
            return self._sizing.entry(intent, desk.bot_id, desk.entry_refusal(), replayed=replayed)
        except Exception as error:
            log.error("entry_not_judged", bot=desk.bot_id, symbol=intent.symbol, exc_info=True)
            return None, Refusal("risk", f"it could not be judged: {type(error).__name__}")

    def _note_aim(self, order: _Order) -> None:
        if order.aim is not None:
            self._aims[order.row.client_order_id] = order.aim
            while len(self._aims) > KEEP_FOLLOWED:
                self._aims.popitem(last=False)

    def _was_sent(self, link_id: str) -> bool:
        tracker = self._account.tracker
        return tracker.get(link_id) is not None or tracker.executed_qty(link_id) > 0

    def _row(
        self, decided_ms: int, link_id: str, bot_id: str, intent: Enter | Exit, qty: Decimal
    ) -> OrderRow:
        held = self._account.position(bot_id, intent.symbol).signed_qty
        closing: Side = "Sell" if held > 0 else "Buy"
        side = intent.side if isinstance(intent, Enter) else closing
        reduce_only = isinstance(intent, Exit) and self._sizing.reduces_only(
            bot_id, intent.symbol, side, qty
        )
        return OrderRow(
            account=self._account.name,
            client_order_id=link_id,
            bot_id=bot_id,
            symbol=intent.symbol,
            side=side,
            purpose="entry" if isinstance(intent, Enter) else "exit",
            reason=intent.reason,
            order_type="Market",
            qty=qty,
            price=None,
            trigger_price=None,
            reduce_only=reduce_only,
            state=OrderState.PENDING.value,
            exchange_order_id=None,
            exchange_status=None,
            filled_qty=ZERO,
            avg_fill_price=None,
            reject_code=None,
            reject_reason=None,
            decided_ms=decided_ms,
            sent_ms=None,
            acked_ms=None,
            terminal_ms=None,
            updated_ms=self._clock.now_ms(),
        )

    def _refuse(self, bot_id: str, intent: Enter | Exit, why: str) -> None:
        log.info("intent_refused", bot=bot_id, symbol=intent.symbol, intent=intent.kind, why=why)

    # -- sending ----------------------------------------------------------------------------

    def _request(self, order: _Order, qty: Decimal) -> CreateOrder:
        row = order.row
        stop_loss = take_profit = None
        instrument = self._instruments.get(row.symbol)
        shared = self._account.is_shared(row.symbol)  # there the stops are orders of our own
        if order.plan and order.anchor and instrument is not None and not shared:
            side: PositionSide = "long" if row.side == "Buy" else "short"
            aimed = levels(order.plan, side, order.anchor, instrument)
            stop_loss, take_profit = aimed.stop_loss, aimed.take_profit
        return CreateOrder(
            symbol=row.symbol,
            side=row.side,
            order_type="Market",
            qty=qty,
            order_link_id=row.client_order_id,
            reduce_only=row.reduce_only,
            urgent=row.purpose == "exit",
            stop_loss=stop_loss,
            take_profit=take_profit,
        )

    def _wanted(self, order: _Order) -> CreateOrder | None:
        """The order as it goes out now: an exit for no more than is left to close."""
        row = order.row
        qty = row.qty if row.purpose == "entry" else self._sizing.still_open(row)
        return self._request(order, qty) if qty > 0 else None

    async def _send(self, order: _Order, desk: Desk | None, received_ns: int | None) -> None:
        row = order.row
        refusal = await self._sender.send(
            row, lambda: self._wanted(order), received_ns, lambda: self._against(row, desk)
        )
        if refusal is not None and row.purpose == "exit":
            await self._exit_refused(refusal, row, desk)

    def _against(self, row: OrderRow, desk: Desk | None) -> str | None:
        """Why an entry may not leave although it was taken a moment ago."""
        stopped = desk.entry_refusal() if desk is not None else None
        return stopped or self._sizing.against(row.symbol, row.bot_id)

    def send_again(self, row: OrderRow, desk: Desk | None) -> None:
        """The same order under the same id: at worst the exchange answers that it has it."""
        self._spawn(self._send(_Order(row), desk, None), f"send_again:{row.client_order_id}")

    async def _exit_refused(self, error: VenueRejected, row: OrderRow, desk: Desk | None) -> None:
        if error.code == NOTHING_TO_REDUCE:
            await self._read_position(row.symbol)
        elif desk is not None:
            known = self._account.tracker.get(row.client_order_id)
            self.close_rest(known or row, desk)

    async def _read_position(self, symbol: str) -> None:
        """The exchange holds nothing to reduce: whatever differs, the comparison will find."""
        try:
            for event in await self._rest.positions(symbol):
                self._account.receive_position(event)
        except AlphaError as error:
            log.warning("position_not_read", symbol=symbol, error=str(error))

    def close_unhosted(self, bot_id: str, intent: Exit, now_ms: int) -> None:
        """Closes the position of a bot that is not part of this run. There is no decision; the
        order's id tells whose it is."""
        qty, why = self._sizing.exit(intent, bot_id)
        if qty is None:
            self._refuse(bot_id, intent, why)
            return
        link_id = wire_id(bot_id, intent.reason, now_ms, self._account.rules.reasons)
        row = self._row(now_ms, link_id, bot_id, intent, qty)
        if self._account.tracker.plan(row):
            self._account.put(Commit(self._account.name, orders=(row,)))
            self.send_again(row, None)

    # -- closing until flat -------------------------------------------------------------------

    def close_rest(self, row: OrderRow, desk: Desk) -> None:
        """Called whenever something was learnt of an order. An exit that has ended with
        something left of what it was to close is followed by one for the rest, once."""
        link_id = row.client_order_id
        if row.purpose != "exit" or not self._account.tracker.is_settled(row):
            return
        if row.reject_code == NOTHING_TO_REDUCE or link_id in self._followed:
            return
        self._followed[link_id] = None
        while len(self._followed) > KEEP_FOLLOWED:
            self._followed.popitem(last=False)
        key = (row.bot_id, row.symbol)
        if self._account.tracker.executed_qty(link_id) > 0:
            self._in_vain.pop(key, None)
            self._follow(row, desk)
            return
        in_vain = self._in_vain.get(key, 0)
        self._in_vain[key] = in_vain + 1
        pause = min(EXIT_RETRY_S * 2.0 ** min(in_vain, 16), EXIT_RETRY_MOST_S)
        self._spawn(self._follow_later(row, desk, pause), f"rest:{link_id}")

    async def _follow_later(self, row: OrderRow, desk: Desk, pause: float) -> None:
        key = (row.bot_id, row.symbol)
        self._following.add(key)
        try:
            await self._clock.sleep(pause)
        finally:
            self._following.discard(key)
        self._follow(row, desk)

    def is_following(self, bot_id: str, symbol: str) -> bool:
        """An exit that came to nothing is sent again, after a pause that has begun."""
        return (bot_id, symbol) in self._following

    def _follow(self, row: OrderRow, desk: Desk) -> None:
        aim = self._aims.get(row.client_order_id) or _Aim(row.decided_ms, ZERO)
        left = row.qty - self._account.tracker.executed_qty(row.client_order_id) + aim.beyond
        position = self._account.position(row.bot_id, row.symbol)
        held = abs(position.signed_qty)
        # The rest is never taken from a position that was opened later.
        if left <= 0 or held <= 0 or (position.opened_ms or 0) > aim.opened_ms:
            return
        intent = Exit(symbol=row.symbol, reason=row.reason, qty=min(left, held))
        decision = desk.plan_exit(intent, rest_key(row.client_order_id), row.decided_ms)
        if decision is not None:
            self.carry_out(decision, desk)


def rest_key(link_id: str) -> str:
    """The event of the decision that follows an exit which ended early."""
    return f"rest:{link_id}"
