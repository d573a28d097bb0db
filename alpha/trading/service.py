"""Everything of one exchange account, put together: stream in, folds, orders out, recovery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
from alpha.errors import RetryLater
from alpha.ledger.reader import LedgerReader
from alpha.ledger.writer import LedgerWriter
from alpha.supervision import Supervisor
from alpha.trading.account import Account
from alpha.trading.gateway import Fence, Gateway
from alpha.trading.outcomes import Outcomes
from alpha.trading.protection import Protection
from alpha.trading.recovery import Recovery
from alpha.trading.session import BotSession

log = structlog.get_logger(__name__)

COMPARE_EVERY_S = 1.0
DRAIN_S = 10.0


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
        changed: Callable[[str], None],
    ) -> None:
        self.account = account
        self.rest = rest
        self.sessions: dict[str, BotSession] = {}
        self._stream = stream
        self._tools = tools
        self._fence = fence
        self.outcomes = Outcomes(
            account,
            rest,
            clock=tools.clock,
            venue=tools.venue,
            spawn=tools.supervisor.spawn,
            resend=self._resend,
            reconnect=stream.reconnect,
        )
        self.recovery = Recovery(
            account,
            rest,
            tools.reader,
            clock=tools.clock,
            venue=tools.venue,
            drain=self._drain,
            resolve=self.outcomes.resolve_soon,
            changed=lambda: changed(account.name),
        )
        self.protection = Protection(
            account,
            rest,
            clock=tools.clock,
            instruments=tools.instruments,
            may_send=fence.exits_allowed,
            close=self.close,
        )
        self.gateway = Gateway(
            account,
            rest,
            fence=fence,
            clock=tools.clock,
            risk=tools.risk,
            instruments=tools.instruments,
            netting=netting,
            spawn=tools.supervisor.spawn,
            unknown=self.outcomes.resolve_soon,
            protection=self.protection,
        )

    # -- start --------------------------------------------------------------------------------

    async def load(self) -> None:
        """Takes the account's books, orders and marks from the database. Books reach back to
        the oldest fill that one of the account's bots was told last."""
        told = [s.handle.cursor.fill_key for s in self.sessions.values()]
        shown_until_ms = min((key[0] for key in told if key is not None), default=None)
        name, reader = self.account.name, self._tools.reader
        self.account.marks = await reader.marks(name)
        self.account.tracker.restore(await reader.open_orders(name))
        for symbol in await reader.traded_symbols(name):
            flat_ms = await reader.last_flat_ms(name, symbol, shown_until_ms)
            self.account.tracker.tags.update(await reader.order_tags(name, symbol))
            rows = await reader.executions_since(name, symbol, flat_ms)
            book = self.account.new_book(symbol, flat_ms)
            book.add(rows, self.account.rules)
            self.account.books[symbol] = book
            self.account.remember(rows)
            for row in rows:
                self.account.tracker.executed(row)

    async def prepare(self, session: BotSession) -> None:
        """Before a bot decides: leverage of its symbols, stops of its open positions."""
        for symbol in sorted({one.symbol for one in session.handle.subscriptions}):
            leverage = session.handle.leverage(symbol)
            if leverage is not None:
                await self.gateway.ensure_leverage(symbol, leverage)
        for symbol in self.account.positions(session.bot_id):
            plan = await self._tools.reader.stop_plan(self.account.name, session.bot_id, symbol)
            if plan is not None:
                self.protection.guard(session.bot_id, symbol, plan)

    async def _drain(self) -> None:
        if not await self._tools.writer.drain(DRAIN_S):
            raise RetryLater(f"expected the ledger to be written within {DRAIN_S:.0f} s")

    def start(self) -> None:
        keep, name = self._tools.supervisor.keep, self.account.name
        keep(f"stream:{name}", self._run_stream)
        keep(f"recovery:{name}", self.recovery.run)
        keep(f"protection:{name}", self.protection.run)
        keep(f"orders:{name}", self.outcomes.watch)
        keep(f"compare:{name}", self._compare)

    async def _run_stream(self) -> None:
        await self._stream.run(self._on_event, self._on_state)

    async def _compare(self) -> None:
        while True:
            await self._tools.clock.sleep(COMPARE_EVERY_S)
            self.recovery.compare()

    # -- the stream ---------------------------------------------------------------------------

    def _on_state(self, state: StreamState) -> None:
        if state.name == "subscribed":
            self.recovery.connected()
        elif state.name == "lost":
            self.recovery.disconnected(state.reason)
        elif state.name == "malformed":
            self.recovery.gap(f"a frame could not be read: {state.reason}")

    def _on_event(self, event: PrivateEvent, received_ns: int) -> None:
        """One row of a frame, in the frame's order."""
        account = self.account
        match event:
            case Execution():
                self._tools.venue.observe(event.exec_time)
                account.receive((event,), received_ns)
            case OrderEvent():
                account.receive_order(event)
            case PositionEvent():
                account.receive_position(event)
            case WalletEvent():
                account.receive_wallet(event)
            case _:
                return
        self.protection.wake()

    # -- acting on behalf of the host ---------------------------------------------------------

    def close(self, bot_id: str, symbol: str, reason: str) -> None:
        """Closes a bot's position by a decision of the host."""
        session = self.sessions.get(bot_id)
        if session is None:
            log.critical("no_session_to_close", bot=bot_id, symbol=symbol)
            return
        intent = Exit(symbol=symbol, reason=reason)
        now = self._tools.venue.now_ms()
        decision = session.plan_exit(intent, f"host:{symbol}:{now}", now)
        if decision is not None:
            self.gateway.carry_out(decision, session)

    def _resend(self, row: OrderRow) -> None:
        """An exit that the exchange never accepted goes out again under the same id."""
        session = self.sessions.get(row.bot_id)
        if session is not None:
            self.gateway.send_again(row, session)
