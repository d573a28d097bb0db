"""`alpha db`: the database's schema, forward and back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.options import ConfigOption, JsonOption, ModeOption, settings

if TYPE_CHECKING:
    from alpha.config import Config
    from alpha.ledger.migrations import Applied, MigrationStatus

app = typer.Typer(help="Migrate the database, or roll a migration back.", no_args_is_help=True)


@app.command("migrate")
def migrate(
    config: ConfigOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """Apply what is pending."""
    from alpha.control.wire import encode

    done = asyncio.run(_migrate(settings(config, {"mode": mode})))
    if as_json:
        print(encode({"applied": [_row(migration) for migration in done]}))
        return
    for migration in done:
        name = f"{migration.version:04d}_{migration.name}"
        print(f"applied {name} in {migration.duration_ms:.0f} ms")
    if not done:
        print("nothing to do: the database is up to date")


@app.command("status")
def status(
    config: ConfigOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """Show what is applied and what is pending."""
    from alpha.clock import iso
    from alpha.control.wire import encode

    found = asyncio.run(_status(settings(config, {"mode": mode})))
    if as_json:
        pending = [{"version": m.version, "name": m.name} for m in found.pending]
        print(encode({"applied": [_row(m) for m in found.applied], "pending": pending}))
        return
    for applied in found.applied:
        print(f"{applied.version:04d}_{applied.name}  applied {iso(applied.applied_ms)}")
    for migration in found.pending:
        print(f"{migration.version:04d}_{migration.name}  pending")


def _row(migration: Applied) -> dict[str, object]:
    from alpha.clock import iso

    return {
        "version": migration.version,
        "name": migration.name,
        "checksum": migration.checksum,
        "applied_at": iso(migration.applied_ms),
    }


async def _migrate(config: Config) -> list[Applied]:
    from alpha.backup.points import restore_point
    from alpha.clock import SystemClock
    from alpha.control.databases import stores
    from alpha.ledger import migrations
    from alpha.resources import migrations_folder

    clock = SystemClock()
    async with stores(config, clock) as found:
        url = found.postgres_direct
        point = restore_point(config, url, clock)
        return await migrations.migrate(url, migrations_folder(), clock=clock, before=point)


@app.command("rollback")
def rollback(
    to: Annotated[
        str, typer.Option("--to", metavar="NAME", help="A restore point; default the newest.")
    ] = "latest",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the database back to what it was before a migration. No daemon may run on it; what
    is there is backed up first."""
    from alpha.backup.folder import BackupFolder
    from alpha.control.wire import encode

    loaded = settings(config, {"mode": mode})
    point = BackupFolder.of(loaded).find(to, "migration")
    question = (
        f"Replace the database of mode {loaded.mode} by {point.name} of {point.manifest.created_at}"
        f" (migration {point.manifest.schema_version:04d})?"
    )
    if not yes and not typer.confirm(question):
        print("nothing was changed")
        raise typer.Exit(1)
    done = asyncio.run(_roll_back(loaded, point.name))
    if as_json:
        print(encode(done))
        return
    print(
        f"back to {point.name}: migration {point.manifest.schema_version:04d}, "
        f"{done['executions']} executions, {done['fills']} fills\n"
        f"what was there is in {done['replaced']}\n"
        f"start the version of alpha that belongs to it: this one would migrate again; what has "
        f"been traded since, it fetches from the exchange"
    )


async def _roll_back(config: Config, name: str) -> dict[str, object]:
    from alpha.backup.verbs import Backups
    from alpha.clock import SystemClock, SystemRandomness
    from alpha.control.databases import stores
    from alpha.installation import DataDirLock
    from alpha.resources import migrations_folder

    clock = SystemClock()
    with DataDirLock(config.data_dir):
        async with stores(config, clock) as found:
            backups = Backups(
                config, found.postgres_direct, migrations_folder(), clock, SystemRandomness()
            )
            return await backups.rollback(name)


async def _status(config: Config) -> MigrationStatus:
    from alpha.clock import SystemClock
    from alpha.control.databases import database_pool
    from alpha.ledger import migrations
    from alpha.resources import migrations_folder

    async with database_pool(config, SystemClock()) as pool, pool.acquire() as connection:
        return await migrations.status(connection, migrations_folder())
