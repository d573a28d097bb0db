"""Private and public streams: connect, authenticate, subscribe, keep alive, reconnect for ever.

A stream says what it knows and nothing more: after `lost` everything may have been missed, and
the exchange neither repeats nor numbers its frames. Whoever listens closes the gap over REST.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import structlog

from alpha.bybit.codes import ErrorClass, classify
from alpha.bybit.fields import MalformedFrame, without_secrets
from alpha.bybit.market_rows import merge_ticker
from alpha.bybit.messages import (
    Ack,
    Ignored,
    Pong,
    PrivateEvent,
    PublicEvent,
    decode_private,
    decode_public,
)
from alpha.bybit.odd_frames import OddFrames
from alpha.bybit.signing import Credentials, sign_stream
from alpha.bybit.socket import Connector, Socket, SocketLost, connector
from alpha.clock import Clock, Randomness, SystemRandomness
from alpha.core.events import Ticker
from alpha.errors import AuthRejected

log = structlog.get_logger(__name__)

#: Categorised names: the all-in-one ones also bring other products, and the two kinds must not
#: be mixed on one connection.
PRIVATE_TOPICS: tuple[str, ...] = (
    "execution.linear",
    "order.linear",
    "position.linear",
    "wallet",
)

#: Topics per subscribe request. One bad topic fails its whole request.
_GROUP = 10
#: How long the auth request stays valid; also what a slow clock may be behind.
_AUTH_VALID_MS = 10_000
#: Frames that are in already are read for so long; then others may turn. With a decision behind
#: the last of them that stays below 10 ms.
_SLICE_S = 0.002
#: A session that was live this long starts the back-off afresh.
_LASTING_S = 10.0
#: A timer this late means that our own loop stood still, not that the exchange was silent.
_STALL_S = 1.0

StateName = Literal["connecting", "authenticated", "subscribed", "lost", "refused", "malformed"]


@dataclass(frozen=True, slots=True)
class StreamState:
    """What happened to a stream. `subscribed` means live: every topic wanted is acknowledged.
    `lost` and `malformed` mean that something may have been missed; `refused` names a topic that
    the exchange does not serve."""

    name: StateName
    reason: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of wall time."""

    ping_every: float = 5.0
    dead_after: float = 8.0
    ack_within: float = 5.0
    backoff_first: float = 0.5
    backoff_most: float = 3.0
    watch_every: float = 0.25


@dataclass(slots=True)
class StreamStats:
    frames: int = 0
    events: int = 0
    sessions: int = 0


@dataclass(frozen=True, slots=True)
class _Request:
    """One that waits for its ack."""

    op: Literal["auth", "subscribe", "unsubscribe"]
    topics: tuple[str, ...]
    due: float


_Event = TypeVar("_Event")
OnEvent = Callable[[_Event, int], None]
OnState = Callable[[StreamState], None]


