"""The simulated exchange driven by hand, without sockets: its REST handlers behind a transport,
its private frames in a list. Market time is what the test says; faults are what it asks for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec
from aiohttp import web

from alpha.bybit.http import ConnectionLost, HttpAnswer, NotSent
from alpha.clock import Clock
from alpha.sim.engine import Engine, MarketClock
from alpha.sim.exchange import Exchange
from alpha.sim.faults import Faults
from alpha.sim.frames import TOPICS
from alpha.sim.hub import Hub, Session
from alpha.sim.model import Execution, Order, Refusal
from alpha.sim.params import Params
from alpha.sim.rest import Answer, Call, Result
from alpha.sim.rest_account import AccountApi
from alpha.sim.rest_history import HistoryApi
from alpha.sim.rest_trade import TradeApi
from alpha.sim.store import Marks, StoreThread
from tests.sim.pure import SPEC

KEY = "k"
SYMBOLS = ("BTCUSDT", "ETHUSDT")
SPECS = tuple(replace(SPEC, symbol=symbol) for symbol in SYMBOLS)
FOR_EVER_MS = 2**61
START_MS = 1_759_190_400_000


class HandClock(MarketClock):
    """Market time stands still until it is set."""

    def now_ms(self) -> int:
        return self._shown_ms


class Ear(Session):
    """A connection that keeps what it is sent."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(web.WebSocketResponse(), "ear", lambda: None, "private", faults)
        self.topics = set(TOPICS) & {"order", "execution", "position", "wallet"}
        self.frames: list[bytes] = []

    def send(self, frame: bytes, *, droppable: bool = False) -> None:
        self.frames.append(frame)


