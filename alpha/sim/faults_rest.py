"""Faults of REST, and the endpoints with which faults are switched: `/sim/faults`."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec
from aiohttp import web

from alpha.clock import Clock
from alpha.sim.faults import Fault, FaultPlan, Faults
from alpha.sim.limits import Standing
from alpha.sim.rest import Exchanged, RestApi

#: What Bybit says with these codes; others come with a text of ours.
MESSAGES = {
    10000: "Server Timeout",
    10002: "The request time exceeds the time window range.",
    10006: "Too many visits!",
    10016: "Server error.",
    10019: "The server is restarting.",
}
BODIES = {403: "access too frequent", 502: "Bad Gateway", 503: "Service Unavailable"}
LIMIT = 10


class FaultyRest:
    """The REST side with the faults in front of it and behind it."""

    def __init__(self, rest: RestApi, faults: Faults, clock: Clock) -> None:
        self._rest = rest
        self._faults = faults
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers a request, wrongly if a fault strikes it.

        Faults before the request is carried out come first, and one is enough; those after it
        (slow, lost, wrong) may strike together.
        """
        if not request.path.startswith("/v5/"):
            return await self._rest.handle(request)  # what looks at the simulator itself
        before = self._before(request)
        if before is not None:
            return before
        key, path = request.headers.get("X-BAPI-API-KEY", ""), request.path
        slow = self._faults.request("slow", path, key)
        lost = self._faults.request("lose_reply", path, key)
        wrong = None if lost else self._faults.request("ret_code_after", path, key)
        response = await self._rest.handle(request, early=not (slow or lost or wrong))
        if slow is not None:
            await self._clock.sleep(slow.seconds)
        if lost is not None:
            return hung_up(request)
        return response if wrong is None else self._refusal(request, wrong)

    def _before(self, request: web.Request) -> web.Response | None:
        key, path = request.headers.get("X-BAPI-API-KEY", ""), request.path
        if self._faults.closed():
            return web.Response(status=503, text=BODIES[503])
        if self._faults.request("refuse", path, key):
            return hung_up(request)
        if fault := self._faults.request("http_status", path, key):
            return web.Response(status=fault.code, text=BODIES.get(fault.code, "fault"))
        if fault := self._faults.request("ret_code", path, key):
            return self._refusal(request, fault)
        return None

    def _refusal(self, request: web.Request, fault: Fault) -> web.Response:
        exchange = Exchanged(self._rest, request)
        if fault.code == 10006:
            exchange.standing = Standing(0, LIMIT, 0, self._rest.wall_ms + 1000)
        message = MESSAGES.get(fault.code, f"fault of the simulator: {fault.code}")
        return exchange.response(fault.code, message, {})


def hung_up(request: web.Request) -> web.Response:
    """Breaks the connection; the response it returns reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


class FaultSwitches:
    """`/sim/faults`: POST adds, GET shows, DELETE clears all or `?id=N`. From this machine only."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def handle(self, request: web.Request) -> web.Response:
        if not local(request):
            return answer(403, {"error": "expected a request from this machine's loopback"})
        try:
            if request.method == "POST":
                plan = FaultPlan.decoded(await request.read())
                return answer(200, {"ids": self._faults.add(*plan.faults, seed=plan.seed)})
            if request.method == "DELETE":
                self._faults.clear(self._id(request))
            return answer(200, {"faults": self._faults.shown()})
        except ValueError as error:
            return answer(400, {"error": str(error)})

    def _id(self, request: web.Request) -> int | None:
        given = request.query.get("id")
        known = [fault["id"] for fault in self._faults.shown()]
        if given is None:
            return None
        if not given.isdigit() or int(given) not in known:
            raise ValueError(f"expected id to be one of {known}, was {given!r}")
        return int(given)


def local(request: web.Request) -> bool:
    try:
        return ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def answer(status: int, body: dict[str, object]) -> web.Response:
    data = msgspec.json.encode(body)
    return web.Response(status=status, body=data, content_type="application/json")
