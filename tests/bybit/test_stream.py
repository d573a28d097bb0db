"""Streams against a small socket server that behaves, and misbehaves, like the exchange."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import NotRequired, TypedDict

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from alpha.bybit.messages import PrivateEvent, PublicEvent
from alpha.bybit.odd_frames import OddFrames
from alpha.bybit.signing import Credentials
from alpha.bybit.stream import PRIVATE_TOPICS, PrivateStream, PublicStream, StreamState
from alpha.clock import SystemClock
from alpha.core.events import Bar, Execution, Ticker
from alpha.errors import AuthRejected
from tests.bybit.conftest import FastClock, eventually
from tests.bybit.recorded import TRADE_FRAME, vector

KEY = Credentials("demo-key", "demo-secret")


class Message(TypedDict):
    req_id: str
    op: str
    args: NotRequired[list[str | int]]


Reply = Callable[["Exchange", ServerConnection, Message], Awaitable[None]]


class Exchange:
    """Answers as Bybit does; `replies` replaces the answer to an op."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.sockets: list[ServerConnection] = []
        self.replies: dict[str, Reply] = {}
        self.bad_topics: set[str] = set()
        self.url = ""

    async def handle(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        try:
            async for raw in socket:
                message: Message = json.loads(raw)
                self.heard.append(message)
                await self.replies.get(message["op"], Exchange.answer)(self, socket, message)
        except ConnectionClosed:
            pass

    async def answer(self, socket: ServerConnection, message: Message) -> None:
        op, req_id = message["op"], message["req_id"]
        if op == "ping":
            pong = {"op": "pong", "req_id": req_id, "args": ["1"], "conn_id": "c"}
            await socket.send(json.dumps(pong))
            return
        bad = [topic for topic in message.get("args", []) if topic in self.bad_topics]
        text = f"error:handler not found,topic:{bad[0]}" if bad and op == "subscribe" else ""
        ack = {"success": not text, "ret_msg": text, "conn_id": "c", "req_id": req_id, "op": op}
        await socket.send(json.dumps(ack))

    def asked(self, op: str) -> list[list[str | int]]:
        return [message.get("args", []) for message in self.heard if message["op"] == op]


@asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    served = Exchange()
    server: Server
    async with serve(served.handle, "127.0.0.1", 0, compression=None) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        served.url = f"ws://{host}:{port}/v5/private"
        yield served


class Listener:
    """What a stream told, and the task that runs it."""

    def __init__(self) -> None:
        self.events: list[tuple[PrivateEvent | PublicEvent, int]] = []
        self.states: list[StreamState] = []

    def on_event(self, event: PrivateEvent | PublicEvent, received_ns: int) -> None:
        self.events.append((event, received_ns))

    def on_state(self, state: StreamState) -> None:
        self.states.append(state)

    def names(self) -> list[str]:
        return [state.name for state in self.states]

    def count(self, name: str) -> int:
        return self.names().count(name)

    @asynccontextmanager
    async def running(self, stream: PrivateStream | PublicStream) -> AsyncIterator[None]:
        task = asyncio.create_task(stream.run(self.on_event, self.on_state))
        try:
            yield
            assert not task.done(), "expected the stream to run on"
        finally:
            task.cancel()
            await asyncio.wait({task})


def private(url: str, clock: FastClock | None = None) -> PrivateStream:
    return PrivateStream(url, KEY, account="main", clock=clock or FastClock())


def public(url: str, *topics: str) -> PublicStream:
    return PublicStream(url, clock=FastClock(), topics=topics)


async def silent(served: Exchange, socket: ServerConnection, message: Message) -> None:
    """No answer at all."""


async def test_auth_is_acknowledged_before_any_subscribe() -> None:
    listener = Listener()
    async with exchange() as served, listener.running(private(served.url)):
        await eventually(lambda: listener.count("subscribed") == 1)
        assert listener.names() == ["connecting", "authenticated", "subscribed"]
        ops = [message["op"] for message in served.heard if message["op"] != "ping"]
        assert ops == ["auth", "subscribe", "subscribe", "subscribe", "subscribe"]
        assert served.asked("subscribe") == [[topic] for topic in PRIVATE_TOPICS]
        key, expires, signature = served.asked("auth")[0]
        expected = hmac.new(b"demo-secret", f"GET/realtime{expires}".encode(), hashlib.sha256)
        assert (key, signature) == ("demo-key", expected.hexdigest())
        assert isinstance(expires, int) and expires > SystemClock().now_ms()


async def test_events_arrive_stamped_before_and_after_the_last_ack() -> None:
    clock = SystemClock()

    async def push_first(served: Exchange, socket: ServerConnection, message: Message) -> None:
        await socket.send(TRADE_FRAME)
        await served.answer(socket, message)

    listener = Listener()
    before_ns = clock.perf_ns()
    async with exchange() as served:
        served.replies["subscribe"] = push_first
        async with listener.running(private(served.url)):
            await eventually(lambda: listener.count("subscribed") == 1)
    executions = [event for event, _ in listener.events if isinstance(event, Execution)]
    assert len(executions) == 4
    assert executions[0].price == Decimal("2739.59")
    stamps = [ns for _, ns in listener.events]
    assert before_ns < stamps[0] <= stamps[-1] < clock.perf_ns()
    assert stamps == sorted(stamps)


async def test_a_frame_is_stamped_when_its_bytes_arrive_not_when_it_is_handled() -> None:
    clock = SystemClock()
    stamps: list[int] = []
    handled: list[int] = []

    def slow(event: PrivateEvent, received_ns: int) -> None:
        until = clock.perf_ns() + 20_000_000
        while clock.perf_ns() < until:
            pass
        stamps.append(received_ns)
        handled.append(clock.perf_ns())

    async def burst(served: Exchange, socket: ServerConnection, message: Message) -> None:
        await served.answer(socket, message)
        if message.get("args", []) == ["wallet"]:
            for _ in range(3):
                await socket.send(TRADE_FRAME)

    async with exchange() as served:
        served.replies["subscribe"] = burst
        stream = PrivateStream(served.url, KEY, account="main", clock=clock)
        task = asyncio.create_task(stream.run(slow, lambda state: None))
        await eventually(lambda: len(stamps) == 3)
        task.cancel()
        await asyncio.wait({task})
    # The three came together; the last one waited for two slow handlings.
    assert stamps[2] - stamps[0] < 20_000_000
    assert handled[2] - stamps[2] > 40_000_000


async def test_a_refused_key_ends_the_stream() -> None:
    async def refuse(served: Exchange, socket: ServerConnection, message: Message) -> None:
        await socket.send(vector("ws_auth_failure.json").decode())

    listener = Listener()
    async with exchange() as served:
        served.replies["auth"] = refuse
        with pytest.raises(AuthRejected) as caught:
            await private(served.url).run(listener.on_event, listener.on_state)
        assert (caught.value.code, caught.value.message) == (10003, "Invalid apikey")
        assert "of account 'main'" in str(caught.value) and "check api_key" in str(caught.value)
        assert len(served.sockets) == 1
        assert served.asked("subscribe") == []


async def test_a_busy_exchange_is_tried_again() -> None:
    async def busy_once(served: Exchange, socket: ServerConnection, message: Message) -> None:
        if len(served.sockets) == 1:
            await socket.send('{"op":"auth","success":false,"retCode":10016,"retMsg":"restarting"}')
        else:
            await served.answer(socket, message)

    listener = Listener()
    async with exchange() as served:
        served.replies["auth"] = busy_once
        async with listener.running(private(served.url)):
            await eventually(lambda: listener.count("subscribed") == 1)
        assert listener.names()[:2] == ["connecting", "lost"]
        assert listener.states[1].reason == "auth refused for now: restarting"


async def test_a_missing_ack_is_never_live_and_reconnects() -> None:
    async def forget_wallet(served: Exchange, socket: ServerConnection, message: Message) -> None:
        if message.get("args", []) != ["wallet"] or len(served.sockets) > 1:
            await served.answer(socket, message)

    listener = Listener()
    async with exchange() as served:
        served.replies["subscribe"] = forget_wallet
        async with listener.running(private(served.url)):
            await eventually(lambda: listener.count("lost") == 1)
            assert listener.count("subscribed") == 0
            assert listener.states[-1].reason == "no answer to subscribe wallet"
            await eventually(lambda: listener.count("subscribed") == 1)


async def test_a_silent_socket_is_left_after_eight_seconds() -> None:
    listener = Listener()
    clock = FastClock()
    async with exchange() as served:
        served.replies["ping"] = silent
        async with listener.running(private(served.url, clock)):
            await eventually(lambda: listener.count("subscribed") == 1)
            live_at = clock.monotonic()
            await eventually(lambda: listener.count("lost") == 1)
            assert 7.9 <= clock.monotonic() - live_at < 20
            assert listener.states[3].reason == "no inbound frame for 8 s"
            await eventually(lambda: listener.count("subscribed") == 2)
            assert len(served.sockets) == 2


async def test_json_pings_keep_a_quiet_socket() -> None:
    listener = Listener()
    clock = FastClock()
    async with exchange() as served, listener.running(private(served.url, clock)):
        await eventually(lambda: len(served.asked("ping")) == 4)
        assert clock.monotonic() > 19
        assert listener.count("lost") == 0
        assert len(served.sockets) == 1


async def test_a_closed_socket_is_replaced_and_subscribed_afresh() -> None:
    listener = Listener()
    async with exchange() as served, listener.running(private(served.url)):
        await eventually(lambda: listener.count("subscribed") == 1)
        await served.sockets[0].close(1012, "restarting")
        await eventually(lambda: listener.count("subscribed") == 2)
        assert "restarting" in listener.states[3].reason
        assert served.asked("subscribe") == [[topic] for topic in PRIVATE_TOPICS] * 2


async def test_a_listener_may_ask_for_a_new_connection() -> None:
    listener = Listener()
    async with exchange() as served:
        stream = private(served.url)
        stream.reconnect("nobody is connected yet")
        async with listener.running(stream):
            await eventually(lambda: listener.count("subscribed") == 1)
            stream.reconnect("order ss1-e-lf9pm51c not seen")
            await eventually(lambda: listener.count("subscribed") == 2)
        assert listener.states[3].reason == "reconnecting: order ss1-e-lf9pm51c not seen"
        assert len(served.sockets) == 2


async def test_no_server_is_tried_again_with_growing_pauses() -> None:
    async with exchange() as served:
        url = served.url
    listener = Listener()
    async with listener.running(private(url)):
        await eventually(lambda: listener.count("lost") == 4)
        assert "accept a connection" in listener.states[1].reason
        assert listener.count("authenticated") == 0


async def test_a_malformed_frame_is_told_and_survived() -> None:
    async def spoil(served: Exchange, socket: ServerConnection, message: Message) -> None:
        await served.answer(socket, message)
        if message.get("args", []) == ["wallet"]:
            await socket.send(TRADE_FRAME.replace('"0.01"', '"0,01"'))
            await socket.send("\x00 nonsense")
            await socket.send(TRADE_FRAME)

    listener = Listener()
    async with exchange() as served:
        served.replies["subscribe"] = spoil
        stream = private(served.url)
        async with listener.running(stream):
            await eventually(lambda: len(listener.events) == 1)
        assert stream.odd.malformed == {"execution": 1, "unreadable": 1}
        assert listener.count("malformed") == 2
        assert listener.count("lost") == 0


async def test_odd_frames_are_counted_and_logged_once_per_kind() -> None:
    async def spoil(served: Exchange, socket: ServerConnection, message: Message) -> None:
        await served.answer(socket, message)
        if message.get("args", []) == ["wallet"]:
            broken = '{"topic":"order.linear","secret":"hush","data":[{'
            for frame in (broken, broken, '{"topic":"liquidation.X"}', '{"op":"poke"}'):
                await socket.send(frame)
            await socket.send('{"topic":"liquidation.Y"}')
            await socket.send(TRADE_FRAME)

    listener = Listener()
    with capture_logs() as logs:
        async with exchange() as served:
            served.replies["subscribe"] = spoil
            stream = private(served.url)
            async with listener.running(stream):
                await eventually(lambda: len(listener.events) == 1)
    assert stream.odd.malformed == {"order": 2}
    assert stream.odd.unknown == {"liquidation": 2, "op poke": 1}
    told = [(line["log_level"], line["kind"]) for line in logs if "kind" in line]
    assert told == [("error", "order"), ("warning", "liquidation"), ("warning", "op poke")]
    assert "hush" not in repr(logs) and "order.linear" in repr(logs)
    assert listener.count("malformed") == 2
    assert listener.count("lost") == 0


def test_kinds_of_odd_frames_are_bounded() -> None:
    odd = OddFrames("private-main")
    with capture_logs() as logs:
        for number in range(1000):
            odd.met_unknown(f"topic{number}", "{}")
    assert odd.unknown.total() == 1000
    assert len(odd.unknown) == len(logs) == 51


async def test_a_refused_private_topic_is_never_live() -> None:
    listener = Listener()
    async with exchange() as served:
        served.bad_topics = {"position.linear"}
        async with listener.running(private(served.url)):
            await eventually(lambda: listener.count("lost") >= 1)
        assert listener.count("subscribed") == 0
        refused = next(state for state in listener.states if state.name == "refused")
        assert refused.topic == "position.linear"
        assert refused.reason == "error:handler not found,topic:position.linear"


async def test_already_subscribed_counts_as_subscribed() -> None:
    async def twice(served: Exchange, socket: ServerConnection, message: Message) -> None:
        ack = {
            "success": False,
            "ret_msg": f"error:already subscribed,topic:{message['args'][0]}",
            "req_id": message["req_id"],
            "op": "subscribe",
        }
        await socket.send(json.dumps(ack))

    listener = Listener()
    async with exchange() as served:
        served.replies["subscribe"] = twice
        async with listener.running(private(served.url)):
            await eventually(lambda: listener.count("subscribed") == 1)
        assert listener.count("refused") == 0


async def test_one_bad_public_topic_does_not_take_its_group_along() -> None:
    topics = [f"kline.5.S{n}" for n in range(12)]
    listener = Listener()
    async with exchange() as served:
        served.bad_topics = {"kline.5.S3"}
        stream = public(served.url, *topics)
        async with listener.running(stream):
            await eventually(lambda: listener.count("subscribed") == 1)
            refused = [state for state in listener.states if state.name == "refused"]
            assert [state.topic for state in refused] == ["kline.5.S3"]
            assert stream.topics == frozenset(topics) - {"kline.5.S3"}
            asked = served.asked("subscribe")
            assert asked[0] == topics[:10] and asked[1] == topics[10:]
            assert sorted(str(args[0]) for args in asked[2:]) == sorted(topics[:10])


async def test_public_topics_come_and_go_at_run_time() -> None:
    listener = Listener()
    async with exchange() as served:
        stream = public(served.url)
        async with listener.running(stream):
            await eventually(lambda: listener.count("subscribed") == 1)
            await stream.subscribe(["kline.5.BTCUSDT", "tickers.BTCUSDT"])
            await eventually(lambda: listener.count("subscribed") == 2)
            await stream.subscribe(["kline.5.BTCUSDT"])
            await stream.unsubscribe(["tickers.BTCUSDT", "never.asked"])
            await eventually(lambda: len(served.asked("unsubscribe")) == 1)
            assert served.asked("subscribe") == [["kline.5.BTCUSDT", "tickers.BTCUSDT"]]
            assert served.asked("unsubscribe") == [["tickers.BTCUSDT"]]
            await served.sockets[0].close()
            await eventually(lambda: len(served.asked("subscribe")) == 2)
            assert served.asked("subscribe")[1] == ["kline.5.BTCUSDT"]


async def test_public_events_and_whole_tickers() -> None:
    async def push(served: Exchange, socket: ServerConnection, message: Message) -> None:
        await served.answer(socket, message)
        await socket.send(vector("ws_kline.json").decode())
        await socket.send(vector("ws_ticker_linear.json").decode())
        await socket.send(
            '{"topic":"tickers.BTCUSDT","type":"delta","ts":1673272861999,'
            '"data":{"symbol":"BTCUSDT","lastPrice":"17300"}}'
        )

    listener = Listener()
    async with exchange() as served:
        served.replies["subscribe"] = push
        async with listener.running(public(served.url, "kline.5.BTCUSDT")):
            await eventually(lambda: len(listener.events) == 3)
    bar, _, last = (event for event, _ in listener.events)
    assert isinstance(bar, Bar) and bar.close == 16677.0
    assert last == Ticker(
        "BTCUSDT",
        Decimal("17300"),
        Decimal("17217.33"),
        Decimal("17215.50"),
        Decimal("17216.00"),
        1673272861999,
    )


async def test_what_a_listener_raises_ends_the_stream() -> None:
    def broken(event: PublicEvent, received_ns: int) -> None:
        raise RuntimeError("a fault of ours")

    async def push(served: Exchange, socket: ServerConnection, message: Message) -> None:
        await socket.send(vector("ws_kline.json").decode())

    async with exchange() as served:
        served.replies["subscribe"] = push
        with pytest.raises(RuntimeError, match="a fault of ours"):
            await public(served.url, "kline.5.BTCUSDT").run(broken, lambda state: None)
