"""Real dumps by pg_dump, and the server that they are of, say the same."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from alpha.clock import SystemClock
from alpha.config import load
from alpha.control.importing import Importer
from alpha.embedded.place import Place
from alpha.embedded.postgres import dsn
from alpha.embedded.programs import client_programs
from alpha.imports.dump import read_dump
from tests.imports import old_bots
from tests.imports.old_platform import COLUMNS, Dump

#: The types of the columns; what is not named here is text.
TYPES = {
    **dict.fromkeys(("exec_time", "entry_time", "exit_time", "created_at"), "timestamptz"),
    **dict.fromkeys(("updated_at", "last_heartbeat", "synced_at"), "timestamptz"),
    **dict.fromkeys(("exec_price", "exec_qty", "commission", "entry_price"), "numeric(20, 8)"),
    **dict.fromkeys(("entry_qty", "exit_price", "exit_qty", "gross_pnl"), "numeric(20, 8)"),
    **dict.fromkeys(("net_pnl", "entry_commission", "exit_commission"), "numeric(20, 8)"),
    **dict.fromkeys(("initial_capital", "current_equity"), "numeric(20, 8)"),
    "pnl_pct": "numeric(10, 6)",
    "id": "bigint",
}
#: What pg_dump may be asked for.
WAYS = {
    "copy": (),
    "inserts": ("--inserts",),
    "columns": ("--column-inserts", "--rows-per-insert=3"),
}


@pytest.fixture
async def platform_url(server_place: Place) -> AsyncIterator[str]:
    """A server of the earlier platform, in a zone of its own, with texts that need escapes."""
    admin = await asyncpg.connect(dsn(server_place, "postgres"))
    await admin.execute("CREATE DATABASE old_platform")
    await admin.execute("ALTER DATABASE old_platform SET timezone = 'Europe/Athens'")
    url = dsn(server_place, "old_platform")
    source = await asyncpg.connect(url)
    await source.execute("CREATE SCHEMA trading")
    dump = Dump()
    dump.tables["orders"] = []
    dump.tables["sync_status"] = [
        {**row, "error_message": f"it's\na\\tab\t{row['error_message']}"}
        for row in dump.tables["sync_status"]
    ]
    for table, rows in dump.tables.items():
        columns = COLUMNS[table]
        declared = ", ".join(f"{name} {TYPES.get(name, 'text')}" for name in columns)
        await source.execute(f"CREATE TABLE trading.{table} ({declared})")
        values = ", ".join(
            f"${n}::text::{TYPES.get(name, 'text')}" for n, name in enumerate(columns, 1)
        )
        await source.executemany(
            f"INSERT INTO trading.{table} VALUES ({values})",
            [tuple(row[name] for name in columns) for row in rows],
        )
    await source.close()
    yield url
    await admin.execute("DROP DATABASE old_platform WITH (FORCE)")
    await admin.close()


async def test_dumps_of_every_kind_and_their_server_agree(
    settings: Path, platform_url: str, tmp_path: Path
) -> None:
    programs = client_programs()
    assert programs is not None, "the wheel has pg_dump"
    importer = Importer(load(settings, {}, {}), SystemClock(), dry_run=True)
    documents: dict[str, Any] = {}
    for way, options in WAYS.items():
        file = tmp_path / f"{way}.sql"
        command = [str(programs / "pg_dump"), "-f", str(file), *options, platform_url]
        await asyncio.to_thread(subprocess.run, command, check=True)
        documents[way] = (await importer.platform(str(file))).as_json()
    documents["server"] = (await importer.platform(platform_url)).as_json()
    for way, document in documents.items():
        assert document["new_rows"] == 11, way
        for told in ("imported", "after", "tables", "notes"):
            assert document[told] == documents["copy"][told], (way, told)
    assert "alpha@" not in str(documents["server"]["source"])


async def test_shortsellers_server_is_read_like_its_dump(
    settings: Path, server_place: Place
) -> None:
    file = settings.parent / "source.sql"
    file.write_text(old_bots.shortseller(), encoding="utf-8")
    wanted = ("trading.account_balance", "trading.signals", "trading.trades")
    dumped = read_dump(file, wanted)
    admin = await asyncpg.connect(dsn(server_place, "postgres"))
    await admin.execute("CREATE DATABASE multiasset_trading")
    url = dsn(server_place, "multiasset_trading")
    source = await asyncpg.connect(url)
    await source.execute("CREATE SCHEMA trading")
    for table in wanted:
        columns = ", ".join(f"{name} text" for name in dumped.columns[table])
        await source.execute(f"CREATE TABLE {table} ({columns})")
        rows = [tuple(row.values.values()) for row in dumped.rows[table]]
        await source.copy_records_to_table(
            table.partition(".")[2], schema_name="trading", records=rows
        )
    await source.close()
    importer = Importer(load(settings, {}, {}), SystemClock(), dry_run=True)
    try:
        by_dump = (await importer.shortseller(str(file), bot=None)).as_json()
        by_url = (await importer.shortseller(url, bot=None)).as_json()
    finally:
        await admin.execute("DROP DATABASE multiasset_trading WITH (FORCE)")
        await admin.close()
    assert by_url["imported"] == by_dump["imported"]
    assert by_url["after"] == by_dump["after"]
    assert by_url["new_rows"] == 11
