"""Putting a backup into a database: all of it or nothing, and never under a daemon.

What is there is renamed, the file is loaded in one transaction beside it and looked at; only then
is the old removed. Whatever goes wrong before that, the old gets its names back, also when the
process is killed: the next restore begins with that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from alpha.backup.facts import count_rows, live_daemons, modes, schema_version
from alpha.backup.folder import Manifest
from alpha.backup.programs import (
    KNOWS_TRANSACTION_TIMEOUT,
    Command,
    Programs,
    find_programs,
    output_of,
    run_chain,
    target,
)
from alpha.backup.sealing import unseal
from alpha.config.settings import BackupSettings
from alpha.errors import AlphaError, TimedOut
from alpha.ledger.migrations import LOCK, SCHEMAS, SET_ASIDE
from alpha.ledger.pool import (
    CONNECTION_ERRORS,
    Connection,
    connect,
    end_with_us,
    server_name,
)
from alpha.ledger.queries import load

_SQL = load("backup.sql")
#: Every database of ours has these.
_OURS = ("TABLE config schema_migrations", "TABLE trading executions", "TABLE trading accounts")
#: What the server knows them by who load a file.
_LOADER = "alpha_restore"


@dataclass(frozen=True, slots=True)
class File:
    """A dump, and what is known of it."""

    path: Path
    manifest: Manifest | None
    settings: BackupSettings = field(repr=False)

    @property
    def written_by(self) -> int:
        """The major version of the pg_dump that wrote it."""
        return int(self.manifest.pg_dump.partition(".")[0]) if self.manifest else 0


async def programs_for(connection: Connection, file: File, *, ours: bool) -> Programs:
    """Programs that can read the file and talk to the server."""
    server = int(await connection.fetchval("SHOW server_version_num")) // 10_000
    major = max(server, file.written_by)
    return await find_programs(major, ours=ours, folder=file.settings.programs)


async def read_contents(file: File, programs: Programs) -> list[str]:
    """The table of contents. Raises AlphaError for what is no dump of an Alpha database."""
    listing = Command([programs.path("pg_restore"), "--list"], {})
    chain = [*unseal(file.path, file.settings), listing]
    try:
        said = await output_of(*chain, source=file.path)
    except AlphaError as error:
        raise AlphaError(
            f"expected {file.path} to be a dump in pg_dump's custom format, was not readable: "
            f"{error}; nothing was changed"
        ) from error
    lines = [line for line in said.splitlines() if line and not line.startswith(";")]
    missing = [name for name in _OURS if not any(f" {name} " in line for line in lines)]
    foreign = [line for line in lines if (its := _schema(line)) and its not in SCHEMAS]
    if missing or foreign:
        found = f"without {missing[0]}" if missing else f"with {foreign[0].strip()}"
        raise AlphaError(
            f"expected {file.path} to be a backup of an Alpha database, was a dump {found}; "
            f"nothing was changed"
        )
    return lines


def _schema(line: str) -> str | None:
    """The schema that an entry is in: `12; 1259 16400 TABLE DATA trading fills alpha`."""
    words = line.partition(";")[2].split()[2:]
    while words and words[0].isupper():
        words.pop(0)
    return words[0] if len(words) >= 2 and words[0] != "-" else None


async def load_file(dsn: str, server: int, file: File, programs: Programs) -> None:
    """Loads a file into a database without our schemas, in one transaction. Raises AlphaError with
    PostgreSQL's words, table and line of the row among them."""
    url, secrets = target(dsn)
    named = {**secrets, "PGAPPNAME": _LOADER}
    # Who may read is granted with the migrations; the roles of another server may not be there.
    flags = ["--no-owner", "--no-privileges"]
    source = unseal(file.path, file.settings)
    if programs.major >= KNOWS_TRANSACTION_TIMEOUT > server:
        # A setting that this server does not know would end the transaction.
        script = Command([programs.path("pg_restore"), *flags, "--file=-"], {})
        less = Command(["sed", "-e", "1,80{/^SET transaction_timeout = 0;$/d}"], {})
        psql = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
        chain = [script, less, Command([programs.path("psql"), *psql, url], named)]
    else:
        direct = [*flags, "--no-password", "--single-transaction", "--exit-on-error"]
        chain = [Command([programs.path("pg_restore"), *direct, f"--dbname={url}"], named)]
    await run_chain([*source, *chain], source=file.path)


async def refuse_daemons(connection: Connection, dsn: str) -> None:
    """Raises AlphaError while somebody works on the database."""
    daemons = await live_daemons(connection)
    if daemons:
        raise AlphaError(
            f"expected no daemon on {server_name(dsn)}, was {daemons[0]}; stop it first, nothing "
            f"was changed"
        )


