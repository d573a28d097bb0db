"""Public market data: what the topics kline, tickers, publicTrade and orderbook.1 say.

Inside a bar a topic speaks at most twenty times a second of wall time; what it would have said
in between is merged into its next frame. The candle of a finished bar is always sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from alpha.sim import intervals
from alpha.sim.book import Book
from alpha.sim.feeds.base import Candle
from alpha.sim.reader import Trade
from alpha.sim.rows import Json, text

HOUR_MS = 60 * intervals.MINUTE_MS
FRAME_GAP_S = 0.05
QUIET_BOOK_S = 3.0
TRADES_PER_FRAME = 1024

Frame = dict[str, Json]


class LiveBar:
    """The base bar of one symbol while it trades."""

    def __init__(self, start_ms: int) -> None:
        self.start_ms = start_ms
        self.candle: Candle | None = None

    def begin(self, start_ms: int) -> None:
        self.start_ms = start_ms
        self.candle = None

    def add(self, trade: Trade) -> None:
        price, now = trade.price, self.candle
        if now is None:
            self.candle = Candle(self.start_ms, price, price, price, price, trade.qty)
            return
        self.candle = Candle(
            self.start_ms,
            now.open,
            max(now.high, price),
            min(now.low, price),
            price,
            now.volume + trade.qty,
        )


class DayStats:
    """The rolling day of one symbol, by the hour."""

    def __init__(self, hours: list[Candle], hour_start_ms: int, running: Candle | None) -> None:
        self._hours = deque(hours, maxlen=24)
        self._hour_ms = hour_start_ms
        self._running = running
        self._whole = self._merge()

    def add(self, candle: Candle, length_ms: int) -> None:
        """A base bar has ended."""
        self._running = intervals.merged(self._hour_ms, (self._running, candle))
        if (candle.start_ms + length_ms) % HOUR_MS == 0:
            if self._running is not None:
                self._hours.append(self._running)
            self._running = None
            self._hour_ms = candle.start_ms + length_ms
        self._whole = self._merge()

    def _merge(self) -> Candle | None:
        return intervals.merged(self._hour_ms, (*self._hours, self._running))

    def day(self, live: Candle | None) -> Candle | None:
        return intervals.merged(self._hour_ms, (self._whole, live))

    def hour_open(self, live: Candle | None) -> Decimal | None:
        """The price one hour ago, to the hour."""
        first = self._hours[-1] if self._hours else self._running or live
        return None if first is None else first.open


def turnover(candle: Candle) -> Decimal:
    """Volume at the middle of the candle's range; the feed knows no traded value."""
    return round(candle.volume * (candle.high + candle.low + candle.close) / 3, 4)


class KlineTopic:
    """`kline.{interval}.{symbol}`: one candle that grows, and its confirmation."""

    def __init__(self, name: str, symbol: str, at_ms: int, done: Candle | None) -> None:
        self.topic = f"kline.{name}.{symbol}"
        self.name = name
        self.symbol = symbol
        self.start_ms, self.end_ms = intervals.bucket(name, at_ms)
        self._done = done

    def candle(self, live: Candle | None) -> Candle | None:
        return intervals.merged(self.start_ms, (self._done, live))

    def frame(self, live: Candle | None, ms: int, *, confirm: bool = False) -> Frame | None:
        candle = self.candle(live)
        if candle is None:
            return None
        return {
            "topic": self.topic,
            "type": "snapshot",
            "ts": ms,
            "data": [
                {
                    "start": self.start_ms,
                    "end": self.end_ms - 1,
                    "interval": self.name,
                    "open": text(candle.open),
                    "close": text(candle.close),
                    "high": text(candle.high),
                    "low": text(candle.low),
                    "volume": text(candle.volume),
                    "turnover": text(turnover(candle)),
                    "confirm": confirm,
                    "timestamp": ms,
                }
            ],
        }

    def finish(self, candle: Candle | None, bar_end_ms: int) -> Frame | None:
        """A base bar has ended; the confirmed frame if the interval ends with it."""
        self._done = intervals.merged(self.start_ms, (self._done, candle))
        if bar_end_ms < self.end_ms:
            return None
        frame = self.frame(None, bar_end_ms, confirm=True)
        self._done = None
        self.start_ms, self.end_ms = intervals.bucket(self.name, bar_end_ms)
        return frame


