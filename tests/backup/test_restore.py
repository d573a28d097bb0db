"""Backups of a real ledger on a real server: made, looked at, restored, refused."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from alpha.backup.folder import read_file
from alpha.backup.programs import find_programs
from alpha.backup.restore import File, replace
from alpha.backup.scratch import scratch
from alpha.clock import SystemClock, SystemRandomness
from alpha.config.settings import BackupSettings
from alpha.errors import AlphaError, ConfigError, NeedsOperator, NotFound, TimedOut
from alpha.ledger.migrations import SCHEMAS, migrate
from alpha.ledger.verify import verify
from tests.backup.conftest import FILLS, backups_of, execute, fetchval
from tests.conftest import ROOT

ONE_MORE = (
    "INSERT INTO audit.system_events (event_type, event_level, message) "
    "VALUES ('later', 'INFO', 'after the backup')"
)


async def test_a_backup_says_what_it_holds(ledger_dsn: str, tmp_path: Path) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    found = await verify(ledger_dsn)
    manifest = backup.manifest
    assert manifest.ledger.fills == FILLS == found.fills
    assert manifest.ledger.executions == found.executions > FILLS
    assert manifest.ledger.sha256 == found.sha256
    assert manifest.rows["trading.fills"] == FILLS
    assert manifest.schema_version == await fetchval(
        ledger_dsn, "SELECT max(version) FROM config.schema_migrations"
    )
    assert stat.S_IMODE(backup.path.stat().st_mode) == 0o600
    folders = [path for path in (tmp_path / "backups").rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "backups", *folders]} == {
        0o700
    }
    assert read_file(backup.path) == backup
    assert not list((tmp_path / "backups").rglob("*.unfinished"))


async def test_a_verified_backup_agrees_and_leaves_no_database(
    ledger_dsn: str, tmp_path: Path
) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    found = await backups.verify("latest")
    assert found["ok"] is True, found["problems"]
    assert found["name"] == backup.name
    assert (found["fills"], found["sha256"]) == (FILLS, backup.manifest.ledger.sha256)
    left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'alpha\\_scratch\\_%'"
    assert await fetchval(ledger_dsn, left) == 0


async def test_a_projection_that_is_wrong_shows(ledger_dsn: str, tmp_path: Path) -> None:
    await execute(
        ledger_dsn,
        "UPDATE trading.completed_trades SET gross_pnl = gross_pnl + 1 "
        "WHERE ctid = (SELECT min(ctid) FROM trading.completed_trades)",
    )
    backups = backups_of(ledger_dsn, tmp_path)
    await backups.create()
    found = await backups.verify("latest")
    assert found["ok"] is False
    assert "trading.completed_trades" in str(found["problems"])


async def test_a_restored_ledger_is_the_same(
    ledger_dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    name = urlsplit(empty_dsn).path.lstrip("/")
    found = await backups.restore(backup.name, into=name)
    assert found["ok"] is True, found["problems"]
    assert found["replaced"] is None
    assert (await verify(empty_dsn)).sha256 == backup.manifest.ledger.sha256
    accounts = found["backfill"]
    assert isinstance(accounts, list) and [one["account"] for one in accounts] == ["account_01"]
    assert all(one["since"] for one in accounts)
    # The guards of the ledger are there, too.
    with pytest.raises(Exception, match="append-only"):
        await execute(empty_dsn, "DELETE FROM trading.executions")


async def test_a_database_that_is_not_empty_is_replaced_only_by_force(
    ledger_dsn: str, tmp_path: Path
) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    await execute(ledger_dsn, ONE_MORE)
    with pytest.raises(AlphaError, match="--force"):
        await backups.restore(backup.name)
    assert await fetchval(ledger_dsn, "SELECT count(*) FROM audit.system_events") == 1
    found = await backups.restore(backup.name, force=True)
    assert found["ok"] is True
    assert await fetchval(ledger_dsn, "SELECT count(*) FROM audit.system_events") == 0
    replaced = backups.folder.find(str(found["replaced"]))
    assert replaced.manifest.rows["audit.system_events"] == 1
    assert backups.folder.find("latest") == backup  # never what a restore has replaced


async def test_a_damaged_file_changes_nothing(ledger_dsn: str, tmp_path: Path) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    content = bytearray(backup.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    backup.path.write_bytes(content)
    with pytest.raises(AlphaError, match="sha256"):
        await backups.restore(backup.name, force=True)
    # Without a manifest PostgreSQL itself has to find it, in the middle of its transaction.
    alone = tmp_path / "alone.dump"
    alone.write_bytes(content[: len(content) * 2 // 3])
    before = (await verify(ledger_dsn)).sha256
    with pytest.raises(AlphaError, match="nothing was changed"):
        await backups.restore(str(alone), force=True)
    after = await verify(ledger_dsn)
    assert after.ok and after.sha256 == before


async def test_a_row_that_does_not_fit_is_named(
    ledger_dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    await execute(
        ledger_dsn,
        "ALTER TABLE trading.bots ADD CONSTRAINT unfit CHECK (bot_id <> 'bot_002') NOT VALID; "
        "UPDATE pg_constraint SET convalidated = true WHERE conname = 'unfit'",
    )
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    with pytest.raises(AlphaError, match=r"COPY bots, line \d+.*bot_002.*nothing was changed"):
        await backups.restore(backup.name, into=empty_dsn)
    assert await fetchval(empty_dsn, "SELECT to_regclass('trading.bots') IS NULL") is True


async def test_a_foreign_dump_is_refused(ledger_dsn: str, empty_dsn: str, tmp_path: Path) -> None:
    await execute(empty_dsn, "CREATE TABLE public.theirs (id integer)")
    foreign = tmp_path / "foreign.dump"
    version = int(str(await fetchval(empty_dsn, "SHOW server_version_num"))) // 10_000
    programs = await find_programs(version, ours=True)
    process = await asyncio.create_subprocess_exec(
        programs.path("pg_dump"), "--format=custom", f"--file={foreign}", empty_dsn
    )
    assert await process.wait() == 0
    with pytest.raises(AlphaError, match="backup of an Alpha database"):
        await backups_of(ledger_dsn, tmp_path).restore(str(foreign), force=True)
    (tmp_path / "text.dump").write_text("no dump at all")
    with pytest.raises(AlphaError, match="custom format"):
        await backups_of(ledger_dsn, tmp_path).restore(str(tmp_path / "text.dump"), force=True)
    # Nothing was replaced, so there is nothing to keep of before.
    assert backups_of(ledger_dsn, tmp_path).folder.all() == []
    assert (await verify(ledger_dsn)).ok


async def test_another_modes_backup_is_refused(
    ledger_dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    backup = await backups_of(ledger_dsn, tmp_path).create()
    alone = tmp_path / "alone.dump"  # without its manifest the accounts in it tell
    shutil.copy(backup.path, alone)
    file = File(alone, None, BackupSettings())
    with pytest.raises(AlphaError, match="of mode paper"):
        await replace(empty_dsn, file, mode="live", ours=True)
    assert await fetchval(empty_dsn, "SELECT to_regclass('trading.bots') IS NULL") is True


async def test_nothing_is_replaced_under_a_daemon(ledger_dsn: str, tmp_path: Path) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    await execute(
        ledger_dsn,
        "INSERT INTO config.leases VALUES ('account_01', 'host:abc pid 1', 'host:abc', 1, "
        "clock_timestamp(), clock_timestamp() + interval '1 minute')",
    )
    with pytest.raises(AlphaError, match=r"expected no daemon .* host:abc pid 1"):
        await backups.restore(backup.name, force=True)


async def test_a_restore_that_was_killed_is_undone_by_the_next(
    ledger_dsn: str, tmp_path: Path
) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    for schema in ("trading", "analytics", "config", "audit"):
        await execute(ledger_dsn, f"ALTER SCHEMA {schema} RENAME TO {schema}_set_aside")
    await execute(ledger_dsn, "CREATE SCHEMA trading CREATE TABLE half (id integer)")
    found = await backups.restore(backup.name, force=True)
    assert found["ok"] is True
    left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%set_aside'"
    assert await fetchval(ledger_dsn, left) == 0


async def test_nothing_begins_beside_a_restore_that_was_cut_off(ledger_dsn: str) -> None:
    for schema in SCHEMAS:
        await execute(ledger_dsn, f"ALTER SCHEMA {schema} RENAME TO {schema}_set_aside")
    with pytest.raises(NeedsOperator, match=r"restore was cut off.*alpha backup restore"):
        await migrate(ledger_dsn, ROOT / "migrations")
    assert await fetchval(ledger_dsn, "SELECT to_regnamespace('config') IS NULL") is True


async def test_a_database_of_others_is_not_empty(
    ledger_dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    backup = await backups_of(ledger_dsn, tmp_path).create()
    await execute(
        empty_dsn, "CREATE TABLE customers (id integer); INSERT INTO customers VALUES (1)"
    )
    backups = backups_of(empty_dsn, tmp_path)
    with pytest.raises(AlphaError, match=r"empty database.*public.customers.*--force"):
        await backups.restore(backup.name)
    assert await fetchval(empty_dsn, "SELECT to_regnamespace('trading') IS NULL") is True
    found = await backups.restore(backup.name, force=True)
    assert found["ok"] is True and found["replaced"] is None
    assert await fetchval(empty_dsn, "SELECT count(*) FROM customers") == 1


async def test_a_file_without_its_end_or_its_manifest(
    ledger_dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    alone, cut = tmp_path / "alone.dump", tmp_path / "cut.dump"
    whole = backup.path.read_bytes()
    alone.write_bytes(whole)
    cut.write_bytes(whole[:-100])
    with pytest.raises(AlphaError, match="nothing was changed"):
        await backups_of(empty_dsn, tmp_path).restore(str(cut))
    assert await fetchval(empty_dsn, "SELECT to_regnamespace('trading') IS NULL") is True
    found = await backups_of(empty_dsn, tmp_path).restore(str(alone))
    assert (found["ok"], found["compared"]) == (True, False)
    assert (await backups.verify(backup.name))["compared"] is True
    # A manifest whose file has gone is no backup: the one before it counts.
    later = await backups.create()
    later.path.unlink()
    assert backups.folder.find("latest").name == backup.name


async def test_a_server_that_does_not_answer_is_named(ledger_dsn: str, tmp_path: Path) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    for url, error, words in (
        ("postgresql://u:hidden@127.0.0.1:1/x", TimedOut, r"127.0.0.1:1.*correct the URL"),
        ("postgresql://127.0.0.1:port/x", ConfigError, "expected a PostgreSQL URL"),
    ):
        with pytest.raises(error, match=words) as refused:
            await backups.restore(backup.name, into=url)
        assert "hidden" not in str(refused.value)


async def test_an_empty_database_has_nothing_to_back_up(empty_dsn: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="alpha run"):
        await backups_of(empty_dsn, tmp_path).create()
    assert not list((tmp_path / "backups").rglob("*.dump*"))


async def test_one_backup_at_a_time(ledger_dsn: str, tmp_path: Path) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    with backups.folder.locked(), pytest.raises(AlphaError, match=f"process {os.getpid()}"):
        await backups.create()


async def test_a_server_that_is_away_is_replaced_by_one_of_our_own(tmp_path: Path) -> None:
    away = f"postgresql://alpha@/nowhere?host={tmp_path}"
    async with scratch(
        away, ours=False, clock=SystemClock(), randomness=SystemRandomness(1)
    ) as found:
        assert found.ours
        assert await fetchval(found.dsn, "SELECT 1") == 1
