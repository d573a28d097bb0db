"""The simulator's requests: its REST endpoints and its three sockets, over real connections.

Requests are signed after they were spoilt, so that what they hold is looked at and not only
their signature. Accounts take turns, as the rate limits are per account.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from itertools import count, cycle
from pathlib import Path
from urllib.parse import quote, urlencode

import aiohttp
import websockets
from yarl import URL

from alpha.clock import SystemClock
from alpha.sim.feeds import build_feed
from alpha.sim.server import AccountOption, SimOptions, simulated
from tests.fuzz.subjects import Subject

ACCOUNTS = 400
SPOKEN = 40
ANSWER_S = 10.0
NOW = b'"@now@"'

SYMBOL = {"category": "linear", "symbol": "BTCUSDT"}
LIMIT = {**SYMBOL, "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "40000"}
STOPS = {"takeProfit": "90000", "stopLoss": "30000", "tpslMode": "Full", "positionIdx": 0}
TRIGGER = {"triggerPrice": "95000", "triggerDirection": 1, "triggerBy": "LastPrice"}
MARKET = {**SYMBOL, "side": "Sell", "orderType": "Market", "qty": "0.01"}
WINDOW = {"startTime": "1759190400000", "endTime": "1759276800000", "limit": "20", "cursor": "a,1"}

POSTS: dict[str, tuple[dict[str, object], ...]] = {
    "/v5/order/create": (
        {**LIMIT, **STOPS, "timeInForce": "PostOnly", "orderLinkId": "fuzz-1"},
        {**MARKET, **TRIGGER, "reduceOnly": False, "closeOnTrigger": False},
        {**MARKET, "orderLinkId": "fuzz-2"},
    ),
    "/v5/order/amend": ({**SYMBOL, "orderLinkId": "fuzz-1", "qty": "0.02", "price": "39000"},),
    "/v5/order/cancel": ({**SYMBOL, "orderId": "a", "orderFilter": "Order"},),
    "/v5/order/cancel-all": ({**SYMBOL, "settleCoin": "USDT", "orderFilter": "StopOrder"},),
    "/v5/order/create-batch": ({"category": "linear", "request": [LIMIT, MARKET]},),
    "/v5/order/amend-batch": ({"category": "linear", "request": [{**SYMBOL, "orderId": "a"}]},),
    "/v5/order/cancel-batch": ({"category": "linear", "request": [{**SYMBOL, "orderId": "a"}]},),
    "/v5/position/trading-stop": ({**SYMBOL, **STOPS, "trailingStop": "50", "activePrice": "1"},),
    "/v5/position/set-leverage": ({**SYMBOL, "buyLeverage": "3", "sellLeverage": "3"},),
    "/v5/position/switch-mode": ({**SYMBOL, "mode": 0},),
}
GETS: dict[str, dict[str, object]] = {
    "/v5/order/realtime": {**SYMBOL, "openOnly": "0", "orderId": "a", "limit": "20"},
    "/v5/order/history": {**SYMBOL, **WINDOW, "orderStatus": "Filled"},
    "/v5/execution/list": {**SYMBOL, **WINDOW, "execType": "Trade", "settleCoin": "USDT"},
    "/v5/position/list": {**SYMBOL, "settleCoin": "USDT", "limit": "5", "cursor": "a"},
    "/v5/position/closed-pnl": {**SYMBOL, **WINDOW},
    "/v5/account/wallet-balance": {"accountType": "UNIFIED", "coin": "USDT"},
    "/v5/account/transaction-log": {**SYMBOL, **WINDOW, "currency": "USDT", "type": "TRADE"},
    "/v5/account/fee-rate": {**SYMBOL},
    "/v5/market/kline": {**SYMBOL, "interval": "5", "start": "1", "end": "2", "limit": "5"},
    "/v5/market/tickers": {**SYMBOL},
    "/v5/market/instruments-info": {**SYMBOL, "limit": "5", "cursor": "a", "status": "Trading"},
    "/v5/market/funding/history": {**SYMBOL, "startTime": "1", "endTime": "2", "limit": "3"},
    "/v5/market/orderbook": {**SYMBOL, "limit": "5"},
    "/v5/market/recent-trade": {**SYMBOL, "limit": "5"},
}


def seed(path: str, params: object) -> bytes:
    return json.dumps({"path": path, "params": params}).encode()


REQUESTS = (
    *(seed(path, params) for path, some in POSTS.items() for params in some),
    *(seed(path, params) for path, params in GETS.items()),
)
TOPICS = ["kline.1.BTCUSDT", "tickers.BTCUSDT", "publicTrade.BTCUSDT", "orderbook.1.BTCUSDT"]
PUBLIC = tuple(
    json.dumps({"req_id": "1", "op": op, "args": args}).encode()
    for op in ("subscribe", "unsubscribe", "ping")
    for args in (TOPICS, TOPICS[:1], ["publicTrade.BTCUSDT|ETHUSDT"], 17)
)
PRIVATE = tuple(
    json.dumps({"req_id": 7, "op": op, "args": args}).encode()
    for op in ("subscribe", "unsubscribe", "ping", "auth")
    for args in (["execution.linear"], ["order", "position", "wallet"], ["peer", 1, "aa"])
)
TRADE = tuple(
    json.dumps(
        {
            "reqId": f"r{number}",
            "header": {"X-BAPI-TIMESTAMP": "@now@", "X-BAPI-RECV-WINDOW": "5000"},
            "op": "order." + path.rpartition("/")[2],
            "args": [params],
        }
    ).encode()
    for number, (path, params) in enumerate(
        (path, params) for path, some in POSTS.items() for params in some if "/order/" in path
    )
)
#: The simulator's subjects, with what they take their inputs from.
SIMULATED = {
    "simulator: REST": REQUESTS,
    "simulator: public socket": PUBLIC,
    "simulator: private socket": PRIVATE,
    "simulator: trade socket": TRADE,
}


class Died(Exception):
    """The simulator did not answer as an exchange does."""


class Exchange:
    """A running simulator and the connections to it."""

    def __init__(self, urls: dict[str, str], http: aiohttp.ClientSession) -> None:
        self.urls = urls
        self.http = http
        self.accounts = cycle(range(ACCOUNTS))

    async def rest(self, raw: bytes) -> bool:
        path, payload = _request(raw)
        method = "POST" if path in POSTS else "GET"
        url = f"{self.urls['rest']}{path}" + (f"?{payload}" if method == "GET" else "")
        body = payload.encode("utf-8", "replace") if method == "POST" else None
        signed = body.decode() if body is not None else payload
        headers = _signed(next(self.accounts), signed)
        try:
            async with self.http.request(
                method, URL(url, encoded=True), data=body, headers=headers
            ) as answer:
                status, text = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Died(f"{method} {path}: {type(error).__name__} {error}") from error
        if status == 403 and b"too frequent" in text:
            raise Died("expected no ban of the fuzzer's address, was banned; raise address_limit")
        if status in (400, 403, 404, 413, 414):
            return False
        if status != 200:
            raise Died(f"{method} {path}: HTTP {status}")
        code = json.loads(text)["retCode"]
        assert isinstance(code, int)
        return code == 0


def _request(raw: bytes) -> tuple[str, str]:
    """Path and payload of one input; a spoilt seed goes to the first endpoint as it is."""
    try:
        document = json.loads(raw)
        path, params = document["path"], document["params"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "/v5/order/create", raw.decode("utf-8", "replace")
    if not isinstance(path, str):
        return "/v5/order/create", raw.decode("utf-8", "replace")
    if path in POSTS:
        return path, json.dumps(params)
    if path in GETS and isinstance(params, dict):
        return path, urlencode([(str(k), _text(v)) for k, v in params.items()], errors="replace")
    return "/v5/order/realtime", quote(str(params)[:3000], errors="replace")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _signed(number: int, payload: str) -> dict[str, str]:
    stamp = str(time.time_ns() // 1_000_000)
    text = f"{stamp}peer{number}20000{payload}"
    return {
        "X-BAPI-API-KEY": f"peer{number}",
        "X-BAPI-TIMESTAMP": stamp,
        "X-BAPI-RECV-WINDOW": "20000",
        "X-BAPI-SIGN": _proof(number, text),
        "Content-Type": "application/json",
    }


def _proof(number: int, text: str) -> str:
    return hmac.new(f"secret{number}".encode(), text.encode(), hashlib.sha256).hexdigest()


class Spoken:
    """Connections to one of the sockets, taking turns; what a legitimate end closes is opened
    again."""

    def __init__(self, exchange: Exchange, url: str, private: bool) -> None:
        self._exchange = exchange
        self._url = url
        self._private = private
        self._turns = cycle(range(SPOKEN))
        self._open: dict[int, websockets.ClientConnection] = {}
        self._numbers = count()

    async def feed(self, raw: bytes) -> bool:
        """Says it and then asks for a pong: whoever still answers has survived."""
        turn = next(self._turns)
        socket = self._open.get(turn) or await self._opened(turn)
        stamp = str(time.time_ns() // 1_000_000).encode()
        text = raw.replace(NOW, b'"' + stamp + b'"').decode("utf-8", "replace")
        number = f"alive-{next(self._numbers)}"
        read = False
        try:
            async with asyncio.timeout(ANSWER_S):
                await socket.send(text)
                await socket.send(json.dumps({"op": "ping", "req_id": number, "reqId": number}))
                while number not in (said := await socket.recv(decode=True)):
                    read = read or '"success":true' in said or '"retCode":0' in said
        except websockets.ConnectionClosed as error:
            del self._open[turn]
            if error.rcvd is None or error.rcvd.code != 1000 or '"auth' not in text:
                raise Died(f"{self._url}: {error}") from error
        except TimeoutError as error:
            del self._open[turn]
            raise Died(f"{self._url}: no pong within {ANSWER_S:g} s") from error
        return read

    async def _opened(self, turn: int) -> websockets.ClientConnection:
        # Nobody reads between two turns: a bounded queue would hold up the close as well.
        socket = await websockets.connect(
            self._url, max_size=None, max_queue=None, ping_interval=None
        )
        if self._private:
            account = next(self._exchange.accounts)
            expires = time.time_ns() // 1_000_000 + 60_000
            args = [f"peer{account}", expires, _proof(account, f"GET/realtime{expires}")]
            await socket.send(json.dumps({"op": "auth", "reqId": "a", "req_id": "a", "args": args}))
            assert "auth" in str(await socket.recv())
        self._open[turn] = socket
        return socket

    async def close(self) -> None:
        for socket in self._open.values():
            await socket.close()


@asynccontextmanager
async def exchange_subjects(folder: Path) -> AsyncIterator[tuple[Subject, ...]]:
    """The simulator's subjects, while it runs."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        urls = await stack.enter_async_context(_running(folder))
        exchange = Exchange(urls, http)

        def spoken(name: str, private: bool) -> Callable[[bytes], Coroutine[None, None, bool]]:
            one = Spoken(exchange, urls[name], private)
            stack.push_async_callback(one.close)
            return one.feed

        feeds = (
            exchange.rest,
            spoken("public_ws", False),
            spoken("private_ws", True),
            spoken("trade_ws", True),
        )
        yield tuple(
            Subject(name, seeds, feed)
            for (name, seeds), feed in zip(SIMULATED.items(), feeds, strict=True)
        )


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[dict[str, str]]:
    ready = folder / "ready"
    accounts = tuple(
        AccountOption(f"peer{number}", f"secret{number}", Decimal(100_000))
        for number in range(ACCOUNTS)
    )
    options = SimOptions(
        state=folder / "sim",
        accounts=accounts,
        speed=20.0,
        ready_file=ready,
        address_limit=10**9,  # a banned address would only see bans
    )
    feed = build_feed("synthetic", seed=1, data=None, start_ms=None)
    async with simulated(options, feed, SystemClock()) as simulator:
        stop = asyncio.Event()
        running = asyncio.create_task(simulator.run(stop))
        while not ready.exists():
            assert not running.done(), running.exception()
            await asyncio.wait([running], timeout=0.01)
        try:
            yield json.loads(ready.read_text())
        finally:
            stop.set()
            await running
