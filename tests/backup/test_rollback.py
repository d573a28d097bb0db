"""The way back from a migration."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from alpha import resources
from alpha.alerts import Alerts
from alpha.backup.folder import FolderBusy
from alpha.backup.points import restore_point
from alpha.cli import main
from alpha.clock import ManualClock, SystemClock
from alpha.config.load import load
from alpha.core.reasons import BUILTIN
from alpha.errors import NeedsOperator, NotFound
from alpha.ledger.lease import Lease, LeaseHeld
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import Pool
from alpha.ledger.verify import verify
from alpha.stores import open_stores
from tests.backup.conftest import backups_of, execute, fetchval
from tests.conftest import ROOT

HAS_COLUMN = (
    "SELECT count(*) FROM information_schema.columns "
    "WHERE table_schema = 'trading' AND table_name = 'fills' AND column_name = 'colour'"
)
CHANGE = """
ALTER TABLE trading.fills ADD COLUMN colour text NOT NULL DEFAULT 'blue';
UPDATE trading.fills SET realised = 0;
"""


def with_one_more(tmp_path: Path, sql: str) -> Path:
    folder = tmp_path / "migrations"
    shutil.copytree(ROOT / "migrations", folder)
    number = len(list(folder.glob("*.sql"))) + 1
    (folder / f"{number:04d}_colours.sql").write_text(sql)
    return folder


async def nobody(pool: Pool, lease: Lease, held: LeaseHeld) -> bool:
    raise AssertionError(f"expected a free account, was {held}")


async def test_a_migration_is_taken_back(ledger_dsn: str, tmp_path: Path) -> None:
    """One that has spoilt a column of every fill."""
    before = await verify(ledger_dsn)
    backups = backups_of(ledger_dsn, tmp_path)
    point = restore_point(backups.config, ledger_dsn, SystemClock())
    folder = with_one_more(tmp_path, CHANGE)
    done = await migrate(ledger_dsn, folder, before=point)
    assert [one.name for one in done] == ["colours"]
    assert not (await verify(ledger_dsn)).ok
    made = backups.folder.find("latest", "migration")
    assert f"-{done[0].version - 1:04d}-" in made.name
    assert made.manifest.rows["trading.market_data_other"] is not None
    assert made.manifest.candles
    found = await backups.rollback()
    assert found["schema_version"] == done[0].version - 1
    assert await fetchval(ledger_dsn, HAS_COLUMN) == 0
    after = await verify(ledger_dsn)
    assert after.ok and after.sha256 == before.sha256
    candles = "SELECT count(*) FROM trading.market_data"
    assert await fetchval(ledger_dsn, candles) == 200
    # What was replaced is kept, with the column in it.
    replaced = backups.folder.find(str(found["replaced"]))
    assert replaced.manifest.schema_version == done[0].version
    # Nothing is pending again but that one migration, which may be applied anew.
    assert [one.name for one in await migrate(ledger_dsn, folder, before=point)] == ["colours"]


async def test_no_restore_point_no_migration(ledger_dsn: str, tmp_path: Path) -> None:
    backups = backups_of(ledger_dsn, tmp_path, programs=str(tmp_path))
    point = restore_point(backups.config, ledger_dsn, SystemClock())
    with pytest.raises(NeedsOperator, match=r"pg_dump.*postgresql-client"):
        await migrate(ledger_dsn, with_one_more(tmp_path, CHANGE), before=point)
    assert await fetchval(ledger_dsn, HAS_COLUMN) == 0


async def test_a_backup_under_way_is_waited_for(ledger_dsn: str, tmp_path: Path) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    with backups.folder.locked():
        with pytest.raises(FolderBusy, match=f"was process {os.getpid()}"):
            await restore_point(backups.config, ledger_dsn, ManualClock())()
        making = asyncio.ensure_future(restore_point(backups.config, ledger_dsn, SystemClock())())
        await asyncio.wait([making], timeout=0.5)
        assert not making.done()
    await making
    assert [one.manifest.kind for one in backups.folder.all()] == ["migration"]


async def test_a_database_without_accounts_needs_no_restore_point(
    postgres_dsn: str, tmp_path: Path
) -> None:
    backups = backups_of(postgres_dsn, tmp_path)
    point = restore_point(backups.config, postgres_dsn, SystemClock())
    await migrate(postgres_dsn, with_one_more(tmp_path, CHANGE), before=point)
    assert backups.folder.all() == []
    with pytest.raises(NotFound, match="expected a restore point"):
        await backups.rollback()


async def test_a_daemon_makes_one_when_it_starts_and_keeps_its_lease_meanwhile(
    ledger_dsn: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer_than_a_lease = "SELECT pg_sleep(4.2);"
    folder = with_one_more(tmp_path, CHANGE + longer_than_a_lease)
    monkeypatch.setattr(resources, "migrations_folder", lambda: folder)
    config = tmp_path / "config.toml"
    config.write_text(
        f"data_dir = '{tmp_path}'\n[postgres]\nurl = '{ledger_dsn}'\n[redis]\nurl = '{redis_url}'\n"
    )
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        stores = await open_stores(
            stack,
            load(config, {}, {}),
            ["account_01"],
            installation="ours",
            reasons=BUILTIN,
            clock=clock,
            alerts=Alerts(clock),
            stand_by=nobody,
        )
        assert stores is not None and stores.lease.is_held()
        await stores.lease.release()
    assert await fetchval(ledger_dsn, HAS_COLUMN) == 1
    assert len(backups_of(ledger_dsn, tmp_path).folder.all()) == 1


def test_the_verb_asks_and_refuses_under_a_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"data_dir = '{tmp_path}'\n")
    assert main(["db", "rollback", "--yes", "--config", str(config)]) == 2
    assert "expected a restore point" in capsys.readouterr().err
    assert main(["backup", "list", "--json", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out) == {"backups": []}


async def test_rolling_back_under_a_daemon_is_refused(ledger_dsn: str, tmp_path: Path) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    point = restore_point(backups.config, ledger_dsn, SystemClock())
    await migrate(ledger_dsn, with_one_more(tmp_path, CHANGE), before=point)
    await execute(
        ledger_dsn,
        "INSERT INTO config.leases VALUES ('account_01', 'host:abc pid 1', 'host:abc', 1, "
        "clock_timestamp(), clock_timestamp() + interval '1 minute')",
    )
    with pytest.raises(Exception, match="expected no daemon"):
        await backups.rollback()
    assert await fetchval(ledger_dsn, HAS_COLUMN) == 1
