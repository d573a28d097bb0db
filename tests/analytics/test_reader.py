"""Reports of a ledger of some hundred fills: every division sums up to the whole."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from alpha.analytics.reader import AnalyticsReader, Report
from alpha.clock import SystemClock, utc
from alpha.core.performance import DAY_MS, exposure
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.queries import load
from alpha.ledger.summaries import Summaries
from bench.million import SYMBOLS, Shape, make
from bench.queries import SCANNED, VIEWS, measure
from tests.ledger.samples import T0
from tests.ledger.test_verify import store, trade

DIVISIONS = ("by_symbol", "by_reason", "by_rule", "by_day")
SHAPE = Shape(fills=900, accounts=2, bots=2, days=40)


async def filled(dsn: str) -> Pool:
    await make(dsn, SHAPE, candles=100, jobs=1)
    return await open_pool(dsn, clock=SystemClock())


def total(report: Report, division: str) -> Decimal:
    return sum((one.figures.net_pnl for one in report.slices[division]), Decimal(0))


async def test_sums_over_bots_days_symbols_reasons_and_rules_are_the_total(
    postgres_dsn: str,
) -> None:
    pool = await filled(postgres_dsn)
    try:
        reader = AnalyticsReader(pool, SystemClock())
        bots = [name for account in SHAPE.account_names() for name in SHAPE.bot_ids(account)]
        whole, reports = await reader.report(90), await reader.reports(bots, 90)
        assert await Summaries(pool, SystemClock()).close_days()
        assert (await reader.report(90), await reader.reports(bots, 90)) == (whole, reports)
        stored = await pool.fetch("SELECT * FROM trading.completed_trades WHERE bot_id <> 'manual'")
        assert len(stored) > 200
        assert whole.figures.net_pnl == sum((row["net_pnl"] for row in stored), Decimal(0)) != 0
        assert whole.figures.net_pnl == sum((r.figures.net_pnl for r in reports.values()), 0)
        assert whole.figures.trades == sum(r.figures.trades for r in reports.values())
        daily = await pool.fetch("SELECT * FROM trading.bot_daily_performance")
        for bot, report in (("", whole), *reports.items()):
            for division in DIVISIONS:
                assert total(report, division) == report.figures.net_pnl, division
            rows = [row for row in daily if bot in ("", row["bot_id"])]
            assert report.figures.trades == sum(row["trades"] for row in rows)
            assert report.figures.wins == sum(row["wins"] for row in rows)
            assert report.figures.best == max(row["best"] for row in rows)
            assert report.fills == await pool.fetchval(
                "SELECT count(*) FROM trading.fills WHERE $1 IN ('', bot_id)", bot
            )
        by_day: dict[str, Decimal] = defaultdict(Decimal)
        for row in stored:
            at = datetime.fromtimestamp(row["exit_time"] / 1000, UTC)
            by_day[at.date().isoformat()] += row["net_pnl"]
        assert {one.name: one.figures.net_pnl for one in whole.slices["by_day"]} == by_day
        assert {one.name for one in whole.slices["by_rule"]} <= {
            *("entry", "scale_in", "ema_cross")
        }
        await ratios_agree(pool, reports, bots)
        await the_view_of_correlation_agrees(pool, reports)
        await exposures_agree(pool, whole, reports)
        await a_window_in_the_middle_agrees(pool, reader, bots[0])
        await plans_use_indexes(pool, bots)
    finally:
        await pool.close()


async def ratios_agree(pool: Pool, reports: Mapping[str, Report], bots: Sequence[str]) -> None:
    """The same returns from the rows, their ratios by the statistics module."""
    returns = {bot: await returns_of(pool, bot) for bot in bots}
    for bot in bots:
        report, began = reports[bot], await day_of_first_fill(pool, bot)
        mine = returns[bot][-((utc(report.until_ms).date() - began).days + 1) :]
        assert 30 < len(mine) < len(returns[bot]) == len(report.ratios.daily)
        expected = statistics.mean(mine) / statistics.stdev(mine) * math.sqrt(365)
        assert report.ratios.sharpe == pytest.approx(expected, rel=1e-6)
        assert report.correlation == {
            other: pytest.approx(statistics.correlation(returns[bot], returns[other]), rel=1e-6)
            for other in bots
            if other != bot
        }
        worst = sorted(mine)[math.ceil(0.05 * len(mine)) - 1]
        assert report.ratios.value_at_risk_95 == pytest.approx(-worst)
        assert report.ratios.fall_from is not None and report.ratios.fall_from >= began
    report = reports[bots[0]]
    row = report.as_row()
    assert row["profit_factor"] == round(report.figures.gross_profit / report.figures.gross_loss, 8)
    assert len(report.slices["by_day"]) > 5


async def day_of_first_fill(pool: Pool, bot: str) -> date:
    first = await pool.fetchval("SELECT min(exec_time) FROM trading.fills WHERE bot_id = $1", bot)
    return utc(first).date()


async def the_view_of_correlation_agrees(pool: Pool, reports: Mapping[str, Report]) -> None:
    await pool.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.bot_correlation")
    rows = await pool.fetch("SELECT * FROM analytics.bot_correlation")
    assert {row["days"] for row in rows} == {91}, "and those on which nothing was closed"
    pairs = {(one, other) for one in reports for other in reports if one < other}
    assert {(row["bot_a"], row["bot_b"]) for row in rows} == pairs
    for row in rows:
        expected = reports[row["bot_a"]].correlation[row["bot_b"]]
        assert row["correlation"] == pytest.approx(expected, rel=1e-9)


async def returns_of(pool: Pool, bot: str) -> list[float]:
    until = await pool.fetchval("SELECT max(exec_time) FROM trading.executions")
    rows = await pool.fetch(
        "SELECT exit_time, net_pnl FROM trading.completed_trades WHERE bot_id = $1", bot
    )
    last = datetime.fromtimestamp(until / 1000, UTC).date()
    worth, found = 10_000.0, []
    for back in range(90, -1, -1):
        day = last - timedelta(days=back)
        gained = sum(
            float(row["net_pnl"])
            for row in rows
            if datetime.fromtimestamp(row["exit_time"] / 1000, UTC).date() == day
        )
        found.append(gained / worth)
        worth += gained
    return found


async def exposures_agree(pool: Pool, whole: Report, reports: Mapping[str, Report]) -> None:
    """Minute by minute, from the positions."""
    rows = await pool.fetch("SELECT bot_id, opened_at, closed_at FROM trading.positions")
    until = whole.until_ms
    minutes = range(until - 90 * DAY_MS, until, 10 * 60_000)
    for bot, report in (("", whole), *reports.items()):
        held = [
            (row["opened_at"], row["closed_at"] or until)
            for row in rows
            if bot in ("", row["bot_id"])
        ]
        counts = [sum(begin <= at < end for begin, end in held) for at in minutes]
        assert report.exposure == pytest.approx(exposure(counts), abs=0.002)
        assert 0 < report.exposure < 0.5


async def a_window_in_the_middle_agrees(pool: Pool, reader: AnalyticsReader, bot: str) -> None:
    """Equity at the beginning is the capital and all that was gained before, to the moment."""
    newest = await pool.fetchval("SELECT max(exec_time) FROM trading.executions")
    since = newest - 8 * DAY_MS
    before = await pool.fetchval(
        "SELECT sum(net_pnl) FROM trading.completed_trades WHERE bot_id = $1 AND exit_time <= $2",
        bot,
        since,
    )
    report = (await reader.reports([bot], 8))[bot]
    assert before != 0
    first = datetime.fromtimestamp(since / 1000, UTC).date()
    net = {one.name: one.figures.net_pnl for one in report.slices["by_day"]}
    day = min(net)
    place = (datetime.fromisoformat(day).date() - first).days
    assert report.ratios.daily[place] == pytest.approx(float(net[day] / (10_000 + before)))
    assert report.ratios.value_at_risk_95 is None, "of nine days"


async def plans_use_indexes(pool: Pool, bots: Sequence[str]) -> None:
    """Whatever is asked has a way to the fills that reads few of them: with sequential scans at a
    price, none is left."""
    bot = bots[0]
    account = await pool.fetchval("SELECT account FROM trading.bots WHERE bot_id = $1", bot)
    reads, analytics = load("reads.sql"), load("analytics.sql")
    asked: list[tuple[str, tuple[object, ...]]] = [
        (reads["positions"], (bot,)),
        (reads["bots"], ()),
        (reads["fills"], (None, 50)),
        (reads["fills"], (bot, 50)),
        (reads["orders"], (None, 50)),
        (reads["bot_totals"], (account, bot)),
        (reads["cash_flow"], (account, bot)),
        (reads["cash_by_owner"], (account,)),
        (reads["exec_ids_in_window"], (account, 0, 1)),
        (reads["newest_execution"], (None,)),
        (reads["order_tags"], (account, None, None)),
        (reads["order_ids_since"], (account, 0)),
        (reads["open_orders"], (account,)),
        (reads["unfinished_exits"], (account, bot)),
        (reads["traded_symbols"], (account,)),
        (reads["last_flat"], (account, SYMBOLS[0], 0)),
        (reads["executions_since"], (account, SYMBOLS[0], 0)),
        (reads["executed_qty"], (account, [])),
        (reads["first_fill"], (account, bot, SYMBOLS[0])),
        *((analytics["closed"], (crew, 0, 1)) for crew in (None, [bot], list(bots))),
        *((analytics["gained"], (crew, 0)) for crew in (None, [bot], list(bots))),
        *((analytics["capital"], (crew, 0)) for crew in ([bot], list(bots))),
        *((analytics["open"], (crew,)) for crew in ([bot], list(bots))),
        *((analytics["fills"], (crew, 0)) for crew in ([bot], list(bots))),
        *((sql, (bot,) if "$1" in sql else ()) for sql in VIEWS.values()),
    ]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        for sql, arguments in asked:
            rows = await connection.fetch(f"EXPLAIN {sql}", *arguments)
            plan = "\n".join(row[0] for row in rows)
            assert not SCANNED.findall(plan), plan


async def test_an_entry_order_counts_once_a_day_with_fees_and_funding(pool: Pool) -> None:
    rows = trade()
    winner = replace(rows[2], price=Decimal("110.5"))  # one of three, bought at 100.5
    await store(pool, [rows[0], rows[1], winner, *rows[3:]])
    reader = AnalyticsReader(pool, SystemClock())
    report = (await reader.reports(["alpha_001"], 7))["alpha_001"]
    row = report.as_row()
    # Two pieces of one order were closed, one with a profit: one trade, won.
    assert (row["trades"], row["wins"], row["losses"], row["breakeven"]) == (1, 1, 0, 0)
    assert (row["win_rate"], row["gross_pnl"], row["fees"]) == (1, 10, Decimal("0.15"))
    assert (row["funding"], row["net_pnl"]) == (Decimal("-0.7"), Decimal("9.15"))
    assert (row["best"], row["worst"], row["fills"]) == (Decimal("9.15"), Decimal("9.15"), 3)
    assert row["exposure"] == pytest.approx(3 / (7 * 86_400), abs=1e-6)
    stored = await pool.fetch("SELECT net_pnl FROM trading.trades_pnl WHERE bot_id = 'alpha_001'")
    assert [one["net_pnl"] > 0 for one in stored].count(True) == 1 and len(stored) == 2, "pieces"
    together = await reader.report(7)
    assert (together.figures, together.fills) == (report.figures, 4)
    later = await reader.report(7, now_ms=T0 + 8 * DAY_MS)
    assert later.figures.trades == later.figures.net_pnl == 0
    assert later.as_row()["win_rate"] is None
    assert later.exposure == 1, "the short is open all the time"


async def test_a_bot_without_a_capital_began_with_the_wallet_of_its_account(pool: Pool) -> None:
    await store(pool, trade())
    reader = AnalyticsReader(pool, SystemClock())
    before = (await reader.reports(["alpha_001"], 7))["alpha_001"]
    assert before.ratios.sharpe is None
    until = before.until_ms
    (day,) = before.slices["by_day"]
    rows: list[tuple[int, str, int, int | None]] = [
        (until - 20 * DAY_MS, "initial", 1000, None),  # had lost 50 by then
        (until - 10 * DAY_MS, "deposit", 1200, 200),
        (until - 2 * DAY_MS, "deposit", 1900, 700),  # within the window
    ]
    for at, kind, wallet, amount in rows:
        await pool.execute(
            "INSERT INTO trading.account_balance (account, bot_id, snapshot_type, total_balance,"
            " equity, realized_pnl, amount, source, timestamp)"
            " SELECT account, bot_id, $2, $3, $3, -50, $4, 'books', $1 FROM trading.bots"
            " WHERE bot_id = 'alpha_001'",
            at,
            kind,
            wallet,
            amount,
        )
    report = (await reader.reports(["alpha_001"], 7))["alpha_001"]
    assert max(map(abs, report.ratios.daily.values())) == pytest.approx(
        abs(float(day.figures.net_pnl)) / (1000 + 50 + 200)
    )
    row = report.as_row()
    assert None not in (row["sharpe"], row["sortino"], row["calmar"], row["max_drawdown"])


async def test_bots_that_never_ran_do_not_hide_the_ratios_of_all(pool: Pool) -> None:
    await store(pool, trade())
    reader = AnalyticsReader(pool, SystemClock())
    until = T0 + DAY_MS
    whole = await reader.report(7, now_ms=until)
    assert whole.ratios.sharpe is None, "alpha has closed trades of what?"
    capital = "UPDATE trading.bots SET initial_capital = $2 WHERE bot_id = $1"
    await pool.execute(capital, "alpha_001", 1000)
    own = (await reader.reports(["alpha_001"], 7, now_ms=until))["alpha_001"].ratios
    assert own.sharpe is not None, "of the two days since its first fill"
    assert own.as_row()["ratio_days"] == 2, "which it says, as so few mean little"
    whole = await reader.report(7, now_ms=until)
    assert whole.ratios == own, "the others have closed nothing"
    # Neither does what one of them had lost before count against the capital of the rest.
    await pool.execute(capital, "alpha_001", None)
    await pool.execute(capital, "beta_001", Decimal("0.5"))
    later = await reader.report(7, now_ms=T0 + 20 * DAY_MS)
    assert set(later.ratios.daily.values()) == {0.0}


async def test_the_benchmark_asks_everything(postgres_dsn: str) -> None:
    await make(postgres_dsn, SHAPE, candles=100, jobs=1)
    answers = await measure(postgres_dsn, 4, SystemClock())
    assert answers["fills"] == SHAPE.fills
    start = answers["start"]
    assert isinstance(start, dict) and 0 < start["live_s"] <= start["warm_s"]
    views = answers["views_ms"]
    assert isinstance(views, dict) and views.keys() == VIEWS.keys()
    for who in ("bot", "all", "each"):
        found = answers[f"analytics_{who}_90_days_ms"]
        assert isinstance(found, dict) and 0 < found["p50"] <= found["p95"] <= found["max"]
