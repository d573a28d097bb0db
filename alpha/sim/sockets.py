"""The three sockets: public linear, private, trade (V5 "Websocket Stream", "Connect").

Requests are JSON text frames. Acknowledgements echo the request's id as it came (a number
stays a number), pings are answered in each socket's own words, and one bad topic refuses its
whole subscribe request.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec
import structlog
from aiohttp import WSMsgType, web

from alpha.clock import Clock, SystemRandomness
from alpha.sim.auth import Keyring
from alpha.sim.board import Board
from alpha.sim.engine import Engine
from alpha.sim.frames import TOPICS, conflicting
from alpha.sim.hub import Hub, Session
from alpha.sim.limits import RateLimits
from alpha.sim.model import Refusal
from alpha.sim.params import Params
from alpha.sim.rest import Answer, Call, Result
from alpha.sim.rest_batch import BatchApi
from alpha.sim.rest_trade import TradeApi
from alpha.sim.rows import Json

log = structlog.get_logger(__name__)

Message = dict[str, object]
IDLE_S = 600.0
OPERATIONS = ("create", "amend", "cancel", "create-batch", "amend-batch", "cancel-batch")


class Speaker(Protocol):
    """What one kind of socket does with a message; False ends the connection."""

    async def hear(self, session: Session, message: Message) -> bool: ...


class Sockets:
    """Accepts connections and hands their messages to the speaker of their path."""

    def __init__(self, hub: Hub, randomness: SystemRandomness) -> None:
        self._hub = hub
        self._randomness = randomness

    async def serve(self, request: web.Request, speaker: Speaker) -> web.StreamResponse:
        kind = request.path.split("/")[2]
        faults = self._hub.faults
        if faults.refuses(kind, None):
            abort(request)
            return web.Response()
        # A frozen socket answers nothing, so pings and farewells are answered here.
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=1 << 20, autoping=False, autoclose=False
        )
        await socket.prepare(request)
        number = self._randomness.token()
        session = Session(socket, number, lambda: abort(request), kind, faults)
        self._hub.join(session)
        writer = asyncio.create_task(self._write(session, socket))
        try:
            await self._listen(request, session, socket, speaker)
            await session.drained()
        finally:
            self._hub.leave(session)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await socket.close()
        return socket

    async def _write(self, session: Session, socket: web.WebSocketResponse) -> None:
        try:
            await session.write()
        except (ConnectionError, RuntimeError) as error:
            session.cut(str(error))
        await socket.close()

    async def _listen(
        self,
        request: web.Request,
        session: Session,
        socket: web.WebSocketResponse,
        speaker: Speaker,
    ) -> None:
        idle_s = idle_limit(request)
        while True:
            try:
                received = await socket.receive(timeout=idle_s)
            except TimeoutError:
                # Control frames do not count; data pushed in the meantime do.
                if session.pushed:
                    session.pushed = False
                    continue
                session.cut(f"no ping for {idle_s:g} s")
                return
            await session.flowing()
            if received.type is WSMsgType.PING:
                await socket.pong(received.data)
            if received.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
                return
            if received.type is not WSMsgType.TEXT:
                continue
            try:
                message = msgspec.json.decode(received.data, type=dict[str, object])
            except (msgspec.DecodeError, RecursionError):
                session.say({"success": False, "ret_msg": "error:invalid json", "op": ""})
                continue
            known = session.account
            if not await speaker.hear(session, message):
                return
            if session.account != known and self._hub.faults.refuses(session.kind, session.account):
                session.cut("a fault refuses it", stuck=True)
                return


def abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def idle_limit(request: web.Request) -> float:
    """Seconds without a ping or data before the cut: ten minutes, or `max_active_time`."""
    asked = request.query.get("max_active_time", "")
    number, unit = asked[:-1], asked[-1:]
    if number.isascii() and number.isdigit() and len(number) < 9 and unit in ("s", "m"):
        seconds = int(number) * (60 if unit == "m" else 1)
        return float(min(max(seconds, 30), IDLE_S))
    return IDLE_S


def echo(message: Message, name: str = "req_id") -> Message:
    """The request's id, exactly as it came, if one came."""
    return {name: message[name]} if name in message else {}


