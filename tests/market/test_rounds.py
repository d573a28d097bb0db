"""Bots that join a running market: no bar is lost, none comes twice, no close is cut short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

import aiohttp
import pytest

from alpha.bots import Bar, Intents, Market, Subscription, hookimpl
from alpha.bots.host import BotHandle
from alpha.bybit.endpoints import Endpoints
from alpha.bybit.limiter import Address, Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.stream import PublicStream, Timing
from alpha.clock import SystemClock, VenueClock
from alpha.core.records import Commit
from alpha.core.risk import EntryRisk
from alpha.market.data import MarketData
from alpha.rounds import SIDE_BY_SIDE, Rounds
from alpha.trading.account import Account
from alpha.trading.gateway import Gateway
from alpha.trading.own_stops import OwnStops
from alpha.trading.position_stops import PositionStops
from alpha.trading.protection import Protection
from alpha.trading.sending import Sender
from alpha.trading.session import BotSession, Past
from alpha.trading.sizing import Sizing
from tests.market.venue import MINUTE, T0, Venue, open_http, open_socket
from tests.trading.life import Sendable
from tests.until import until

SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")


class Watcher:
    """Notes what it is shown; `places` are minutes since the first bar."""

    def __init__(self) -> None:
        self.bars: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
        self.closes: list[tuple[int, int]] = []  # place, bars of the close

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(symbol, MINUTE, 3) for symbol in SYMBOLS]

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        self.bars[bar.symbol].append((bar.start_ms - T0) // MINUTE)

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar]) -> Intents:
        self.closes.append(((close_ms - T0) // MINUTE - 1, len(bars)))
        return []


class Chooser(Watcher):
    """The same, for all that there is."""

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return []

    @hookimpl
    def universe(self, markets: Sequence[Market]) -> Sequence[Subscription]:
        return [Subscription(market.symbol, MINUTE, 3) for market in markets]


class Taken:
    """A ledger that takes everything; what it holds is of no interest here."""

    def put(self, commit: Commit) -> bool:
        return True


class Floor:
    """A market with whoever has joined it."""

    def __init__(self, rest: Rest, market: MarketData, rounds: Rounds) -> None:
        self.rest = rest
        self.market = market
        self.rounds = rounds
        self.clock = SystemClock()

    def bot(self, name: str, *, chooses: bool = False) -> tuple[Watcher, BotSession]:
        watcher = Chooser() if chooses else Watcher()
        return watcher, self.session(name, watcher, SYMBOLS)

    def session(self, name: str, strategy: object, symbols: Sequence[str]) -> BotSession:
        bot_id = f"{name}_001"
        account = Account(
            name,
            bots={bot_id: frozenset(symbols)},
            known_bots=[],
            owners={},
            ledger=Taken(),
            clock=self.clock,
            qty_steps={},
            overrides={},
        )
        fence = Sendable()

        def spawn(work: Coroutine[object, object, None], task: str) -> None:
            raise AssertionError(f"expected nothing to send, was {task}")

        sender = Sender(
            account,
            self.rest,
            fence=fence,
            clock=self.clock,
            unknown=lambda link_id: None,
            answered=lambda: None,
            sending=set(),
        )
        sizing = Sizing(
            account,
            fence=fence,
            risk=EntryRisk(),
            instruments={},
            netting=False,
            refusal=lambda bot, intent: None,
        )
        protection = Protection(
            account,
            PositionStops(
                account,
                self.rest,
                clock=self.clock,
                may_send=fence.exits_allowed,
                close=lambda bot, symbol, reason, qty: None,
            ),
            OwnStops(
                account,
                self.rest,
                sender=sender,
                clock=self.clock,
                instruments={},
                last_price=lambda symbol: None,
                spawn=spawn,
                may_send=fence.exits_allowed,
                sizing=sizing,
                close=lambda bot, symbol, reason, qty: None,
            ),
            clock=self.clock,
            instruments={},
            close=lambda bot, symbol, reason, qty: None,
        )
        gateway = Gateway(
            account,
            self.rest,
            sender=sender,
            sizing=sizing,
            clock=self.clock,
            instruments={},
            spawn=spawn,
            protection=protection,
        )
        session = BotSession(
            BotHandle(name, bot_id, name, lambda: strategy, plugin=name),
            account,
            gateway,
            instruments={},
            last_close=lambda symbol: None,
            capital=Decimal(1),
            past=Past(),
            clock=self.clock,
            changed=lambda bot: None,
        )
        session.restore(None)
        return session


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    venue = Venue(closed=10)
    runner = await open_http(venue)
    server = await open_socket(venue)
    yield venue
    server.close()
    await server.wait_closed()
    await runner.cleanup()


@asynccontextmanager
async def floor_of(venue: Venue) -> AsyncIterator[Floor]:
    clock = SystemClock()
    tasks: set[asyncio.Task[object]] = set()

    def spawn(work: Coroutine[object, object, None], name: str) -> None:
        task: asyncio.Task[object] = asyncio.create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    endpoints = Endpoints(venue.rest_url, venue.ws_url, venue.ws_url, venue.ws_url)
    async with aiohttp.ClientSession() as http:
        address = Address()
        address.window.capacity = 10_000  # what an address may ask in a while is not looked at here
        limiter = Limiter(clock, address=address)
        rest = Rest(endpoints, None, account="", clock=clock, limiter=limiter, session=http)
        timing = Timing(backoff_first=0.05, backoff_most=0.1, watch_every=0.02)
        stream = PublicStream(venue.ws_url, clock=clock, timing=timing)
        market = MarketData(rest, stream, clock=clock, venue=VenueClock(clock), spawn=spawn)
        rounds = Rounds(market, clock)
        spawn(market.run(rounds.on_bar), "market")
        await until(lambda: market.connected, "the market is connected")
        try:
            yield Floor(rest, market, rounds)
        finally:
            for task in tuple(tasks):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def close_bars(venue: Venue, count: int, *, turns: int) -> None:
    """Bars close one after the other, each after some turns of the loop."""
    for _ in range(count):
        await venue.close_bar(SYMBOLS)
        for _ in range(turns):
            await SystemClock().sleep(0)


@pytest.mark.parametrize("turns", [0, 1, 3, 10, 40])
async def test_bots_join_while_bars_close(venue: Venue, turns: int) -> None:
    async with floor_of(venue) as floor:
        bots = [floor.bot(name) for name in ("first", "second", "third")]
        closing = asyncio.create_task(close_bars(venue, 60, turns=turns))
        for _, session in bots:
            await floor.rounds.join(session)
        await closing
        await close_bars(venue, 2, turns=turns)
        last = venue.closed - 1
        for watcher, _ in bots:
            await until(
                lambda watcher=watcher: all(  # type: ignore[misc]
                    places and places[-1] == last for places in watcher.bars.values()
                ),
                "every bar has come",
            )
            for symbol, places in watcher.bars.items():
                assert places == list(range(places[0], last + 1)), symbol
            decided = [place for place, _ in watcher.closes]
            assert decided == list(range(decided[0], last + 1))
            assert {bars for _, bars in watcher.closes} == {len(SYMBOLS)}


async def test_a_bot_joins_once_the_exchange_answers(venue: Venue) -> None:
    async with floor_of(venue) as floor:
        watcher, session = floor.bot("late")
        venue.rest_broken = True
        joining = asyncio.create_task(floor.rounds.join(session))
        await until(lambda: "kline.1.AAAUSDT" in venue.subscribed, "it subscribes")
        venue.rest_broken = False
        await joining
        await close_bars(venue, 3, turns=5)
        await until(lambda: len(watcher.closes) >= 3, "closes are decided")
        assert [place for place, _ in watcher.closes] == [10, 11, 12]


async def test_a_bot_that_is_fed_follows_other_symbols(venue: Venue) -> None:
    """A symbol that it chooses brings its history and then its bars, one that it leaves brings
    none; the others miss nothing, and closes are whole."""
    first, second, third = SYMBOLS
    async with floor_of(venue) as floor:
        watcher, session = floor.bot("chooser", chooses=True)
        session.handle.choose(0, [Market(first), Market(second)])
        await floor.rounds.join(session)
        await close_bars(venue, 3, turns=5)
        await until(lambda: len(watcher.closes) == 3, "closes are decided")
        assert session.handle.choose(0, [Market(second), Market(third)])
        closing = asyncio.create_task(close_bars(venue, 20, turns=1))
        await floor.rounds.follow(session)
        await closing
        await close_bars(venue, 3, turns=5)
        last = venue.closed - 1
        await until(lambda: watcher.closes[-1][0] == last, "the last close is decided")
        assert watcher.bars[first][-1] < last - 3
        for symbol in (second, third):
            places = watcher.bars[symbol]
            assert places == list(range(places[0], last + 1)), symbol
        decided = [place for place, _ in watcher.closes]
        assert decided == list(range(decided[0], last + 1))
        assert [bars for _, bars in watcher.closes[-3:]] == [2, 2, 2]
        await until(lambda: "kline.1.AAAUSDT" not in venue.subscribed, "nobody wants it any longer")


async def test_a_fresh_strategy_has_chosen_what_the_failed_one_had(venue: Venue) -> None:
    async with floor_of(venue) as floor:
        _, session = floor.bot("chooser", chooses=True)
        handle = session.handle
        handle.choose(0, [Market(SYMBOLS[0])])
        handle.fail("a test")
        handle.start()
        assert [one.symbol for one in handle.subscriptions] == [SYMBOLS[0]]


async def test_bots_that_join_together_share_their_histories(venue: Venue) -> None:
    """Each candle is asked for once; a bot that comes later asks anew."""
    async with floor_of(venue) as floor:
        venue.latency_s = 0.05
        bots = [floor.bot(f"bot{number}") for number in range(6)]
        await asyncio.gather(*(floor.rounds.join(session) for _, session in bots))
        assert sorted(symbol for symbol, _ in venue.asked) == sorted(SYMBOLS)
        for watcher, _ in bots:
            assert watcher.bars == bots[0][0].bars
            assert all(places[-1] == venue.closed - 1 for places in watcher.bars.values())
        await floor.rounds.join(floor.bot("late")[1])
        assert len(venue.asked) == 2 * len(SYMBOLS)


CROWD = [f"S{number:03d}USDT" for number in range(350)]


class Crowd:
    """A bot of 350 symbols."""

    def __init__(self) -> None:
        self.bars = 0
        self.closes: list[int] = []

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(symbol, MINUTE, 3) for symbol in CROWD]

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        self.bars += 1

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar]) -> Intents:
        self.closes.append(len(bars))
        return []


async def test_a_bot_of_350_symbols_asks_side_by_side(venue: Venue) -> None:
    venue.latency_s = 0.01
    async with floor_of(venue) as floor:
        crowd = Crowd()
        await floor.rounds.join(floor.session("crowd", crowd, CROWD))
        assert 1 < venue.most_asking <= SIDE_BY_SIDE
        first = {symbol for symbol, _ in venue.asked}
        assert len(first) == 350 and len(venue.subscribed) == 350
        assert venue.subscribes == 35, "ten topics a request"
        shown = crowd.bars
        await venue.close_bar(CROWD)
        await until(lambda: crowd.closes[-1:] == [350], "one decision about all of them")
        assert crowd.bars == shown + 350


async def test_a_history_that_fails_is_asked_for_again(venue: Venue) -> None:
    async with floor_of(venue) as floor:
        venue.latency_s = 0.01
        crowd = Crowd()
        joining = asyncio.create_task(floor.rounds.join(floor.session("crowd", crowd, CROWD)))
        await until(lambda: len(venue.asked) > 60, "histories are under way")
        venue.rest_broken = True
        await SystemClock().sleep(0.2)
        venue.rest_broken = False
        await joining
        await venue.close_bar(CROWD)
        await until(lambda: crowd.closes[-1:] == [350], "all of them")
