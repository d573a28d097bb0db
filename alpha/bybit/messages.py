"""Frames of the sockets -> events. Every frame of every dialect goes through `decode_private`
or `decode_public`; neither raises anything but MalformedFrame.

The private, public and trade sockets name the same things differently (ret_msg and retMsg,
conn_id and connId, req_id and reqId, three shapes of pong); one envelope reads them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import DecimalException
from typing import TypeVar

import msgspec

from alpha.bybit.fields import BadField, MalformedFrame, Number, integer, integer_or
from alpha.bybit.market_rows import (
    INTERVALS_MS,
    BookRow,
    KlineRow,
    OrderBook,
    TickerRow,
    Trade,
    TradeRow,
    bar,
    order_book,
    ticker,
    trade,
)
from alpha.bybit.rows import (
    ExecutionRow,
    FastExecution,
    FastExecutionRow,
    OrderRow,
    PositionRow,
    WalletRow,
    executions,
    fast_execution,
    is_linear,
    order,
    position,
    wallet,
)
from alpha.core.events import Bar, Execution, OrderEvent, PositionEvent, Ticker, WalletEvent

__all__ = [
    "Ack",
    "Control",
    "Ignored",
    "MalformedFrame",
    "Pong",
    "PrivateEvent",
    "PublicEvent",
    "decode_private",
    "decode_public",
]


@dataclass(frozen=True, slots=True)
class Ack:
    """The answer to one of our requests on a socket: auth, subscribe, unsubscribe, order.*"""

    op: str
    ok: bool
    code: int | None
    message: str
    req_id: str
    order_id: str = ""  # (trade socket)
    order_link_id: str = ""  # (trade socket)

    @property
    def already_subscribed(self) -> bool:
        """A refusal that means what we wanted holds."""
        return "already subscribed" in self.message


@dataclass(frozen=True, slots=True)
class Pong:
    req_id: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A well-formed frame that nothing here needs: an unknown topic or another product."""

    topic: str


Control = Ack | Pong | Ignored
PrivateEvent = Execution | FastExecution | OrderEvent | PositionEvent | WalletEvent | Control
PublicEvent = Bar | Ticker | Trade | OrderBook | Control


class _OrderAckData(msgspec.Struct, rename="camel"):
    order_id: str | None = None
    order_link_id: str | None = None


class _Frame(msgspec.Struct):
    topic: str | None = None
    op: str | None = None
    type: str | None = None
    ts: Number = None
    creationTime: Number = None
    data: msgspec.Raw = msgspec.Raw()
    success: bool | None = None
    ret_msg: str | None = None
    retMsg: str | None = None
    retCode: int | None = None
    req_id: str | int | None = None
    reqId: str | int | None = None


_Row = TypeVar("_Row")

_FRAME = msgspec.json.Decoder(_Frame)
_EXECUTIONS = msgspec.json.Decoder(list[ExecutionRow])
_FAST_EXECUTIONS = msgspec.json.Decoder(list[FastExecutionRow])
_ORDERS = msgspec.json.Decoder(list[OrderRow])
_POSITIONS = msgspec.json.Decoder(list[PositionRow])
_WALLETS = msgspec.json.Decoder(list[WalletRow])
_KLINES = msgspec.json.Decoder(list[KlineRow])
_TICKER = msgspec.json.Decoder(TickerRow)
_TRADES = msgspec.json.Decoder(list[TradeRow])
_BOOK = msgspec.json.Decoder(BookRow)
_ORDER_ACK = msgspec.json.Decoder(_OrderAckData)


def decode_private(raw: bytes | str, account: str, received_ms: int) -> tuple[PrivateEvent, ...]:
    """All events of one frame of the private or trade socket, in the frame's order."""
    return _decoded(raw, lambda frame: _private(frame, account, received_ms))


def decode_public(raw: bytes | str) -> tuple[PublicEvent, ...]:
    """All events of one frame of the public linear socket, in the frame's order."""
    return _decoded(raw, _public)


_Event = TypeVar("_Event")


def _decoded(raw: bytes | str, read: Callable[[_Frame], tuple[_Event, ...]]) -> tuple[_Event, ...]:
    try:
        return read(_FRAME.decode(raw))
    except (msgspec.MsgspecError, BadField, UnicodeError, RecursionError, DecimalException) as e:
        raise MalformedFrame(str(e), raw) from e


def _private(frame: _Frame, account: str, received_ms: int) -> tuple[PrivateEvent, ...]:
    topic = frame.topic
    if topic is None:
        return (_control(frame),)
    if topic.startswith("execution.fast"):
        fast = _FAST_EXECUTIONS.decode(frame.data)
        return tuple(fast_execution(row, account) for row in fast if is_linear(row.category))
    # Frames carry the topic that was subscribed: "order" as well as "order.linear".
    match topic.partition(".")[0]:
        case "execution":
            return executions(_EXECUTIONS.decode(frame.data), account, received_ms, "stream")
        case "order":
            orders = _ORDERS.decode(frame.data)
            return tuple(order(row, account, "stream") for row in orders if is_linear(row.category))
        case "position":
            rows = _POSITIONS.decode(frame.data)
            return tuple(position(r, account, "stream") for r in rows if is_linear(r.category))
        case "wallet":
            at_ms = integer("creationTime", frame.creationTime)
            wallets = (wallet(row, account, at_ms, "stream") for row in _WALLETS.decode(frame.data))
            return tuple(event for event in wallets if event is not None)
        case _:
            return (Ignored(topic),)


def _public(frame: _Frame) -> tuple[PublicEvent, ...]:
    topic = frame.topic
    if topic is None:
        return (_control(frame),)
    kind, _, rest = topic.partition(".")
    match kind:
        case "kline":
            name, _, symbol = rest.partition(".")
            interval_ms = INTERVALS_MS.get(name)
            if interval_ms is None:
                return (Ignored(topic),)
            return tuple(bar(row, symbol, interval_ms) for row in _KLINES.decode(frame.data))
        case "tickers":
            return (ticker(_TICKER.decode(frame.data), integer("ts", frame.ts)),)
        case "publicTrade":
            return tuple(trade(row) for row in _TRADES.decode(frame.data))
        case "orderbook":
            book = _BOOK.decode(frame.data)
            return (order_book(book, frame.type != "delta", integer("ts", frame.ts)),)
        case _:
            return (Ignored(topic),)


def _control(frame: _Frame) -> Ack | Pong:
    op = frame.op
    message = frame.ret_msg if frame.ret_msg is not None else frame.retMsg or ""
    req_id = frame.req_id if frame.req_id is not None else frame.reqId
    if op is None:
        raise BadField("topic", "a topic or an op", None)
    if op == "pong" or (op == "ping" and message == "pong"):
        return Pong("" if req_id is None else str(req_id))
    ok = frame.success if frame.success is not None else frame.retCode == 0
    code = None if frame.retCode is None else integer_or("retCode", frame.retCode, 0)
    placed = _ORDER_ACK.decode(frame.data) if op.startswith("order.") and frame.data else None
    return Ack(
        op=op,
        ok=ok,
        code=code,
        message=message,
        req_id="" if req_id is None else str(req_id),
        order_id=(placed.order_id or "") if placed else "",
        order_link_id=(placed.order_link_id or "") if placed else "",
    )