class _Stream(Generic[_Event]):
    """What both streams share: the session with its requests, its pulse and its end."""

    #: Whether a refused topic ends the session (the private ones are all needed).
    needs_every_topic = False

    def __init__(
        self,
        url: str,
        name: str,
        *,
        clock: Clock,
        connect: Connector | None,
        randomness: Randomness | None,
        timing: Timing | None,
    ) -> None:
        self.stats = StreamStats()
        self.odd = OddFrames(name)
        self._url = url
        self._name = name
        self._clock = clock
        self._connect = connector(clock) if connect is None else connect
        self._randomness = SystemRandomness() if randomness is None else randomness
        self._timing = Timing() if timing is None else timing
        self._wanted: dict[str, None] = {}
        self._acknowledged: set[str] = set()
        self._requests: dict[str, _Request] = {}
        self._request_count = 0
        self._socket: Socket | None = None
        self._ready = False  # topics may be subscribed
        self._live_at: float | None = None
        self._end_reason = ""
        self._give_up = ""
        self._heard_at = 0.0
        self._on_event: OnEvent[_Event] | None = None
        self._on_state: OnState | None = None

    async def run(self, on_event: OnEvent[_Event], on_state: OnState) -> None:
        """Runs until cancelled. Calls `on_event(event, received_ns)` for every event in order,
        from the first frame on, subscribed or not. Raises AuthRejected when the exchange refuses
        the key; what the two callbacks raise ends the stream too."""
        self._on_event, self._on_state = on_event, on_state
        failures = 0
        while True:
            self._say(StreamState("connecting"))
            self._live_at = None
            reason = await self._session()
            failures = 0 if self._lasted() else failures + 1
            self._say(StreamState("lost", reason))
            await self._clock.sleep(self._pause(failures))

    def reconnect(self, reason: str = "asked to") -> None:
        """Gives the present connection up, soon: for a listener who knows that something is
        missing on it. Does nothing while there is none."""
        if self._socket is not None and not self._give_up:
            self._give_up = f"reconnecting: {reason}"

    def _lasted(self) -> bool:
        """Whether the session just over was live long enough to call the exchange well."""
        live_at = self._live_at
        return live_at is not None and self._clock.monotonic() - live_at >= _LASTING_S

    def _pause(self, failures: int) -> float:
        """Full jitter over an exponential; the first attempt after a good session comes soon."""
        timing = self._timing
        most = min(timing.backoff_most, timing.backoff_first * 2.0 ** min(failures, 16))
        return self._randomness.jitter(timing.backoff_first / 5, most)

    async def _session(self) -> str:
        """One connection from open to end; returns why it ended."""
        self._acknowledged.clear()
        self._requests.clear()
        self._ready = False
        self._end_reason = ""
        self._give_up = ""
        self.stats.sessions += 1
        self._start_session()
        try:
            async with self._connect(self._url) as socket:
                await self._conversation(socket)
        except SocketLost as e:
            # When the watch closed the socket, its reason is the cause and this one the effect.
            return self._end_reason or str(e)
        return "connection closed"

    async def _conversation(self, socket: Socket) -> None:
        self._socket = socket
        self._heard_at = self._clock.monotonic()
        watch = asyncio.create_task(self._watch(socket), name=f"{self._name}-watch")
        try:
            await self._opened()
            await self._read(socket)
        finally:
            self._socket = None
            watch.cancel()
            await asyncio.wait({watch})
            if not watch.cancelled() and (error := watch.exception()) is not None:
                raise error

    async def _read(self, socket: Socket) -> None:
        turned_at = self._clock.monotonic()
        while True:
            if self._clock.monotonic() - turned_at >= _SLICE_S:
                # Frames that are in already are received without waiting: let others turn.
                await self._clock.sleep(0)
                turned_at = self._clock.monotonic()
            raw, received_ns = await socket.receive()
            self._heard_at = self._clock.monotonic()
            self.stats.frames += 1
            try:
                events = self._decode(raw)
            except MalformedFrame as e:
                self.odd.met_malformed(e)
                self._say(StreamState("malformed", e.problem))
                continue
            for event in events:
                if isinstance(event, Ack):
                    if not await self._answered(event):
                        self.odd.met_unknown(f"op {event.op}", raw)
                elif isinstance(event, Ignored):
                    self.odd.met_unknown(event.topic, raw)
                elif not isinstance(event, Pong):
                    self._deliver(event, received_ns)

    async def _watch(self, socket: Socket) -> None:
        """Pings, and closes the socket when it is silent or an answer is missing."""
        timing = self._timing
        now = self._clock.monotonic()
        ping_at = now + timing.ping_every
        try:
            while True:
                slept_at = now
                await self._clock.sleep(timing.watch_every)
                now = self._clock.monotonic()
                if now - slept_at > timing.watch_every + _STALL_S:
                    # Our own loop stood still: let the reader see what has come meanwhile.
                    continue
                self._end_reason = self._fault(now)
                if self._end_reason:
                    return
                if now >= ping_at:
                    ping_at = now + timing.ping_every
                    await socket.send(f'{{"req_id":"{self._next_id("ping")}","op":"ping"}}')
        except SocketLost:
            return  # the reader meets the same end
        finally:
            await socket.close()

    def _fault(self, now: float) -> str:
        """Why this session must end now; "" while it is well."""
        if self._give_up:
            return self._give_up
        for request in self._requests.values():
            if now >= request.due:
                return f"no answer to {request.op} {' '.join(request.topics)}".rstrip()
        if now - self._heard_at >= self._timing.dead_after:
            return f"no inbound frame for {self._timing.dead_after:g} s"
        return ""

    # -- requests -----------------------------------------------------------------------------

    async def _ask(
        self,
        op: Literal["auth", "subscribe", "unsubscribe"],
        args: Sequence[str | int],
        topics: Iterable[str] = (),
    ) -> None:
        req_id = self._next_id(op)
        due = self._clock.monotonic() + self._timing.ack_within
        self._requests[req_id] = _Request(op, tuple(topics), due)
        assert self._socket is not None
        await self._socket.send(json.dumps({"req_id": req_id, "op": op, "args": list(args)}))

    async def _subscribe(self, topics: Sequence[str], group: int = _GROUP) -> None:
        for first in range(0, len(topics), group):
            part = topics[first : first + group]
            await self._ask("subscribe", part, part)

    async def _answered(self, ack: Ack) -> bool:
        """False for an answer to nothing that this session has asked."""
        req_id = ack.req_id or self._only_request(ack)
        request = self._requests.pop(req_id, None)
        if request is None:
            return False
        if request.op == "auth":
            await self._authenticated(ack)
        elif request.op == "subscribe":
            await self._subscribed(request, ack)
        return True

    def _only_request(self, ack: Ack) -> str:
        """Some refusals come without a req_id: they answer the oldest request of their kind."""
        for req_id, request in self._requests.items():
            if request.op == ack.op:
                return req_id
        return ""

    async def _subscribed(self, request: _Request, ack: Ack) -> None:
        if ack.ok:
            self._acknowledged.update(request.topics)
        elif len(request.topics) > 1:
            # The whole request failed; one by one shows which topic it was.
            await self._subscribe(request.topics, group=1)
        elif ack.already_subscribed:
            self._acknowledged.update(request.topics)
        else:
            self._refuse(request.topics[0], ack.message)
        self._check_live()

    def _refuse(self, topic: str, message: str) -> None:
        message = without_secrets(message)
        self._say(StreamState("refused", message, topic))
        if self.needs_every_topic:
            raise SocketLost(f"topic {topic} refused: {message}")
        self._wanted.pop(topic, None)

    def _check_live(self) -> None:
        if self._ready and not self._requests and self._acknowledged >= self._wanted.keys():
            if self._live_at is None:
                self._live_at = self._clock.monotonic()
            self._say(StreamState("subscribed"))

    def _next_id(self, op: str) -> str:
        self._request_count += 1
        return f"{op}-{self._request_count}"

    # -- what the two kinds do differently ----------------------------------------------------

    def _start_session(self) -> None:
        """Forgets what belongs to one connection."""

    async def _opened(self) -> None:
        raise NotImplementedError

    async def _authenticated(self, ack: Ack) -> None:
        raise NotImplementedError

    def _decode(self, raw: bytes | str) -> tuple[_Event | Ack | Pong | Ignored, ...]:
        raise NotImplementedError

    def _deliver(self, event: _Event, received_ns: int) -> None:
        self.stats.events += 1
        assert self._on_event is not None
        self._on_event(event, received_ns)

    def _say(self, state: StreamState) -> None:
        assert self._on_state is not None
        self._on_state(state)


