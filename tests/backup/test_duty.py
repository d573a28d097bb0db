"""What the daemon does by itself: what is due, by a process of its own, and what it tells."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from alpha.backup.duty import BackupDuty
from alpha.clock import ManualClock, SystemClock
from alpha.config.load import load
from alpha.errors import AlphaError
from alpha.ledger.pool import Pool, open_pool
from tests.backup.conftest import execute
from tests.conftest import ROOT
from tests.until import until

HOUR = 3_600_000
#: A daemon, as far as its backup can tell.
DAEMON = """
import os, subprocess, sys
command = [sys.executable, "-m", "alpha", "backup", "create", "--scheduled", "hourly"]
options = ["--daemon", str(os.getpid()), "--config", sys.argv[1]]
subprocess.run([*command, *options], start_new_session=True)
"""
DAY_AGO = "UPDATE config.schema_migrations SET applied_at = applied_at - interval '25 hours'"


@pytest.fixture
async def pool(ledger_dsn: str) -> AsyncIterator[Pool]:
    opened = await open_pool(ledger_dsn, clock=SystemClock(), max_size=1)
    yield opened
    await opened.close()


def duty_of(
    url: str, redis_url: str, pool: Pool, clock: ManualClock, folder: Path, **backup: object
) -> BackupDuty:
    file = folder / "config.toml"
    keys = "".join(f"{key} = {value!r}\n" for key, value in backup.items())
    file.write_text(
        f"data_dir = '{folder}'\n[postgres]\nurl = '{url}'\n[redis]\nurl = '{redis_url}'\n"
        f"[backup]\n{keys}"
    )
    return BackupDuty(load(file, {}, {}), file, pool, clock)


async def test_what_is_due_is_made_once(
    ledger_dsn: str, redis_url: str, pool: Pool, tmp_path: Path
) -> None:
    await execute(ledger_dsn, DAY_AGO)
    clock = ManualClock(SystemClock().now_ms())
    duty = duty_of(ledger_dsn, redis_url, pool, clock, tmp_path)
    await duty.look()
    # A day without one: the daily one, which is an hourly one, too, and what Redis holds.
    made = sorted(path.name for path in (tmp_path / "backups").rglob("*.dump"))
    assert len(made) == 4, made  # and its links
    assert len(list((tmp_path / "backups" / "redis").glob("*.rdb"))) == 1
    await duty.look()
    assert len(list((tmp_path / "backups" / "last").glob("*.dump"))) == 1
    assert duty.age_s == 0
    # Another process, as after a restart, knows what lies there.
    again = duty_of(ledger_dsn, redis_url, pool, clock, tmp_path)
    await again.look()
    assert len(list((tmp_path / "backups" / "last").glob("*.dump"))) == 1
    clock.advance(HOUR)
    assert again.due(clock.now_ms()) in ("hourly", "daily")
    assert again.overdue_since_ms is None
    clock.advance(26 * HOUR)
    assert again.overdue_since_ms is not None
    assert again.age_s == pytest.approx(27 * 3600, abs=120)


async def test_a_failure_is_told_and_tried_again_later(
    ledger_dsn: str, redis_url: str, pool: Pool, tmp_path: Path
) -> None:
    await execute(ledger_dsn, DAY_AGO)
    clock = ManualClock(SystemClock().now_ms())
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    duty = duty_of(ledger_dsn, redis_url, pool, clock, tmp_path, programs=str(nothing))
    with pytest.raises(AlphaError, match=r"pg_dump.*postgresql-client"):
        await duty.look()
    await duty.look()  # not each minute
    clock.advance(15 * 60_000)
    with pytest.raises(AlphaError, match="pg_dump"):
        await duty.look()


async def test_when_something_is_due(
    ledger_dsn: str, redis_url: str, pool: Pool, tmp_path: Path
) -> None:
    """A database that was made at half past one."""
    await execute(
        ledger_dsn, "UPDATE config.schema_migrations SET applied_at = '2026-03-01T01:30Z'"
    )

    def at(hour: int, minute: int) -> int:
        return round(datetime(2026, 3, 1, hour, minute, tzinfo=UTC).timestamp() * 1000)

    duty = duty_of(ledger_dsn, redis_url, pool, ManualClock(at(1, 40)), tmp_path)
    await duty.look()
    asked = [duty.due(at(*time)) for time in ((1, 59), (2, 0), (2, 30), (23, 0))]
    assert asked == [None, "daily", "daily", "daily"]
    only = duty_of(ledger_dsn, redis_url, pool, ManualClock(at(1, 40)), tmp_path, daily_at="05:15")
    await only.look()
    asked = [only.due(at(*time)) for time in ((1, 59), (2, 0), (5, 14), (5, 15))]
    assert asked == [None, "hourly", "hourly", "daily"]


async def test_a_backup_ends_with_its_daemon(
    ledger_dsn: str, redis_url: str, pool: Pool, tmp_path: Path
) -> None:
    """And so does pg_dump, whose locks a migration of the next daemon would wait for."""
    duty_of(ledger_dsn, redis_url, pool, ManualClock(), tmp_path)
    watcher = await asyncpg.connect(ledger_dsn)
    async with _locked_fills(ledger_dsn):
        daemon = _start(tmp_path / "config.toml")
        try:
            await until(lambda: _waiting(watcher), "pg_dump", within_s=60)
            await asyncio.to_thread(_kill, daemon)
            await until(lambda: _nobody(watcher), "the end of pg_dump", within_s=15)
        finally:
            _kill(daemon)
            await watcher.close()
    assert list((tmp_path / "backups").rglob("*.dump*")) == []


async def test_a_daemon_that_ends_ends_its_backup(
    ledger_dsn: str, redis_url: str, pool: Pool, tmp_path: Path
) -> None:
    await execute(ledger_dsn, DAY_AGO)
    clock = ManualClock(SystemClock().now_ms())
    duty = duty_of(ledger_dsn, redis_url, pool, clock, tmp_path)
    watcher = await asyncpg.connect(ledger_dsn)
    async with _locked_fills(ledger_dsn):
        looking = asyncio.create_task(duty.look())
        try:
            await until(lambda: _waiting(watcher), "pg_dump", within_s=60)
            looking.cancel()
            await asyncio.wait([looking])
            await until(lambda: _nobody(watcher), "the end of pg_dump", within_s=15)
        finally:
            looking.cancel()
            await watcher.close()
    assert list((tmp_path / "backups").rglob("*.dump*")) == []


@asynccontextmanager
async def _locked_fills(dsn: str) -> AsyncIterator[None]:
    holder = await asyncpg.connect(dsn)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE trading.fills")
            yield
    finally:
        await holder.close()


async def _waiting(watcher: asyncpg.Connection) -> bool:
    """pg_dump at its worst moment: a server does not look whether who waits for a lock is gone."""
    return await _sessions(watcher, "application_name = 'pg_dump' AND wait_event_type = 'Lock'") > 0


async def _nobody(watcher: asyncpg.Connection) -> bool:
    """Neither pg_dump nor the session that waits for the same table beside it."""
    return not await _sessions(watcher, "application_name = 'pg_dump' OR wait_event_type = 'Lock'")


async def _sessions(watcher: asyncpg.Connection, which: str) -> int:
    asked = (
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND ({which})"
    )
    return int(await watcher.fetchval(asked))


def _start(config: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", DAEMON, str(config)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
