"""A database for an hour: what a backup is restored into to be looked at."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog

from alpha.backup.programs import with_database
from alpha.clock import Clock, Randomness
from alpha.embedded.place import find_place
from alpha.embedded.postgres import dsn as dsn_of
from alpha.embedded.postgres import start_postgres
from alpha.ledger.pool import CONNECTION_ERRORS, Connection, connect
from alpha.ledger.queries import load

log = structlog.get_logger(__name__)

_SQL = load("backup.sql")
_AWAY: tuple[type[BaseException], ...] = (
    *CONNECTION_ERRORS,
    asyncpg.InvalidAuthorizationSpecificationError,
)
#: What is thrown away afterwards need not survive a power cut.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Scratch:
    """`where` says it to people; `ours`: the server is one of our own."""

    dsn: str
    ours: bool
    where: str


@asynccontextmanager
async def scratch(
    dsn: str, *, ours: bool, clock: Clock, randomness: Randomness
) -> AsyncIterator[Scratch]:
    """An empty database on the same server; where that is away or does not allow it, on a server
    of our own that ends with the context. Gone afterwards, or when the next one is made."""
    try:
        admin = await _connect(dsn)
    except _AWAY as error:
        log.warning("scratch_elsewhere", why=type(error).__name__)
        async with _own_server(clock) as found:
            yield found
        return
    name = f"alpha_scratch_{clock.now_ms() // 1000}_{randomness.token()[:8]}"
    try:
        try:
            await _drop_old(admin)
            await admin.execute(f"SET application_name = '{name}'")  # tells that somebody needs it
            await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        except asyncpg.InsufficientPrivilegeError as error:
            log.warning("scratch_elsewhere", why=str(error))
            async with _own_server(clock) as found:
                yield found
            return
        try:
            yield Scratch(with_database(dsn, name), ours, f"database {name} of the same server")
        finally:
            try:
                await asyncio.shield(_drop(dsn, name))
            except _AWAY as error:  # the next one drops it
                log.warning("scratch_left", database=name, why=type(error).__name__)
    finally:
        await admin.close()


async def _connect(dsn: str) -> asyncpg.Connection[asyncpg.Record]:
    """To the database, or, when just that is gone, to the server."""
    with suppress(asyncpg.InvalidCatalogNameError):
        return await connect(dsn)
    return await connect(with_database(dsn, "postgres"))


async def _drop(dsn: str, name: str) -> None:
    connection = await _connect(dsn)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', timeout=600)
    finally:
        await connection.close()


async def _drop_old(connection: Connection) -> None:
    """Those of processes that were killed; one that a program of theirs still loads comes later."""
    for row in await connection.fetch(_SQL["old_scratch"]):
        with suppress(asyncpg.ObjectInUseError, asyncpg.InsufficientPrivilegeError):
            await connection.execute(f'DROP DATABASE IF EXISTS "{row["datname"]}"', timeout=600)


@asynccontextmanager
async def _own_server(clock: Clock) -> AsyncIterator[Scratch]:
    folder = Path(tempfile.mkdtemp(prefix="alpha-scratch-"))
    try:
        os.chmod(folder, 0o755)  # the server's user passes; its data are that user's alone
        place = await asyncio.to_thread(find_place, folder)
        stay = await start_postgres(place, clock, settings=_FAST)
        try:
            yield Scratch(dsn_of(place, "postgres"), True, "a server of our own")
        finally:
            await asyncio.shield(stay.leave())
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
