"""`alpha sim`: the exchange as a process. Starts, serves REST and sockets on one port, ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec
import structlog
from aiohttp import web

from alpha.clock import Clock, SystemRandomness
from alpha.errors import ConfigError, NeedsOperator
from alpha.sim.auth import Keyring
from alpha.sim.board import Board
from alpha.sim.disconnects import Disconnects
from alpha.sim.engine import Engine, MarketClock
from alpha.sim.exchange import Exchange
from alpha.sim.faults import FaultPlan, Faults, SkewedClock
from alpha.sim.faults_rest import FaultSwitches, FaultyRest
from alpha.sim.feeds import build_feed
from alpha.sim.feeds.base import Feed, InstrumentSpec
from alpha.sim.hub import Hub
from alpha.sim.limits import ADDRESS_LIMIT, BAN_S, AddressLimit, RateLimits
from alpha.sim.market import Market, highest_speed
from alpha.sim.provoke import Event, Provoker
from alpha.sim.reader import FeedReader
from alpha.sim.rest import RestApi, Result
from alpha.sim.rest_account import AccountApi
from alpha.sim.rest_batch import BatchApi
from alpha.sim.rest_history import HistoryApi
from alpha.sim.rest_market import MarketApi
from alpha.sim.rest_settings import SettingsApi
from alpha.sim.rest_trade import TradeApi
from alpha.sim.rest_trades import TradesApi
from alpha.sim.sockets import PrivateSocket, PublicSocket, Sockets, Speaker, TradeSocket
from alpha.sim.state import LINK_ID_LENGTH
from alpha.sim.store import Marks, Saved, StoreThread

log = structlog.get_logger(__name__)

DEFAULT_BALANCE = Decimal(10_000)
FIRST_NUMBER = 100_001


@dataclass(frozen=True, slots=True)
class AccountOption:
    """An account asked for on the command line; the balance counts only when it is new."""

    key: str
    secret: str = field(repr=False)
    balance: Decimal = DEFAULT_BALANCE


@dataclass(frozen=True, slots=True)
class SimOptions:
    """Everything that `alpha sim` can be told.

    `start_ms` None means the feed's own opening; `linger_s` 0 means to serve for ever, else
    the process ends after that many seconds of wall time without any client. An address that
    sends more than `address_limit` REST requests in five seconds is banned for `ban_s`.
    Link ids may have `link_id_length` characters: 36 as documented, 45 as once measured.
    """

    state: Path
    accounts: tuple[AccountOption, ...]
    host: str = "127.0.0.1"
    port: int = 0
    feed: str = "synthetic"
    data: Path | None = None
    start_ms: int | None = None
    seed: int = 1
    speed: float = 600.0
    ready_file: Path | None = None
    linger_s: float = 0.0
    faults: FaultPlan | None = None
    address_limit: int = ADDRESS_LIMIT
    ban_s: float = BAN_S
    link_id_length: int = LINK_ID_LENGTH


async def serve(options: SimOptions, clock: Clock) -> None:
    """Runs the simulator until SIGTERM, SIGINT, or its lingering ends.

    Raises `NeedsOperator` for everything that an operator can correct.
    """
    feed = await asyncio.to_thread(
        build_feed,
        options.feed,
        seed=options.seed,
        data=options.data,
        start_ms=options.start_ms,
    )
    check_speed(options.speed, feed.base_ms)
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(simulated(options, feed, clock))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
            stack.callback(loop.remove_signal_handler, number)
        await simulator.run(stop)


def check_speed(speed: float, base_ms: int) -> None:
    highest = highest_speed(base_ms)
    if not 0 < speed <= highest:
        raise ConfigError(
            f"expected a speed above 0 and up to {highest} (20 candles a second of "
            f"{base_ms // 1000} s each), was {speed:g}; set --speed {highest} or lower"
        )


@asynccontextmanager
async def simulated(options: SimOptions, feed: Feed, clock: Clock) -> AsyncIterator[Simulator]:
    """A simulator with its store open and its market in place, not yet listening."""
    store = StoreThread()
    reader = FeedReader(feed)
    randomness = SystemRandomness()
    try:
        await store.open(options.state)
        await store.claim(feed.fingerprint, randomness.token())
        saved = await store.load()
        exchange = restored(feed.instruments, saved)
        exchange.state.link_id_length = options.link_id_length
        added(exchange, options.accounts)
        yield Simulator(options, exchange, saved.marks, store, reader, clock, randomness)
    finally:
        reader.close()
        await store.close()


def restored(specs: Iterable[InstrumentSpec], saved: Saved) -> Exchange:
    """The exchange as it was committed last."""
    exchange = Exchange(specs, saved.salt)
    state = exchange.state
    state.issued = saved.issued
    state.sequences.update(
        {symbol: seq for symbol, seq in saved.sequences.items() if symbol in state.books}
    )
    for account in saved.accounts:
        state.add_account(account)
    for position in saved.positions:
        state.positions[position.account][position.symbol] = position
    for order in sorted(saved.orders, key=lambda order: order.queued):
        state.orders[order.symbol][order.order_id] = order
        state.queued = order.queued
    for key, link_id in saved.links:
        state.links[key].add(link_id)
    exchange.take_changes()
    return exchange


def added(exchange: Exchange, accounts: tuple[AccountOption, ...]) -> None:
    """Opens the accounts that are new; what an existing one holds stays as it is."""
    known = exchange.state.accounts
    for option in accounts:
        if option.key not in known:
            exchange.add_account(option.key, FIRST_NUMBER + len(known), option.balance)


class Simulator:
    """All parts of one running simulator."""

    def __init__(
        self,
        options: SimOptions,
        exchange: Exchange,
        marks: Marks | None,
        store: StoreThread,
        reader: FeedReader,
        clock: Clock,
        randomness: SystemRandomness,
    ) -> None:
        feed = reader.feed
        before_open = feed.open_ms - 1
        marks = marks or Marks(before_open, before_open, before_open)
        self._options = options
        self._clock = clock
        self._last_seen_s = clock.monotonic()
        self.faults = Faults(clock)
        self.hub = Hub(self.faults)
        shown = SkewedClock(clock, self.faults)
        market_clock = MarketClock(clock, options.speed, marks.reserved_ms)
        self.engine = Engine(exchange, store, self.hub, market_clock, marks, feed.end_ms)
        bar_start = (marks.reserved_ms + 1) // feed.base_ms * feed.base_ms
        self.board = Board(self.hub, exchange.state, reader, clock, bar_start)
        self.market = Market(self.engine, self.board, reader, clock)
        keyring = Keyring({a.key: a.secret for a in options.accounts}, shown)
        limits = RateLimits(shown)
        addresses = AddressLimit(clock, options.address_limit, options.ban_s)
        trade, batch = TradeApi(self.engine), BatchApi(self.engine)
        self._dcp = Disconnects(self.engine, clock)
        self._provoker = Provoker(self.engine, self.board)
        routes = {
            **MarketApi(self.engine, self.board, reader, self.market).routes(),
            **TradesApi(self.engine, self.board, feed.instruments).routes(),
            **AccountApi(self.engine, feed.instruments).routes(),
            **SettingsApi(self.engine).routes(),
            **trade.routes(),
            **batch.routes(),
            **HistoryApi(self.engine).routes(),
            **self._provoker.routes(),
        }
        self._rest = FaultyRest(
            RestApi(routes, keyring, limits, addresses, shown), self.faults, clock
        )
        self._switches = FaultSwitches(self.faults)
        self._sockets = Sockets(self.hub, randomness)
        self._speakers: dict[str, Speaker] = {
            "/v5/public/linear": PublicSocket(self.engine, self.board),
            "/v5/private": PrivateSocket(self.engine, keyring, shown),
            "/v5/trade": TradeSocket(trade, batch, keyring, limits, shown),
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set, the lingering ends, or the state cannot be written."""
        await self.market.prepare()
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        market: asyncio.Task[None] | None = None
        switching = asyncio.create_task(self.faults.run())
        try:
            await self._listen(runner)
            if (plan := self._options.faults) is not None:
                self.faults.add(*plan.faults, seed=plan.seed)
            market = asyncio.create_task(self.market.run())
            await self._until_over(stop, market)
        finally:
            self.faults.clear()
            working = [task for task in (switching, market) if task is not None]
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            await self._dcp.close()
            for session in tuple(self.hub.sessions):
                session.cut("the simulator stops")
            await runner.cleanup()
        async with self.engine.lock:
            await self.engine.mark(self.engine.now_ms())
        log.info("simulator stopped")

    async def provoke(self, event: Event) -> Result:
        """Makes the exchange do what no client can ask for (`POST /sim/provoke`)."""
        return await self._provoker.carry_out(event)

    async def _listen(self, runner: web.AppRunner) -> None:
        options = self._options
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as error:
            raise NeedsOperator(
                f"expected port {options.port} on {options.host} to be free, was: "
                f"{error.strerror or error}; stop what listens there or give --port another one"
            ) from None
        port = int(runner.addresses[0][1])
        log.info("simulator listening", host=options.host, port=port, speed=options.speed)
        if options.ready_file is not None:
            await asyncio.to_thread(write_ready, options.ready_file, options.host, port)

    async def _until_over(self, stop: asyncio.Event, market: asyncio.Task[None]) -> None:
        """Returns when it is time to stop; raises what has broken the market or the state."""
        waiting: list[asyncio.Task[object]] = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(self.engine.broken.wait()),
            asyncio.create_task(self._lingered()),
        ]
        ended: list[asyncio.Task[None]] = [market]
        try:
            while True:
                watched = {*waiting, *ended}
                done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                if self.engine.broken.is_set():
                    break
                if market in done:
                    # The end of a replay is no end of the process: it keeps answering.
                    market.result()
                    ended.clear()
                if done - {market}:
                    break
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if self.engine.broken.is_set():
            raise NeedsOperator(
                f"expected to write the simulator's state in {self._options.state}, but the disk "
                "refused; see the log and free or repair it"
            )

    async def _lingered(self) -> None:
        """Returns when no client has been here for the lingering time."""
        linger = self._options.linger_s
        while True:
            if self.hub.sessions:
                self._last_seen_s = self._clock.monotonic()
            left = self._last_seen_s + linger - self._clock.monotonic()
            if linger > 0 and left <= 0:
                log.info("no client for a while; stopping", seconds=linger)
                return
            await self._clock.sleep(min(left, 1.0) if linger > 0 else 3600.0)

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=1 << 20)
        for path, speaker in self._speakers.items():
            application.router.add_get(path, self._socket_handler(speaker))
        application.router.add_route("*", "/sim/faults", self._switches.handle)
        application.router.add_route("*", "/{path:.*}", self._rest_handler)
        return application

    def _socket_handler(
        self, speaker: Speaker
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            return await self._sockets.serve(request, speaker)

        return handler

    async def _rest_handler(self, request: web.Request) -> web.StreamResponse:
        self._last_seen_s = self._clock.monotonic()
        return await self._rest.handle(request)


def write_ready(path: Path, host: str, port: int) -> None:
    """The ready file: one line of JSON, complete or absent."""
    sockets = f"ws://{host}:{port}"
    line = msgspec.json.encode(
        {
            "rest": f"http://{host}:{port}",
            "public_ws": f"{sockets}/v5/public/linear",
            "private_ws": f"{sockets}/v5/private",
            "trade_ws": f"{sockets}/v5/trade",
            "pid": os.getpid(),
        }
    )
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(line + b"\n")
    part.replace(path)
