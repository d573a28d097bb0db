"""The stores of a daemon that starts."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from alpha.alerts import Alerts
from alpha.bots.host import BotHandle
from alpha.clock import SystemClock
from alpha.config.load import load
from alpha.core.reasons import BUILTIN
from alpha.ledger.lease import Lease, LeaseHeld
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import Pool
from alpha.stores import open_stores, register_bots
from tests.bots.strategies import Scripted
from tests.conftest import ROOT


async def nobody(pool: Pool, lease: Lease, held: LeaseHeld) -> bool:
    raise AssertionError(f"expected a free account, was {held}")


@pytest.mark.parametrize("applied", [0, 1, 3, 4, 6])
async def test_another_daemon_may_be_making_the_database_at_the_same_moment(
    tmp_path: Path, postgres_dsn: str, redis_url: str, applied: int
) -> None:
    """Whatever it has applied so far."""
    connection = await asyncpg.connect(postgres_dsn)
    for schema in ("trading", "analytics", "config", "audit"):
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    first = tmp_path / "first"
    first.mkdir()
    for path in sorted((ROOT / "migrations").glob("*.sql"))[:applied]:
        shutil.copy(path, first)
    if applied:
        await migrate(connection, first)
    await connection.close()
    config = tmp_path / "config.toml"
    config.write_text(f"[postgres]\nurl = '{postgres_dsn}'\n[redis]\nurl = '{redis_url}'\n")
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        stores = await open_stores(
            stack,
            load(config, {}, {}),
            ["main"],
            installation="ours",
            reasons=BUILTIN,
            clock=clock,
            alerts=Alerts(clock),
            stand_by=nobody,
        )
        assert stores is not None and stores.lease.epochs == {"main": 1}
        # However many duties wait for the database, the lease does not.
        async with AsyncExitStack() as busy:
            for _ in range(stores.pool.get_max_size()):
                await busy.enter_async_context(stores.pool.acquire())
            await stores.lease.renew_once()


async def test_the_registry_knows_the_version_of_a_plugin(tmp_path: Path, pool: Pool) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[bots.one]\nplugin = 'shortseller'\n")
    settings = load(config, {}, {})
    bot = settings.bots["one"]
    handle = BotHandle("one", bot.bot_id, "main", Scripted, plugin="scripted", version="1.2.3")
    await register_bots(pool, settings, {"one": handle}, BUILTIN)
    known = "SELECT plugin_version FROM trading.bots WHERE bot_id = $1"
    assert await pool.fetchval(known, bot.bot_id) == "1.2.3"
    await register_bots(pool, settings, {}, BUILTIN)  # left out of a run
    assert await pool.fetchval(known, bot.bot_id) == "1.2.3"


async def test_what_a_person_notes_of_accounts_and_bots_outlives_a_start(
    tmp_path: Path, pool: Pool
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[bots.one]\nplugin = 'shortseller'\n")
    settings = load(config, {}, {})
    await register_bots(pool, settings, {}, BUILTIN)
    await pool.execute("UPDATE trading.accounts SET uid = '1234'")
    await pool.execute("UPDATE trading.bots SET description = 'the short one'")
    await register_bots(pool, settings, {}, BUILTIN)
    rows = await pool.fetch(
        "SELECT a.uid, b.description FROM trading.bots b JOIN trading.accounts a USING (account)"
        " WHERE b.bot_id = $1",
        settings.bots["one"].bot_id,
    )
    assert [tuple(row) for row in rows] == [("1234", "the short one")]
    config.write_text("[bots.one]\nplugin = 'shortseller'\ndescription = 'by the settings'\n")
    await register_bots(pool, load(config, {}, {}), {}, BUILTIN)
    said = "SELECT description FROM trading.bots WHERE bot_id = $1"
    assert await pool.fetchval(said, settings.bots["one"].bot_id) == "by the settings"
