"""A TCP proxy that fails on demand, to stand before PostgreSQL, Redis or any other server.

It knows no protocol: it passes bytes on, holds them, loses them, or breaks connections, as
networks and servers do.
"""

from __future__ import annotations

import asyncio
import enum
import socket
import struct
from typing import NamedTuple

import structlog

log = structlog.get_logger(__name__)

CHUNK = 65_536
BACKLOG = 128
#: SO_LINGER switched on with no time to linger: closing sends RST instead of FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


class Flow(enum.Enum):
    """What happens to the bytes of all connections."""

    PASSING = "passing"
    CUT = "cut"
    STALLED = "stalled"
    HALF_OPEN = "half_open"


class Target(NamedTuple):
    """The server behind the proxy."""

    host: str
    port: int

    @property
    def local(self) -> bool:
        return self.host.startswith("/")

    def unconnected(self) -> socket.socket:
        """A socket that can reach it, not yet connected."""
        family = socket.AF_UNIX if self.local else socket.AF_INET
        return socket.socket(family, socket.SOCK_STREAM)

    async def connect(self, end: socket.socket) -> None:
        address = self.host if self.local else (self.host, self.port)
        await asyncio.get_running_loop().sock_connect(end, address)


class FaultProxy:
    """Passes connections on to `host:port`, and fails as it is told.

    A host that begins with `/` is the path of a unix socket; the port then counts for nothing.
    Clients connect over TCP in either case.

    `start`, `stop` and the switches belong to one event loop; a switch acts at once. The last
    one counts, `heal` ends every fault, and `reset` strikes once and changes nothing else.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = Target(host, port)
        self._flow = Flow.PASSING
        self._moving = asyncio.Event()
        self._moving.set()
        self._place: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._links: set[_Link] = set()

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect: host and port; raises RuntimeError before `start`."""
        if self._place is None:
            raise RuntimeError("expected a started proxy, was one without a port; await start()")
        host, port = self._place.getsockname()
        return str(host), int(port)

    @property
    def flow(self) -> Flow:
        return self._flow

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._links)

    async def start(self) -> int:
        """Listens on a free port of 127.0.0.1 and returns it."""
        # Bound for the proxy's whole life and never listening: it keeps the port while cut.
        self._place = _bound(0)
        self._listen()
        return self.address[1]

    async def stop(self) -> None:
        """Breaks all connections and gives the port back."""
        self.cut()
        if self._place is not None:
            self._place.close()
        tasks = [link.task for link in self._links if link.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def cut(self) -> None:
        """Closes every connection and refuses new ones."""
        self._switch(Flow.CUT)
        self._deafen()
        for link in tuple(self._links):
            link.end()

    def stall(self) -> None:
        """Keeps every connection and lets no byte pass; new ones are accepted and hang."""
        self._switch(Flow.STALLED)

    def half_open(self) -> None:
        """Passes on what goes to the server and loses what it answers."""
        self._switch(Flow.HALF_OPEN)

    def reset(self) -> None:
        """Sends RST on every open connection; new ones work as before."""
        for link in tuple(self._links):
            link.reset()

    def heal(self) -> None:
        """Ends every fault; bytes that were held flow on.

        A connection that has lost bytes is reset: TCP never delivers a stream with a hole.
        """
        for link in tuple(self._links):
            if link.lost:
                link.reset()
        self._switch(Flow.PASSING)

    def _switch(self, flow: Flow) -> None:
        if flow is not self._flow:
            log.info("proxy switched", target=self._target.host, flow=flow.value)
        self._flow = flow
        if flow is Flow.STALLED:
            self._moving.clear()
        else:
            self._moving.set()
        if flow is not Flow.CUT and self._listener is None:
            self._listen()

    def _listen(self) -> None:
        listener = _bound(self.address[1])
        listener.listen(BACKLOG)
        listener.setblocking(False)
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)
        self._listener = listener

    def _deafen(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return  # it went away again, or was another wake-up's
        link = _Link(client, self._target.unconnected())
        self._links.add(link)
        link.task = asyncio.get_running_loop().create_task(self._serve(link))
        link.task.add_done_callback(lambda _: self._leave(link))

    def _leave(self, link: _Link) -> None:
        self._links.discard(link)
        link.close()

    async def _serve(self, link: _Link) -> None:
        try:
            await self._moving.wait()
            await self._target.connect(link.server)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(link.client, link.server, None))
                group.create_task(self._pump(link.server, link.client, link))
        except* OSError:
            pass  # one side broke: closing passes that on to the other

    async def _pump(
        self, source: socket.socket, target: socket.socket, answers: _Link | None
    ) -> None:
        """Moves bytes one way until the source ends; `answers` is the link whose server talks."""
        loop = asyncio.get_running_loop()
        while True:
            await self._moving.wait()
            data = await loop.sock_recv(source, CHUNK)
            await self._moving.wait()
            if answers is not None and (answers.lost or self._flow is Flow.HALF_OPEN):
                answers.lost = True
                if not data:
                    return
            elif data:
                await loop.sock_sendall(target, data)
            else:
                target.shutdown(socket.SHUT_WR)
                return


class _Link:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.lost = False
        self.task: asyncio.Task[None] | None = None
        for end in (self.client, self.server):
            end.setblocking(False)
            if end.family is not socket.AF_UNIX:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def end(self) -> None:
        """Ends it in the next turn of the loop, which must let go of the sockets first."""
        if self.task is not None:
            self.task.cancel()

    def reset(self) -> None:
        for side in (self.client, self.server):
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.end()

    def close(self) -> None:
        self.client.close()
        self.server.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
