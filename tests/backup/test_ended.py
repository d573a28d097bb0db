"""Commands that are ended on their way: what they leave in the server, on the disk, and say."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from alpha.backup.scratch import scratch
from alpha.clock import SystemClock, SystemRandomness
from alpha.ledger.migrations import LOCK, SCHEMAS
from tests.backup.conftest import backups_of, execute
from tests.conftest import ROOT
from tests.until import until

#: What keeps waiting: a backup, the processes of a verification, a migration.
HELD = (
    "LOCK TABLE trading.control_totals",
    "LOCK TABLE config.order_tags",
    f"SELECT pg_advisory_xact_lock({LOCK})",
)
VERIFY = ("ledger", "verify", "--jobs", "2")


class Server:
    """The database, with `HELD` held by somebody else."""

    def __init__(self, dsn: str, holder: asyncpg.Connection, watcher: asyncpg.Connection) -> None:
        self.dsn = dsn
        self.holder = holder
        self._watcher = watcher

    async def sessions(self, which: str) -> list[int]:
        rows = await self._watcher.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> ALL "
            f"($1::integer[]) AND ({which})",
            [self.holder.get_server_pid(), self._watcher.get_server_pid()],
        )
        return [row["pid"] for row in rows]

    async def until_waiting(self, program: str, count: int = 1) -> None:
        which = f"application_name = '{program}' AND wait_event_type = 'Lock'"

        async def waiting() -> bool:
            return len(await self.sessions(which)) >= count

        await until(waiting, f"{program} that waits", within_s=60)

    async def until_alone(self) -> None:
        async def alone() -> bool:
            return not await self.sessions("backend_type = 'client backend'")

        await until(alone, "the end of all sessions", within_s=15)


@pytest.fixture
async def server(ledger_dsn: str) -> AsyncIterator[Server]:
    holder, watcher = await asyncpg.connect(ledger_dsn), await asyncpg.connect(ledger_dsn)
    try:
        async with holder.transaction():
            for statement in HELD:
                await holder.execute(statement)
            yield Server(ledger_dsn, holder, watcher)
    finally:
        await holder.close()
        await watcher.close()


@contextmanager
def alpha(server: Server, folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command of a session of its own, all of which is killed at the end."""
    config = folder / "alpha.toml"
    config.write_text(f"data_dir = '{folder}'\n[postgres]\nurl = '{server.dsn}'\n")
    running = subprocess.Popen(
        [sys.executable, "-m", "alpha", *words, "--config", str(config)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate()


async def said(running: subprocess.Popen[str]) -> str:
    """Its last words, once it has ended."""
    _, words = await asyncio.to_thread(running.communicate, timeout=20)
    return words


def interrupts_blocked(group: int) -> list[bool]:
    """Of each worker process of the group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                os.getpgid(int(folder.name)) == group
                and b"spawn_main" in (folder / "cmdline").read_bytes()
            ):
                mask = (folder / "status").read_text().partition("SigBlk:")[2].split()[0]
                found.append(bool(int(mask, 16) & 1 << signal.SIGINT - 1))
    return found


async def test_sigterm_ends_a_backup_as_ctrl_c_does(server: Server, tmp_path: Path) -> None:
    with alpha(server, tmp_path, "backup", "create") as running:
        await server.until_waiting("pg_dump")
        running.send_signal(signal.SIGTERM)
        words = await said(running)
    assert (running.returncode, words.count("\n")) == (1, 1)
    assert "stopped before it was done" in words
    await server.until_alone()
    assert not list((tmp_path / "backups").rglob("*.dump*"))


async def test_a_backup_that_is_killed_ends_in_the_server(server: Server, tmp_path: Path) -> None:
    with alpha(server, tmp_path, "backup", "create") as running:
        await server.until_waiting("pg_dump")
        running.kill()
        await said(running)
        await server.until_alone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_processes_of_a_verification_end_with_it(
    server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    with alpha(server, tmp_path, *VERIFY) as running:
        await server.until_waiting("alpha", 2)
        blocked = interrupts_blocked(running.pid)
        assert len(blocked) == 2 and all(blocked)  # they leave Ctrl-C to the command
        running.send_signal(number)
        words = await said(running)  # which waits for whoever may write them still
    assert running.returncode == (1 if number == signal.SIGTERM else -number)
    assert "Traceback" not in words
    await server.until_alone()


async def test_a_migration_that_was_killed_does_not_wait_on(server: Server, tmp_path: Path) -> None:
    with alpha(server, tmp_path, "db", "migrate") as running:
        await server.until_waiting("alpha")
        running.kill()
        await said(running)
    await server.until_alone()


async def test_a_server_that_goes_away_is_told(server: Server, tmp_path: Path) -> None:
    with alpha(server, tmp_path, *VERIFY) as running:
        await server.until_waiting("alpha")
        for pid in await server.sessions("application_name = 'alpha'"):
            await execute(server.dsn, f"SELECT pg_terminate_backend({pid})")
        words = await said(running)
    assert (running.returncode, words.count("\n")) == (5, 1)
    assert "expected PostgreSQL to answer to the end" in words


async def test_a_restore_ends_what_one_that_was_killed_loads_still(
    ledger_dsn: str, tmp_path: Path
) -> None:
    backups = backups_of(ledger_dsn, tmp_path)
    backup = await backups.create()
    for schema in SCHEMAS:
        await execute(ledger_dsn, f"ALTER SCHEMA {schema} RENAME TO {schema}_set_aside")
    left = await asyncpg.connect(ledger_dsn, server_settings={"application_name": "alpha_restore"})
    await left.execute("BEGIN")
    for schema in SCHEMAS:
        await left.execute(f"CREATE SCHEMA {schema}")
    async with asyncio.timeout(40):
        assert (await backups.restore(backup.name, force=True))["ok"] is True
    assert left.is_closed()


async def test_a_database_to_look_at_goes_with_the_next_if_its_maker_was_killed(
    ledger_dsn: str,
) -> None:
    async def databases() -> list[str]:
        rows = await watcher.fetch("SELECT datname FROM pg_database WHERE datname ~ '^alpha_scr'")
        return [row["datname"] for row in rows]

    now = SystemClock().now_ms() // 1000
    left, used = f"alpha_scratch_{now}_00000001", f"alpha_scratch_{now}_00000002"
    watcher = await asyncpg.connect(ledger_dsn)
    maker = await asyncpg.connect(ledger_dsn, server_settings={"application_name": used})
    try:
        for name in (left, used):
            await watcher.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        async with scratch(
            ledger_dsn, ours=False, clock=SystemClock(), randomness=SystemRandomness(1)
        ):
            there = await databases()
            assert left not in there and used in there and len(there) == 2
        assert await databases() == [used]
    finally:
        await maker.close()
        for name in await databases():
            await watcher.execute(f"DROP DATABASE {name}")
        await watcher.close()
