"""The market's loop: bar by bar, the feed's trades in time order, then the confirmed candles.

Inside a bar the trades come at their market time divided by the speed, in slices of a few
milliseconds; between slices the exchange answers requests. The next bar begins when every
listener has been handed what the last one said.
"""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from alpha.clock import Clock, iso
from alpha.sim.board import Board
from alpha.sim.engine import Engine
from alpha.sim.reader import Bar, FeedReader, Trade

log = structlog.get_logger(__name__)

SLICE_S = 0.005
SLOW_SLICE_S = 0.05
BARS_AHEAD = 4
BARS_PER_SECOND = 20


def highest_speed(base_ms: int) -> int:
    """The highest speed at which every base bar can still be confirmed to everyone."""
    return BARS_PER_SECOND * base_ms // 1000


class Market:
    """Plays a feed into the engine and onto the board."""

    def __init__(self, engine: Engine, board: Board, reader: FeedReader, wall: Clock) -> None:
        self._engine = engine
        self._board = board
        self._reader = reader
        self._feed = reader.feed
        self._wall = wall
        self._ahead: deque[asyncio.Task[Bar]] = deque()
        self._bar_end_s = 0.0
        self.ended = False

    async def prepare(self) -> None:
        """Puts the market where it was left: prices, and what was promised but not matched."""
        engine = self._engine
        played, reserved = engine.marks.played_ms, engine.marks.reserved_ms
        bar_ms = self._feed.base_ms
        start = played // bar_ms * bar_ms
        # The board hears the whole of the bar in which the market goes on.
        for trade in (await self._reader.bar((reserved + 1) // bar_ms * bar_ms - bar_ms)).trades:
            self._board.remember(trade)
        async with engine.lock:
            await self._first_prices(start, played)
            end = self._feed.end_ms
            while start <= reserved and (end is None or start < end):
                bar = await self._reader.bar(start)
                missed = [t for t in bar.trades if played < t.at_ms <= reserved]
                await self._fund(bar, reserved)
                await engine.play(missed, stamp_ms=reserved)
                start += bar_ms
            self._board.rates = await self._reader.rates(reserved)
            engine.clock.set(reserved, reserved)
        log.info("market time", at=iso(reserved), caught_up_from=iso(played))

    async def _first_prices(self, start: int, played: int) -> None:
        """The prices at `played`: of its bar, else of the bar before or the one after."""
        books = self._engine.exchange.state.books
        bar_ms = self._feed.base_ms
        before = await self._reader.bar(start - bar_ms)
        after = await self._reader.bar(start + bar_ms)
        for symbol, candle in {**after.candles, **before.candles}.items():
            books[symbol].move(candle.close if symbol in before.candles else candle.open, "Buy")
        for trade in (await self._reader.bar(start)).trades:
            if trade.at_ms <= played:
                books[trade.symbol].move(trade.price, trade.side)

    async def run(self) -> None:
        """Plays until the feed ends, or for ever."""
        bar_ms = self._feed.base_ms
        after = self._engine.marks.reserved_ms
        start = (after + 1) // bar_ms * bar_ms
        self._bar_end_s = self._wall.monotonic()
        try:
            while self._feed.end_ms is None or start < self._feed.end_ms:
                bar = await self._next_bar(start)
                await self._play(bar, after)
                await self._finish(bar)
                start += bar_ms
        finally:
            for task in self._ahead:
                task.cancel()
        await self._end()

    async def _next_bar(self, start: int) -> Bar:
        bar_ms = self._feed.base_ms
        while len(self._ahead) < BARS_AHEAD:
            ahead = start + len(self._ahead) * bar_ms
            self._ahead.append(asyncio.create_task(self._reader.bar(ahead)))
        return await self._ahead.popleft()

    async def _play(self, bar: Bar, after: int) -> None:
        """Plays a bar's trades later than `after` at their time."""
        engine = self._engine
        speed = engine.clock.speed
        trades = bar.trades
        begun_ms = max(bar.start_ms, after)
        async with engine.lock:
            await engine.reserve(begun_ms)
            self._board.begin(bar)
            done = 0
            while done < len(trades) and trades[done].at_ms <= after:
                self._board.trade(trades[done])
                done += 1
            if bar.start_ms > after:
                await self._fund(bar, bar.start_ms)
        # Where the last bar took too long, this one starts late instead of running faster.
        begun_s = max(self._bar_end_s, self._wall.monotonic())
        end_ms = bar.start_ms + self._feed.base_ms
        self._bar_end_s = begun_s + (end_ms - begun_ms) / 1000 / speed
        step_s = min(SLOW_SLICE_S, max(SLICE_S, (end_ms - bar.start_ms) / 1000 / speed / 10))
        while True:
            passed_s = self._wall.monotonic() - begun_s
            now_ms = min(begun_ms + int(passed_s * 1000 * speed), end_ms)
            until = done
            while until < len(trades) and trades[until].at_ms <= now_ms:
                until += 1
            upcoming_ms = trades[until].at_ms if until < len(trades) else end_ms
            await self._slice(trades[done:until], now_ms, upcoming_ms)
            done = until
            if now_ms >= end_ms:
                return
            left_s = (end_ms - now_ms) / 1000 / speed
            await self._wall.sleep(min(step_s, left_s))

    async def _slice(self, trades: list[Trade], now_ms: int, upcoming_ms: int) -> None:
        """Plays trades that are due; until the next slice no time past the next is shown."""
        engine = self._engine
        async with engine.lock:
            shown_ms = min(now_ms, upcoming_ms - 1)
            ahead_ms = round(SLOW_SLICE_S * 2000 * engine.clock.speed)
            limit_ms = min(shown_ms + ahead_ms, upcoming_ms - 1)
            await engine.reserve(limit_ms)
            await engine.play(trades)
            engine.clock.set(shown_ms, limit_ms)
            for trade in trades:
                self._board.trade(trade)
            self._board.flush(shown_ms)

    async def _fund(self, bar: Bar, stamp_ms: int) -> None:
        """Settles funding at a bar's start, once."""
        engine = self._engine
        if bar.funding and bar.start_ms > engine.marks.funded_ms:
            for symbol, rate in bar.funding.items():
                engine.exchange.funding(symbol, rate, stamp_ms)
            await engine.settle(funded_ms=bar.start_ms)

    async def _finish(self, bar: Bar) -> None:
        """Ends a bar for everyone before the next one begins."""
        engine = self._engine
        end_ms = bar.start_ms + self._feed.base_ms
        async with engine.lock:
            await engine.reserve(end_ms)
            engine.clock.set(end_ms, end_ms)
            self._board.finish(bar)
            for taken in engine.exchange.liquidations(end_ms):
                log.warning("position liquidated", account=taken.account[:4], symbol=taken.symbol)
            await engine.settle()
        await engine.hub.drained()

    async def _end(self) -> None:
        engine = self._engine
        async with engine.lock:
            engine.exchange.close_market()
            self.ended = True
        log.info("the data have ended; the market is closed", at=iso(engine.now_ms()))
