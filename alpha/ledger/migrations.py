"""The migrations runner: plain SQL files, forward only, each in a transaction of its own.

A file is named `0001_words.sql`. `config.schema_migrations` remembers the SHA-256 of what was
applied; a file that changed afterwards is refused. Any number of processes may migrate at once:
an advisory lock of the transaction, which also holds behind PgBouncer, lets one through.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog

from alpha.clock import Clock, SystemClock
from alpha.errors import NeedsOperator
from alpha.ledger.pool import Connection, connect, end_with_us

log = structlog.get_logger(__name__)

_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
#: Everything of ours in a database; what else is there is somebody else's.
SCHEMAS = ("trading", "analytics", "config", "audit")
#: What a restore that is under way, or was cut off, has appended to the names of the old ones.
SET_ASIDE = "_set_aside"
#: A migration may rewrite the largest table.
_WITHIN_S = 3600.0
#: Who migrates, or replaces the database, holds this advisory lock.
LOCK = 0x616C706861  # "alpha"

_BOOKKEEPING = """
CREATE SCHEMA IF NOT EXISTS config;
CREATE TABLE IF NOT EXISTS config.schema_migrations (
    version     integer PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms numeric(14, 3) NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    path: Path
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    version: int
    name: str
    checksum: str
    applied_ms: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]


#: What is done before a database with data in it changes.
Before = Callable[[], Awaitable[None]]


class MigrationChanged(NeedsOperator):
    """A file is not what the database was built from."""


def read_folder(folder: Path) -> list[Migration]:
    """All migrations of a folder by version. Raises NeedsOperator on a gap or a foreign name."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise NeedsOperator(
                f"expected migrations named 0001_words.sql, was {path.name}; rename or remove it"
            )
        found.append(Migration(int(match[1]), match[2], path, path.read_text("utf-8")))
    if not found:
        raise NeedsOperator(f"expected migrations in {folder}, was none; reinstall the package")
    for number, migration in enumerate(found, start=1):
        if migration.version != number:
            raise NeedsOperator(
                f"expected migration {number:04d}, was {migration.path.name}; "
                f"versions count up by one and are used once"
            )
    return found


async def migrate(
    target: str | Connection,
    folder: Path,
    *,
    clock: Clock | None = None,
    before: Before | None = None,
) -> list[Applied]:
    """Applies what is pending and returns it. `target` is a URL or an open connection that is
    in no transaction. Raises MigrationChanged before anything is applied. `before` is awaited
    first when a database that has some of them already is about to change."""
    if isinstance(target, str):
        connection = await connect(target)
        try:
            return await migrate(connection, folder, clock=clock, before=before)
        finally:
            await connection.close()
    migrations = read_folder(folder)
    if before is not None:
        found = await status(target, folder)
        if found.applied and found.pending:
            await before()
    timer = clock or SystemClock()
    done = []
    for migration in migrations:
        applied = await _apply(target, migrations, migration, timer)
        if applied is not None:
            done.append(applied)
    await _let_reader_read(target)
    return done


async def _let_reader_read(connection: Connection) -> None:
    """Grants of the role for analytics. Lacking the right to make roles is no error."""
    async with connection.transaction():
        await end_with_us(connection)
        await connection.execute("SELECT pg_advisory_xact_lock($1::bigint)", LOCK)
        if not await connection.fetchval("SELECT to_regproc('config.let_reader_read') IS NOT NULL"):
            return
        refusal = await connection.fetchval("SELECT config.let_reader_read()")
    if refusal:
        log.warning("reader_without_rights", what=refusal)


async def status(target: str | Connection, folder: Path) -> MigrationStatus:
    """What is applied and what is pending; raises MigrationChanged like `migrate`."""
    if isinstance(target, str):
        connection = await connect(target)
        try:
            return await status(connection, folder)
        finally:
            await connection.close()
    migrations = read_folder(folder)
    exists = await target.fetchval("SELECT to_regclass('config.schema_migrations') IS NOT NULL")
    applied = await _applied(target) if exists else {}
    _refuse_changed(migrations, applied)
    return MigrationStatus(
        tuple(applied.values()), tuple(m for m in migrations if m.version not in applied)
    )


async def _apply(
    connection: Connection, migrations: list[Migration], migration: Migration, clock: Clock
) -> Applied | None:
    async with connection.transaction():
        await end_with_us(connection)
        await connection.execute("SELECT pg_advisory_xact_lock($1::bigint)", LOCK)
        await _refuse_halves(connection)
        await connection.execute(_BOOKKEEPING)
        applied = await _applied(connection)
        _refuse_changed(migrations, applied)
        if migration.version in applied:
            return None
        started = clock.perf_ns()
        try:
            await connection.execute(migration.sql, timeout=_WITHIN_S)
        except asyncpg.PostgresError as error:
            raise NeedsOperator(
                f"expected migration {migration.path.name} to apply, was refused: {error}; "
                f"nothing of it was kept"
            ) from error
        duration = (clock.perf_ns() - started) / 1e6
        applied_ms = await connection.fetchval(
            "INSERT INTO config.schema_migrations (version, name, checksum, duration_ms) "
            "VALUES ($1, $2, $3, $4::float8::numeric) "
            "RETURNING (extract(epoch FROM applied_at) * 1000)::bigint",
            migration.version,
            migration.name,
            migration.checksum,
            duration,
        )
    return Applied(migration.version, migration.name, migration.checksum, int(applied_ms), duration)


async def _refuse_halves(connection: Connection) -> None:
    """A ledger that a restore has put aside when it was cut off is still the ledger: nobody may
    begin a new one beside it. Restores hold the lock, so none is under way."""
    aside = [f"{name}{SET_ASIDE}" for name in SCHEMAS]
    found = await connection.fetchval(
        "SELECT min(nspname::text) FROM pg_namespace WHERE nspname = ANY ($1::text[])", aside
    )
    if found is not None:
        raise NeedsOperator(
            f"expected a whole database, found schema {found}: a restore was cut off; nothing is "
            f"lost, run `alpha backup restore NAME --force` again: it begins with undoing that"
        )


async def _applied(connection: Connection) -> dict[int, Applied]:
    rows = await connection.fetch(
        "SELECT version, name, checksum, duration_ms, "
        "(extract(epoch FROM applied_at) * 1000)::bigint AS applied_ms "
        "FROM config.schema_migrations ORDER BY version"
    )
    return {
        row["version"]: Applied(
            row["version"],
            row["name"],
            row["checksum"],
            row["applied_ms"],
            float(row["duration_ms"]),
        )
        for row in rows
    }


def _refuse_changed(migrations: list[Migration], applied: dict[int, Applied]) -> None:
    for migration in migrations:
        known = applied.get(migration.version)
        if known is not None and known.checksum != migration.checksum:
            raise MigrationChanged(
                f"expected {migration.path.name} as applied (sha256 {known.checksum}), "
                f"was sha256 {migration.checksum}; restore the file and write a new migration"
            )
    newer = [version for version in applied if version > len(migrations)]
    if newer:
        raise NeedsOperator(
            f"expected a database of at most migration {len(migrations):04d}, "
            f"was migrated to {max(newer):04d}; use the newer version of alpha"
        )
