"""A raw client of the simulator: signs for itself, knows none of its code."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import websockets

Json = dict[str, Any]
DEADLINE_S = 10.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def signature(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Socket:
    """A JSON socket that keeps everything it has heard."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection
        self.heard: list[Json] = []

    async def say(self, message: Json) -> None:
        await self._connection.send(json.dumps(message))

    async def ping(self) -> asyncio.Future[float]:
        """Sends a ping of the protocol itself; done when it is answered."""
        answered: asyncio.Future[float] = asyncio.ensure_future(await self._connection.ping())
        return answered

    async def hear(self, wanted: Callable[[Json], bool]) -> Json:
        """The first message from now on that is wanted; fails after the deadline."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message: Json = json.loads(await self._connection.recv())
                self.heard.append(message)
                if wanted(message):
                    return message

    async def ask(self, message: Json) -> Json:
        await self.say(message)
        key = "reqId" if "reqId" in message else "req_id"
        return await self.hear(
            lambda m: m.get(key) == message[key] if key in message else "topic" not in m
        )

    def rows(self, topic: str) -> list[Json]:
        return [row for m in self.heard if m.get("topic") == topic for row in m["data"]]


class Venue:
    """One account's way to a simulator."""

    def __init__(self, http: aiohttp.ClientSession, urls: Json, key: str, secret: str) -> None:
        self.http = http
        self.urls = urls
        self.key = key
        self.secret = secret
        self.headers: dict[str, str] = {}

    def signed(self, payload: str, stamp: int | None = None, window: str = "5000") -> Json:
        at = str(now_ms() if stamp is None else stamp)
        return {
            "X-BAPI-API-KEY": self.key,
            "X-BAPI-TIMESTAMP": at,
            "X-BAPI-RECV-WINDOW": window,
            "X-BAPI-SIGN": signature(self.secret, at + self.key + window + payload),
        }

    async def status(self, path: str) -> int:
        """The HTTP status of an unsigned GET."""
        async with self.http.get(f"{self.urls['rest']}{path}") as answer:
            return answer.status

    async def raw(self, method: str, path: str, payload: str, headers: Json) -> Json:
        from yarl import URL

        query = f"?{payload}" if method == "GET" and payload else ""
        body = payload.encode() if method == "POST" else None
        url = URL(f"{self.urls['rest']}{path}{query}", encoded=True)
        async with self.http.request(method, url, data=body, headers=headers) as answer:
            assert answer.status == 200
            self.headers = dict(answer.headers)
            result: Json = json.loads(await answer.text())
            return result

    async def plain(self, path: str, body: Json, status: int = 200) -> Json:
        """POSTs to one of the simulator's own endpoints, which know no signature."""
        url = f"{self.urls['rest']}{path}"
        async with self.http.post(url, data=json.dumps(body)) as answer:
            assert answer.status == status, await answer.text()
            result: Json = json.loads(await answer.text())
            return result

    async def get(self, path: str, **params: object) -> Json:
        query = urlencode({"category": "linear", **params}, safe="%")
        return await self.raw("GET", path, query, self.signed(query))

    async def result(self, path: str, **params: object) -> Json:
        answer = await self.get(path, **params)
        assert answer["retCode"] == 0, answer
        found: Json = answer["result"]
        return found

    async def post(self, path: str, **params: object) -> Json:
        body = json.dumps({"category": "linear", **params})
        return await self.raw("POST", path, body, self.signed(body))

    async def create(self, **params: object) -> Json:
        """Creates an order; fails unless it is accepted."""
        answer = await self.post("/v5/order/create", **params)
        assert answer["retCode"] == 0, answer
        found: Json = answer["result"]
        return found

    @asynccontextmanager
    async def private(self, *topics: str) -> AsyncIterator[Socket]:
        async with websockets.connect(self.urls["private_ws"]) as connection:
            socket = Socket(connection)
            assert (await socket.ask(self.auth()))["success"] is True
            for topic in topics:
                ack = await socket.ask({"req_id": topic, "op": "subscribe", "args": [topic]})
                assert ack["success"] is True, ack
            yield socket

    def auth(self) -> Json:
        expires = now_ms() + 10_000
        proof = signature(self.secret, f"GET/realtime{expires}")
        return {"req_id": "auth", "op": "auth", "args": [self.key, expires, proof]}

    @asynccontextmanager
    async def public(self) -> AsyncIterator[Socket]:
        async with websockets.connect(self.urls["public_ws"]) as connection:
            yield Socket(connection)

    @asynccontextmanager
    async def trade(self) -> AsyncIterator[Socket]:
        async with websockets.connect(self.urls["trade_ws"]) as connection:
            yield Socket(connection)
