"""The feed on its own thread: bars for the market first, candles for requests after them."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import count
from typing import NamedTuple, TypeVar

from alpha.sim import intervals
from alpha.sim.feeds.base import Candle, Feed
from alpha.sim.model import Side

T = TypeVar("T")

PIECES_MS = (intervals.DAY_MS, 60 * intervals.MINUTE_MS)


class Trade(NamedTuple):
    """A tick of the feed at its market time; `gap`: the price jumped to it (a new bar)."""

    at_ms: int
    symbol: str
    price: Decimal
    qty: Decimal
    side: Side
    gap: bool


class Bar(NamedTuple):
    """Everything that happens in one base bar, over all symbols, in time order.

    `funding` holds the rates that settle at its start, `rates` (on the hour) those that come.
    """

    start_ms: int
    candles: dict[str, Candle]
    trades: list[Trade]
    funding: dict[str, Decimal]
    rates: dict[str, Decimal]


class FeedReader:
    """Asks the feed, one question at a time, without stopping the event loop."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sim-feed")
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()
        self._busy = False

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def bar(self, start_ms: int) -> Bar:
        return await self._ask(0, lambda: read_bar(self.feed, start_ms))

    async def candles(self, symbol: str, name: str, start_ms: int, end_ms: int) -> list[Candle]:
        """Complete candles of a named interval inside `[start_ms, end_ms)`, ascending."""
        return await self._ask(1, lambda: read_candles(self.feed, symbol, name, start_ms, end_ms))

    async def partial(self, symbol: str, start_ms: int, end_ms: int) -> Candle | None:
        """One candle out of the whole base bars of `[start_ms, end_ms)`."""
        return await self._ask(0, lambda: read_partial(self.feed, symbol, start_ms, end_ms))

    async def funding(self, symbol: str, moments: list[int]) -> list[Decimal]:
        return await self._ask(1, lambda: [self.feed.funding_rate(symbol, ms) for ms in moments])

    async def rates(self, ms: int) -> dict[str, Decimal]:
        """The funding rate of every symbol that the window around `ms` ends with."""
        return await self._ask(0, lambda: read_rates(self.feed, ms))

    async def _ask(self, rank: int, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def start() -> None:
            running = loop.run_in_executor(self._executor, work)
            running.add_done_callback(lambda done: self._done(done, answer))

        heapq.heappush(self._waiting, (rank, next(self._numbers), start))
        self._next()
        return await answer

    def _next(self) -> None:
        if not self._busy and self._waiting:
            self._busy = True
            heapq.heappop(self._waiting)[2]()

    def _done(self, done: asyncio.Future[T], answer: asyncio.Future[T]) -> None:
        self._busy = False
        error = None if done.cancelled() else done.exception()
        if not answer.done():
            if done.cancelled():
                answer.cancel()
            elif error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(done.result())
        self._next()


def read_bar(feed: Feed, start_ms: int) -> Bar:
    candles: dict[str, Candle] = {}
    trades: list[Trade] = []
    funding: dict[str, Decimal] = {}
    for spec in feed.instruments:
        candle = feed.candle(spec.symbol, start_ms)
        if candle is None:
            continue
        candles[spec.symbol] = candle
        gap = True
        for tick in feed.ticks(spec.symbol, candle):
            at = start_ms + tick.offset_ms
            trades.append(Trade(at, spec.symbol, tick.price, tick.qty, tick.side, gap))
            gap = False
        if start_ms % (spec.funding_interval_min * intervals.MINUTE_MS) == 0:
            # The rate that settles now is the one of the window that ends now.
            funding[spec.symbol] = feed.funding_rate(spec.symbol, start_ms - 1)
    trades.sort(key=lambda trade: trade.at_ms)
    hourly = start_ms % (60 * intervals.MINUTE_MS) == 0
    rates = read_rates(feed, start_ms) if hourly else {}
    return Bar(start_ms, candles, trades, funding, rates)


def read_rates(feed: Feed, ms: int) -> dict[str, Decimal]:
    return {spec.symbol: feed.funding_rate(spec.symbol, ms) for spec in feed.instruments}


def read_candles(feed: Feed, symbol: str, name: str, start_ms: int, end_ms: int) -> list[Candle]:
    if name not in ("W", "M"):
        return feed.candles(symbol, intervals.FIXED_MS[name], start_ms, end_ms)
    days = feed.candles(symbol, intervals.DAY_MS, start_ms, end_ms)
    groups: dict[tuple[int, int], list[Candle]] = {}
    for day in days:
        groups.setdefault(intervals.bucket(name, day.start_ms), []).append(day)
    whole = [
        intervals.merged(first, parts)
        for (first, last), parts in groups.items()
        if len(parts) * intervals.DAY_MS == last - first
    ]
    return [candle for candle in whole if candle is not None]


def read_partial(feed: Feed, symbol: str, start_ms: int, end_ms: int) -> Candle | None:
    """Merges days, hours and base bars, the longest that fit first."""
    parts: list[Candle] = []
    at = start_ms
    for length in (*PIECES_MS, feed.base_ms):
        until = end_ms // length * length
        if length % feed.base_ms == 0 and at % length == 0 and until > at:
            parts += feed.candles(symbol, length, at, until)
            at = until
    return intervals.merged(start_ms, parts)