def topics_of(message: Message) -> list[str]:
    """Topics of a subscribe request; pipes join symbols of one public topic."""
    args = message.get("args")
    found: list[str] = []
    for arg in args if isinstance(args, list) else []:
        prefix, dot, symbols = str(arg).rpartition(".")
        found += [f"{prefix}{dot}{symbol}" for symbol in symbols.split("|")]
    return found


class PublicSocket:
    """`/v5/public/linear`: market data, no auth."""

    def __init__(self, engine: Engine, board: Board) -> None:
        self._engine = engine
        self._board = board

    async def hear(self, session: Session, message: Message) -> bool:
        op = message.get("op")
        if op == "ping":
            session.say(
                {
                    "success": True,
                    "ret_msg": "pong",
                    "conn_id": session.number,
                    "req_id": message.get("req_id", ""),
                    "op": "ping",
                }
            )
        elif op == "subscribe":
            await self._subscribe(session, message)
        elif op == "unsubscribe":
            for topic in topics_of(message):
                self._engine.hub.ignore(session, topic)
            session.say(ack(session, message, ""))
        else:
            session.say(ack(session, message, f"error:unknown op {op}"))
        return True

    async def _subscribe(self, session: Session, message: Message) -> None:
        topics = topics_of(message)
        failure = ""
        for topic in topics:
            if not self._board.known(topic):
                failure = f"error:handler not found,topic:{topic}"
                break
            if topic in session.topics:
                failure = f"error:already subscribed,topic:{topic}"
        if not topics:
            failure = "error:args is empty"
        if failure:
            session.say(ack(session, message, failure))
            return
        async with self._engine.lock:
            for topic in topics:
                await self._board.open(topic)
            session.say(ack(session, message, ""))
            for topic in topics:
                await self._board.greet(session, topic, self._engine.now_ms())
                self._engine.hub.listen(session, topic)


def ack(session: Session, message: Message, failure: str) -> Message:
    return {
        "success": not failure,
        "ret_msg": failure,
        "conn_id": session.number,
        "req_id": message.get("req_id", ""),
        "op": message.get("op"),
    }


class PrivateSocket:
    """`/v5/private`: account events of the authenticated key; no snapshots, ever."""

    def __init__(self, engine: Engine, keyring: Keyring, wall: Clock) -> None:
        self._engine = engine
        self._keyring = keyring
        self._wall = wall

    async def hear(self, session: Session, message: Message) -> bool:
        op = message.get("op")
        if op == "ping":
            session.say(
                {
                    **echo(message),
                    "op": "pong",
                    "args": [str(self._wall.now_ms())],
                    "conn_id": session.number,
                }
            )
        elif op == "auth":
            return self._auth(session, message)
        elif op == "subscribe":
            self._subscribe(session, message)
        elif op == "unsubscribe":
            session.topics -= set(topics_of(message))
            session.say(ack(session, message, ""))
        else:
            session.say(ack(session, message, f"error:unknown op {op}"))
        return True

    def _auth(self, session: Session, message: Message) -> bool:
        account = self._keyring.check_socket(message.get("args"))
        answer: Message = {
            "success": account is not None,
            "ret_msg": "" if account is not None else "Params Error",
            "op": "auth",
            "conn_id": session.number,
            **echo(message),
        }
        session.say(answer)
        if account is None:
            return False
        session.account = account
        return True

    def _subscribe(self, session: Session, message: Message) -> None:
        topics = [str(topic) for topic in args_of(message)]
        failure = "" if topics else "error:args is empty"
        for topic in topics:
            if topic not in TOPICS:
                failure = f"error:handler not found,topic:{topic}"
                break
            if topic in session.topics:
                failure = f"error:already subscribed,topic:{topic}"
            elif conflicting(topic, session.topics.union(topics)):
                failure = f"error:subscription conflict,topic:{topic}"
                break
        if not session.account:
            failure = "error:request not authorized"
        session.say(ack(session, message, failure))
        if not failure:
            session.topics |= set(topics)
            self._engine.hub.private.setdefault(session.account, set()).add(session)


