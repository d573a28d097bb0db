"""Everything of one exchange account, put together: stream in, folds, orders out, recovery."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import structlog

from alpha.bybit.messages import PrivateEvent
from alpha.bybit.rest import Rest
from alpha.bybit.stream import PrivateStream, StreamState
from alpha.clock import Clock, VenueClock
from alpha.core.events import Execution, OrderEvent, PositionEvent, WalletEvent
from alpha.core.instruments import Instrument
from alpha.core.intents import Exit
from alpha.core.records import OrderRow
from alpha.core.risk import EntryRisk
from alpha.core.steps import NO_STEPS, QtySteps
from alpha.errors import AuthRejected
from alpha.ledger.reader import LedgerReader
from alpha.ledger.writer import LedgerWriter
from alpha.supervision import Supervisor
from alpha.trading.account import Account
from alpha.trading.gateway import Gateway
from alpha.trading.leverage import Leverage
from alpha.trading.outcomes import Outcomes
from alpha.trading.own_stops import OwnStops
from alpha.trading.position_stops import PositionStops
from alpha.trading.protection import Protection
from alpha.trading.reconcile import Reconciler
from alpha.trading.recovery import REFUSED_RETRY_S, Recovery
from alpha.trading.sending import Sender
from alpha.trading.session import BotSession
from alpha.trading.sizing import Fence, Portfolio, Sizing
from alpha.trading.sweep import OVERLAP_MS
from alpha.trading.waiting import OrderSearch
from alpha.trading.witness import Witness

log = structlog.get_logger(__name__)

COMPARE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What every account shares."""

    clock: Clock
    venue: VenueClock
    writer: LedgerWriter
    reader: LedgerReader
    supervisor: Supervisor
    instruments: Mapping[str, Instrument]
    risk: EntryRisk
    default_leverage: Decimal | None = None  # of symbols for which a bot declares none
    #: Told the symbol of an order that the exchange refused for its quantity or price.
    doubt: Callable[[str], None] = lambda symbol: None
    witness: Witness | None = None  # of what bots see and decide
    portfolio: Portfolio | None = None  # limits over all accounts


