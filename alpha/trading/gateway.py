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

from alpha.bybit.codes import ClockRefused, DuplicateOrder
from alpha.bybit.requests import CreateOrder
from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.decisions import Decision, Planned
from alpha.core.events import PositionSide
from alpha.core.ids import wire_id
from alpha.core.instruments import Instrument, SizeRejected
from alpha.core.intents import Enter, Exit, MoveStop, StopPlan
from alpha.core.orders import OrderState, is_terminal
from alpha.core.records import Commit, OrderRow
from alpha.core.risk import EntryRisk, check_entry
from alpha.errors import AlphaError, OutcomeUnknown, RetryLater, VenueRejected
from alpha.trading.account import Account
from alpha.trading.latency import Latencies
from alpha.trading.levels import levels
from alpha.trading.protection import Protection

log = structlog.get_logger(__name__)

#: How long an exit that the exchange refused waits before it is tried again.
EXIT_RETRY_S = 1.0
EXIT_RETRY_MOST_S = 30.0
#: How often an exit asks whether the lease is held again.
FENCE_RETRY_S = 0.1
KEEP_FOLLOWED = 1_000
ZERO = Decimal(0)
#: retCode (Bybit V5, Error Codes): a reduce-only order found nothing left to reduce.
NOTHING_TO_REDUCE = 110017


class Fence(Protocol):
    """May something be sent now? Asked after the request's time stamp was taken."""

    def entries_allowed(self) -> bool: ...

    def exits_allowed(self) -> bool: ...


class Desk(Protocol):
    """What the gateway asks of the bot whose decision it carries out."""

    bot_id: str

    def entry_refusal(self) -> str | None:
        """Why the bot may not enter now; None when it may."""

    def plan_exit(self, intent: Exit, event_key: str, event_ms: int) -> Decision | None:
        """A decision of the host, not of the strategy, with ids like any other."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An intent that became no order, and why."""

    bot_id: str
    symbol: str
    intent: str
    why: str


@dataclass(frozen=True, slots=True)
class _Order:
    """A row with what it is sent with; `anchor` is the price that its stops refer to."""

    row: OrderRow
    plan: StopPlan | None = None
    anchor: Decimal | None = None


