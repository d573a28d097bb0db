"""Shared market data: one subscription per (symbol, interval), closed bars without holes.

The stream brings closed bars once and never again (Bybit V5, Kline topic: nothing is replayed
after a reconnect). A bar that does not follow the last one handed on opens a gap: it is kept back
until REST has brought what lies between, so no bot ever evaluates across a hole. A bar that comes
twice is handed on once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from alpha.bybit.market_rows import INTERVAL_NAMES
from alpha.bybit.messages import PublicEvent
from alpha.bybit.rest import Rest
from alpha.bybit.stream import PublicStream, StreamState
from alpha.clock import Clock, VenueClock
from alpha.core.events import Bar
from alpha.errors import AlphaError
from alpha.market.intervals import IntervalCheck

log = structlog.get_logger(__name__)

#: Told (bar, perf_ns of the socket read or None, stale). A bar that REST brought is stale when a
#: newer one exists already: it feeds indicators and state, no entry follows from it.
OnBar = Callable[[Bar, int | None, bool], None]
#: Told closed bars of one series, ascending, and whether `stream` or `rest` has brought them.
Archive = Callable[[Sequence[Bar], str], None]
Spawn = Callable[[Coroutine[object, object, None], str], object]

FILL_RETRY_S = 0.25
FILL_RETRY_MOST_S = 5.0
#: A symbol that is this late with a bar which others have brought is asked for over REST; again
#: after twice as long, up to a minute. (The stream pushes nothing for a symbol without trades.)
SILENT_S = 1.0
SILENT_MOST_S = 60.0
#: A bar that had to wait longer than this part of its interval, or this time, is too old to trade.
STALE_PART = 10
STALE_MOST_MS = 300_000
Key = tuple[str, int]  # symbol, interval_ms


@dataclass(slots=True)
class _Series:
    """One subscription. `last_start` is the newest bar handed on, or shown before `begin`; None
    before that. `first_start` is the first that was to be handed on."""

    last_start: int | None = None
    first_start: int = 0
    filling: bool = False
    asked: int = 0  # times in a row that it was silent and was asked for
    ask_again_at: float = 0.0
    waiting: dict[int, tuple[Bar, int]] = field(default_factory=dict)


class MarketData:
    """Bars of all bots. `spawn` starts a task that the daemon supervises."""

    def __init__(
        self,
        rest: Rest,
        stream: PublicStream,
        *,
        clock: Clock,
        venue: VenueClock,
        spawn: Spawn,
        archive: Archive = lambda bars, source: None,
        intervals: IntervalCheck | None = None,
    ) -> None:
        self._archive = archive
        self._intervals = intervals or IntervalCheck(lambda bar, shorter_ms, what: None)
        self._rest = rest
        self._stream = stream
        self._clock = clock
        self._venue = venue
        self._spawn = spawn
        self._series: dict[Key, _Series] = {}
        self._on_bar: OnBar | None = None
        self._prices: dict[str, float] = {}
        self._priced_at: dict[str, float] = {}  # monotonic
        self.revision = 0  # another one with every price
        self.newest: dict[Key, Bar] = {}
        self.connected = False
        self.heard_at: float | None = None  # monotonic, newest frame
        #: By interval: start of the newest bar handed on, and when that was (monotonic).
        self._newest_start: dict[int, tuple[int, float]] = {}
        self._looked_at = 0.0
        self._asking_time = asyncio.Lock()
        self._told_time: tuple[float, int] | None = None  # when it was asked for, and the answer

    # -- before trading -----------------------------------------------------------------------

    async def subscribe(self, keys: Iterable[Key]) -> None:
        """Wants the bars of these series from now on; they are handed on after `begin`."""
        new = [key for key in dict.fromkeys(keys) if key not in self._series]
        for key in new:
            self._series[key] = _Series()
            self._intervals.expect(*key)
        await self._stream.subscribe([_topic(key) for key in new])

    async def unsubscribe(self, symbol: str, interval_ms: int) -> None:
        """Nobody wants the bars of a symbol any longer."""
        key = (symbol, interval_ms)
        if self._series.pop(key, None) is not None:
            self._intervals.forget(symbol, interval_ms)
            await self._stream.unsubscribe([_topic(key)])

    async def history(
        self,
        symbol: str,
        interval_ms: int,
        start_ms: int,
        end_ms: int,
        *,
        venue_ms: int | None = None,
    ) -> list[Bar]:
        """Closed bars that lie in [start_ms, end_ms), ascending, from REST. `venue_ms`: some time
        of the exchange that it has told lately; asked for when None."""
        if venue_ms is None:
            venue_ms = await self.market_time()
        bars = await self._rest.klines(symbol, interval_ms, start_ms, end_ms, venue_ms=venue_ms)
        self._note(bars, "rest")
        if bars:
            if symbol not in self._prices:
                self._note_price(symbol, bars[-1].close)
            self.newest.setdefault((symbol, interval_ms), bars[-1])
        return bars

    async def market_time(self) -> int:
        """The exchange's time, asked for now. Of many that want it at once all but the first
        share one answer."""
        called = self._clock.monotonic()
        async with self._asking_time:
            if self._told_time is None or self._told_time[0] < called:
                asked = self._clock.monotonic()
                now = await self._rest.server_time()
                self._venue.observe(now)
                self._told_time = (asked, now)
            return self._told_time[1]

    def begin(self, symbol: str, interval_ms: int, last_start: int) -> None:
        """Bars after the one that started at `last_start` are handed on, the next one first; a
        series that is handed on already goes on where it is."""
        series = self._series[(symbol, interval_ms)]
        if series.last_start is None:
            series.last_start = last_start
            series.first_start = last_start + interval_ms
        self._fill_soon((symbol, interval_ms))

    def shown(self, symbol: str, interval_ms: int) -> int | None:
        """Start of the newest bar handed on; None before the first."""
        series = self._series.get((symbol, interval_ms))
        return None if series is None else series.last_start

    def handed(self) -> dict[Key, tuple[int, int]]:
        """Start of the first and of the newest bar handed on, with all between, of each series
        that has handed any on."""
        return {
            key: (series.first_start, series.last_start)
            for key, series in self._series.items()
            if series.last_start is not None and series.last_start >= series.first_start
        }

    # -- the stream ---------------------------------------------------------------------------

    async def run(self, on_bar: OnBar) -> None:
        self._on_bar = on_bar
        await self._stream.run(self._on_event, self._on_state)

    def _on_state(self, state: StreamState) -> None:
        self.connected = state.name == "subscribed"
        if state.name in ("subscribed", "malformed"):
            for key in self._series:
                self._fill_soon(key)
        elif state.name == "refused":
            log.error("topic_refused", topic=state.topic, reason=state.reason)

    def _on_event(self, event: PublicEvent, received_ns: int) -> None:
        self.heard_at = now = self._clock.monotonic()
        if now - self._looked_at >= SILENT_S:
            self._looked_at = now
            self._look_for_silence(now)
        if not isinstance(event, Bar):
            return
        self._note_price(event.symbol, event.close)
        key = (event.symbol, event.interval_ms)
        series = self._series.get(key)
        if not event.closed or series is None or series.last_start is None:
            return
        self._venue.observe(event.close_ms)
        if event.start_ms <= series.last_start:
            return
        if series.filling or event.start_ms != series.last_start + event.interval_ms:
            series.waiting[event.start_ms] = (event, received_ns)
            self._fill_soon(key)
            return
        self._hand_on(series, event, received_ns, stale=False)

    def _hand_on(self, series: _Series, bar: Bar, received_ns: int | None, *, stale: bool) -> None:
        series.last_start = bar.start_ms
        series.asked = 0
        if bar.start_ms > self._newest_start.get(bar.interval_ms, (-1, 0.0))[0]:
            self._newest_start[bar.interval_ms] = (bar.start_ms, self._clock.monotonic())
        if received_ns is not None:
            waited_ms = (self._clock.perf_ns() - received_ns) // 1_000_000
            stale = stale or waited_ms > min(bar.interval_ms // STALE_PART, STALE_MOST_MS)
        self.newest[(bar.symbol, bar.interval_ms)] = bar
        self._note((bar,), "rest" if received_ns is None else "stream")
        if self._on_bar is not None:
            self._on_bar(bar, received_ns, stale)

    def _note(self, bars: Sequence[Bar], source: str) -> None:
        self._archive(bars, source)
        for bar in bars:
            self._intervals.add(bar)

    def _note_price(self, symbol: str, price: float) -> None:
        self._prices[symbol] = price
        self._priced_at[symbol] = self._clock.monotonic()
        self.revision += 1

    # -- gaps ---------------------------------------------------------------------------------

    def _look_for_silence(self, now: float) -> None:
        """Asks for symbols that are behind the others of their interval."""
        for key, series in self._series.items():
            newest = self._newest_start.get(key[1])
            if newest is None or series.last_start is None or series.filling:
                continue
            behind = newest[0] - series.last_start
            late = behind > key[1] or (behind > 0 and now - newest[1] >= SILENT_S)
            if late and (not series.asked or now >= series.ask_again_at):
                series.asked += 1
                series.ask_again_at = now + min(SILENT_S * 2.0**series.asked, SILENT_MOST_S)
                self._fill_soon(key)

    def _fill_soon(self, key: Key) -> None:
        series = self._series.get(key)
        if series is None or series.filling or series.last_start is None:
            return
        series.filling = True
        self._spawn(self._fill(key, series), f"bars:{key[0]}:{key[1]}")

    async def _fill(self, key: Key, series: _Series) -> None:
        pause = FILL_RETRY_S
        try:
            while not await self._fill_once(key, series):
                await self._clock.sleep(pause)
                pause = min(pause * 2, FILL_RETRY_MOST_S)
        finally:
            series.filling = False

    async def _fill_once(self, key: Key, series: _Series) -> bool:
        """Asks for what is missing and hands it on; True when no hole is left."""
        symbol, interval_ms = key
        assert series.last_start is not None
        try:
            now = await self.market_time()
            bars = await self._rest.klines(
                symbol, interval_ms, series.last_start + interval_ms, now, venue_ms=now
            )
        except AlphaError as error:
            log.warning("bars_missing", symbol=symbol, interval_ms=interval_ms, error=str(error))
            return False
        newest = max([bar.start_ms for bar in bars] + list(series.waiting), default=0)
        for bar in bars:
            if bar.start_ms != series.last_start + interval_ms:
                break
            frame = series.waiting.pop(bar.start_ms, None)
            received_ns = frame[1] if frame is not None else None
            self._hand_on(series, bar, received_ns, stale=bar.start_ms < newest)
        self._hand_on_waiting(series, interval_ms, newest)
        return not series.waiting

    def _hand_on_waiting(self, series: _Series, interval_ms: int, newest: int) -> None:
        """What the stream brought meanwhile and now follows."""
        assert series.last_start is not None
        for start in sorted(series.waiting):
            if start <= series.last_start:
                del series.waiting[start]
            elif start == series.last_start + interval_ms:
                bar, received_ns = series.waiting.pop(start)
                self._hand_on(series, bar, received_ns, stale=start < newest)

    # -- questions ----------------------------------------------------------------------------

    def last_price(self, symbol: str) -> Decimal | None:
        """The newest price of a symbol that a bar has shown, closed or not."""
        price = self._prices.get(symbol)
        return None if price is None else Decimal(str(price))

    def quote(self, symbol: str) -> tuple[Decimal, float] | None:
        """The same, with when it was heard (monotonic)."""
        price = self.last_price(symbol)
        return None if price is None else (price, self._priced_at[symbol])

    def last_close(self, symbol: str) -> Decimal | None:
        """The close of the newest closed bar of the symbol's shortest interval."""
        found = [bar for (name, _), bar in self.newest.items() if name == symbol]
        if not found:
            return None
        newest = max(found, key=lambda bar: (bar.close_ms, -bar.interval_ms))
        return Decimal(str(newest.close))

    @property
    def gaps(self) -> int:
        """Series that are waiting for missing bars."""
        return sum(1 for series in self._series.values() if series.filling)


def _topic(key: Key) -> str:
    symbol, interval_ms = key
    return f"kline.{INTERVAL_NAMES[interval_ms]}.{symbol}"
