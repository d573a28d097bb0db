"""Restore points: a backup before each change of the schema, so that there is a way back."""

from __future__ import annotations

import structlog

from alpha.backup.dump import Source, create
from alpha.backup.facts import modes
from alpha.backup.folder import Backup, BackupFolder, FolderBusy
from alpha.clock import Clock
from alpha.config.settings import Config
from alpha.ledger.migrations import Before
from alpha.ledger.pool import connect

log = structlog.get_logger(__name__)

#: A backup that is under way is waited for.
BUSY_WITHIN_S = 900.0
_LOOK_EVERY_S = 1.0


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
        backup = await _create_when_free(config, dsn, clock)
        log.info("restore_point", name=backup.name, seconds=backup.manifest.seconds)

    return make


async def _create_when_free(config: Config, dsn: str, clock: Clock) -> Backup:
    folder, source = BackupFolder.of(config), Source.of(config, dsn)
    deadline = clock.monotonic() + BUSY_WITHIN_S
    is_told = False
    while True:
        try:
            return await create(source, folder, config.backup, clock, "migration")
        except FolderBusy as busy:
            if clock.monotonic() >= deadline:
                raise
            if not is_told:
                log.info("restore_point_waits", why=str(busy))
            is_told = True
        await clock.sleep(_LOOK_EVERY_S)
