"""What a daemon writes down beside the ledger, of one whole run, agrees with the ledger."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import asyncpg

from alpha.clock import SystemClock
from alpha.config import load
from alpha.control.databases import database_pool
from alpha.ledger.pool import Pool
from alpha.ledger.summaries import Summaries
from tests.acceptance.daemons import PATIENCE_S, Installation, installation
from tests.trading.test_crashes import UNSIGNALLED
from tests.until import until

BOT = "shortseller_001"
#: Wallets have eight decimals.
ROUNDING = Decimal("0.000001")
#: What executions and funding have made of the balance of a new account.
CASH = """
SELECT 10000 + (SELECT coalesce(sum(realised - commission), 0) FROM trading.fills)
             + (SELECT coalesce(sum(amount), 0) FROM trading.funding_payments)"""
#: Entry orders of which everything is closed, with their net result.
CLOSED = """
SELECT t.entry_order_link_id AS link_id, sum(t.net_pnl) AS net
  FROM trading.completed_trades t
 WHERE NOT EXISTS (SELECT FROM trading.position_entries p
                    WHERE p.entry_order_id = t.entry_order_id AND p.remaining_qty > 0)
 GROUP BY 1"""


def has_closed(home: Installation) -> bool:
    """The exchange has closed something of the bot, and gone on."""
    exits = [row for row in home.truth("Trade") if Decimal(str(row["closed_size"])) > 0]
    return len(exits) > 0


async def test_a_whole_run_is_written_down(server_folder: Path) -> None:
    with installation(server_folder) as home:
        daemon = home.start()
        await home.ready()
        await until(lambda: has_closed(home), "a closed position", within_s=PATIENCE_S)
        await SystemClock().sleep(6.0)  # of equity, after it
        assert home.stop(daemon) == 0
        async with database_pool(load(home.config, {}, {}), SystemClock()) as pool:
            await _signals(pool)
            await _orders(pool)
            await _money(pool)
            await _days_and_pictures(pool)
            await _words(pool)
            await _summaries(pool)


async def _signals(pool: Pool) -> None:
    assert await pool.fetch(UNSIGNALLED) == []
    rows = await pool.fetch("SELECT * FROM trading.signals")
    assert any(row["executed"] for row in rows)
    closed = {row["link_id"]: row["net"] for row in await pool.fetch(CLOSED)}
    assert closed
    for row in rows:
        if row["signal_type"] in ("long", "short") and row["order_link_id"] in closed:
            net = closed[row["order_link_id"]]
            assert row["outcome_pnl"] == net
            assert row["outcome"] == ("winner" if net > 0 else "loser")
        if row["executed"]:
            assert row["decided_at"] <= row["sent_at"] <= row["filled_at"]
            assert row["rejected_by"] is None
        if row["rejected"]:
            assert row["outcome"] == "not_executed" and row["rejected_by"]


async def _orders(pool: Pool) -> None:
    rows = await pool.fetch("SELECT * FROM trading.order_latencies WHERE state = 'filled'")
    assert rows
    for row in rows:
        if row["purpose"] != "stop":
            assert row["ack_ms"] >= 0 and row["first_fill_ms"] >= 0 and row["terminal_ms"] >= 0
            assert (row["retry_count"], row["error_code"]) == (0, None)


async def _money(pool: Pool) -> None:
    cash = await pool.fetchval(CASH)
    newest = await _newest_balance(pool, BOT)
    assert abs(newest["total_balance"] - cash) < ROUNDING
    assert abs((await _newest_balance(pool, None))["total_balance"] - cash) < ROUNDING
    bot = await pool.fetchrow("SELECT * FROM trading.bots WHERE bot_id = $1", BOT)
    assert bot is not None
    assert abs(bot["current_equity"] - newest["equity"]) < 100, "a moment apart"
    assert bot["process_heartbeat"] and bot["last_heartbeat"]
    counted = await pool.fetch(  # of money, 0 is a question to the transaction log
        "SELECT snapshot_type, count(*) AS n FROM trading.account_balance"
        " WHERE amount IS DISTINCT FROM 0 GROUP BY 1"
    )
    kinds = {row["snapshot_type"]: row["n"] for row in counted}
    assert kinds["trade_open"] == await pool.fetchval("SELECT count(*) FROM trading.positions")
    assert kinds["trade_close"] == await pool.fetchval(
        "SELECT count(*) FROM trading.positions WHERE closed_at IS NOT NULL"
    )
    assert kinds["initial"] >= 1
    assert "deposit" not in kinds and "withdrawal" not in kinds


async def _newest_balance(pool: Pool, bot_id: str | None) -> asyncpg.Record:
    row = await pool.fetchrow(
        "SELECT * FROM trading.account_balance WHERE bot_id IS NOT DISTINCT FROM $1"
        " ORDER BY timestamp DESC, id DESC LIMIT 1",
        bot_id,
    )
    assert row is not None
    return row


async def _days_and_pictures(pool: Pool) -> None:
    closed = await pool.fetchrow(
        "SELECT round(sum(net_pnl), 8), count(*) FROM trading.daily_trades WHERE bot_id = $1", BOT
    )
    counted = await pool.fetchrow(
        "SELECT sum(net_profit), sum(total_trades) FROM trading.risk_metrics WHERE bot_id = $1", BOT
    )
    assert closed is not None and counted is not None
    assert abs(counted[0] - closed[0]) < ROUNDING and counted[1] == closed[1]
    picture = await pool.fetchrow(
        "SELECT * FROM analytics.portfolio_snapshots ORDER BY id DESC LIMIT 1"
    )
    assert picture is not None
    assert picture["total_realized_pnl"] == closed[0]
    assert abs(picture["total_balance"] - await pool.fetchval(CASH)) < ROUNDING
    held = await pool.fetchval("SELECT count(*) FROM trading.positions WHERE closed_at IS NULL")
    assert picture["total_open_positions"] == held
    assert (picture["active_bots"], picture["portfolio_var_95"]) == (1, None)


async def _words(pool: Pool) -> None:
    rows = await pool.fetch("SELECT event_type FROM audit.system_events ORDER BY id")
    kinds = [row["event_type"] for row in rows]
    assert kinds[:2] == ["SYSTEM_START", "MIGRATION"]
    assert kinds[-2:] == ["BOT_STOP", "SYSTEM_STOP"]
    assert {"ACCOUNT_LIVE", "BOT_START"} <= set(kinds)
    active = "SELECT count(*) FROM config.bot_configurations WHERE is_active"
    assert await pool.fetchval(active) == 3


async def _summaries(pool: Pool) -> None:
    """What is materialized is what it is made of, and months of candles are there."""
    summaries = Summaries(pool, SystemClock())  # a slow end leaves them to the next start
    await summaries.refresh_days()
    await summaries.refresh_positions()
    for view, live in (
        ("analytics.daily_performance_summary", "trading.bot_daily_performance"),
        ("analytics.exit_reason_summary", "trading.exit_reason_analysis"),
    ):
        rows = await pool.fetch(f"SELECT * FROM {view}")
        assert rows
        assert sorted(map(repr, rows)) == sorted(
            map(repr, await pool.fetch(f"SELECT * FROM {live}"))
        )
    held = "SELECT bot_id, symbol, side, size FROM {} ORDER BY 1, 2"
    shown = await pool.fetch(held.format("analytics.active_positions_summary"))
    assert shown == await pool.fetch(held.format("trading.position_summaries"))
    months = await pool.fetchval(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'trading.market_data'::regclass"
    )
    assert months >= 4, "this month, the next two, and the default"