class AccountService:
    """One account at work. `bots` are the sessions of its enabled bots, added before `run`."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        stream: PrivateStream,
        tools: Tools,
        *,
        fence: Fence,
        netting: bool,
        last_price: Callable[[str], Decimal | None],
        changed: Callable[[str], None],
        pulse: Callable[[], None] = lambda: None,
    ) -> None:
        self.account = account
        self._pulse = pulse
        self.rest = rest
        self.odd_frames = stream.odd
        self.sessions: dict[str, BotSession] = {}
        #: What is wrong with the trade sync, for the status.
        self.sync_trouble = ""
        self._stream = stream
        self._tools = tools
        self._sending: set[str] = set()
        self.outcomes = Outcomes(
            account,
            rest,
            clock=tools.clock,
            venue=tools.venue,
            spawn=tools.supervisor.spawn,
            resend=self._resend,
            ended=self._ended,
            sending=self._sending,
            reconnect=stream.reconnect,
        )
        self.recovery = Recovery(
            account,
            rest,
            tools.reader,
            tools.writer,
            clock=tools.clock,
            venue=tools.venue,
            resolve=self.outcomes.resolve_soon,
            changed=lambda: changed(account.name),
            reconnect=stream.reconnect,
        )
        account.manual.pause = self._pause_bot
        if tools.portfolio is not None:
            account.corrected = partial(tools.portfolio.corrected, account.name)
        self.reconciler = Reconciler(
            account,
            rest,
            self.recovery,
            missing=tools.reader.missing_exec_ids,
            paid=tools.reader.paid,
            drain=tools.writer.drain,
            clock=tools.clock,
            venue=tools.venue,
            bots=self.sessions_by_id,
            may_send=fence.exits_allowed,
        )
        self.search = OrderSearch(account, rest, clock=tools.clock, spawn=tools.supervisor.spawn)
        self._sender = Sender(
            account,
            rest,
            fence=fence,
            clock=tools.clock,
            unknown=self.outcomes.resolve_soon,
            answered=lambda: self.protection.wake(),
            sending=self._sending,
            doubt=tools.doubt,
        )
        sizing = Sizing(
            account,
            fence=fence,
            risk=tools.risk,
            instruments=tools.instruments,
            netting=netting,
            refusal=lambda bot_id, intent: self.protection.entry_refusal(bot_id, intent),
            portfolio=tools.portfolio,
        )
        self.protection = Protection(
            account,
            PositionStops(
                account,
                rest,
                clock=tools.clock,
                may_send=fence.exits_allowed,
                close=self.close,
            ),
            OwnStops(
                account,
                rest,
                sender=self._sender,
                clock=tools.clock,
                instruments=tools.instruments,
                last_price=last_price,
                spawn=tools.supervisor.spawn,
                may_send=fence.exits_allowed,
                sizing=sizing,
                close=self.close,
            ),
            clock=tools.clock,
            instruments=tools.instruments,
            close=self.close,
        )
        self._leverage = Leverage(account, rest, clock=tools.clock, spawn=tools.supervisor.spawn)
        self.gateway = Gateway(
            account,
            rest,
            sender=self._sender,
            sizing=sizing,
            clock=tools.clock,
            instruments=tools.instruments,
            spawn=tools.supervisor.spawn,
            protection=self.protection,
        )

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Trading rules by symbol."""
        return self._tools.instruments

    # -- start --------------------------------------------------------------------------------

    async def load(self) -> None:
        """Takes the account's books, orders and marks from the database, and which executions
        of the next sweep's window it holds."""
        account, reader = self.account, self._tools.reader
        account.marks = await reader.marks(account.name)
        account.balance.cash = await reader.cash_by_owner(account.name)
        unfinished = await reader.open_orders(account.name)
        account.tracker.restore(unfinished)
        account.tracker.known_before = await reader.order_ids(
            account.name, account.marks.verified_ms - 2 * OVERLAP_MS
        )
        # All at once: a look for each symbol would read them all each time.
        account.tracker.tags.update(await reader.order_tags(account.name))
        for symbol in await reader.traded_symbols(account.name):
            await self._load_book(symbol)
        # Books begin at a flat moment: executions of an unfinished order may lie before it.
        links = [row.client_order_id for row in unfinished]
        for link_id, qty in (await reader.executed_qty(account.name, links)).items():
            account.tracker.executed_before(link_id, qty)
        window_ms = account.marks.verified_ms - 3 * OVERLAP_MS
        newest_ms = await reader.newest_ms(account.name)
        if newest_ms is not None:
            held = await reader.exec_ids(account.name, window_ms, newest_ms)
            account.remember(held, account.marks.verified_ms)
        for bot_id in account.rules.bots - self.sessions.keys():
            for symbol in account.positions(bot_id):
                account.share(symbol)
            await self._resume_stops(bot_id)

    async def _load_book(self, symbol: str) -> None:
        """A book reaches back to the oldest fill that one of the bots has been told last."""
        account, reader = self.account, self._tools.reader
        told = [await self._told_ms(session, symbol) for session in self.sessions.values()]
        told_ms = min((at for at in told if at is not None), default=None)
        flat_ms = await reader.last_flat_ms(account.name, symbol, told_ms)
        rows = await reader.executions_since(account.name, symbol, flat_ms)
        book = account.new_book(symbol, flat_ms)
        book.add(rows, account.rules)
        account.books[symbol] = book
        for row in rows:
            account.remember([row.key], row.exec_time)
            account.tracker.executed(row)

    async def _told_ms(self, session: BotSession, symbol: str) -> int | None:
        last = session.handle.cursor.fills.get(symbol)
        if last is not None:
            return last.exec_time
        first_ms = await self._tools.reader.first_fill_ms(self.account.name, session.bot_id, symbol)
        return None if first_ms is None else first_ms - 1

    async def prepare(self, session: BotSession) -> None:
        """Before a bot decides: leverage of its symbols, stops of its open positions, exits
        that ended before they were done."""
        await self.ensure_leverage(session)
        await self._resume_stops(session.bot_id)
        reader = self._tools.reader
        for row in await reader.unfinished_exits(self.account.name, session.bot_id):
            session.ended_early(row)

    def learn_steps(self, qty_steps: Mapping[str, QtySteps]) -> None:
        """Quantity steps are others from some moment on."""
        self.account.qty_steps = qty_steps
        for symbol, book in self.account.books.items():
            book.qty_steps = qty_steps.get(symbol, NO_STEPS)

    async def ensure_leverage(self, session: BotSession) -> None:
        for symbol in sorted({one.symbol for one in session.handle.subscriptions}):
            crew = [s for s in self.sessions.values() if symbol in self.account.bots[s.bot_id]]
            declared = [one.handle.leverage(symbol) for one in crew]
            known = [leverage for leverage in declared if leverage is not None]
            leverage = max(known, default=self._tools.default_leverage)
            if leverage is not None:
                await self._leverage.ensure(symbol, leverage)

    async def _resume_stops(self, bot_id: str) -> None:
        name, reader = self.account.name, self._tools.reader
        for symbol in self.account.positions(bot_id):
            plan = await reader.stop_plan(name, bot_id, symbol)
            if plan is not None:
                moved = await reader.moved_stop(name, bot_id, symbol)
                self.protection.resume(bot_id, symbol, plan, moved)

    def start(self) -> None:
        keep, name = self._tools.supervisor.keep, self.account.name
        keep(f"stream:{name}", self._run_stream)
        keep(f"recovery:{name}", self.recovery.run)
        keep(f"protection:{name}", self.protection.run)
        keep(f"orders:{name}", self.outcomes.watch)
        keep(f"search:{name}", self.search.run)
        keep(f"compare:{name}", self._compare)
        keep(f"reconcile:{name}", self.reconciler.run, vital=False)

    def sessions_by_id(self) -> Collection[str]:
        """Ids of the bots that run here."""
        return self.sessions.keys()

    async def _run_stream(self) -> None:
        """For as long as the daemon runs. A key that is refused halts this account alone, and is
        tried again: it may have been renewed."""
        while True:
            try:
                await self._stream.run(self.on_event, self.on_state)
            except AuthRejected as error:
                self.recovery.disconnected(str(error))
                self.recovery.refused(error)
            await self._tools.clock.sleep(REFUSED_RETRY_S)

    async def _compare(self) -> None:
        while True:
            await self._tools.clock.sleep(COMPARE_EVERY_S)
            self.recovery.watch_ledger()
            self.recovery.watch_stream()
            self.recovery.comparison.compare()

    # -- the stream ---------------------------------------------------------------------------

    def on_state(self, state: StreamState) -> None:
        if state.name == "subscribed":
            self.recovery.connected()
        elif state.name == "lost":
            self.recovery.disconnected(state.reason)
        elif state.name == "malformed":
            self.recovery.gap(f"a frame could not be read: {state.reason}")

    def on_event(self, event: PrivateEvent, received_ns: int) -> None:
        """One row of a frame, in the frame's order."""
        account = self.account
        if self._tools.witness is not None:
            self._tools.witness.heard(account.name, event)
        match event:
            case Execution():
                self._tools.venue.observe(event.exec_time)
                account.receive((event,), received_ns)
            case OrderEvent():
                account.receive_order(event)
            case PositionEvent():
                account.receive_position(event)
            case WalletEvent():
                account.balance.tell(event)
            case _:
                return
        self.protection.wake()

    # -- acting on behalf of the host ---------------------------------------------------------

    def close(self, bot_id: str, symbol: str, reason: str, qty: Decimal | None = None) -> None:
        """Closes a bot's position, or `qty` of it, by a decision of the host. A bot that is
        catching up is left alone, so that its replayed decisions keep their ids; one that is not
        part of this run has no decisions."""
        session = self.sessions.get(bot_id)
        now = self._tools.venue.now_ms()
        intent = Exit(symbol=symbol, reason=reason, qty=qty)
        if session is None:
            self.gateway.close_unhosted(bot_id, intent, now)
        elif session.caught_up:
            decision = session.plan_exit(intent, f"host:{symbol}:{now}", now)
            if decision is not None:
                self.gateway.carry_out(decision, session)

    def _pause_bot(self, bot_id: str, why: str) -> None:
        session = self.sessions.get(bot_id)
        if session is not None:
            session.handle.pause(why)

    def _resend(self, row: OrderRow) -> None:
        """What the exchange never accepted goes out again under the same id."""
        if row.purpose == "stop":
            self.protection.send_again(row)
            return
        self.gateway.send_again(row, self.sessions.get(row.bot_id))

    def _ended(self, row: OrderRow) -> None:
        session = self.sessions.get(row.bot_id)
        if session is not None:
            session.ended_early(row)
