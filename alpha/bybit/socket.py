"""The socket under a stream: what a stream needs of one, and ours over `websockets`.

Each message is stamped when its first bytes are read from the network, not when the stream gets
round to it, so that a busy event loop shows in the latency figures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from alpha.clock import Clock

_OPEN_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 1.0
#: A frame with a thousand public trades stays well below this.
_MAX_MESSAGE_BYTES = 4 * 1024 * 1024
#: Messages read ahead of the stream before the network is left to wait.
_MAX_QUEUED = 1024


class SocketLost(Exception):
    """The connection could not be made, or is gone. Says why."""


class Socket(Protocol):
    """One open connection. `receive` and `send` raise SocketLost once it is gone."""

    async def receive(self) -> tuple[bytes | str, int]:
        """The next message and `Clock.perf_ns` of its arrival."""
        ...

    async def send(self, text: str) -> None: ...

    async def close(self) -> None: ...


#: Opens a socket to a URL for the length of an `async with`; raises SocketLost.
Connector = Callable[[str], AbstractAsyncContextManager[Socket]]


def connector(clock: Clock) -> Connector:
    """Connects over `websockets`, without compression and without its own keep-alive: Bybit
    counts JSON pings only, and the stream watches for silence itself."""

    class Connection(_StampedConnection):
        stamp_clock = clock

    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Socket]:
        try:
            connection = await connect(
                url,
                create_connection=Connection,
                compression=None,
                ping_interval=None,
                open_timeout=_OPEN_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
                max_size=_MAX_MESSAGE_BYTES,
                max_queue=_MAX_QUEUED,
                proxy=None,
            )
        except (OSError, InvalidHandshake, InvalidURI) as e:
            raise SocketLost(f"expected {url} to accept a connection, was {e}") from e
        try:
            assert isinstance(connection, _StampedConnection)
            yield _OpenSocket(connection)
        finally:
            await connection.close()

    return opened


class _StampedConnection(ClientConnection):
    """Notes the time of every message as its frame is parsed out of the bytes just read."""

    stamp_clock: ClassVar[Clock]
    stamps: deque[int] | None = None

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY):
            if self.stamps is None:
                self.stamps = deque()
            self.stamps.append(self.stamp_clock.perf_ns())
        super().process_event(event)


class _OpenSocket:
    def __init__(self, connection: _StampedConnection) -> None:
        self._connection = connection

    async def receive(self) -> tuple[bytes | str, int]:
        try:
            message = await self._connection.recv()
        except ConnectionClosed as e:
            raise SocketLost(f"connection closed: {e}") from e
        stamps = self._connection.stamps
        return message, stamps.popleft() if stamps else self._connection.stamp_clock.perf_ns()

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed as e:
            raise SocketLost(f"connection closed: {e}") from e

    async def close(self) -> None:
        await self._connection.close()
