"""Joining the keeper of a server, or starting it when there is none."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from alpha.clock import Clock
from alpha.embedded.keeper import Order
from alpha.errors import AlphaError, TimedOut

#: Crash recovery of a large database may take a while; a server that cannot start says so sooner.
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 40.0
_RETRY_S = 0.01

_SCRIPT = Path(__file__).with_name("keeper.py")


@dataclass(slots=True)
class Stay:
    """One use of one server; `leave` ends it. The server stops when its last user has left."""

    name: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    clock: Clock

    async def until_ready(self, probe: Callable[[], Awaitable[bool]]) -> None:
        """Calls `probe` until it says that the server answers. Raises AlphaError with the
        server's own words when it cannot start, TimedOut after READY_WITHIN_S."""
        word = asyncio.create_task(self.reader.readline(), name=f"keeper-of-{self.name}")
        deadline = self.clock.monotonic() + READY_WITHIN_S
        try:
            while not await probe():
                if word.done():
                    raise AlphaError(_refusal(self.name, word.result()))
                if self.clock.monotonic() > deadline:
                    raise TimedOut(
                        f"expected {self.name} to answer within {READY_WITHIN_S:.0f} s, was silent"
                    )
                await self.clock.sleep(_RETRY_S)
        finally:
            word.cancel()
            await asyncio.wait([word])

    async def ended(self) -> None:
        """Returns when the keeper is gone, and its server with it."""
        try:
            while await self.reader.read(4096):
                pass
        except OSError:
            pass

    async def leave(self) -> None:
        """Returns when the server is gone, or runs on for others."""
        try:
            if self.writer.can_write_eof():
                self.writer.write_eof()
            async with asyncio.timeout(STOP_WITHIN_S):
                await self.reader.read()
        except (OSError, TimeoutError):
            pass  # the keeper is gone or stuck; either way this user has left
        finally:
            self.writer.close()


async def join(order: Order, lock: Path, clock: Clock) -> Stay:
    """Becomes a user of the server, which is started when nobody uses it yet.

    Two processes may call this at once: the lock lets one start the keeper, the other joins it.
    A keeper that is about to end is waited for."""
    deadline = clock.monotonic() + READY_WITHIN_S
    while True:
        stay = await _connect(order, clock) or await _spawn(order, lock, clock)
        if stay is not None:
            greeting = await _first_line(stay)
            if greeting == b"kept\n":
                return stay
            stay.writer.close()
            if greeting.startswith(b"failed"):
                raise AlphaError(_refusal(order.name, greeting))
        if clock.monotonic() > deadline:
            raise TimedOut(
                f"expected the earlier {order.name} on {order.data} to end within "
                f"{READY_WITHIN_S:.0f} s, was still stopping; see {order.log}"
            )
        await clock.sleep(_RETRY_S)


async def _connect(order: Order, clock: Clock) -> Stay | None:
    try:
        reader, writer = await asyncio.open_unix_connection(order.control)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    return Stay(order.name, reader, writer, clock)


async def _spawn(order: Order, lock: Path, clock: Clock) -> Stay | None:
    """Starts the keeper with the lock in its hands; None when another process has the lock."""
    lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if order.uid is not None and order.gid is not None:
            os.fchown(lock_fd, order.uid, order.gid)
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours, theirs = socket.socketpair()
        with theirs:
            await asyncio.to_thread(_run_keeper, order, lock_fd, theirs.fileno())
    except BlockingIOError:
        return None
    finally:
        os.close(lock_fd)
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    return Stay(order.name, reader, writer, clock)


def _run_keeper(order: Order, lock_fd: int, user_fd: int) -> None:
    """The keeper leaves at once for a session of its own, so this returns in milliseconds and
    leaves no child behind."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(_SCRIPT), order.encode(), str(lock_fd), str(user_fd)],
        stdin=subprocess.DEVNULL,
        pass_fds=(lock_fd, user_fd),
        start_new_session=True,
        check=False,
    )
    if done.returncode != 0:
        raise AlphaError(
            f"expected the keeper of {order.name} to start, was status {done.returncode}"
        )


async def _first_line(stay: Stay) -> bytes:
    try:
        return await stay.reader.readline()
    except OSError:
        return b""  # it was just ending


def _refusal(name: str, line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip().removeprefix("failed ")
    return text or f"expected {name} to start, was ended from outside; see its log in the data_dir"
