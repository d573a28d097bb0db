"""A database as an earlier release left it, brought up to now: nothing is lost, nothing differs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alpha.ledger.migrations import migrate, read_folder, status
from alpha.ledger.pool import connect
from alpha.ledger.verify import verify
from tests.conftest import ROOT

DUMPS = {
    path.stem: path.read_text("utf-8")
    for path in sorted(Path(__file__).parent.glob("schema_*.sql"))
}
MIGRATIONS = ROOT / "migrations"
COUNTED = (
    *("trading.executions", "trading.fills", "trading.completed_trades", "trading.positions"),
    *("trading.position_entries", "trading.funding_payments", "trading.adjustments"),
    *("trading.attribution_overrides", "trading.orders", "trading.market_data"),
    *("config.decisions", "config.bot_state", "config.quantity_steps", "config.order_tags"),
    *("audit.system_events", "audit.command_log", "trading.bots", "trading.accounts"),
)


@pytest.mark.parametrize("dump", DUMPS)
async def test_a_restored_dump_is_brought_up_to_now(empty_dsn: str, dump: str) -> None:
    text = DUMPS[dump]
    connection = await connect(empty_dsn)
    try:
        await connection.execute(text)
    finally:
        await connection.close()
    before = await counts(empty_dsn)
    assert min(before.values()) > 0, "a dump with rows in all that matters"

    version = int(dump.removeprefix("schema_"))
    pending = (await status(empty_dsn, MIGRATIONS)).pending
    assert [one.version for one in pending] == [
        one.version for one in read_folder(MIGRATIONS) if one.version > version
    ]
    await migrate(empty_dsn, MIGRATIONS)

    assert await counts(empty_dsn) == before
    found = await verify(empty_dsn)
    assert found.problems == ()
    (sha256,) = re.findall(r"^-- ledger sha256 ([0-9a-f]{64})$", text, re.MULTILINE)
    assert found.sha256 == sha256
    # What is new is there, also for rows that are older than it.
    connection = await connect(empty_dsn)
    try:
        assert (
            await connection.fetchval("SELECT count(DISTINCT id) FROM trading.fills")
            == (before["trading.fills"])
        )
        trades = await connection.fetchval("SELECT sum(pnl_usd) FROM trading.trades")
        pieces = await connection.fetchval("SELECT sum(net_pnl) FROM trading.completed_trades")
        assert trades == pieces
        days = await connection.fetchval(
            "SELECT sum(net_pnl) FROM analytics.daily_performance_summary"
        )
        own = await connection.fetchval(
            "SELECT sum(net_pnl) FROM trading.completed_trades WHERE bot_id <> 'manual'"
        )
        assert days == own
        await connection.execute("SET ROLE alpha_reader")
        await connection.fetch("SELECT * FROM trading.executions")
    finally:
        await connection.close()


async def counts(dsn: str) -> dict[str, int]:
    connection = await connect(dsn)
    try:
        return {
            table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in COUNTED
        }
    finally:
        await connection.close()
