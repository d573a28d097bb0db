"""A stand-in for the exchange's REST side that signs what it received, byte for byte."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from alpha.bybit.endpoints import Endpoints
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.clock import SystemClock

MARKET_TIME = b'{"retCode":0,"retMsg":"OK","result":{"timeSecond":"1700000000",\
"timeNano":"1700000000123456789"},"time":1}'
OK = b'{"retCode":0,"retMsg":"OK","result":{},"retExtInfo":{},"time":1}'


def refusal(code: int, message: str) -> bytes:
    body = {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": 1}
    return json.dumps(body).encode()


@dataclass
class Got:
    """One request as it arrived, before any library took it apart."""

    method: str
    path: str
    query: str
    body: bytes
    headers: dict[str, str]

    def fields(self) -> dict[str, str | int | bool]:
        found: dict[str, str | int | bool] = json.loads(self.body)
        return found


#: The connection goes away after the request has arrived.
HANG_UP = b"hang up"

Answer = bytes | web.Response | Callable[[Got], bytes | web.Response]


@dataclass
class Exchange:
    """Checks signatures as the exchange does; answers per path, each answer once, the last
    one for ever."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    got: list[Got] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        got = Got(request.method, path, query, await request.read(), headers)
        self.got.append(got)
        if "x-bapi-sign" in headers:
            payload = got.body if got.method == "POST" else query.encode()
            stamp, window = headers["x-bapi-timestamp"], headers["x-bapi-recv-window"]
            signed = f"{stamp}demo-key{window}".encode() + payload
            if (
                hmac.new(b"demo-secret", signed, hashlib.sha256).hexdigest()
                != (headers["x-bapi-sign"])
            ):
                text = f"error sign! origin_string[{signed.decode()}]"
                return web.Response(body=refusal(10004, text))
        planned = self.answers[path]
        answer = planned.pop(0) if len(planned) > 1 else planned[0]
        if answer == HANG_UP and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if callable(answer):
            answer = answer(got)
        return web.Response(body=answer) if isinstance(answer, bytes) else answer

    def queries(self, path: str) -> list[str]:
        return [got.query for got in self.got if got.path == path]


def client(
    url: str,
    session: aiohttp.ClientSession,
    secret: str = "demo-secret",
    may_write: Callable[[], bool] | None = None,
) -> Rest:
    clock = SystemClock()
    return Rest(
        Endpoints(url, "", "", ""),
        Credentials("demo-key", secret),
        account="main",
        clock=clock,
        limiter=Limiter(clock),
        session=session,
        may_write=may_write,
    )