class PrivateStream(_Stream[PrivateEvent]):
    """One key's private socket: executions, orders, positions and wallet of its account."""

    needs_every_topic = True

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        account: str,
        clock: Clock,
        topics: Sequence[str] = PRIVATE_TOPICS,
        connect: Connector | None = None,
        randomness: Randomness | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(
            url,
            f"private-{account}",
            clock=clock,
            connect=connect,
            randomness=randomness,
            timing=timing,
        )
        self._credentials = credentials
        self._account = account
        self._wanted = dict.fromkeys(topics)

    async def _opened(self) -> None:
        expires_ms = self._clock.now_ms() + _AUTH_VALID_MS
        signature = sign_stream(self._credentials, expires_ms)
        await self._ask("auth", (self._credentials.api_key, expires_ms, signature))

    async def _authenticated(self, ack: Ack) -> None:
        if ack.ok:
            self._say(StreamState("authenticated"))
            self._ready = True
            await self._subscribe(list(self._wanted), group=1)
            return
        message = without_secrets(ack.message)
        found = classify(ack.code, message, 200, write=False)
        if ack.code is not None and found in (ErrorClass.BUSY, ErrorClass.THROTTLED):
            raise SocketLost(f"auth refused for now: {message}")
        # The private socket need not name a code; the key is what it speaks of.
        raise AuthRejected(
            ack.code or 10003, message, action=f"stream key of account {self._account!r}"
        )

    def _decode(self, raw: bytes | str) -> tuple[PrivateEvent, ...]:
        return decode_private(raw, self._account, self._clock.now_ms())


class PublicStream(_Stream[PublicEvent]):
    """Market data of linear contracts. Topics come and go at run time; tickers are delivered
    whole, with every delta laid over what was known."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        topics: Iterable[str] = (),
        connect: Connector | None = None,
        randomness: Randomness | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(
            url, "public", clock=clock, connect=connect, randomness=randomness, timing=timing
        )
        self._wanted = dict.fromkeys(topics)
        self._tickers: dict[str, Ticker] = {}

    @property
    def topics(self) -> frozenset[str]:
        """Topics wanted and not refused."""
        return frozenset(self._wanted)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Wants `topics` from now on, over reconnects too. `subscribed` follows when all are
        acknowledged, `refused` per topic that the exchange does not serve."""
        added = [topic for topic in dict.fromkeys(topics) if topic not in self._wanted]
        self._wanted.update(dict.fromkeys(added))
        if added and self._ready and self._socket is not None:
            with suppress(SocketLost):  # the next session asks for all of them
                await self._subscribe(added)

    async def unsubscribe(self, topics: Iterable[str]) -> None:
        """No longer wants `topics`."""
        dropped = [topic for topic in dict.fromkeys(topics) if topic in self._wanted]
        for topic in dropped:
            del self._wanted[topic]
            self._acknowledged.discard(topic)
        if dropped and self._ready and self._socket is not None:
            with suppress(SocketLost):
                await self._ask("unsubscribe", dropped, dropped)

    def _start_session(self) -> None:
        self._tickers.clear()

    async def _opened(self) -> None:
        self._ready = True
        await self._subscribe(list(self._wanted))
        self._check_live()

    async def _authenticated(self, ack: Ack) -> None:
        raise SocketLost("expected no auth answer on a public socket, was one")

    def _decode(self, raw: bytes | str) -> tuple[PublicEvent, ...]:
        return decode_public(raw)

    def _deliver(self, event: PublicEvent, received_ns: int) -> None:
        if isinstance(event, Ticker):
            event = merge_ticker(self._tickers.get(event.symbol), event)
            self._tickers[event.symbol] = event
        super()._deliver(event, received_ns)
