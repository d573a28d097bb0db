"""Restore points: a backup before each change of the schema, so that there is a way back."""

from __future__ import annotations

import structlog

from alpha.backup.dump import Source, create
from alpha.backup.facts import modes
from alpha.backup.folder import BackupFolder
from alpha.clock import Clock
from alpha.config.settings import Config
from alpha.ledger.migrations import Before
from alpha.ledger.pool import connect

log = structlog.get_logger(__name__)


def restore_point(config: Config, dsn: str, clock: Clock) -> Before:
    """What the migrations wait for. Raises AlphaError, and nothing is migrated, when no restore
    point can be made; a database without accounts needs none."""

    async def make() -> None:
        connection = await connect(dsn)
        try:
            has_data = bool(await modes(connection))
        finally:
            await connection.close()
        if not has_data:
            return
        folder = BackupFolder.of(config)
        backup = await create(Source.of(config, dsn), folder, config.backup, clock, "migration")
        log.info("restore_point", name=backup.name, seconds=backup.manifest.seconds)

    return make
