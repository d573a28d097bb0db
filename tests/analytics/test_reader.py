"""Reports of a ledger of some hundred fills: every division sums up to the whole."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from alpha.analytics.reader import AnalyticsReader, Report
from alpha.clock import SystemClock
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.queries import load
from alpha.ledger.reader import LedgerReader
from bench.million import Shape, make

DIVISIONS = ("by_symbol", "by_reason", "by_rule", "by_day")
SHAPE = Shape(fills=900, accounts=2, bots=2, days=20)


async def filled(dsn: str) -> Pool:
    await make(dsn, SHAPE, candles=100, jobs=1)
    return await open_pool(dsn, clock=SystemClock())


def total(report: Report, division: str) -> Decimal:
    return sum((one.net_pnl for one in report.slices[division]), Decimal(0))


async def test_sums_over_bots_days_symbols_reasons_and_rules_are_the_total(
    postgres_dsn: str,
) -> None:
    pool = await filled(postgres_dsn)
    try:
        reader, ledger = AnalyticsReader(pool), LedgerReader(pool)
        bots = [name for account in SHAPE.account_names() for name in SHAPE.bot_ids(account)]
        whole = await reader.report(None, 90)
        reports = {bot: await reader.report(bot, 90) for bot in bots}
        stored = await pool.fetch("SELECT * FROM trading.completed_trades WHERE bot_id <> 'manual'")
        assert len(stored) > 200
        assert whole.figures.net_pnl == sum((row["net_pnl"] for row in stored), Decimal(0)) != 0
        assert whole.figures.net_pnl == sum((r.figures.net_pnl for r in reports.values()), 0)
        assert whole.figures.trades == sum(r.figures.trades for r in reports.values())
        asked: list[tuple[str | None, Report]] = [(None, whole), *reports.items()]
        for bot, report in asked:
            figures = await ledger.analytics(bot, 90)
            assert report.figures.net_pnl == figures.net_pnl
            assert (report.figures.trades, report.figures.wins) == (figures.trades, figures.wins)
            for division in DIVISIONS:
                assert total(report, division) == figures.net_pnl, division
        by_day: dict[str, Decimal] = defaultdict(Decimal)
        for row in stored:
            at = datetime.fromtimestamp(row["exit_time"] / 1000, UTC)
            by_day[at.date().isoformat()] += row["net_pnl"]
        assert {one.name: one.net_pnl for one in whole.slices["by_day"]} == by_day
        assert {one.name for one in whole.slices["by_rule"]} <= {
            *("entry", "scale_in", "ema_cross")
        }
        await ratios_agree(pool, reports[bots[0]], bots[0])
        await plans_use_indexes(pool, bots[0])
    finally:
        await pool.close()


async def ratios_agree(pool: Pool, report: Report, bot: str) -> None:
    """The same returns from the rows, their ratio by the statistics module."""
    until = await pool.fetchval("SELECT max(exec_time) FROM trading.executions")
    rows = await pool.fetch(
        "SELECT exit_time, net_pnl FROM trading.completed_trades WHERE bot_id = $1", bot
    )
    last = datetime.fromtimestamp(until / 1000, UTC).date()
    worth, returns = 10_000.0, []
    for back in range(90, -1, -1):
        day = last - timedelta(days=back)
        gained = sum(
            float(row["net_pnl"])
            for row in rows
            if datetime.fromtimestamp(row["exit_time"] / 1000, UTC).date() == day
        )
        returns.append(gained / worth)
        worth += gained
    expected = statistics.mean(returns) / statistics.stdev(returns) * math.sqrt(365)
    assert report.ratios.sharpe == pytest.approx(expected, rel=1e-6)
    row = report.as_row()
    assert row["profit_factor"] == round(report.figures.gross_profit / report.figures.gross_loss, 8)
    assert len(report.slices["by_day"]) > 5


async def plans_use_indexes(pool: Pool, bot: str) -> None:
    """What is asked of one bot, or of the newest, has a way to the fills that reads few of them:
    with sequential scans at a price, none is left."""
    account = await pool.fetchval("SELECT account FROM trading.bots WHERE bot_id = $1", bot)
    reads, analytics = load("reads.sql"), load("analytics.sql")
    asked: list[tuple[str, tuple[object, ...]]] = [
        (reads["positions"], (bot,)),
        (reads["fills"], (None, 50)),
        (reads["bot_totals"], (account, bot)),
        (reads["cash_flow"], (account, bot)),
        (reads["cash_by_owner"], (account,)),
        (reads["exec_ids_in_window"], (account, 0, 1)),
        (reads["newest_execution"], (None,)),
        (reads["analytics"], ([bot], 0)),
        (analytics["slices"], ([bot], 0)),
        (analytics["results"], ([bot], 0)),
        (analytics["open"], ([bot],)),
    ]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        for sql, arguments in asked:
            plan = await explained(connection, sql, arguments)
            for table in ("fills", "executions", "completed_trades"):
                assert f"Seq Scan on {table}" not in plan, plan


async def explained(
    connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record],
    sql: str,
    arguments: tuple[object, ...],
) -> str:
    rows = await connection.fetch(f"EXPLAIN {sql}", *arguments)
    return "\n".join(row[0] for row in rows)