class TickerTopic:
    """`tickers.{symbol}`: a snapshot for each new listener, then what changed."""

    def __init__(self, symbol: str) -> None:
        self.topic = f"tickers.{symbol}"
        self._said: Mapping[str, Json] = {}

    def frame(self, ticker: dict[str, Json], ms: int, seq: int) -> Frame | None:
        delta = {key: value for key, value in ticker.items() if self._said.get(key) != value}
        self._said = ticker
        if not delta:
            return None
        return ticker_frame(self.topic, "delta", {"symbol": ticker["symbol"], **delta}, ms, seq)


def ticker_frame(topic: str, kind: str, data: dict[str, Json], ms: int, seq: int) -> Frame:
    return {"topic": topic, "type": kind, "data": data, "cs": seq, "ts": ms}


def ticker(
    book: Book, stats: DayStats, live: Candle | None, rate: Decimal, next_funding_ms: int
) -> dict[str, Json]:
    """A ticker's fields; mark and index price equal the last price in this market."""
    last = book.last
    day = stats.day(live)
    opened = day.open if day is not None else last
    volume = day.volume if day is not None else Decimal(0)
    worth = turnover(day) if day is not None else Decimal(0)
    interest = round(volume / 4, 3)
    shown = text(last)
    return {
        "symbol": book.spec.symbol,
        "tickDirection": "PlusTick" if book.last_side == "Buy" else "MinusTick",
        "price24hPcnt": text(round(last / opened - 1, 6)),
        "lastPrice": shown,
        "prevPrice24h": text(opened),
        "highPrice24h": text(day.high if day is not None else last),
        "lowPrice24h": text(day.low if day is not None else last),
        "prevPrice1h": text(stats.hour_open(live), shown),
        "markPrice": shown,
        "indexPrice": shown,
        "openInterest": text(interest),
        "openInterestValue": text(round(interest * last, 2)),
        "turnover24h": text(worth),
        "volume24h": text(volume),
        "nextFundingTime": str(next_funding_ms),
        "fundingRate": text(rate),
        "bid1Price": text(book.bid),
        "bid1Size": text(book.offered(book.bid)),
        "ask1Price": text(book.ask),
        "ask1Size": text(book.offered(book.ask)),
        "fundingIntervalHour": str(book.spec.funding_interval_min // 60),
        "fundingCap": "0.005",
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
    }


def book_frame(book: Book, ms: int, update: int, seq: int) -> Frame:
    """`orderbook.1.{symbol}`: always a snapshot of both best levels."""
    return {
        "topic": f"orderbook.1.{book.spec.symbol}",
        "ts": ms,
        "type": "snapshot",
        "data": {
            "s": book.spec.symbol,
            "b": [[text(book.bid), text(book.offered(book.bid))]],
            "a": [[text(book.ask), text(book.offered(book.ask))]],
            "u": update,
            "seq": seq,
        },
        "cts": ms,
    }


class Told(NamedTuple):
    """A public trade and the sequence number under which it was told."""

    trade: Trade
    seq: int


def trade_id(trade: Trade) -> str:
    digest = sha256(f"{trade.symbol}|{trade.at_ms}|{trade.price}|{trade.qty}".encode()).digest()
    return str(UUID(bytes=digest[:16], version=4))


def trade_row(told: Told, direction: str) -> dict[str, Json]:
    """A row of the publicTrade topic."""
    trade, seq = told
    return {
        "T": trade.at_ms,
        "s": trade.symbol,
        "S": trade.side,
        "v": text(trade.qty),
        "p": text(trade.price),
        "L": direction,
        "i": trade_id(trade),
        "BT": False,
        "RPI": False,
        "seq": seq,
    }


def recent_row(told: Told) -> dict[str, Json]:
    """A row of /v5/market/recent-trade."""
    trade, seq = told
    return {
        "execId": trade_id(trade),
        "symbol": trade.symbol,
        "price": text(trade.price),
        "size": text(trade.qty),
        "side": trade.side,
        "time": str(trade.at_ms),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(seq),
    }


def trades_frame(symbol: str, rows: list[Json], ms: int) -> Frame:
    return {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": ms, "data": rows}
