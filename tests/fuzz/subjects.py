"""Everything that reads what comes from outside, each behind one question: may it fail so?

`feed` takes one input and says whether it was read (True) or refused in the way that its
callers expect (False). Whatever else it raises is a fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from alpha.bybit.endpoints import Endpoints
from alpha.bybit.fields import MalformedFrame
from alpha.bybit.http import HttpAnswer
from alpha.bybit.limiter import Limiter
from alpha.bybit.messages import decode_private, decode_public
from alpha.bybit.recorded import decode_recorded
from alpha.bybit.requests import CreateOrder
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.bybit.socket import Socket, SocketLost
from alpha.bybit.stream import PRIVATE_TOPICS, PrivateStream, PublicStream, StreamState
from alpha.clock import ManualClock
from alpha.core.events import Execution
from alpha.core.ids import canonical, parse
from alpha.errors import AlphaError, AuthRejected
from tests.bybit.recorded import FUNDING_ANSWER, FUNDING_FRAME, ORDER_FRAME, TRADE_FRAME, VECTORS

#: A signature, as it stands in signed messages: must never be seen outside.
SECRET = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
KEY = Credentials("demo-key", SECRET)
NOWHERE = Endpoints("http://x", "ws://x", "ws://x", "ws://x")
MINUTE = 60_000


@dataclass(frozen=True)
class Subject:
    name: str
    seeds: tuple[bytes, ...]
    feed: Callable[[bytes], Coroutine[None, None, bool]]


def recorded(*patterns: str) -> tuple[bytes, ...]:
    found = {path: path.read_bytes() for one in patterns for path in sorted(VECTORS.glob(one))}
    assert found, f"expected recordings like {patterns}, found none in {VECTORS}"
    return tuple(found.values())


STREAMED = tuple(text.encode() for text in (TRADE_FRAME, FUNDING_FRAME, ORDER_FRAME))
CONTROL = tuple(
    text.encode()
    for text in (
        '{"op":"pong","args":["1"],"conn_id":"c","req_id":"ping-1"}',
        '{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"1","op":"ping"}',
        '{"success":false,"ret_msg":"error:handler not found,topic:x","op":"subscribe"}',
        '{"reqId":"1","retCode":110001,"retMsg":"order not exists","op":"order.cancel","data":{}}',
        f'{{"op":"auth","args":["demo-key",1,"{SECRET}"]}}',
    )
)
PRIVATE = (*STREAMED, *recorded("ws_account_*.json", "ws_auth_*.json", "ws_sub*.json"), *CONTROL)
PUBLIC = (*recorded("ws_kline*", "ws_ticker*", "ws_public*", "ws_orderbook*"), *CONTROL)
ANSWERS = (
    *recorded("http_*.json"),
    FUNDING_ANSWER.encode(),
    b'{"retCode":10004,"retMsg":"error sign! origin_string[1demo-key5000]","result":{},"time":1}',
    b'{"retCode":0,"retMsg":"OK","result":{"orderId":"a","orderLinkId":"b"},"time":1}',
    b'{"retCode":0,"retMsg":"OK","result":{"nextPageCursor":"a%2Cb","list":[{"type":"SETTLEMENT",'
    b'"symbol":"BTCUSDT","transactionTime":"1759190400000","currency":"USDT","tradeId":"b",'
    b'"change":"-0.03","fee":"0.02","funding":"-0.01","cashBalance":"99"}]},"time":1}',
    b'{"retCode":0,"retMsg":"OK","result":{"timeSecond":"1","timeNano":"1791273600000000000"}}',
    b"<html><body><h1>502 Bad Gateway</h1></body></html>",
)
IDS = (
    *(b"bot_001-en-0abcdefg", b"bot:entry:1759190400000", b"old_bot:sl:1759190400"),
    *(b"a-b-c", b"bot_001-zzz-zzzzzzzz", b"", b"::", b"--"),
)


def refused_well(error: MalformedFrame) -> bool:
    """A refusal says what is wrong and keeps no more of the frame than fits a log."""
    assert error.problem and len(error.problem) < 2100 and len(error.raw) < 2100
    assert SECRET not in error.raw and SECRET not in error.problem
    return False


def sane(event: object) -> None:
    """What the ledger relies on."""
    if isinstance(event, Execution):
        assert event.symbol and event.exec_id and event.exec_type
        assert event.side in ("Buy", "Sell")
        numbers = (event.price, event.qty, event.value, event.fee, event.leaves_qty)
        assert all(isinstance(number, Decimal) and number.is_finite() for number in numbers)
        assert -(2**63) <= event.seq < 2**63


async def private_frames(raw: bytes) -> bool:
    try:
        events = decode_private(raw, "main", 1)
    except MalformedFrame as error:
        return refused_well(error)
    for event in events:
        sane(event)
    return True


async def public_frames(raw: bytes) -> bool:
    try:
        decode_public(raw)
    except MalformedFrame as error:
        return refused_well(error)
    return True


async def recordings(raw: bytes) -> bool:
    try:
        events = decode_recorded(raw)
    except MalformedFrame as error:
        return refused_well(error)
    for event in events:
        sane(event)
    return True


async def order_ids(raw: bytes) -> bool:
    text = raw.decode("utf-8", "surrogateescape")
    found = parse(text)
    assert (canonical(text) is None) == (found is None)
    if found is not None:
        assert 0 < len(found.bot_id) <= 20 and found.unix_ms >= 0
    return found is not None


# -- answers over HTTP ----------------------------------------------------------------------------


async def executions(rest: Rest) -> list[Execution]:
    return [row async for page in rest.executions(0, 1000) for row in page]


ORDER = CreateOrder(
    symbol="BTCUSDT",
    side="Buy",
    order_type="Market",
    qty=Decimal("0.01"),
    order_link_id="bot_001-en-0abcdefg",
)
#: What an answer is likely to be the answer to, by a word in it.
QUESTIONS: Mapping[bytes, Callable[[Rest], Awaitable[object]]] = {
    b'"timeNano"': lambda rest: rest.server_time(),
    b'"priceFilter"': lambda rest: rest.instruments(),
    b'"lotSizeFilter"': lambda rest: rest.instruments("BTCUSDT"),
    b'"list":[["': lambda rest: rest.klines("BTCUSDT", MINUTE, 0, 5 * MINUTE, venue_ms=MINUTE * 9),
    b'"execId"': executions,
    b'"orderStatus"': lambda rest: rest.open_orders(),
    b'"cumExecQty"': lambda rest: rest.order("BTCUSDT", order_link_id="a"),
    b'"positionValue"': lambda rest: rest.positions(),
    b'"walletBalance"': lambda rest: rest.wallet(),
    b'"transactionTime"': lambda rest: rest.transactions(0, 1000),
    b'"marginMode"': lambda rest: rest.account_info(),
    b'"permissions"': lambda rest: rest.key_info(),
    b'"takerFeeRate"': lambda rest: rest.fee_rate("BTCUSDT"),
    b'"orderId"': lambda rest: rest.create_order(ORDER),
    b"error": lambda rest: rest.set_leverage("BTCUSDT", Decimal(3)),
}
STATUSES = (200, 200, 200, 200, 200, 400, 401, 403, 404, 429, 500, 502, 503)


async def answers(raw: bytes) -> bool:
    """An answer to the question that it fits, or, one in four, to any of them."""
    draw = sum(raw) + len(raw)
    status = STATUSES[draw // 64 % len(STATUSES)]
    fitting = [ask for word, ask in QUESTIONS.items() if word in raw.replace(b" ", b"")]
    asks = fitting if fitting and draw % 4 else list(QUESTIONS.values())
    odd = {"X-Bapi-Limit": raw[:9].decode("latin-1"), "X-Bapi-Limit-Status": str(draw - 900)}

    async def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer:
        return HttpAnswer(status, odd, raw)

    clock = ManualClock()
    rest = Rest(
        NOWHERE, KEY, account="main", clock=clock, transport=transport, limiter=Limiter(clock)
    )
    try:
        found = await asks[draw // 4 % len(asks)](rest)
    except MalformedFrame as error:
        return refused_well(error)
    except AlphaError as error:
        assert SECRET not in str(error)
        return False
    for event in found if isinstance(found, list) else [found]:
        sane(event)
    return True


# -- whole sessions of a stream -------------------------------------------------------------------


class Ended(Exception):
    """The session is over."""


class Scripted:
    """A socket of an exchange that answers every request well, then says one more thing."""

    def __init__(self, last: bytes, requests: int) -> None:
        self._last = last
        self._left = requests
        self._ready: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive(self) -> tuple[bytes | str, int]:
        if self._left or not self._ready.empty():
            return await self._ready.get(), 0
        raise SocketLost("the end")

    async def send(self, text: str) -> None:
        if '"op":"ping"' in text or '"op": "ping"' in text or not self._left:
            return
        self._left -= 1
        self._ready.put_nowait(text.replace('"op"', '"success":true,"ret_msg":"","op"').encode())
        if not self._left:
            self._ready.put_nowait(self._last)
            self._ready.put_nowait(TRADE_FRAME.encode())

    async def close(self) -> None:
        return None


async def session(raw: bytes, public: bool) -> bool:
    """A whole session; the frame after the odd one is still heard, unless the odd one was a
    refusal of the key or of a topic, which end it."""

    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Socket]:
        yield Scripted(raw, 1 if public else 1 + len(PRIVATE_TOPICS))

    heard: list[object] = []

    def on_state(state: StreamState) -> None:
        if state.name == "lost":
            raise Ended

    clock = ManualClock()
    topics = ["publicTrade.BTCUSDT"]
    stream = (
        PublicStream("ws://x", clock=clock, topics=topics, connect=opened)
        if public
        else PrivateStream("ws://x", KEY, account="main", clock=clock, connect=opened)
    )
    try:
        await stream.run(lambda event, at: heard.append(event), on_state)
    except Ended:
        pass
    except AuthRejected as error:
        assert SECRET not in str(error)
        return False
    assert stream.stats.frames >= 2
    if stream.odd.malformed:
        assert stream.odd.malformed.total() <= 2
        return False
    return True


async def private_sessions(raw: bytes) -> bool:
    return await session(raw, public=False)


async def public_sessions(raw: bytes) -> bool:
    return await session(raw, public=True)


CLIENT = (
    Subject("private frames", PRIVATE, private_frames),
    Subject("public frames", PUBLIC, public_frames),
    Subject("recordings", (*PRIVATE, *PUBLIC, *ANSWERS), recordings),
    Subject("REST answers", ANSWERS, answers),
    Subject("private sessions", PRIVATE, private_sessions),
    Subject("public sessions", PUBLIC, public_sessions),
    Subject("order ids", IDS, order_ids),
)
