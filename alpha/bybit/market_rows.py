"""Rows of public market data (Bybit V5, "Websocket Stream / Public" and "Market")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

import msgspec

from alpha.bybit.fields import BadField, Number, decimal, integer, price_or_none, quote
from alpha.core.events import Bar, Side, Ticker

#: Bybit's interval names, by length in ms. Months have no fixed length and are not used.
INTERVAL_NAMES: Mapping[int, str] = MappingProxyType(
    {minutes * 60_000: str(minutes) for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)}
    | {86_400_000: "D", 604_800_000: "W"}
)
INTERVALS_MS: Mapping[str, int] = MappingProxyType(
    {name: length for length, name in INTERVAL_NAMES.items()}
)


class KlineRow(msgspec.Struct, gc=False):
    start: Number
    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number
    turnover: Number
    confirm: bool


class TickerRow(msgspec.Struct, rename="camel", gc=False):
    """A snapshot, or a delta that holds changed fields only."""

    symbol: str
    last_price: Number = None
    mark_price: Number = None
    bid1_price: Number = None
    ask1_price: Number = None


class TurnoverRow(msgspec.Struct, gc=False):
    symbol: str
    turnover_24h: Number = msgspec.field(name="turnover24h", default=None)


class TradeRow(msgspec.Struct, gc=False):
    time: Number = msgspec.field(name="T")
    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    qty: Number = msgspec.field(name="v")
    price: Number = msgspec.field(name="p")
    trade_id: str = msgspec.field(name="i")


class BookRow(msgspec.Struct, gc=False):
    symbol: str = msgspec.field(name="s")
    bids: list[tuple[Number, Number]] = msgspec.field(name="b")
    asks: list[tuple[Number, Number]] = msgspec.field(name="a")
    update_id: Number = msgspec.field(name="u")


class FundingRow(msgspec.Struct, rename="camel", gc=False):
    """A row of Get Funding Rate History."""

    funding_rate: Number
    funding_rate_timestamp: Number


#: One row of Get Kline: start, open, high, low, close, volume, turnover.
KlineColumns = tuple[Number, Number, Number, Number, Number, Number, Number]


@dataclass(frozen=True, slots=True)
class Trade:
    """One public trade; `side` is the taker's."""

    symbol: str
    trade_id: str
    side: Side
    price: Decimal
    qty: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Levels as (price, size), best first. A delta holds changed levels; size 0 removes one."""

    symbol: str
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    update_id: int
    snapshot: bool
    at_ms: int


def bar(row: KlineRow, symbol: str, interval_ms: int) -> Bar:
    return Bar(
        symbol=symbol,
        interval_ms=interval_ms,
        start_ms=integer("start", row.start),
        open=quote("open", row.open),
        high=quote("high", row.high),
        low=quote("low", row.low),
        close=quote("close", row.close),
        volume=quote("volume", row.volume),
        turnover=quote("turnover", row.turnover),
        closed=row.confirm,
    )


def bar_of_columns(row: KlineColumns, symbol: str, interval_ms: int) -> Bar:
    """A row of Get Kline. Whether the candle is still open is not in it: see `Rest.klines`."""
    start, open_, high, low, close, volume, turnover = row
    return Bar(
        symbol=symbol,
        interval_ms=interval_ms,
        start_ms=integer("start", start),
        open=quote("open", open_),
        high=quote("high", high),
        low=quote("low", low),
        close=quote("close", close),
        volume=quote("volume", volume),
        turnover=quote("turnover", turnover),
    )


def funding_rate(row: FundingRow) -> tuple[int, Decimal]:
    """Time in ms and rate."""
    return (
        integer("fundingRateTimestamp", row.funding_rate_timestamp),
        decimal("fundingRate", row.funding_rate),
    )


def ticker(row: TickerRow, at_ms: int) -> Ticker:
    """None where a delta leaves a field out (unchanged) or the venue has none."""
    return Ticker(
        symbol=row.symbol,
        last=price_or_none("lastPrice", row.last_price),
        mark=price_or_none("markPrice", row.mark_price),
        bid=price_or_none("bid1Price", row.bid1_price),
        ask=price_or_none("ask1Price", row.ask1_price),
        at_ms=at_ms,
    )


def merge_ticker(known: Ticker | None, update: Ticker) -> Ticker:
    """A delta laid over what was known."""
    if known is None:
        return update
    return Ticker(
        symbol=update.symbol,
        last=known.last if update.last is None else update.last,
        mark=known.mark if update.mark is None else update.mark,
        bid=known.bid if update.bid is None else update.bid,
        ask=known.ask if update.ask is None else update.ask,
        at_ms=update.at_ms,
    )


def trade(row: TradeRow) -> Trade:
    side: Side
    if row.side == "Buy":
        side = "Buy"
    elif row.side == "Sell":
        side = "Sell"
    else:
        raise BadField("S", "Buy or Sell", row.side)
    return Trade(
        symbol=row.symbol,
        trade_id=row.trade_id,
        side=side,
        price=decimal("p", row.price),
        qty=decimal("v", row.qty),
        at_ms=integer("T", row.time),
    )


def order_book(row: BookRow, snapshot: bool, at_ms: int) -> OrderBook:
    return OrderBook(
        symbol=row.symbol,
        bids=_levels("b", row.bids),
        asks=_levels("a", row.asks),
        update_id=integer("u", row.update_id),
        snapshot=snapshot,
        at_ms=at_ms,
    )


def _levels(
    name: str, rows: Sequence[tuple[Number, Number]]
) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((decimal(name, price), decimal(name, size)) for price, size in rows)
