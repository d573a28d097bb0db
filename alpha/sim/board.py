"""The public board: keeps the topics that have listeners and sends what they have to say."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from itertools import islice

from alpha.clock import Clock
from alpha.sim import intervals, publicdata
from alpha.sim.depth import DEPTHS, DepthTopic
from alpha.sim.feeds.base import Candle, InstrumentSpec
from alpha.sim.hub import Hub, Session, encode
from alpha.sim.publicdata import DayStats, KlineTopic, LiveBar, TickerTopic, Told
from alpha.sim.reader import Bar, FeedReader, Trade
from alpha.sim.rows import Json
from alpha.sim.state import State


class Board:
    """Live bars, rolling days and public topics of all symbols.

    Every method but `open_candle` is called while the engine's lock is held.
    """

    def __init__(
        self, hub: Hub, state: State, reader: FeedReader, wall: Clock, start_ms: int
    ) -> None:
        self._hub = hub
        self._state = state
        self._reader = reader
        self._wall = wall
        self.base_ms = reader.feed.base_ms
        self.intervals = intervals.served(self.base_ms)
        self.bar_start_ms = start_ms
        self.live = {symbol: LiveBar(start_ms) for symbol in state.books}
        self.rates: dict[str, Decimal] = {}
        self._stats: dict[str, DayStats] = {}
        self._klines: dict[str, KlineTopic] = {}
        self._klines_of: dict[str, list[KlineTopic]] = {symbol: [] for symbol in state.books}
        self._tickers: dict[str, TickerTopic] = {}
        self._trades: dict[str, list[Json]] = {}
        self._sent_s: dict[str, float] = {}
        self._topics_of: dict[str, set[str]] = {symbol: set() for symbol in state.books}
        self._books: set[str] = set()
        self._depths: dict[str, DepthTopic] = {}
        self._dirty: set[str] = set()
        self._updates = start_ms
        self._recent = {symbol: deque[Told](maxlen=RECENT_TRADES) for symbol in state.books}

    # -- topics ---------------------------------------------------------------------------

    def known(self, topic: str) -> bool:
        """True if this market has that topic."""
        parts = topic.split(".")
        if parts[-1] not in self._state.books:
            return False
        if parts[0] == "kline":
            return len(parts) == 3 and parts[1] in self.intervals
        if parts[0] == "orderbook":
            return len(parts) == 3 and (parts[1] == "1" or parts[1] in DEPTHS)
        return len(parts) == 2 and parts[0] in ("tickers", "publicTrade")

    async def open(self, topic: str) -> None:
        """Prepares a topic before its first listener hears of it."""
        parts = topic.split(".")
        if parts[0] == "kline" and topic not in self._klines:
            kline = await self._new_kline(parts[1], parts[2])
            self._klines[topic] = kline
            self._klines_of[parts[2]].append(kline)
        elif parts[0] == "tickers":
            await self.stats(parts[1])
            self._tickers.setdefault(parts[1], TickerTopic(parts[1]))
        elif parts[0] == "publicTrade":
            if topic not in self._hub.public:
                self._trades[parts[1]] = []
        elif parts[0] == "orderbook" and parts[1] == "1":
            self._books.add(topic)
        elif parts[0] == "orderbook" and topic not in self._hub.public:
            book = self._state.books[parts[2]]
            self._depths[topic] = DepthTopic(topic, book, self._updates)
        self._topics_of[parts[-1]].add(topic)

    async def _new_kline(self, name: str, symbol: str) -> KlineTopic:
        at_ms = self.bar_start_ms
        start, _ = intervals.bucket(name, at_ms)
        done = await self._reader.partial(symbol, start, at_ms)
        return KlineTopic(name, symbol, at_ms, done)

    async def stats(self, symbol: str) -> DayStats:
        """The rolling day of a symbol, read from the feed's history at its first use."""
        found = self._stats.get(symbol)
        if found is None:
            hour = self.bar_start_ms // publicdata.HOUR_MS * publicdata.HOUR_MS
            day = hour - intervals.DAY_MS
            hours = await self._reader.candles(symbol, "60", day, hour)
            running = await self._reader.partial(symbol, hour, self.bar_start_ms)
            found = self._stats[symbol] = DayStats(hours, hour, running)
        return found

    async def greet(self, session: Session, topic: str, ms: int) -> None:
        """The snapshot with which a topic starts for a new listener, where it has one."""
        parts = topic.split(".")
        symbol = parts[-1]
        if parts[0] == "tickers":
            data = await self.ticker(symbol)
            seq = self._state.sequences[symbol]
            session.push(topic, encode(publicdata.ticker_frame(topic, "snapshot", data, ms, seq)))
        elif topic in self._depths:
            seq = self._state.sequences[symbol]
            session.push(topic, encode(self._depths[topic].snapshot(ms, seq)))
        elif parts[0] == "orderbook":
            session.push(topic, encode(self._book_frame(symbol, ms)))

    async def ticker(self, symbol: str) -> dict[str, Json]:
        return self._ticker(symbol, await self.stats(symbol))

    def _ticker(self, symbol: str, stats: DayStats) -> dict[str, Json]:
        book = self._state.books[symbol]
        return publicdata.ticker(
            book,
            stats,
            self.live[symbol].candle,
            self.rates.get(symbol, Decimal(0)),
            next_funding(book.spec, self.bar_start_ms),
        )

    def _book_frame(self, symbol: str, ms: int) -> dict[str, Json]:
        book = self._state.books[symbol]
        return publicdata.book_frame(book, ms, self._updates, self._state.sequences[symbol])

    async def open_candle(self, symbol: str, name: str) -> Candle | None:
        """The candle of an interval that has not ended yet. Needs no lock.

        Where the market moves on while the feed is asked, the newest bar is left out.
        """
        kline = self._klines.get(f"kline.{name}.{symbol}")
        if kline is not None:
            return kline.candle(self.live[symbol].candle)
        at_ms = self.bar_start_ms
        kline = await self._new_kline(name, symbol)
        same = at_ms == self.bar_start_ms
        return kline.candle(self.live[symbol].candle if same else None)

    # -- the market -----------------------------------------------------------------------

    def begin(self, bar: Bar) -> None:
        self.bar_start_ms = bar.start_ms
        self.rates.update(bar.rates)
        for live in self.live.values():
            live.begin(bar.start_ms)

    def trade(self, trade: Trade) -> None:
        self.live[trade.symbol].add(trade)
        self._dirty |= self._topics_of[trade.symbol]
        recent = self._recent[trade.symbol]
        before = recent[-1].trade.price if recent else trade.price
        self.remember(trade)
        rows = self._trades.get(trade.symbol)
        if rows is not None and f"publicTrade.{trade.symbol}" in self._hub.public:
            direction = "PlusTick" if trade.price > before else "MinusTick"
            if trade.price == before:
                direction = "ZeroPlusTick"
            rows.append(publicdata.trade_row(recent[-1], direction))

    def remember(self, trade: Trade) -> None:
        """Notes a trade for those who ask for recent ones; nobody is told of it."""
        self._recent[trade.symbol].append(Told(trade, self._state.sequences[trade.symbol]))

    def recent(self, symbol: str, count: int) -> list[Told]:
        """The last trades of a symbol, newest first."""
        return list(islice(reversed(self._recent[symbol]), count))

    def flush(self, ms: int) -> None:
        """Sends what has changed, each topic at most once in fifty milliseconds."""
        now = self._wall.monotonic()
        listened = self._hub.public
        for topic in self._books:
            if topic in listened and now - self._sent_s.get(topic, 0.0) > publicdata.QUIET_BOOK_S:
                self._dirty.add(topic)
        for topic in tuple(self._dirty):
            if topic not in listened:
                self._dirty.discard(topic)
            elif now - self._sent_s.get(topic, 0.0) >= publicdata.FRAME_GAP_S:
                self._dirty.discard(topic)
                self._sent_s[topic] = now
                self._say(topic, topic.rpartition(".")[2], ms)

    def _say(self, topic: str, symbol: str, ms: int) -> None:
        kind = topic.partition(".")[0]
        frame: dict[str, Json] | None = None
        if kind == "kline":
            frame = self._klines[topic].frame(self.live[symbol].candle, ms)
        elif kind == "tickers":
            seq = self._state.sequences[symbol]
            data = self._ticker(symbol, self._stats[symbol])
            frame = self._tickers[symbol].frame(data, ms, seq)
        elif topic in self._depths:
            delta = self._depths[topic].delta(ms, self._state.sequences[symbol])
            if delta is not None:
                self._hub.publish(topic, delta, droppable=False)
        elif kind == "orderbook":
            self._updates += 1
            frame = self._book_frame(symbol, ms)
        elif self._trades[symbol]:
            rows = self._trades[symbol][: publicdata.TRADES_PER_FRAME]
            del self._trades[symbol][: len(rows)]
            frame = publicdata.trades_frame(symbol, rows, ms)
        if frame is not None:
            self._hub.publish(topic, frame, droppable=True)

    def finish(self, bar: Bar) -> None:
        """The bar has ended: rolling days move on, ended intervals are confirmed."""
        end_ms = bar.start_ms + self.base_ms
        self.bar_start_ms = end_ms
        for symbol, live in self.live.items():
            candle = bar.candles.get(symbol)
            if candle is not None and symbol in self._stats:
                self._stats[symbol].add(candle, self.base_ms)
            live.begin(end_ms)
            for kline in self._klines_of[symbol]:
                frame = kline.finish(candle, end_ms)
                if frame is not None:
                    self._hub.publish(kline.topic, frame, droppable=False)


RECENT_TRADES = 1000


def next_funding(spec: InstrumentSpec, ms: int) -> int:
    length = spec.funding_interval_min * intervals.MINUTE_MS
    return (ms // length + 1) * length
