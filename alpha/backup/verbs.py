"""What people ask of backups: create, verify, restore, roll back; each answers with one document.

The caller holds the data directory's lock where a database of this installation is replaced.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from alpha.backup.check import Outcome, Stopwatch, check_backup, settle
from alpha.backup.dump import Source, create
from alpha.backup.folder import Backup, BackupFolder, Kind, problem_of, read_file
from alpha.backup.programs import with_database
from alpha.backup.restore import (
    File,
    content_of,
    programs_for,
    read_contents,
    refuse_daemons,
    replace,
)
from alpha.clock import Clock, Randomness, iso
from alpha.config import Config
from alpha.errors import AlphaError, ConfigError, NotFound, TimedOut
from alpha.ledger.migrations import read_folder
from alpha.ledger.pool import CONNECTION_ERRORS, Connection, connect, server_name
from alpha.ledger.reader import LedgerReader


@dataclass(frozen=True, slots=True)
class Backups:
    """The backups of these settings, and the database at `dsn`, past a pooler."""

    config: Config
    dsn: str
    migrations: Path
    clock: Clock
    randomness: Randomness

    @property
    def folder(self) -> BackupFolder:
        return BackupFolder.of(self.config)

    @property
    def source(self) -> Source:
        return Source.of(self.config, self.dsn)

    async def create(self, kind: Kind = "manual") -> Backup:
        return await create(self.source, self.folder, self.config.backup, self.clock, kind)

    def open(self, name: str) -> tuple[str, File]:
        """A backup by name, or a file by its path: its name, and the file, found undamaged."""
        path = Path(name)
        backup = read_file(path) if path.is_file() else self.folder.find(name)
        if backup is None:  # a dump without a manifest: its content has to speak for itself
            return str(path), File(path, None, self.config.backup)
        problem = problem_of(backup)
        if problem is not None:
            raise AlphaError(f"{problem}; it is damaged, nothing was changed: take another one")
        if backup.manifest.mode != self.config.mode:
            raise AlphaError(
                f"expected a backup of mode {self.config.mode}, was of mode "
                f"{backup.manifest.mode}; nothing was changed: give --mode {backup.manifest.mode}"
            )
        label = str(path) if path.is_file() else backup.name
        return label, File(backup.path, backup.manifest, self.config.backup)

    async def verify(self, name: str) -> dict[str, object]:
        label, file = await asyncio.to_thread(self.open, name)
        checked = await check_backup(
            file,
            self.dsn,
            mode=self.config.mode,
            ours=self.source.ours,
            migrations=self.migrations,
            clock=self.clock,
            randomness=self.randomness,
        )
        return {"name": label, **checked}

    async def restore(
        self, name: str, *, force: bool = False, into: str | None = None
    ) -> dict[str, object]:
        """Into the database of the settings, or `into`: a URL, or another database of the same
        server by name. Replaces what is there only with `force`, after a backup of it."""
        dsn, ours = self.dsn, self.source.ours
        if into is not None:
            dsn = into if "://" in into else with_database(self.dsn, into)
            ours = ours and "://" not in into
        label, file = await asyncio.to_thread(self.open, name)
        outcome = Outcome()
        watch = Stopwatch(self.clock, outcome.seconds)
        replaced = await self._make_room(dsn, file, force=force, ours=ours)
        watch.step("backup")
        await replace(
            dsn,
            file,
            mode=self.config.mode,
            ours=ours,
            latest_version=len(read_folder(self.migrations)),
        )
        watch.step("restore")
        await settle(
            dsn, file.manifest, outcome, watch, migrations=self.migrations, clock=self.clock
        )
        return {
            "name": label,
            "database": server_name(dsn),
            "replaced": replaced,
            **outcome.row(),
            "backfill": await self._backfill(dsn),
        }

    async def _make_room(self, dsn: str, file: File, *, force: bool, ours: bool) -> str | None:
        """Raises AlphaError for a database that may not be replaced, and for a file that cannot
        replace it; the name of the backup of what is there."""
        connection = await _connect(dsn)
        try:
            await refuse_daemons(connection, dsn)
            if (there := await content_of(connection)) is None:
                return None
            if not force:
                would = "replaces a ledger, after a backup of it, and leaves what is not Alpha's"
                raise AlphaError(
                    f"expected an empty database, found one with {there} in {server_name(dsn)}; "
                    f"nothing was changed: --force {would}"
                )
            # Before the backup, which may take minutes, and would make an older one give way.
            await read_contents(file, await programs_for(connection, file, ours=ours))
        finally:
            await connection.close()
        source = Source(dsn, ours, self.config.mode)
        try:
            backup = await create(source, self.folder, self.config.backup, self.clock, "restore")
        except NotFound:  # schemas of ours without anything in them
            return None
        return backup.name

    async def _backfill(self, dsn: str) -> list[dict[str, object]]:
        """What a daemon fetches from the exchange when it starts: executions since then."""
        connection = await connect(dsn)
        try:
            reader, found = LedgerReader(connection), list[dict[str, object]]()
            for account in await reader.accounts():
                marks = await reader.marks(account)
                known = marks.verified_ms or marks.seen_ms
                found.append({"account": account, "since": iso(known) if known else None})
            return found
        finally:
            await connection.close()

    async def rollback(self, name: str = "latest") -> dict[str, object]:
        """Back to a restore point, as it was before its migration: nothing is migrated. What is
        there is backed up first."""
        backup = await asyncio.to_thread(self.folder.find, name, "migration")
        _, file = await asyncio.to_thread(self.open, backup.name)
        seconds: dict[str, float] = {}
        watch = Stopwatch(self.clock, seconds)
        replaced = await self._make_room(self.dsn, file, force=True, ours=self.source.ours)
        watch.step("backup")
        rows = await replace(self.dsn, file, mode=self.config.mode, ours=self.source.ours)
        connection = await connect(self.dsn)
        try:
            await connection.execute("ANALYZE", timeout=900)
        finally:
            await connection.close()
        watch.step("restore")
        return {
            "name": backup.name,
            "created_at": backup.manifest.created_at,
            "schema_version": backup.manifest.schema_version,
            "replaced": replaced,
            "executions": rows.get("trading.executions", 0),
            "fills": rows.get("trading.fills", 0),
            "seconds": {**seconds, "total": round(sum(seconds.values()), 3)},
        }


async def _connect(dsn: str) -> Connection:
    """Raises NotFound where there is no such database, TimedOut where no server answers, and
    ConfigError for an address or a user that is refused."""
    try:
        return await connect(dsn)
    except asyncpg.InvalidCatalogNameError:
        raise NotFound(
            f"expected a database to restore into, {server_name(dsn)} is not there; create it "
            f"first (CREATE DATABASE)"
        ) from None
    except (ValueError, asyncpg.ClientConfigurationError) as error:
        raise ConfigError(
            f"expected a PostgreSQL URL, was not readable: {type(error).__name__}; write "
            f"postgresql://user@host:5432/database"
        ) from None
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise ConfigError(
            f"expected PostgreSQL at {server_name(dsn)} to accept the user, was refused: {error}; "
            f"correct the URL"
        ) from None
    except CONNECTION_ERRORS as error:
        raise TimedOut(
            f"expected PostgreSQL at {server_name(dsn)} to answer, was {type(error).__name__}; "
            f"start it or correct the URL"
        ) from None