class Gateway:
    """Sends for one account. `spawn` starts a task that the daemon supervises."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        *,
        fence: Fence,
        clock: Clock,
        risk: EntryRisk,
        instruments: Mapping[str, Instrument],
        netting: bool,
        spawn: Callable[[Coroutine[object, object, None], str], object],
        unknown: Callable[[str], None],
        sending: set[str],
        protection: Protection,
    ) -> None:
        self._account = account
        self._rest = rest
        self._fence = fence
        self._clock = clock
        self._risk = risk
        self._instruments = instruments
        self._netting = netting
        self._spawn = spawn
        self._unknown = unknown
        self._protection = protection
        #: Exits that ended early and were followed by one for the rest.
        self._followed: OrderedDict[str, None] = OrderedDict()
        #: When the position that an exit was decided for had been opened, by order id.
        self._closing: OrderedDict[str, int] = OrderedDict()
        self._in_vain: dict[tuple[str, str], int] = {}  # exits in a row that closed nothing
        #: Orders that a task is sending at this moment.
        self.sending = sending
        self.refusals: list[Refusal] = []
        self.frame_to_order_us = Latencies()

    # -- decisions --------------------------------------------------------------------------

    def carry_out(self, decision: Decision, desk: Desk, received_ns: int | None = None) -> int:
        """Queues the decision with the orders it becomes, then sends them, exits first. Returns
        how many they are."""
        orders: list[_Order] = []
        taken: list[Exit] = []
        for planned in decision.planned:
            order = self._order(decision, planned, desk)
            if order is None:
                continue
            if self._account.tracker.plan(order.row):
                orders.append(order)
            elif self._is_anothers(order.row) and isinstance(planned.intent, Exit):
                taken.append(planned.intent)
        rows = tuple(order.row for order in orders)
        self._account.put(Commit(self._account.name, orders=rows, decisions=(decision.row,)))
        for order in sorted(orders, key=lambda order: order.row.purpose != "exit"):
            self._guard(order.row, order.plan)
            self._spawn(self._send(order, desk, received_ns), f"send:{order.row.client_order_id}")
        for intent in taken:
            again = desk.plan_exit(intent, f"again:{decision.row.event_key}", decision.row.event_ms)
            if again is not None:
                self.carry_out(again, desk, received_ns)
        return len(orders)

    def _is_anothers(self, row: OrderRow) -> bool:
        """The id is known, for another order: decisions that were lost in a crash and not
        repeated have used it up."""
        known = self._account.tracker.get(row.client_order_id)
        return known is not None and (known.symbol, known.side) != (row.symbol, row.side)

    def _guard(self, row: OrderRow, plan: StopPlan | None) -> None:
        if plan is not None:
            self._protection.guard(row.bot_id, row.symbol, plan, row.client_order_id)

    def _order(self, decision: Decision, planned: Planned, desk: Desk) -> _Order | None:
        intent = planned.intent
        if isinstance(intent, MoveStop):
            self._protection.move(desk.bot_id, intent.symbol, intent.stop_loss)
            return None
        if isinstance(intent, Exit):
            qty, why = self._exit_qty(intent, desk.bot_id)
            opened_ms = self._account.position(desk.bot_id, intent.symbol).opened_ms or 0
            if decision.replayed and opened_ms > decision.row.event_ms:
                qty, why = None, "the position was opened after this was decided"
            self._closing[planned.order_link_id] = opened_ms
            while len(self._closing) > KEEP_FOLLOWED:
                self._closing.popitem(last=False)
        else:
            qty, why = self._entry_qty(intent, desk, replayed=decision.replayed)
        link_id = planned.order_link_id
        if qty is None:
            self._refuse(desk.bot_id, intent, why)
            if isinstance(intent, Enter) and self._was_sent(link_id) and intent.stops is not None:
                # Sent before a crash that lost the decision: its stops are wanted all the same.
                self._protection.guard(desk.bot_id, intent.symbol, intent.stops, link_id)
            return None
        row = self._row(decision.row.event_ms, link_id, desk.bot_id, intent, qty)
        if isinstance(intent, Enter):
            return _Order(row, intent.stops, intent.price)
        return _Order(row)

    def _was_sent(self, link_id: str) -> bool:
        tracker = self._account.tracker
        return tracker.get(link_id) is not None or tracker.executed_qty(link_id) > 0

    def _row(
        self, decided_ms: int, link_id: str, bot_id: str, intent: Enter | Exit, qty: Decimal
    ) -> OrderRow:
        if isinstance(intent, Enter):
            side = intent.side
        else:
            held = self._account.position(bot_id, intent.symbol).signed_qty
            side = "Sell" if held > 0 else "Buy"
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
            reduce_only=isinstance(intent, Exit) and not self._account.is_shared(intent.symbol),
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

    def _entry_qty(
        self, intent: Enter, desk: Desk, *, replayed: bool
    ) -> tuple[Decimal | None, str]:
        """The rounded quantity of an entry, or None and the reason of the refusal."""
        account = self._account
        why = desk.entry_refusal() or account.blocked.get(intent.symbol)
        if replayed:
            why = "stale: its bar closed before this process started"
        elif not account.live:
            why = f"account {account.name} is {account.status}, expected live"
        elif not self._fence.entries_allowed():
            why = "the ledger or the account's lease is away"
        elif account.is_shared(intent.symbol):
            why = f"{intent.symbol} is shared by several bots of account {account.name}"
        elif self._opposes(intent, desk.bot_id):
            why = "symbol_conflict: another owner on the account is on the other side"
        if why is not None:
            return None, why
        instrument = self._instruments.get(intent.symbol)
        if instrument is None or instrument.status != "Trading":
            return None, f"{intent.symbol} is not listed as Trading"
        sized = instrument.size_order(intent.notional, intent.price)
        if isinstance(sized, SizeRejected):
            return None, str(sized)
        refused = check_entry(self._risk, notional=sized * intent.price)
        return (None, refused) if refused else (sized, "")

    def _opposes(self, intent: Enter, bot_id: str) -> bool:
        if self._netting:
            return False
        sign = 1 if intent.side == "Buy" else -1
        book = self._account.books.get(intent.symbol)
        # Everybody who holds something: bots that are not part of this run, and `manual`, too.
        held = book.positions() if book is not None else {}
        return any(
            position.signed_qty * sign < 0 for owner, position in held.items() if owner != bot_id
        )

    def _exit_qty(self, intent: Exit, bot_id: str) -> tuple[Decimal | None, str]:
        """An exit never exceeds the bot's own position less what is already closing it."""
        held = abs(self._account.position(bot_id, intent.symbol).signed_qty)
        open_qty = held - self._account.tracker.closing_qty(bot_id, intent.symbol)
        qty = open_qty if intent.qty is None else min(intent.qty, open_qty)
        instrument = self._instruments.get(intent.symbol)
        if instrument is not None:
            qty = min(instrument.floor_qty(qty), instrument.max_market_qty)
        if qty <= 0:
            return None, f"nothing to close: {held} held, {held - open_qty} already closing"
        return qty, ""

    def _refuse(self, bot_id: str, intent: Enter | Exit, why: str) -> None:
        log.info("intent_refused", bot=bot_id, symbol=intent.symbol, intent=intent.kind, why=why)
        self.refusals.append(Refusal(bot_id, intent.symbol, intent.kind, why))
        del self.refusals[:-100]

    # -- sending ----------------------------------------------------------------------------

    def _request(self, order: _Order, qty: Decimal) -> CreateOrder:
        row = order.row
        stop_loss = take_profit = None
        instrument = self._instruments.get(row.symbol)
        if order.plan is not None and order.anchor is not None and instrument is not None:
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

    async def _send(self, order: _Order, desk: Desk | None, received_ns: int | None) -> None:
        """Sends one order until the exchange has answered, or nobody knows. An entry is tried
        once, an exit until it is taken: always under its id, which cannot trade twice."""
        link_id = order.row.client_order_id
        if link_id in self.sending:
            return
        self.sending.add(link_id)
        try:
            while (pause := await self._try(order, desk, received_ns)) is not None:
                await self._clock.sleep(pause)
        finally:
            self.sending.discard(link_id)
        row = self._account.tracker.get(link_id)
        if row is not None and row.state == OrderState.UNKNOWN:
            self._unknown(link_id)

    async def _try(self, order: _Order, desk: Desk | None, received_ns: int | None) -> float | None:
        """One attempt. Seconds until the next one; None when there is nothing more to do."""
        row, tracker = order.row, self._account.tracker
        link_id = row.client_order_id
        # Taken before the lease is checked: what leaves late, the exchange refuses.
        stamp_ms = self._clock.now_ms()
        if not self._may_send(row):
            if row.purpose == "exit":
                return FENCE_RETRY_S
            self._dropped(row, f"expected the lease of account {row.account} to be held")
            return None
        qty = row.qty if row.purpose == "entry" else self._still_open(row)
        if qty <= 0:
            self._dropped(row, "nothing is left to close")
            return None
        tracker.move(link_id, OrderState.SENT)

        def sent(at_ns: int) -> None:
            if received_ns:
                self.frame_to_order_us.add((at_ns - received_ns) / 1000)

        try:
            ack = await self._rest.create_order(
                self._request(order, qty), timestamp_ms=stamp_ms, on_sent=sent
            )
        except OutcomeUnknown as error:
            log.warning("order_outcome_unknown", order=link_id, error=str(error))
            self._moved(tracker.move(link_id, OrderState.UNKNOWN))
        except DuplicateOrder:
            # The exchange has it from an earlier attempt: sent once, which is what was asked.
            # Its frames may be long past, so it is asked for.
            log.info("order_already_sent", order=link_id)
            self._moved(tracker.move(link_id, OrderState.UNKNOWN))
        except (ClockRefused, RetryLater) as error:
            if row.purpose == "entry":
                self._dropped(row, str(error))
                return None
            log.warning("exit_delayed", order=link_id, why=str(error))
            return min(getattr(error, "after_s", 0.0), EXIT_RETRY_S)
        except VenueRejected as error:
            await self._rejected(error, row, desk)
        else:
            self._moved(
                tracker.move(link_id, OrderState.ACKED, exchange_order_id=ack.order_id or None)
            )
        return None

    def _may_send(self, row: OrderRow) -> bool:
        if row.purpose == "entry":
            return self._fence.entries_allowed()
        return self._fence.exits_allowed()

    def _still_open(self, row: OrderRow) -> Decimal:
        """What an exit may close now: its bot's position less what other exits are closing."""
        tracker = self._account.tracker
        own = row.qty - tracker.executed_qty(row.client_order_id)
        known = tracker.get(row.client_order_id)
        counted = own if known is not None and not is_terminal(OrderState(known.state)) else ZERO
        others = tracker.closing_qty(row.bot_id, row.symbol) - counted
        held = self._account.position(row.bot_id, row.symbol).signed_qty
        if held == 0 or (held > 0) is not (row.side == "Sell"):
            return ZERO
        return min(own, abs(held) - others)

    def send_again(self, row: OrderRow, desk: Desk | None) -> None:
        """The same order under the same id: at worst the exchange answers that it has it."""
        self._spawn(self._send(_Order(row), desk, None), f"send_again:{row.client_order_id}")

    async def _rejected(self, error: VenueRejected, row: OrderRow, desk: Desk | None) -> None:
        link_id = row.client_order_id
        log.warning("order_rejected", order=link_id, code=error.code, message=error.message)
        rejected = self._account.tracker.move(
            link_id,
            OrderState.REJECTED,
            reject_code=error.code,
            reject_reason=error.message,
        )
        self._moved(rejected)
        if row.purpose != "exit" or desk is None:
            return
        if error.code == NOTHING_TO_REDUCE:
            await self._read_position(row.symbol)
            return
        self.close_rest(rejected, desk)

    async def _read_position(self, symbol: str) -> None:
        """The exchange holds nothing to reduce: whatever differs, the comparison will find."""
        try:
            for event in await self._rest.positions(symbol):
                self._account.receive_position(event)
        except AlphaError as error:
            log.warning("position_not_read", symbol=symbol, error=str(error))

    def _dropped(self, row: OrderRow, why: str) -> None:
        """Nothing has left, or nothing has arrived: the order is over."""
        log.warning("order_not_sent", order=row.client_order_id, why=why)
        self._moved(
            self._account.tracker.move(
                row.client_order_id, OrderState.NEVER_ACCEPTED, reject_reason=why
            )
        )

    def _moved(self, row: OrderRow) -> None:
        self._account.put(Commit(self._account.name, orders=(row,)))

    def close_unhosted(self, bot_id: str, symbol: str, reason: str, now_ms: int) -> None:
        """Closes the position of a bot that is not part of this run. There is no decision; the
        order's id tells whose it is."""
        intent = Exit(symbol=symbol, reason=reason)
        qty, why = self._exit_qty(intent, bot_id)
        if qty is None:
            self._refuse(bot_id, intent, why)
            return
        link_id = wire_id(bot_id, reason, now_ms, self._account.rules.reasons)
        row = self._row(now_ms, link_id, bot_id, intent, qty)
        if self._account.tracker.plan(row):
            self._moved(row)
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
        pause = min(EXIT_RETRY_S * 2.0**in_vain, EXIT_RETRY_MOST_S)
        self._spawn(self._follow_later(row, desk, pause), f"rest:{link_id}")

    async def _follow_later(self, row: OrderRow, desk: Desk, pause: float) -> None:
        await self._clock.sleep(pause)
        self._follow(row, desk)

    def _follow(self, row: OrderRow, desk: Desk) -> None:
        left = row.qty - self._account.tracker.executed_qty(row.client_order_id)
        position = self._account.position(row.bot_id, row.symbol)
        held = abs(position.signed_qty)
        # The rest is never taken from a position that was opened later.
        meant_ms = self._closing.get(row.client_order_id, row.decided_ms)
        if left <= 0 or held <= 0 or (position.opened_ms or 0) > meant_ms:
            return
        intent = Exit(symbol=row.symbol, reason=row.reason, qty=min(left, held))
        decision = desk.plan_exit(intent, rest_key(row.client_order_id), row.decided_ms)
        if decision is not None:
            self.carry_out(decision, desk)


def rest_key(link_id: str) -> str:
    """The event of the decision that follows an exit which ended early."""
    return f"rest:{link_id}"
