"""Connected sockets, who listens to what, and the way of a frame to all of them.

A frame is encoded once and the same bytes go to every listener. Each connection has a queue
of its own, so that a slow one holds nobody up; what may be dropped (changes inside a bar) is
dropped when the queue is long, what may not (confirmed candles, account events) never is: a
connection that cannot take it in time is cut.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

import msgspec
import structlog
from aiohttp import WSMsgType, web

from alpha.sim.faults import Faults
from alpha.sim.rows import Json

log = structlog.get_logger(__name__)

DROP_ABOVE = 400
CUT_ABOVE = 50_000
STUCK_S = 5.0

encode = msgspec.json.encode


class Session:
    """One connected socket with its queue of outgoing frames."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        number: str,
        abort: Callable[[], None],
        kind: str,
        faults: Faults,
    ) -> None:
        self.number = number
        self.kind = kind
        self._faults = faults
        self._holds = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._abort = abort
        self.account = ""
        self.topics: set[str] = set()
        self.pushed = False
        self._socket = socket
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._cut = False

    def send(self, frame: bytes, *, droppable: bool = False) -> None:
        if self._cut or (droppable and len(self._queue) > DROP_ABOVE):
            return
        if len(self._queue) > CUT_ABOVE:
            self.cut("its queue is full", stuck=True)
            return
        self.pushed = True
        self._queue.append(frame)
        if self._flowing.is_set():
            self._idle.clear()
        self._wake.set()

    def push(self, topic: str, frame: bytes, *, droppable: bool = False) -> None:
        """Sends a topic's data; faults may have it otherwise."""
        self._faults.carry(self, topic, frame, droppable)

    def say(self, message: Mapping[str, object]) -> None:
        self.send(encode(message))

    def cut(self, reason: str, *, stuck: bool = False) -> None:
        """Ends a connection; a stuck one without a farewell, which it would not take either."""
        if not self._cut:
            self._cut = True
            log.info("connection cut", connection=self.number, reason=reason)
        self._queue.clear()
        self._idle.set()
        self._wake.set()
        self._flowing.set()
        if stuck:
            self._abort()

    def hold(self) -> None:
        """Freezes it: nothing is read or written, and nobody waits for it, until released."""
        self._holds += 1
        self._flowing.clear()
        self._idle.set()

    def release(self) -> None:
        self._holds -= 1
        if self._holds == 0:
            self._flowing.set()
            if self._queue:
                self._idle.clear()

    async def flowing(self) -> None:
        """Waits while it is frozen."""
        await self._flowing.wait()

    async def write(self) -> None:
        """Sends what is queued, until the connection ends or is cut."""
        while not self._cut:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._flowing.wait()
                if self._queue:  # a cut has emptied it
                    await self._socket.send_frame(self._queue.popleft(), WSMsgType.TEXT)
            self._idle.set()

    async def drained(self) -> None:
        """Waits until everything queued has been handed to the network."""
        if not self._idle.is_set():
            try:
                async with asyncio.timeout(STUCK_S):
                    await self._idle.wait()
            except TimeoutError:
                self.cut(f"it took nothing for {STUCK_S} s", stuck=True)


class Hub:
    """All sessions, by topic and by account."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.public: dict[str, set[Session]] = {}
        self.private: dict[str, set[Session]] = {}
        self.sessions: set[Session] = set()
        self.farewells: list[Callable[[Session], None]] = []
        faults.watch(self.sessions)

    def join(self, session: Session) -> None:
        self.sessions.add(session)

    def leave(self, session: Session) -> None:
        self.sessions.discard(session)
        for topic in session.topics:
            listeners = self.public.get(topic)
            if listeners is not None:
                listeners.discard(session)
                if not listeners:
                    del self.public[topic]
        self.private.get(session.account, set()).discard(session)
        for farewell in self.farewells:
            farewell(session)

    def listen(self, session: Session, topic: str) -> None:
        session.topics.add(topic)
        self.public.setdefault(topic, set()).add(session)

    def ignore(self, session: Session, topic: str) -> None:
        session.topics.discard(topic)
        listeners = self.public.get(topic)
        if listeners is not None:
            listeners.discard(session)
            if not listeners:
                del self.public[topic]

    def publish(self, topic: str, frame: dict[str, Json], *, droppable: bool) -> None:
        """A public frame to everyone who listens to its topic."""
        listeners = self.public.get(topic)
        if listeners:
            data = encode(frame)
            for session in listeners:
                session.push(topic, data, droppable=droppable)

    async def drained(self) -> None:
        for session in tuple(self.sessions):
            await session.drained()
