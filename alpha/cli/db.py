"""`alpha db`: the database's schema."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from alpha.cli.options import ConfigOption, JsonOption, ModeOption, settings

if TYPE_CHECKING:
    from alpha.config import Config
    from alpha.ledger.migrations import Applied, MigrationStatus

app = typer.Typer(help="Migrate the database, show its migrations.", no_args_is_help=True)


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
    from alpha.clock import SystemClock
    from alpha.control.databases import database_pool
    from alpha.ledger import migrations
    from alpha.resources import migrations_folder

    clock = SystemClock()
    async with database_pool(config, clock, direct=True) as pool, pool.acquire() as connection:
        return await migrations.migrate(connection, migrations_folder(), clock=clock)


async def _status(config: Config) -> MigrationStatus:
    from alpha.clock import SystemClock
    from alpha.control.databases import database_pool
    from alpha.ledger import migrations
    from alpha.resources import migrations_folder

    async with database_pool(config, SystemClock()) as pool, pool.acquire() as connection:
        return await migrations.status(connection, migrations_folder())
