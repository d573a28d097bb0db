"""Servers of one test, users of them in other processes, and a look at what runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from alpha import embedded
from alpha.clock import SystemClock
from alpha.embedded import Servers
from alpha.embedded.keeper import processes_in
from tests.conftest import ROOT
from tests.until import until


@dataclass(frozen=True)
class User:
    """Another process that uses the servers."""

    process: asyncio.subprocess.Process

    async def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        await asyncio.wait_for(self.process.wait(), 30)
        assert self.process.returncode == 0

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


Using = Callable[[], Coroutine[Any, Any, User]]


@asynccontextmanager
async def using(
    folder: Path, mode: str = "paper", *, postgres: bool = True, redis: bool = True
) -> AsyncIterator[Servers]:
    servers = await embedded.start(
        folder, mode=mode, postgres=postgres, redis=redis, clock=SystemClock()
    )
    try:
        yield servers
    finally:
        await servers.stop()


@pytest.fixture
async def another_user(server_folder: Path) -> AsyncIterator[Using]:
    """Starts another process on the same folder; returns when it has its servers."""
    started: list[User] = []

    async def start() -> User:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.embedded.user",
            str(server_folder),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        user = User(process)
        started.append(user)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line.startswith(b"postgresql://"), line
        return user

    yield start
    for user in started:
        if user.process.returncode is None:
            await user.kill()
    await until(lambda: not running(server_folder), "no server is left behind")


def running(folder: Path) -> list[int]:
    """Every process of the servers of a data_dir that was given as it is."""
    return [
        *processes_in(str(folder / "pg"), "postgres"),
        *processes_in(str(folder / "redis-paper"), "valkey-server"),
    ]


def postmaster(folder: Path) -> int:
    return int((folder / "pg" / "postmaster.pid").read_text().splitlines()[0])


def keeper_of(server: int) -> int:
    """The parent of a server."""
    status = Path(f"/proc/{server}/status").read_text()
    return int(status.split("PPid:")[1].split()[0])


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


async def query(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def answers(dsn: str) -> bool:
    try:
        return await query(dsn, "SELECT 1") == 1
    except (OSError, asyncpg.PostgresError):
        return False


@asynccontextmanager
async def redis(url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(url, decode_responses=True)
    try:
        yield client
    finally:
        await client.aclose()
