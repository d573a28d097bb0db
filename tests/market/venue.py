"""A market of its own on this machine: Bybit's kline endpoint and kline topics, over real HTTP
and a real WebSocket. Frames can be lost, repeated and cut off, which the real one does too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import websockets
from aiohttp import web
from websockets.asyncio.server import Server, ServerConnection

from alpha.clock import SystemClock

MINUTE = 60_000
#: Market time of bar 0.
T0 = 1_759_190_400_000


@dataclass
class Venue:
    """`closed` bars exist per symbol; `now_ms` is market time. REST serves what has closed."""

    closed: int = 0
    interval_ms: int = MINUTE
    sockets: list[ServerConnection] = field(default_factory=list)
    subscribed: set[str] = field(default_factory=set)
    #: Bars that REST does not have yet, by start.
    rest_lacks: set[int] = field(default_factory=set)
    rest_broken: bool = False
    #: Turnover of 24 hours by symbol, as the tickers have it.
    turnovers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    #: Seconds that REST takes for candles, and how many questions it has had at once.
    latency_s: float = 0.0
    asking: int = 0
    most_asking: int = 0
    #: Rows of Get Instruments Info.
    instruments: list[dict[str, object]] = field(default_factory=list)
    subscribes: int = 0  # requests
    rest_url: str = ""
    ws_url: str = ""

    @property
    def now_ms(self) -> int:
        return T0 + self.closed * self.interval_ms + 1

    @property
    def interval(self) -> str:
        return str(self.interval_ms // MINUTE)

    @staticmethod
    def price(place: int) -> str:
        return f"{100 + place}.5"

    # -- HTTP ---------------------------------------------------------------------------------

    async def time(self, request: web.Request) -> web.Response:
        seconds, ms = divmod(self.now_ms, 1000)
        result = {"timeSecond": str(seconds), "timeNano": f"{seconds}{ms:03d}000000"}
        return _answer(result)

    async def kline(self, request: web.Request) -> web.Response:
        if self.rest_broken:
            return web.Response(status=503)
        query = request.query
        first, last = int(query["start"]), int(query["end"])
        self.asked.append((query["symbol"], first))
        self.asking += 1
        self.most_asking = max(self.most_asking, self.asking)
        await SystemClock().sleep(self.latency_s)
        self.asking -= 1
        rows = []
        for place in range(self.closed + 1):  # the open bar too, as the exchange does
            start = T0 + place * self.interval_ms
            if first <= start <= last and start not in self.rest_lacks:
                price = self.price(place)
                rows.append([str(start), price, price, price, price, "1", price])
        result = {"category": "linear", "symbol": query["symbol"], "list": rows[::-1]}
        return _answer(result)

    async def tickers(self, request: web.Request) -> web.Response:
        if self.rest_broken:
            return web.Response(status=503)
        rows = [{"symbol": name, "turnover24h": one} for name, one in self.turnovers.items()]
        return _answer({"category": "linear", "list": rows})

    async def listed(self, request: web.Request) -> web.Response:
        if self.rest_broken:
            return web.Response(status=503)
        return _answer({"category": "linear", "list": self.instruments, "nextPageCursor": ""})

    # -- WebSocket ----------------------------------------------------------------------------

    async def serve(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        try:
            async for raw in socket:
                message = json.loads(raw)
                if message["op"] == "subscribe":
                    self.subscribed.update(message["args"])
                    self.subscribes += 1
                elif message["op"] == "unsubscribe":
                    self.subscribed.difference_update(message["args"])
                answer = {"success": True, "ret_msg": "", "op": message["op"]}
                await socket.send(json.dumps({**answer, "req_id": message["req_id"]}))
        finally:
            self.sockets.remove(socket)

    async def push(self, symbol: str, place: int, *, confirm: bool = True) -> None:
        start = T0 + place * self.interval_ms
        price = self.price(place)
        row = {
            "start": start,
            "end": start + self.interval_ms - 1,
            "interval": self.interval,
            "open": price,
            "close": price,
            "high": price,
            "low": price,
            "volume": "1",
            "turnover": price,
            "confirm": confirm,
            "timestamp": start + self.interval_ms - 1,
        }
        topic = f"kline.{self.interval}.{symbol}"
        frame = {"topic": topic, "type": "snapshot", "ts": start + self.interval_ms, "data": [row]}
        for socket in list(self.sockets):
            await socket.send(json.dumps(frame))

    async def close_bar(self, symbols: Iterable[str]) -> int:
        """The next bar closes, and is pushed for these symbols."""
        place = self.closed
        self.closed += 1
        for symbol in symbols:
            await self.push(symbol, place)
        return place

    async def cut(self) -> None:
        """All connections are lost."""
        for socket in list(self.sockets):
            await socket.close()


def _answer(result: Mapping[str, object]) -> web.Response:
    return web.json_response(
        {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 1}
    )


async def open_http(venue: Venue) -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/v5/market/time", venue.time)
    app.router.add_get("/v5/market/kline", venue.kline)
    app.router.add_get("/v5/market/instruments-info", venue.listed)
    app.router.add_get("/v5/market/tickers", venue.tickers)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    venue.rest_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner


async def open_socket(venue: Venue) -> Server:
    server = await websockets.serve(venue.serve, "127.0.0.1", 0)
    port = next(iter(server.sockets)).getsockname()[1]
    venue.ws_url = f"ws://127.0.0.1:{port}"
    return server
