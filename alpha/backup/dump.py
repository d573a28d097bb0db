"""Making a backup: pg_dump and the ledger's hash, both of one snapshot."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from alpha import __version__
from alpha.backup.facts import CANDLES, Facts, read_facts, schemas_there
from alpha.backup.folder import (
    Backup,
    BackupFolder,
    Kind,
    Manifest,
    problem_of,
    sha256_of,
    unfinished_of,
)
from alpha.backup.programs import Command, Programs, find_programs, output_of, run_chain, target
from alpha.backup.sealing import encryption_of, seal
from alpha.clock import Clock, iso
from alpha.config.settings import BackupSettings, Config
from alpha.errors import AlphaError, NotFound
from alpha.ledger.pool import Connection, connect, end_with_us, server_name


@dataclass(frozen=True, slots=True)
class Source:
    """The database to be backed up. `dsn` goes past a pooler; `ours`: its server is our own."""

    dsn: str
    ours: bool
    mode: str

    @classmethod
    def of(cls, config: Config, dsn: str) -> Source:
        return cls(dsn, not config.postgres.url.get_secret_value(), config.mode)


async def create(
    source: Source, folder: BackupFolder, settings: BackupSettings, clock: Clock, kind: Kind
) -> Backup:
    """Makes one and removes those that are no longer kept. Raises NotFound for a database without
    anything of ours, AlphaError for one of another mode, or when another backup is under way."""
    with folder.locked():
        connection = await connect(source.dsn, timeout_s=10.0)
        try:
            backup = await _create(connection, source, folder, settings, clock, kind)
        finally:
            await connection.close()
        await asyncio.to_thread(folder.prune, settings)
    return backup


async def _create(
    connection: Connection,
    source: Source,
    folder: BackupFolder,
    settings: BackupSettings,
    clock: Clock,
    kind: Kind,
) -> Backup:
    began, created_ms = clock.monotonic(), clock.now_ms()
    server = int(await connection.fetchval("SHOW server_version_num")) // 10_000
    programs = await find_programs(server, ours=source.ours, folder=settings.programs)
    candles = settings.candles or kind in ("migration", "restore")
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # It waits for pg_dump, however long that takes.
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await connection.execute("SET LOCAL statement_timeout = 0")
        await end_with_us(connection)
        schemas = await schemas_there(connection)
        if "config" not in schemas or "trading" not in schemas:
            raise NotFound(
                f"expected a ledger in {server_name(source.dsn)}, found an empty database; a "
                f"daemon makes one: alpha run"
            )
        snapshot = str(await connection.fetchval("SELECT pg_export_snapshot()"))
        version = await connection.fetchval("SELECT max(version) FROM config.schema_migrations")
        encryption = encryption_of(settings)
        path = folder.place(kind, created_ms, int(version or 0), encryption)
        unfinished = unfinished_of(path)
        try:
            dumping = asyncio.create_task(
                _dump(source.dsn, programs, snapshot, schemas, candles, unfinished, settings)
            )
            try:
                facts = await read_facts(connection, candles=candles)
                await dumping
            finally:
                dumping.cancel()
                await asyncio.wait([dumping])
            _check_mode(facts, source)
            if encryption == "none":  # it can be read, up to its table of contents
                listing = Command([programs.path("pg_restore"), "--list"], {})
                await output_of(listing, source=unfinished)
            manifest = Manifest(
                file=path.name,
                kind=kind,
                mode=source.mode,
                created_ms=created_ms,
                created_at=iso(created_ms),
                seconds=round(clock.monotonic() - began, 3),
                alpha=__version__,
                database=server_name(source.dsn),
                server=str(await connection.fetchval("SHOW server_version")),
                pg_dump=programs.version,
                schema_version=facts.schema_version,
                ledger=facts.ledger,
                rows=facts.rows,
                candles=candles,
                encryption=encryption,
                bytes=unfinished.stat().st_size,
                sha256=await asyncio.to_thread(sha256_of, unfinished),
            )
            return await asyncio.to_thread(folder.finish, unfinished, path, manifest)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def _check_mode(facts: Facts, source: Source) -> None:
    """The accounts of a database are its marker."""
    others = [mode for mode in facts.modes if mode != source.mode]
    if others:
        raise AlphaError(
            f"expected a database of mode {source.mode}, was one of mode {others[0]}; no backup "
            f"was made: correct [postgres] url or mode"
        )


async def _dump(
    dsn: str,
    programs: Programs,
    snapshot: str,
    schemas: list[str],
    candles: bool,
    path: Path,
    settings: BackupSettings,
) -> None:
    url, secrets = target(dsn)
    arguments = [
        programs.path("pg_dump"),
        "--format=custom",
        "--no-password",
        f"--snapshot={snapshot}",
        "--lock-wait-timeout=30s",
        *(f"--schema={schema}" for schema in schemas),
    ]
    if not candles:
        arguments.append(f"--exclude-table-data=trading.{CANDLES}*")
    if not (sealing := seal(settings)):
        # On stdout it would add its table of contents again, and hide that an end was cut off.
        await run_chain([Command([*arguments, f"--file={path}", url], secrets)])
        return
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        await run_chain([Command([*arguments, url], secrets), *sealing], sink=fd)
    finally:
        os.close(fd)


def check_file(backup: Backup) -> None:
    """Raises AlphaError when the file is not what was written."""
    problem = problem_of(backup)
    if problem is not None:
        raise AlphaError(f"{problem}; it is damaged: take another one of alpha backup list")
