"""A migrated database with one account and two bots, and a writer that is running on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from alpha.clock import SystemClock
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import Connection, Pool, connect, open_pool
from alpha.ledger.registry import AccountEntry, BotEntry, register
from alpha.ledger.writer import LedgerWriter

MIGRATIONS = Path(__file__).parents[2] / "migrations"
ACCOUNT = "main"
BOTS = ("alpha_001", "beta_001")


@pytest.fixture
async def empty_dsn(postgres_dsn: str) -> str:
    """A database without anything of ours in it."""
    connection = await connect(postgres_dsn)
    for schema in ("trading", "analytics", "config", "audit"):
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    await connection.close()
    return postgres_dsn


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    await migrate(postgres_dsn, MIGRATIONS)
    pool = await open_pool(postgres_dsn, clock=SystemClock(), max_size=6)
    await register(
        pool,
        [AccountEntry(ACCOUNT, "paper"), AccountEntry("second", "paper")],
        [BotEntry(bot_id, ACCOUNT, bot_id[:-4], "test", "paper") for bot_id in BOTS]
        + [BotEntry("gamma_001", "second", "gamma", "test", "paper")],
    )
    try:
        yield pool
    finally:
        pool.terminate()


@asynccontextmanager
async def unguarded(connection: Connection) -> AsyncIterator[None]:
    """Past foreign keys and guards, as a broken disk or an owner with a console would: the guards
    have to be switched off one by one, session_replication_role alone does not do it."""
    guarded = ("trading.executions", "trading.attribution_overrides", "trading.adjustments")
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for table in guarded:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        yield
        for table in guarded:
            await connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")


@asynccontextmanager
async def running(writer: LedgerWriter) -> AsyncIterator[LedgerWriter]:
    task = asyncio.create_task(writer.run(), name="ledger-writer")
    try:
        yield writer
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


@pytest.fixture
async def writer(pool: Pool) -> AsyncIterator[LedgerWriter]:
    async with running(LedgerWriter(pool, clock=SystemClock(), lease=None)) as writer:
        yield writer