def args_of(message: Message) -> list[object]:
    args = message.get("args")
    return args if isinstance(args, list) else []


class TradeSocket:
    """`/v5/trade`: order entry; one answer for each request, correlated by reqId."""

    def __init__(
        self, trade: TradeApi, batch: BatchApi, keyring: Keyring, limits: RateLimits, wall: Clock
    ) -> None:
        self._keyring = keyring
        self._limits = limits
        self._wall = wall
        self._seen: dict[str, set[str]] = {}
        routes = {**trade.routes(), **batch.routes()}
        paths = {f"order.{name}": f"/v5/order/{name}" for name in OPERATIONS}
        self._ops = {op: (routes["POST", path], path) for op, path in paths.items()}

    async def hear(self, session: Session, message: Message) -> bool:
        op = str(message.get("op"))
        if op == "ping":
            pong: Message = {"data": [str(self._wall.now_ms())]}
            session.say(self._plain(session, message, 0, "OK") | {"op": "pong"} | pong)
        elif op == "auth":
            return self._auth(session, message)
        elif not session.account:
            session.say(self._plain(session, message, 10005, "Permission denied"))
        elif op not in self._ops:
            session.say(self._plain(session, message, 10404, f"op type {op} is not found"))
        else:
            await self._order(session, message, op)
        return True

    def _plain(self, session: Session, message: Message, code: int, text: str) -> Message:
        return {
            **echo(message, "reqId"),
            "retCode": code,
            "retMsg": text,
            "op": message.get("op"),
            "connId": session.number,
        }

    def _auth(self, session: Session, message: Message) -> bool:
        if session.account:
            session.say(self._plain(session, message, 20001, "Repeat auth"))
            return True
        account = self._keyring.check_socket(message.get("args"))
        if account is None:
            session.say(self._plain(session, message, 10004, "Invalid sign"))
            return False
        session.account = account
        session.say(self._plain(session, message, 0, "OK"))
        return True

    async def _order(self, session: Session, message: Message, op: str) -> None:
        endpoint, path = self._ops[op]
        header: dict[str, Json] = {
            "Traceid": session.number,
            "Timenow": str(self._wall.now_ms()),
        }
        answered = False

        def answer(code: int, text: str, data: Result | Answer) -> None:
            nonlocal answered
            if not answered:
                answered = True
                result, ext = data if isinstance(data, Answer) else (data, {})
                body = {"data": dict(result), "retExtInfo": dict(ext), "header": header}
                session.say(self._plain(session, message, code, text) | body)

        async def early(result: Result | Answer) -> None:
            answer(0, "OK", result)

        try:
            self._check(session, message, str(message.get("reqId", "")))
            args = args_of(message)
            body = args[0] if len(args) == 1 else None
            if not isinstance(body, dict):
                raise Refusal(10001, "params error: args must hold one object")
            params = Params(body)
            weight = endpoint.weight(params) if endpoint.weight is not None else 1
            standing = self._limits.take(session.account, path, endpoint.limit, weight)
            header.update(standing.headers())
            if not standing.granted:
                raise Refusal(10006, "Too many visits!")
            call = Call(session.account, params, early, standing.granted)
            answer(0, "OK", await endpoint.handler(call))
        except Refusal as refusal:
            answer(refusal.code, refusal.message, {})

    def _check(self, session: Session, message: Message, request_id: str) -> None:
        header = message.get("header")
        values = header if isinstance(header, dict) else {}
        self._keyring.check_time(
            str(values.get("X-BAPI-TIMESTAMP", "")), str(values.get("X-BAPI-RECV-WINDOW", ""))
        )
        if request_id:
            seen = self._seen.setdefault(session.number, set())
            if request_id in seen:
                raise Refusal(20006, "Duplicate reqId")
            seen.add(request_id)