class HandExchange:
    """`faults` holds what happens to the next orders sent, in their order: "refused" (nothing
    leaves), "lost" (it never arrives, nobody knows), "unanswered" (it arrives, the answer does
    not), "dies" and "dies after" (the same two, and nothing ever answers: the process is gone);
    "" is well. `away` refuses every connection."""

    def __init__(self, engine: Engine, clock: MarketClock) -> None:
        self.engine = engine
        self.market_clock = clock
        self.ear = Ear(engine.hub.faults)
        engine.hub.private[KEY] = {self.ear}
        self.faults: deque[str] = deque()
        self.away = False
        self.refuse: dict[str, tuple[int, str]] = {}  # path -> retCode and words
        self.lags = False  # execution/list shows nothing
        self.forgotten: set[str] = set()  # order link ids
        self.refuse_conditional: tuple[int, str] | None = None
        self.creates: list[str] = []  # ids that reached the exchange and were taken
        self.asked: list[str] = []
        routes = {
            **AccountApi(engine, SPECS).routes(),
            **HistoryApi(engine).routes(),
            **TradeApi(engine).routes(),
        }
        self._routes = {key: endpoint.handler for key, endpoint in routes.items()}
        self.never = asyncio.Event()
        self._working: set[asyncio.Task[HttpAnswer]] = set()

    # -- the market ---------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        return self.market_clock.now_ms()

    async def tick(self, symbol: str, price: Decimal, at_ms: int) -> None:
        self.market_clock.set(at_ms, at_ms)
        exchange = self.engine.exchange
        async with self.engine.lock:
            exchange.tick(symbol, price, Decimal(1), "Buy", gap=False, ms=at_ms)
            await self.engine.settle()

    async def trade(self, symbol: str, side: str, qty: Decimal, at_ms: int) -> None:
        """A market order without an id of ours, as placed in the exchange's own app."""
        self.market_clock.set(at_ms, at_ms)
        order = {"category": "linear", "symbol": symbol, "side": side, "orderType": "Market"}
        answer = await self._answer("POST", "/v5/order/create", {**order, "qty": str(qty)})
        assert b'"retCode":0' in answer.body, answer.body

    async def fund(self, symbol: str, rate: Decimal, at_ms: int) -> None:
        self.market_clock.set(at_ms, at_ms)
        async with self.engine.lock:
            self.engine.exchange.funding(symbol, rate, at_ms)
            await self.engine.settle()

    async def forget(self, order: Order) -> None:
        """The order is gone without a word, and no endpoint knows it."""
        self.engine.exchange.state.orders[order.symbol].pop(order.order_id)
        self.forgotten.add(order.link_id)

    def take_frames(self) -> list[bytes]:
        frames, self.ear.frames = self.ear.frames, []
        return frames

    def position(self, symbol: str) -> Decimal:
        return self.engine.exchange.state.position(KEY, symbol).signed

    async def truth(self) -> list[Execution]:
        return await self.engine.store.all_executions(KEY)

    def price(self, symbol: str) -> Decimal:
        return self.engine.exchange.state.mark(symbol)

    def open_orders(self, symbol: str) -> list[Order]:
        return list(self.engine.exchange.state.open_orders(KEY, symbol))

    async def conditional(self, symbol: str, link_id: str, price: Decimal) -> None:
        """A conditional order that somebody else has sent."""
        values = {"category": "linear", "symbol": symbol, "side": "Buy", "orderType": "Market"}
        more = {"qty": "1", "orderLinkId": link_id, "triggerPrice": str(price)}
        handler = self._routes[("POST", "/v5/order/create")]
        params = Params({**values, **more, "triggerDirection": 2})
        await handler(Call(KEY, params, _no_reply))

    # -- the wire -----------------------------------------------------------------------------

    async def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> HttpAnswer:
        if self.away:
            raise NotSent("connection refused")
        parts = urlsplit(url)
        self.asked.append(parts.path)
        if parts.path == "/v5/order/create":
            return await self._create(parts.path, body or b"{}")
        values: dict[str, object] = (
            dict(parse_qsl(parts.query)) if method == "GET" else msgspec.json.decode(body or b"{}")
        )
        return await self._arrived(method, parts.path, values)

    async def _create(self, path: str, body: bytes) -> HttpAnswer:
        fault = self.faults.popleft() if self.faults else ""
        if fault == "refused":
            raise NotSent("connection refused")
        if fault == "lost":
            raise ConnectionLost("reset by peer")
        if fault == "dies":
            await self.never.wait()
        answer = await self._arrived("POST", path, msgspec.json.decode(body))
        if fault == "unanswered":
            raise ConnectionLost("reset by peer")
        if fault == "dies after":
            await self.never.wait()
        return answer

    async def _arrived(self, method: str, path: str, values: Mapping[str, object]) -> HttpAnswer:
        """What has arrived is done, whether or not the caller lives to hear of it."""
        work = asyncio.create_task(self._answer(method, path, values))
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        return await asyncio.shield(work)

    async def done(self) -> None:
        """Everything that has arrived is done."""
        while self._working:
            await asyncio.wait(set(self._working))

    async def _answer(self, method: str, path: str, values: Mapping[str, object]) -> HttpAnswer:
        if path == "/v5/market/time":
            return _envelope(0, "OK", {"timeNano": f"{self.now_ms}000000"})
        if path in self.refuse:
            code, words = self.refuse[path]
            return _envelope(code, words, {})
        if self.lags and path == "/v5/execution/list":
            return _envelope(0, "OK", {"list": [], "nextPageCursor": ""})
        if values.get("orderLinkId") in self.forgotten and method == "GET":
            return _envelope(0, "OK", {"list": [], "nextPageCursor": ""})
        if values.get("orderId") and self.forgotten and method == "GET":
            return _envelope(0, "OK", {"list": [], "nextPageCursor": ""})
        if self.refuse_conditional and "triggerPrice" in values and path == "/v5/order/create":
            return _envelope(*self.refuse_conditional, {})
        try:
            result = await self._routes[(method, path)](Call(KEY, Params(values), _no_reply))
        except Refusal as refusal:
            return _envelope(refusal.code, refusal.message, {})
        if path == "/v5/order/create":
            self.creates.append(str(values.get("orderLinkId", "")))
        return _envelope(0, "OK", result)


async def _no_reply(result: Result | Answer) -> None:
    """The answer comes when the handler has ended."""


def _envelope(code: int, message: str, result: object) -> HttpAnswer:
    body = {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": 0}
    return HttpAnswer(200, {}, msgspec.json.encode(body))


@asynccontextmanager
async def hand_exchange(folder: Path, wall: Clock) -> AsyncIterator[HandExchange]:
    """An exchange with an account of 100,000 USDT and two coins at 100."""
    store = StoreThread()
    await store.open(folder)
    try:
        await store.claim("by hand", "salt")
        exchange = Exchange(SPECS, "salt")
        exchange.add_account(KEY, 1, Decimal(100_000))
        for symbol in SYMBOLS:
            exchange.state.books[symbol].move(Decimal(100), "Buy")
        exchange.take_changes()
        clock = HandClock(wall, 1.0, START_MS)
        marks = Marks(FOR_EVER_MS, START_MS, START_MS)
        yield HandExchange(Engine(exchange, store, Hub(Faults(wall)), clock, marks, None), clock)
    finally:
        await store.close()
