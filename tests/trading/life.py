"""One life of the trading parts of a daemon: started from the database, fed by hand, killed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from alpha.bots import JSON, Bar, Enter, Exit, Fill, Intents, Snapshot, Subscription, hookimpl
from alpha.bots.cursor import SavedBot
from alpha.bots.host import BotHandle
from alpha.bybit.endpoints import Endpoints
from alpha.bybit.http import HttpAnswer
from alpha.bybit.limiter import Limiter
from alpha.bybit.messages import decode_private
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.bybit.stream import PrivateStream, StreamState
from alpha.clock import Clock, ManualClock, VenueClock
from alpha.core.instruments import Instrument
from alpha.core.intents import StopPlan
from alpha.core.risk import EntryRisk
from alpha.crew import past_of
from alpha.errors import RetryLater
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.registry import AccountEntry, BotEntry, register
from alpha.ledger.writer import LedgerWriter
from alpha.supervision import Supervisor
from alpha.trading.account import Account
from alpha.trading.fence import LeaseFence
from alpha.trading.service import AccountService, Tools
from alpha.trading.session import BotSession
from tests.trading.exchange import KEY, SPECS, START_MS, SYMBOLS, HandExchange
from tests.until import until

ACCOUNT, BOT = "main", "beat_001"
MINUTE = 60_000
NOWHERE = Endpoints("http://exchange", "ws://exchange", "ws://exchange", "ws://exchange")
STOPS = StopPlan(stop_loss=Decimal("0.05"), take_profit=Decimal("0.2"))
INSTRUMENTS = {
    spec.symbol: Instrument(
        symbol=spec.symbol,
        base_coin=spec.base_coin,
        tick=spec.tick_size,
        qty_step=spec.qty_step,
        min_qty=spec.min_qty,
        max_qty=spec.max_qty,
        max_market_qty=spec.max_market_qty,
        min_notional=spec.min_notional,
        max_leverage=spec.max_leverage,
    )
    for spec in SPECS
}


class Beat:
    """Enters a flat symbol and leaves a held one, each in its own rhythm. Counts its fills."""

    def __init__(self) -> None:
        self.closes = 0
        self.fills = 0

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(symbol, MINUTE, 1) for symbol in SYMBOLS]

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot) -> Intents:
        self.closes += 1
        intents: list[Enter | Exit] = []
        for place, symbol in enumerate(SYMBOLS):
            beat = (close_ms - START_MS) // MINUTE + place
            if symbol in snapshot.positions:
                if beat % 3 == 0:
                    intents.append(Exit(symbol=symbol, reason="time_exit"))
            elif beat % 3 == 1:
                intents.append(
                    Enter(
                        symbol=symbol,
                        side="Buy" if place == 0 else "Sell",
                        notional=Decimal(450),
                        price=Decimal(repr(bars[symbol].close)),
                        reason="entry",
                        leverage=Decimal(5),
                        stops=STOPS,
                    )
                )
        return intents

    @hookimpl
    def on_fill(self, fill: Fill) -> None:
        self.fills += 1

    @hookimpl
    def dump_state(self) -> Mapping[str, JSON]:
        return {"closes": self.closes, "fills": self.fills}

    @hookimpl
    def load_state(self, state: Mapping[str, JSON]) -> None:
        closes, fills = state["closes"], state["fills"]
        assert isinstance(closes, int) and isinstance(fills, int)
        self.closes, self.fills = closes, fills


def bar(symbol: str, place: int, price: Decimal) -> Bar:
    shown = float(price)
    start_ms = START_MS + place * MINUTE
    return Bar(symbol, MINUTE, start_ms, shown, shown, shown, shown, 1.0, shown)


async def register_beat(pool: Pool) -> None:
    await register(
        pool,
        [AccountEntry(ACCOUNT, "paper")],
        [BotEntry(BOT, ACCOUNT, "beat", "beat", "paper")],
    )


@dataclass
class Sendable:
    """A fence that a test opens and closes."""

    entries: bool = True
    exits: bool = True

    def entries_allowed(self) -> bool:
        return self.entries

    def exits_allowed(self) -> bool:
        return self.exits


class Life:
    """The parts of one process. `clock` is wall time; it moves as they wait."""

    def __init__(
        self,
        exchange: HandExchange,
        pool: Pool,
        clock: Clock,
        *,
        max_queue: int = 20_000,
        lease: Lease | None = None,
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self.beat = Beat()
        self.pool = pool
        self.reader = LedgerReader(pool)
        self.writer = LedgerWriter(pool, clock=clock, lease=lease, max_rows=1, max_queue=max_queue)
        self.supervisor = Supervisor(clock)
        self.lease = lease
        self.fence = Sendable()
        self.changes: list[str] = []
        self.dead = False

    async def start(self, bars: Mapping[int, Mapping[str, Decimal]] | None = None) -> None:
        """From the database to the present: sweep, then what the bot has missed. `bars` are the
        closes of all bars so far, by place."""
        clock, reader = self.clock, self.reader
        self._writing = asyncio.create_task(self.writer.run(), name="ledger")
        venue = VenueClock(clock)
        venue.observe(self.exchange.now_ms)
        tools = Tools(clock, venue, self.writer, reader, self.supervisor, INSTRUMENTS, EntryRisk())
        account = Account(
            ACCOUNT,
            bots={BOT: frozenset(SYMBOLS)},
            known_bots=await reader.known_bots(ACCOUNT),
            owners={},
            ledger=self.writer,
            clock=clock,
            qty_steps=await reader.qty_steps(ACCOUNT),
            overrides=await reader.overrides(ACCOUNT),
        )
        credentials = Credentials(KEY, "secret")
        rest = Rest(
            NOWHERE,
            credentials,
            account=ACCOUNT,
            clock=clock,
            limiter=Limiter(clock),
            transport=self._send,
        )
        fence = (
            self.fence
            if self.lease is None
            else LeaseFence(self.lease, lambda: self.writer.accepts(ACCOUNT), clock)
        )
        self.service = AccountService(
            account,
            rest,
            PrivateStream("ws://exchange", credentials, account=ACCOUNT, clock=clock),
            tools,
            fence=fence,
            netting=False,
            changed=self.changes.append,
        )
        self.account = account
        self.handle = BotHandle("beat", BOT, ACCOUNT, lambda: self.beat, plugin="beat")
        self.session = BotSession(
            self.handle,
            account,
            self.service.gateway,
            instruments=INSTRUMENTS,
            last_close=lambda symbol: None,
            capital=None,
            past=await past_of(reader, BOT, ACCOUNT),
            clock=clock,
            changed=lambda bot_id: None,
        )
        saved = await reader.bot_state(ACCOUNT, BOT)
        self.session.restore(
            None
            if saved is None
            else SavedBot(saved.ordinal, saved.state_json, saved.last_stamp, saved.cursor_json)
        )
        self.service.sessions[BOT] = self.session
        await self.service.load()
        self.connect()
        await self.sweep()
        await self.service.prepare(self.session)
        self._catch_up(bars or {})
        await self.quiet()

    def _catch_up(self, bars: Mapping[int, Mapping[str, Decimal]]) -> None:
        for symbol in SYMBOLS:
            self.session.bar(bar(symbol, -1, Decimal(100)))
        seen = self.session.last_close(MINUTE, None)
        missed = []
        for place, prices in sorted(bars.items()):
            shown = {symbol: bar(symbol, place, price) for symbol, price in prices.items()}
            close_ms = START_MS + (place + 1) * MINUTE
            if seen is None or close_ms <= seen:
                for one in shown.values():
                    self.session.bar(one)
            else:
                missed.append((MINUTE, close_ms, shown))
        self.session.replay(missed)
        self.handle.ready()
        self.session.started(self.exchange.now_ms)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer:
        if self.dead:
            await self.exchange.never.wait()
        return await self.exchange(method, url, headers, body)

    # -- what happens to it -------------------------------------------------------------------

    def connect(self) -> None:
        self.service.on_state(StreamState("subscribed"))

    def disconnect(self) -> None:
        self.service.on_state(StreamState("lost", "cut"))

    def hear(self, frame: bytes) -> None:
        for event in decode_private(frame, ACCOUNT, self.clock.now_ms()):
            self.service.on_event(event, self.clock.perf_ns())

    def close(self, place: int, prices: Mapping[str, Decimal]) -> None:
        shown = {symbol: bar(symbol, place, price) for symbol, price in prices.items()}
        self.session.close(MINUTE, START_MS + (place + 1) * MINUTE, shown, None)

    async def quiet(self) -> None:
        """Waits until every order is answered or known."""
        async with asyncio.timeout(20):
            while self.supervisor._spawned:
                await self.supervisor.settle(20)

    async def sweep(self) -> None:
        """Closes the gap, again where something came in between."""
        for _ in range(10):
            try:
                await self.service.recovery.close_gap()
            except RetryLater:
                continue
            if self.account.live:
                return
        raise AssertionError(f"expected the account to be live, was {self.account.status}")

    async def stored(self) -> None:
        assert await self.writer.drain(20), "expected everything queued to be committed"

    async def kill(self, *, commits: int = 0) -> None:
        """The process is gone: nothing is sent or written after `commits` more transactions."""
        self.dead = True
        last = self.writer.transactions + commits

        def enough(*_: object) -> None:
            if self.writer.transactions >= last:
                self._writing.cancel()

        self.writer.on_commit(enough)
        if commits:
            await until(lambda: self._writing.done() or not self.writer.queued, "commits are made")
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)
        await self.supervisor.cancel()
        await self.exchange.done()


def manual_clock() -> ManualClock:
    return ManualClock(START_MS)
