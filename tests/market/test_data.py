from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

import aiohttp
import pytest

from alpha.bybit.endpoints import Endpoints
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.stream import PublicStream, Timing
from alpha.clock import SystemClock, VenueClock
from alpha.core.events import Bar
from alpha.market import data
from alpha.market.data import MarketData
from tests.market.venue import MINUTE, T0, Venue, open_http, open_socket

AAA, BBB = "AAAUSDT", "BBBUSDT"
SOON = Timing(backoff_first=0.05, backoff_most=0.1, watch_every=0.02)


class Feed:
    """Market data of a venue, with what it has handed on."""

    def __init__(self, venue: Venue, market: MarketData) -> None:
        self.venue = venue
        self.market = market
        self.told: list[tuple[Bar, int | None, bool]] = []

    def on_bar(self, bar: Bar, received_ns: int | None, stale: bool) -> None:
        self.told.append((bar, received_ns, stale))

    def places(self, symbol: str = AAA) -> list[int]:
        return [(bar.start_ms - T0) // MINUTE for bar, _, _ in self.told if bar.symbol == symbol]

    def stale(self, symbol: str = AAA) -> list[int]:
        return [
            (bar.start_ms - T0) // MINUTE
            for bar, _, stale in self.told
            if bar.symbol == symbol and stale
        ]


async def eventually(condition: Callable[[], bool], within_s: float = 8.0) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + within_s
    while not condition():
        assert clock.monotonic() < deadline, "expected the condition to come true in time"
        await clock.sleep(0.005)


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
async def feeding(venue: Venue, *symbols: str, last: int = 9) -> AsyncIterator[Feed]:
    """Market data at work; bars after place `last` are handed on."""
    clock = SystemClock()
    tasks: set[asyncio.Task[object]] = set()

    def spawn(work: Coroutine[object, object, None], name: str) -> None:
        task: asyncio.Task[object] = asyncio.create_task(work, name=name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    endpoints = Endpoints(venue.rest_url, venue.ws_url, venue.ws_url, venue.ws_url)
    async with aiohttp.ClientSession() as session:
        rest = Rest(
            endpoints, None, account="", clock=clock, limiter=Limiter(clock), session=session
        )
        stream = PublicStream(venue.ws_url, clock=clock, timing=SOON)
        market = MarketData(rest, stream, clock=clock, venue=VenueClock(clock), spawn=spawn)
        feed = Feed(venue, market)
        await market.subscribe([(symbol, MINUTE) for symbol in symbols])
        running = asyncio.create_task(market.run(feed.on_bar))
        await eventually(lambda: market.connected)
        for symbol in symbols:
            market.begin(symbol, MINUTE, T0 + last * MINUTE)
        await eventually(lambda: not market.gaps)
        try:
            yield feed
        finally:
            for task in (running, *tasks):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def test_history_has_closed_bars_only(venue: Venue) -> None:
    async with feeding(venue, AAA) as feed:
        bars = await feed.market.history(AAA, MINUTE, T0 + 3 * MINUTE, T0 + 100 * MINUTE)
        assert [(bar.start_ms - T0) // MINUTE for bar in bars] == [3, 4, 5, 6, 7, 8, 9]
        assert bars[-1].close == 109.5
        assert feed.market.last_close(AAA) == Decimal("109.5")
        assert feed.told == []


async def test_history_is_paged(venue: Venue) -> None:
    venue.closed = 2500
    async with feeding(venue, AAA, last=2499) as feed:
        bars = await feed.market.history(AAA, MINUTE, T0, T0 + 2500 * MINUTE)
        assert len(bars) == 2500
        assert [bar.start_ms for bar in bars] == [T0 + place * MINUTE for place in range(2500)]


async def test_closed_bars_come_once_and_open_ones_never(venue: Venue) -> None:
    async with feeding(venue, AAA) as feed:
        await venue.push(AAA, 10, confirm=False)
        await venue.close_bar([AAA])
        await venue.push(AAA, 10)
        await venue.push(AAA, 11, confirm=False)
        await venue.push(AAA, 9)
        await venue.close_bar([AAA])
        await eventually(lambda: feed.places() == [10, 11])
        assert all(received_ns is not None for _, received_ns, _ in feed.told)
        assert feed.stale() == []
        assert feed.market.newest[AAA, MINUTE].close == 111.5


async def test_what_closed_before_the_beginning_is_brought_by_rest(venue: Venue) -> None:
    async with feeding(venue, AAA, last=5) as feed:
        assert feed.places() == [6, 7, 8, 9]
        assert feed.stale() == [6, 7, 8]
        assert feed.market.handed() == {(AAA, MINUTE): (T0 + 6 * MINUTE, T0 + 9 * MINUTE)}
        # One that nobody wants any longer, and then again, begins anew.
        await feed.market.unsubscribe(AAA, MINUTE)
        assert feed.market.handed() == {}
        await feed.market.subscribe([(AAA, MINUTE)])
        feed.market.begin(AAA, MINUTE, T0 + 9 * MINUTE)
        assert feed.market.handed() == {}, "it is handed on what comes after"
        await venue.close_bar([AAA])
        await eventually(lambda: feed.places()[-1] == 10)
        assert feed.market.handed() == {(AAA, MINUTE): (T0 + 10 * MINUTE, T0 + 10 * MINUTE)}


async def test_a_hole_is_filled_before_later_bars(venue: Venue) -> None:
    async with feeding(venue, AAA) as feed:
        await venue.close_bar([])
        await venue.close_bar([])
        await venue.close_bar([AAA])
        await eventually(lambda: feed.places() == [10, 11, 12])
        assert feed.stale() == [10, 11]
        received = [received_ns is not None for _, received_ns, _ in feed.told]
        assert received == [False, False, True]


async def test_bars_that_come_during_a_fill_wait_for_it(venue: Venue) -> None:
    async with feeding(venue, AAA) as feed:
        venue.rest_lacks = {T0 + 10 * MINUTE}  # REST is behind the stream for a while
        await venue.close_bar([])
        await venue.close_bar([AAA])
        await venue.close_bar([AAA])
        await eventually(lambda: len(venue.asked) >= 4)
        assert feed.places() == []
        assert feed.market.gaps == 1
        venue.rest_lacks = set()
        await eventually(lambda: feed.places() == [10, 11, 12])
        assert feed.market.gaps == 0


async def test_rest_being_away_only_delays(venue: Venue) -> None:
    async with feeding(venue, AAA, BBB) as feed:
        venue.rest_broken = True
        await venue.close_bar([BBB])
        await venue.close_bar([AAA, BBB])
        await eventually(lambda: feed.places(BBB) == [10, 11])
        assert feed.places(AAA) == []
        venue.rest_broken = False
        await eventually(lambda: feed.places(AAA) == [10, 11])


async def test_a_reconnect_closes_its_gap(venue: Venue) -> None:
    async with feeding(venue, AAA, BBB) as feed:
        await venue.close_bar([AAA, BBB])
        await eventually(lambda: feed.places(BBB) == [10])
        await venue.cut()
        await eventually(lambda: not feed.market.connected)
        await venue.close_bar([])
        await venue.close_bar([])
        await eventually(lambda: feed.places(AAA) == feed.places(BBB) == [10, 11, 12])
        await eventually(lambda: feed.market.connected)
        await venue.close_bar([AAA, BBB])
        await eventually(lambda: feed.places(AAA) == feed.places(BBB) == [10, 11, 12, 13])


async def test_a_silent_symbol_is_asked_for(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SILENT_S", 0.05)
    async with feeding(venue, AAA, BBB) as feed:
        await venue.close_bar([AAA])

        async def chatter() -> None:
            while True:
                await venue.push(AAA, 11, confirm=False)
                await SystemClock().sleep(0.02)

        talking = asyncio.create_task(chatter())
        await eventually(lambda: feed.places(BBB) == [10])
        talking.cancel()
        with suppress(asyncio.CancelledError):
            await talking
        assert feed.stale(BBB) == []  # late, and still the newest there is


async def test_a_bar_that_waited_too_long_is_stale(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "STALE_MOST_MS", 100)
    async with feeding(venue, AAA) as feed:
        venue.rest_lacks = {T0 + 10 * MINUTE}
        await venue.close_bar([])
        await venue.close_bar([AAA])
        await eventually(lambda: len(venue.asked) >= 3)  # two pauses of a quarter second
        venue.rest_lacks = set()
        await eventually(lambda: feed.places() == [10, 11])
        assert feed.stale() == [10, 11]


async def test_series_are_told_apart(venue: Venue) -> None:
    async with feeding(venue, AAA, BBB) as feed:
        await venue.close_bar([AAA, BBB])
        await eventually(lambda: len(feed.told) == 2)
        assert feed.places(AAA) == feed.places(BBB) == [10]
        assert feed.market.shown(AAA, MINUTE) == T0 + 10 * MINUTE
        assert venue.subscribed == {"kline.1.AAAUSDT", "kline.1.BBBUSDT"}
        assert feed.market.last_price("CCCUSDT") is None
        assert feed.market.last_close("CCCUSDT") is None
