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
from alpha.core.records import BotPosition, OrderRow
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
from alpha.trading.sizing import Portfolio
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


#: retCode of an order that is worth less than the exchange takes (Bybit V5, Error Codes).
LESS_THAN_TAKEN = 110094


class TooLittle(Exception):
    """Something is left that no order can close until another bot moves."""


class Beat:
    """Enters a flat symbol and leaves a held one, each in its own rhythm. Counts its fills.
    `phase` shifts the rhythm, `flipped` enters on the other side, `idle` does neither."""

    def __init__(
        self,
        *,
        phase: int = 0,
        flipped: bool = False,
        stops: StopPlan = STOPS,
        idle: bool = False,
    ) -> None:
        self.phase = phase
        self.flipped = flipped
        self.stops = stops
        self.idle = idle
        self.declared: Decimal | None = None
        self.orders: list[OrderRow] = []
        self.corrections: list[tuple[BotPosition, BotPosition]] = []
        self.closes = 0
        self.fills = 0

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(symbol, MINUTE, 1) for symbol in SYMBOLS]

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot) -> Intents:
        self.closes += 1
        intents: list[Enter | Exit] = []
        if self.idle:
            return intents
        for place, symbol in enumerate(SYMBOLS):
            beat = (close_ms - START_MS) // MINUTE + place + self.phase
            if symbol in snapshot.positions:
                if beat % 3 == 0:
                    intents.append(Exit(symbol=symbol, reason="time_exit"))
            elif beat % 3 == 1:
                intents.append(
                    Enter(
                        symbol=symbol,
                        side="Buy" if (place == 0) is not self.flipped else "Sell",
                        notional=Decimal(450),
                        price=Decimal(repr(bars[symbol].close)),
                        reason="entry",
                        leverage=Decimal(5),
                        stops=self.stops,
                    )
                )
        return intents

    @hookimpl
    def leverage(self, symbol: str) -> Decimal | None:
        return self.declared

    @hookimpl
    def on_order(self, order: OrderRow) -> None:
        self.orders.append(order)

    @hookimpl
    def on_fill(self, fill: Fill) -> None:
        self.fills += 1

    @hookimpl
    def on_correction(self, before: BotPosition, after: BotPosition) -> None:
        self.corrections.append((before, after))

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


async def register_beat(pool: Pool, *bot_ids: str) -> None:
    await register(
        pool,
        [AccountEntry(ACCOUNT, "paper")],
        [BotEntry(one, ACCOUNT, one, "beat", "paper") for one in bot_ids or (BOT,)],
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
    """The parts of one process. `clock` is wall time; it moves as they wait. `bots` are the
    strategies on the account by bot id; `beat`, `handle` and `session` are the first one's."""

    def __init__(
        self,
        exchange: HandExchange,
        pool: Pool,
        clock: Clock,
        *,
        max_queue: int = 20_000,
        lease: Lease | None = None,
        bots: Mapping[str, Beat] | None = None,
        netting: bool = False,
        default_leverage: Decimal | None = None,
        portfolio: Portfolio | None = None,
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self.bots = bots or {BOT: Beat()}
        self.beat = next(iter(self.bots.values()))
        self.netting = netting
        self.doubted: list[str] = []  # symbols whose rules were doubted
        self.default_leverage = default_leverage
        self.portfolio = portfolio
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
        tools = Tools(
            clock,
            venue,
            self.writer,
            reader,
            self.supervisor,
            INSTRUMENTS,
            EntryRisk(),
            self.default_leverage,
            self.doubted.append,
            portfolio=self.portfolio,
        )
        account = Account(
            ACCOUNT,
            bots={bot_id: frozenset(SYMBOLS) for bot_id in self.bots},
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
            netting=self.netting,
            last_price=self.exchange.price,
            changed=self.changes.append,
        )
        self.account = account
        self.sessions: dict[str, BotSession] = {}
        for bot_id, beat in self.bots.items():
            self.sessions[bot_id] = await self._open(bot_id, beat)
        self.session = next(iter(self.sessions.values()))
        self.handle = self.session.handle
        self.service.sessions.update(self.sessions)
        await self.service.load()
        self.connect()
        await self.sweep()
        for session in self.sessions.values():
            await self.service.prepare(session)
            self._catch_up(session, bars or {})
        await self.quiet()

    async def _open(self, bot_id: str, beat: Beat) -> BotSession:
        session = BotSession(
            BotHandle(bot_id, bot_id, ACCOUNT, lambda: beat, plugin="beat"),
            self.account,
            self.service.gateway,
            instruments=INSTRUMENTS,
            last_close=lambda symbol: None,
            capital=None if len(self.bots) == 1 else Decimal(10_000),
            past=await past_of(self.reader, bot_id, ACCOUNT),
            clock=self.clock,
            changed=lambda bot_id: None,
        )
        saved = await self.reader.bot_state(ACCOUNT, bot_id)
        session.restore(
            None
            if saved is None
            else SavedBot(saved.ordinal, saved.state_json, saved.last_stamp, saved.cursor_json)
        )
        return session

    def _catch_up(self, session: BotSession, bars: Mapping[int, Mapping[str, Decimal]]) -> None:
        for symbol in SYMBOLS:
            session.bar(bar(symbol, -1, Decimal(100)))
        seen = session.last_close(MINUTE, None)
        missed = []
        for place, prices in sorted(bars.items()):
            shown = {symbol: bar(symbol, place, price) for symbol, price in prices.items()}
            close_ms = START_MS + (place + 1) * MINUTE
            if seen is None or close_ms <= seen:
                for one in shown.values():
                    session.bar(one)
            else:
                missed.append((MINUTE, close_ms, shown))
        session.replay(missed)
        session.handle.ready()
        session.started(self.exchange.now_ms)

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
        for session in self.sessions.values():
            session.close(MINUTE, START_MS + (place + 1) * MINUTE, shown, None)

    async def quiet(self) -> None:
        """Waits until every order is answered or known."""
        async with asyncio.timeout(20):
            while self.supervisor._spawned:
                await self.supervisor.settle(1)
                self._expect_takeable()

    def _expect_takeable(self) -> None:
        """An exit below the exchange's least order, which may not reduce because the account's net
        position is on the other side, is tried for ever: here, where pauses take no time, nothing
        comes after it."""
        for row in self.account.tracker._rows.values():
            if row.purpose == "exit" and row.reject_code == LESS_THAN_TAKEN:
                held = self.account.position(row.bot_id, row.symbol).signed_qty
                if not row.reduce_only and held * self.exchange.position(row.symbol) < 0:
                    raise TooLittle(f"{row.bot_id} holds {held} {row.symbol}")

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

    async def refused(self) -> list[str]:
        """Why intents have become no order, in the order of the decisions."""
        await self.stored()
        rows = await self.pool.fetch(
            "SELECT rejection_reason FROM trading.signals WHERE rejected"
            " ORDER BY timestamp, bot_id, ordinal, place"
        )
        return [row["rejection_reason"] for row in rows]

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