async def replace(
    dsn: str,
    file: File,
    *,
    mode: str,
    ours: bool,
    latest_version: int | None = None,
) -> dict[str, int]:
    """Puts the file's content in the place of what is there; the rows it brought, by table.

    Raises AlphaError, with everything as it was, for a file that cannot be loaded, is of another
    mode, is not what its manifest says, or needs a newer version (`latest_version`: the newest
    migration known; None: any)."""
    keeper = await connect(dsn, timeout_s=10.0)
    try:
        await refuse_daemons(keeper, dsn)
        programs = await programs_for(keeper, file, ours=ours)
        await read_contents(file, programs)
        server = int(await keeper.fetchval("SHOW server_version_num")) // 10_000
        async with _nobody_migrates(dsn):
            await _recover(keeper)
            await _set_aside(keeper)
            try:
                await load_file(dsn, server, file, programs)
                rows = await _look_at(keeper, file, mode, latest_version)
            except BaseException as error:
                try:
                    await asyncio.shield(_undo(keeper))
                except CONNECTION_ERRORS as gone:
                    raise TimedOut(
                        f"expected PostgreSQL at {server_name(dsn)} to answer to the end, was "
                        f"{type(gone).__name__}; nothing is lost: what was there is put aside, and "
                        f"the same command, given again, begins with undoing that"
                    ) from error
                if isinstance(error, AlphaError):
                    raise AlphaError(f"{error}; nothing was changed") from error
                raise
            await _drop_aside(keeper)
        return rows
    finally:
        await keeper.close()


@asynccontextmanager
async def _nobody_migrates(dsn: str) -> AsyncIterator[None]:
    """A daemon that starts meanwhile waits with its migrations until this is over."""
    guard = await connect(dsn, timeout_s=10.0)
    try:
        async with guard.transaction():
            await guard.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            if not await guard.fetchval("SELECT pg_try_advisory_xact_lock($1::bigint)", LOCK):
                raise AlphaError(
                    f"expected nobody to migrate or restore {server_name(dsn)}, somebody does; "
                    f"wait for the end of that, nothing was changed"
                )
            yield
    finally:
        await guard.close()


async def _look_at(
    connection: Connection, file: File, mode: str, latest_version: int | None
) -> dict[str, int]:
    """Raises AlphaError when what was loaded is not what it should be."""
    found = await modes(connection)
    others = [one for one in found if one != mode]
    if others:
        raise AlphaError(
            f"expected a backup of mode {mode}, was of mode {others[0]}; restore it with "
            f"--mode {others[0]}"
        )
    version = await schema_version(connection)
    if latest_version is not None and version > latest_version:
        raise AlphaError(
            f"expected a backup of at most migration {latest_version:04d}, was of {version:04d}; "
            f"use the newer version of alpha"
        )
    manifest = file.manifest
    rows = await count_rows(connection, candles=manifest.candles if manifest else True)
    if manifest is not None:
        apart = [name for name in manifest.rows if rows.get(name) != manifest.rows[name]]
        if apart:
            raise AlphaError(
                f"expected {manifest.rows[apart[0]]} rows of {apart[0]} as the manifest says, "
                f"was {rows.get(apart[0], 'no such table')}"
            )
    return rows


async def _set_aside(connection: Connection) -> None:
    async with connection.transaction():
        for row in await connection.fetch(_SQL["schemas"], list(SCHEMAS)):
            name = row["nspname"]
            await connection.execute(f'ALTER SCHEMA "{name}" RENAME TO "{name}{SET_ASIDE}"')


async def _recover(connection: Connection) -> None:
    """A restore that was killed is undone."""
    if await connection.fetch(_SQL["set_aside"], [f"{name}{SET_ASIDE}" for name in SCHEMAS]):
        await _undo(connection)


async def _undo(connection: Connection) -> None:
    """What was put aside gets its names back; what has come in its place goes. A program that
    loads still, because the restore that started it was killed, would hold the names, and give them
    to what it loads."""
    await connection.fetch(_SQL["end_loaders"], _LOADER)
    async with connection.transaction():
        await end_with_us(connection)
        for schema in SCHEMAS:
            await connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE', timeout=600)
        for name in SCHEMAS:
            if await connection.fetch(_SQL["set_aside"], [f"{name}{SET_ASIDE}"]):
                await connection.execute(f'ALTER SCHEMA "{name}{SET_ASIDE}" RENAME TO "{name}"')


async def _drop_aside(connection: Connection) -> None:
    async with connection.transaction():
        await end_with_us(connection)
        for name in SCHEMAS:
            await connection.execute(
                f'DROP SCHEMA IF EXISTS "{name}{SET_ASIDE}" CASCADE', timeout=600
            )


async def content_of(connection: Connection) -> str | None:
    """What is in a database: a ledger, set aside or not, or the name of something that is somebody
    else's; None for an empty one."""
    ours = [*SCHEMAS, *(f"{name}{SET_ASIDE}" for name in SCHEMAS)]
    thing: str | None = await connection.fetchval(_SQL["contents"], ours)
    return thing
