"""The order path of one account: intent -> checks -> rounding -> order row -> send -> track.

A decision and its order rows are queued to the ledger as one unit and sent at once; nothing is
awaited in between. Entries are refused on any doubt, exits are sent through every fault.
"""

from __future__ import annotations

import asyncio
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
from alpha.core.instruments import Instrument, SizeRejected
from alpha.core.intents import Enter, Exit, MoveStop, StopPlan
from alpha.core.orders import OrderState
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
        self._leverage: dict[str, Decimal] = {}
        self.refusals: list[Refusal] = []
        self.frame_to_order_us = Latencies()

    # -- decisions --------------------------------------------------------------------------

    def carry_out(self, decision: Decision, desk: Desk, received_ns: int | None = None) -> None:
        """Queues the decision with the orders it becomes, then sends them, exits first."""
        rows: list[tuple[OrderRow, StopPlan | None, Decimal | None]] = []
        for planned in decision.planned:
            order = self._order(decision, planned, desk)
            if order is not None and self._account.tracker.plan(order[0]):
                rows.append(order)
        self._account.put(
            Commit(
                self._account.name,
                orders=tuple(row for row, _, _ in rows),
                decisions=(decision.row,),
            )
        )
        rows.sort(key=lambda order: order[0].purpose != "exit")
        for row, plan, anchor in rows:
            request = self._request(row, plan, anchor)
            if plan is not None:
                self._protection.guard(row.bot_id, row.symbol, plan)
            self._spawn(self._send(request, row, desk, received_ns), f"send:{row.client_order_id}")

    def _order(
        self, decision: Decision, planned: Planned, desk: Desk
    ) -> tuple[OrderRow, StopPlan | None, Decimal | None] | None:
        intent = planned.intent
        if isinstance(intent, MoveStop):
            self._protection.move(desk.bot_id, intent.symbol, intent.stop_loss)
            return None
        if isinstance(intent, Exit):
            qty, why = self._exit_qty(intent, desk.bot_id)
        else:
            qty, why = self._entry_qty(intent, desk, replayed=decision.replayed)
        if qty is None:
            self._refuse(desk.bot_id, intent, why)
            return None
        if isinstance(intent, Enter):
            row = self._row(decision, planned.order_link_id, desk.bot_id, intent, qty)
            return row, intent.stops, intent.price
        return self._row(decision, planned.order_link_id, desk.bot_id, intent, qty), None, None

    def _row(
        self, decision: Decision, link_id: str, bot_id: str, intent: Enter | Exit, qty: Decimal
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
            filled_qty=Decimal(0),
            avg_fill_price=None,
            reject_code=None,
            reject_reason=None,
            decided_ms=decision.row.event_ms,
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
            why = "symbol_conflict: another bot of the account is on the other side"
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
        return any(
            self._account.position(other, intent.symbol).signed_qty * sign < 0
            for other in self._account.bots
            if other != bot_id
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

    def _request(self, row: OrderRow, plan: StopPlan | None, anchor: Decimal | None) -> CreateOrder:
        stop_loss = take_profit = None
        instrument = self._instruments.get(row.symbol)
        if plan is not None and anchor is not None and instrument is not None:
            aimed = levels(plan, "long" if row.side == "Buy" else "short", anchor, instrument)
            stop_loss, take_profit = aimed.stop_loss, aimed.take_profit
        return CreateOrder(
            symbol=row.symbol,
            side=row.side,
            order_type="Market",
            qty=row.qty,
            order_link_id=row.client_order_id,
            reduce_only=row.reduce_only,
            urgent=row.purpose == "exit",
            stop_loss=stop_loss,
            take_profit=take_profit,
        )

    async def _send(
        self, request: CreateOrder, row: OrderRow, desk: Desk, received_ns: int | None
    ) -> None:
        link_id, tracker = row.client_order_id, self._account.tracker
        stamp_ms = self._clock.now_ms()
        if not self._may_send(row):
            self._dropped(row, f"expected the lease of account {row.account} to be held")
            return
        tracker.move(link_id, OrderState.SENT)

        def sent(at_ns: int) -> None:
            if received_ns:
                self.frame_to_order_us.add((at_ns - received_ns) / 1000)

        try:
            ack = await self._rest.create_order(request, timestamp_ms=stamp_ms, on_sent=sent)
        except OutcomeUnknown as error:
            log.warning("order_outcome_unknown", order=link_id, error=str(error))
            self._moved(tracker.move(link_id, OrderState.UNKNOWN))
            self._unknown(link_id)
        except DuplicateOrder:
            # The exchange has it from an earlier attempt: sent once, which is what was asked.
            log.info("order_already_sent", order=link_id)
            self._moved(tracker.move(link_id, OrderState.UNKNOWN))
            self._unknown(link_id)
        except (ClockRefused, RetryLater) as error:
            await self._not_accepted(row, desk, str(error), getattr(error, "after_s", 0.0))
        except VenueRejected as error:
            await self._rejected(error, row, desk)
        except asyncio.CancelledError:
            self._moved(tracker.move(link_id, OrderState.UNKNOWN))
            raise
        else:
            self._moved(
                tracker.move(link_id, OrderState.ACKED, exchange_order_id=ack.order_id or None)
            )

    def _may_send(self, row: OrderRow) -> bool:
        if row.purpose == "entry":
            return self._fence.entries_allowed()
        return self._fence.exits_allowed()

    async def _not_accepted(self, row: OrderRow, desk: Desk, why: str, after_s: float) -> None:
        """Nothing has happened: an entry is dropped, an exit goes out again under its id."""
        if row.purpose == "entry":
            self._dropped(row, why)
            return
        log.warning("exit_delayed", order=row.client_order_id, why=why)
        await self._clock.sleep(min(after_s, EXIT_RETRY_S))
        self.send_again(row, desk)

    def send_again(self, row: OrderRow, desk: Desk) -> None:
        """The same order under the same id: at worst the exchange answers that it has it."""
        self._spawn(self._send(self._request(row, None, None), row, desk, None), "send_again")

    async def _rejected(self, error: VenueRejected, row: OrderRow, desk: Desk) -> None:
        link_id = row.client_order_id
        log.warning("order_rejected", order=link_id, code=error.code, message=error.message)
        self._moved(
            self._account.tracker.move(
                link_id,
                OrderState.REJECTED,
                reject_code=error.code,
                reject_reason=error.message,
            )
        )
        if row.purpose != "exit":
            return
        if error.code == NOTHING_TO_REDUCE:
            for event in await self._rest.positions(row.symbol):
                self._account.receive_position(event)
            return
        await self._clock.sleep(EXIT_RETRY_S)
        self.close_rest(row, desk)

    def _dropped(self, row: OrderRow, why: str) -> None:
        """Nothing has left: the order was never sent."""
        log.warning("order_not_sent", order=row.client_order_id, why=why)
        self._moved(
            self._account.tracker.move(
                row.client_order_id, OrderState.NEVER_ACCEPTED, reject_reason=why
            )
        )

    def _moved(self, row: OrderRow) -> None:
        self._account.put(Commit(self._account.name, orders=(row,)))

    # -- closing until flat -------------------------------------------------------------------

    def close_rest(self, row: OrderRow, desk: Desk) -> None:
        """An exit ended with something left of what it was to close: closes the rest."""
        left = row.qty - self._account.tracker.executed_qty(row.client_order_id)
        held = abs(self._account.position(row.bot_id, row.symbol).signed_qty)
        if left <= 0 or held <= 0:
            return
        intent = Exit(symbol=row.symbol, reason=row.reason, qty=min(left, held))
        decision = desk.plan_exit(intent, f"rest:{row.client_order_id}", row.decided_ms)
        if decision is not None:
            self.carry_out(decision, desk)

    # -- leverage -----------------------------------------------------------------------------

    async def ensure_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Sets the symbol's leverage once; the highest that a bot of the account declares."""
        if self._leverage.get(symbol, Decimal(0)) >= leverage:
            return
        try:
            await self._rest.set_leverage(symbol, leverage)
        except AlphaError as error:
            log.warning("leverage_not_set", symbol=symbol, leverage=leverage, error=str(error))
            self._account.blocked[symbol] = f"leverage {leverage} could not be set: {error}"
        else:
            self._leverage[symbol] = leverage
            if self._account.blocked.get(symbol, "").startswith("leverage"):
                del self._account.blocked[symbol]
