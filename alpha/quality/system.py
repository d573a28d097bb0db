"""Whether what Alpha stands on is there: settings, database, Redis, clocks, disk."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import redis.exceptions
from redis.asyncio import Redis

from alpha.clock import Clock
from alpha.errors import AlphaError
from alpha.ledger import migrations
from alpha.ledger.pool import CONNECTION_ERRORS, connect, server_name

WITHIN_S = 5.0
#: Clocks may differ by this much. The exchange refuses what is older than 5 s.
SKEW_MS = 1_000
#: Bytes that have to be free where the data lie.
ROOM = 1 << 30


@dataclass(frozen=True, slots=True)
class Answer:
    """`found` says what is there; `advice` is empty where it is right."""

    check: str
    found: str
    advice: str = ""

    @property
    def is_well(self) -> bool:
        return not self.advice


_FAILURES: tuple[type[BaseException], ...] = (
    *CONNECTION_ERRORS,
    AlphaError,
    redis.exceptions.RedisError,
)


async def look(
    folder: Path, postgres: str, redis_url: str, migrations_folder: Path, clock: Clock
) -> list[Answer]:
    """`folder` is the data directory; the addresses are those of servers that should answer."""
    return [
        await _asked(
            "database",
            lambda: _database(postgres, migrations_folder),
            f"start PostgreSQL at {server_name(postgres)}, or correct [postgres] url",
        ),
        await _asked(
            "clock",
            lambda: _clock(postgres, clock),
            "start PostgreSQL: its clock is what this one is compared with",
        ),
        await _asked("redis", lambda: _redis(redis_url), "start Redis, or correct [redis] url"),
        await asyncio.to_thread(_disk, folder),
    ]


async def _asked(check: str, ask: Callable[[], Awaitable[Answer]], advice: str) -> Answer:
    try:
        async with asyncio.timeout(WITHIN_S):
            return await ask()
    except _FAILURES as error:
        return Answer(check, f"no answer: {type(error).__name__}", advice)


async def _database(url: str, folder: Path) -> Answer:
    connection = await connect(url)
    try:
        version = await connection.fetchval("SHOW server_version")
        status = await migrations.status(connection, folder)
    finally:
        await connection.close()
    found = f"PostgreSQL {str(version).split()[0]} at {server_name(url)}"
    if status.pending:
        names = ", ".join(one.path.name for one in status.pending)
        return Answer("database", f"{found}, not applied: {names}", "run `alpha db migrate`")
    return Answer("database", f"{found}, migration {status.applied[-1].version:04d}")


async def _clock(url: str, clock: Clock) -> Answer:
    """Against the database's clock, half of the way there and back taken off."""
    connection = await connect(url)
    try:
        asked = clock.now_ms()
        theirs: int = await connection.fetchval("SELECT clock_timestamp()")
        skew_ms = (asked + clock.now_ms()) // 2 - theirs
    finally:
        await connection.close()
    found = f"{skew_ms} ms ahead of the database's"
    if abs(skew_ms) > SKEW_MS:
        return Answer("clock", found, "set both clocks by NTP")
    return Answer("clock", found)


async def _redis(url: str) -> Answer:
    client = Redis.from_url(url, socket_timeout=WITHIN_S, decode_responses=True)
    try:
        memory = await client.info("memory")
        policy = memory.get("maxmemory_policy", "unknown")
    finally:
        await client.aclose()
    found = f"maxmemory-policy {policy}"
    if policy != "noeviction":
        return Answer("redis", found, "set maxmemory-policy noeviction: nothing may be thrown away")
    return Answer("redis", found)


def _disk(folder: Path) -> Answer:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / (1 << 30):.1f} GiB free at {there}"
    if free < ROOM:
        return Answer("disk", found, "make room: at least 1 GiB")
    return Answer("disk", found)
