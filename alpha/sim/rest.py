"""The REST side: routing, signatures, rate limits and the response envelope.

Every answer is HTTP 200 with `{"retCode","retMsg","result","retExtInfo","time"}`; `time` is
wall time, as in the rate headers. Payloads are checked over the raw query and the raw body.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec
import structlog
from aiohttp import web

from alpha.clock import Clock
from alpha.sim.auth import Keyring
from alpha.sim.limits import AddressLimit, RateLimits, Standing
from alpha.sim.model import Refusal
from alpha.sim.params import Params
from alpha.sim.rows import Json

log = structlog.get_logger(__name__)

Result = Mapping[str, Json]


class Answer(NamedTuple):
    """A result with something in `retExtInfo` beside it, as batches have."""

    result: Result
    ext: Result


Reply = Callable[[Result | Answer], Awaitable[None]]


class Call(NamedTuple):
    """One request: who asks ("" on public endpoints), what, and a way to answer early.

    `granted`: how many of a batch's orders the rate limit lets through.
    """

    account: str
    params: Params
    reply: Reply
    granted: int = 1


class Endpoint(NamedTuple):
    """A path's handler; `limit` per second and account, 0 for public endpoints.

    `weight` says how many requests of the limit one call uses, one if absent.

    A `bare` result is the whole body, without the envelope, and a refusal is HTTP 400: none of
    Bybit's endpoints.
    """

    handler: Callable[[Call], Awaitable[Result | Answer]]
    limit: int
    bare: bool = False
    weight: Callable[[Params], int] | None = None


Routes = Mapping[tuple[str, str], Endpoint]


class RestApi:
    """Serves the routes of the modules around it."""

    def __init__(
        self,
        routes: Routes,
        keyring: Keyring,
        limits: RateLimits,
        addresses: AddressLimit,
        wall: Clock,
    ) -> None:
        self._routes = routes
        self._addresses = addresses
        self._keyring = keyring
        self._limits = limits
        self._wall = wall

    async def handle(self, request: web.Request, *, early: bool = True) -> web.StreamResponse:
        """Carries a request out; `early` allows the answer to leave before all of it is done."""
        endpoint = self._routes.get((request.method, request.path))
        if request.path.startswith("/v5/") and not self._addresses.allows(request.remote or ""):
            return web.Response(status=403, text="access too frequent\n")
        if endpoint is None:
            return web.Response(status=404, text=f"no such endpoint: {request.path}\n")
        if request.method == "GET" and request.can_read_body:
            return web.Response(status=403, text="a GET request has no body\n")
        raw = await self._payload(request)
        exchange = Exchanged(self, request, early=early)
        try:
            account, granted = "", 1
            if endpoint.limit:
                account = self._keyring.check_request(request.headers, raw)
            params = self._params(request, raw)
            if endpoint.limit:
                weight = endpoint.weight(params) if endpoint.weight is not None else 1
                standing = self._limits.take(account, request.path, endpoint.limit, weight)
                exchange.standing, granted = standing, standing.granted
                if not granted:
                    raise Refusal(10006, "Too many visits!")
            call = Call(account, params, exchange.reply, granted)
            result = await endpoint.handler(call)
            if endpoint.bare:
                body = msgspec.json.encode(result)
                return web.Response(body=body, content_type="application/json")
            return exchange.sent or exchange.response(0, "OK", result)
        except Refusal as refusal:
            if endpoint.bare:
                error = msgspec.json.encode({"ok": False, "error": refusal.message})
                return web.Response(status=400, body=error, content_type="application/json")
            return exchange.response(refusal.code, refusal.message, explained(refusal))

    @property
    def wall_ms(self) -> int:
        return self._wall.now_ms()

    async def _payload(self, request: web.Request) -> str:
        """What the client signed: the raw query of a GET, the raw body of a POST."""
        if request.method == "GET":
            return request.raw_path.partition("?")[2]
        return (await request.read()).decode("utf-8", "replace")

    def _params(self, request: web.Request, raw: str) -> Params:
        if request.method == "GET":
            return Params(dict(parse_qsl(raw, keep_blank_values=True)))
        try:
            return Params(msgspec.json.decode(raw or "{}", type=dict[str, object]))
        except (msgspec.DecodeError, RecursionError):
            raise Refusal(10001, "params error: the body is not a JSON object") from None


class Exchanged:
    """One request and its one response, which may leave before the handler has finished."""

    def __init__(self, api: RestApi, request: web.Request, *, early: bool = True) -> None:
        self._api = api
        self._early = early
        self._request = request
        self.standing: Standing | None = None
        self.sent: web.Response | None = None

    def response(self, code: int, message: str, result: Result | Answer) -> web.Response:
        result, ext = result if isinstance(result, Answer) else (result, {})
        body = msgspec.json.encode(
            {
                "retCode": code,
                "retMsg": message,
                "result": result,
                "retExtInfo": ext,
                "time": self._api.wall_ms,
            }
        )
        headers = self.standing.headers() if self.standing is not None else {}
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def reply(self, result: Result | Answer) -> None:
        """Answers now, while the handler still holds back what follows from the request."""
        if not self._early:
            return
        response = self.response(0, "OK", result)
        self.sent = response
        await response.prepare(self._request)
        await response.write_eof()


def explained(refusal: Refusal) -> Result:
    """The result of a refusal: empty, or the list of its reasons."""
    if not refusal.reasons:
        return {}
    listed: list[Json] = [{"reasonCode": c, "reasonMsg": text} for c, text in refusal.reasons]
    return {"reasons": listed}
