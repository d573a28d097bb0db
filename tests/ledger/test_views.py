"""The views against what the stored fills come to, counted independently (fifo.py)."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import asyncpg
import pytest

from alpha.clock import SystemClock
from alpha.core.book import Book
from alpha.core.records import AttributionRules, Commit
from alpha.ledger.batch import Batch
from alpha.ledger.pool import Pool
from alpha.ledger.summaries import Summaries
from alpha.ledger.transaction import write_batch
from tests.ledger.conftest import ACCOUNT, BOTS
from tests.ledger.fifo import Counted, Piece, count, history
from tests.ledger.samples import T0, execution

SYMBOLS = ("BTCUSDT", "ETHUSDT")
RULES = AttributionRules(account=ACCOUNT, bots=frozenset(BOTS))
#: Shares of fees and funding are kept to twelve digits.
EXACT = Fraction(1, 10**9)


@pytest.fixture(params=[1, 2, 3])
async def counted(pool: Pool, request: pytest.FixtureRequest) -> Counted:
    for symbol in SYMBOLS:
        book = Book(ACCOUNT, symbol)
        rows = list(history(request.param, symbol))
        commits = [Commit(ACCOUNT, change=book.add([row], RULES)) for row in rows]
        async with pool.acquire() as connection:
            await write_batch(connection, Batch.of(commits), None)
    summaries = Summaries(pool, SystemClock())
    await summaries.refresh_days()
    await summaries.refresh_positions()
    assert not summaries.stale
    found = await count(pool)
    assert len(found.pieces) > 20
    assert {piece.side for piece in found.pieces} == {"long", "short"}
    assert any(lots for lots in found.lots.values()), "expected open positions, too"
    return found


def same(found: Decimal | None, expected: Fraction | None) -> bool:
    if found is None or expected is None:
        return found is None and expected is None
    return abs(Fraction(found) - expected) < EXACT


def total(values: Iterable[Fraction]) -> Fraction:
    return sum(values, Fraction(0))


def by_order(pieces: Iterable[Piece]) -> dict[tuple[str, str, str], list[Piece]]:
    """Trades as people count them: the pieces of one entry order."""
    orders: dict[tuple[str, str, str], list[Piece]] = defaultdict(list)
    for piece in pieces:
        orders[(piece.bot, piece.symbol, piece.order)].append(piece)
    return orders


async def test_each_entry_order_is_one_trade(pool: Pool, counted: Counted) -> None:
    rows = await pool.fetch("SELECT * FROM trading.trades")
    found = {(row["bot_id"], row["symbol"], row["exchange_order_id"]): row for row in rows}
    assert len(found) == len(rows)
    closed = by_order(counted.pieces)
    left = defaultdict(list)
    for (bot, symbol), lots in counted.lots.items():
        for lot in lots:
            left[(bot, symbol, lot.order)].append(lot)
    assert set(found) == set(closed) | set(left)
    for key, row in found.items():
        pieces, lots = closed.get(key, []), left.get(key, [])
        status = "partially_closed" if pieces and lots else "closed" if pieces else "open"
        assert row["status"] == status
        quantity = total(p.qty for p in pieces) + total(lot.qty for lot in lots)
        cost = total(p.qty * p.entry for p in pieces) + total(lot.qty * lot.price for lot in lots)
        assert same(row["quantity"], quantity)
        assert same(row["remaining_qty"], total(lot.qty for lot in lots))
        assert same(row["entry_price"], cost / quantity)
        assert same(row["pnl_usd"], total(p.net for p in pieces))
        assert same(row["commission"], total(p.fees for p in pieces) + total(x.fee for x in lots))
        assert same(
            row["funding"], total(p.funding for p in pieces) + total(x.funding for x in lots)
        )
        if pieces:
            exits = total(p.qty * p.exit for p in pieces) / total(p.qty for p in pieces)
            assert same(row["exit_price"], exits)
            assert row["exit_reason"] == max(pieces, key=lambda p: p.exit_at).exit_reason
        if status == "closed":
            assert row["exit_time"] == max(p.exit_at for p in pieces)
        else:
            assert row["exit_time"] is None


async def test_fills_belong_to_the_position_they_built(pool: Pool, counted: Counted) -> None:
    expected = {
        f"{bot}:{symbol}:{cycle.opened_by}": (cycle.entries, cycle.exits)
        for (bot, symbol), cycles in counted.cycles.items()
        for cycle in cycles
    }
    rows = await pool.fetch("SELECT * FROM trading.position_fill_ids")
    found = {r["position_id"]: (set(r["entry_exec_ids"]), set(r["exit_exec_ids"])) for r in rows}
    assert found == expected
    # They are the positions of the books.
    stored = await pool.fetch("SELECT position_id FROM trading.positions")
    assert {row["position_id"] for row in stored} == set(expected)


async def test_days_symbols_and_reasons_add_up(pool: Pool, counted: Counted) -> None:
    per_day: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    for piece in counted.pieces:
        per_day[(piece.day, piece.bot, piece.symbol, piece.order)] += piece.net

    rows = await pool.fetch("SELECT * FROM trading.completed_trades_summary")
    for row in rows:
        key = (row["trade_date"], row["bot_id"], row["symbol"])
        nets = [net for trade, net in per_day.items() if trade[:3] == key]
        expect_result(row, nets)
    assert {(r["trade_date"], r["bot_id"], r["symbol"]) for r in rows} == {k[:3] for k in per_day}

    rows = await pool.fetch("SELECT * FROM trading.bot_daily_performance")
    for row in rows:
        day = (row["trade_date"], row["bot_id"])
        nets = [net for trade, net in per_day.items() if trade[:2] == day]
        expect_result(row, nets)
        lost = -total(net for net in nets if net < 0)
        won = total(net for net in nets if net > 0)
        assert same(row["profit_factor"], won / lost if won and lost else None)
    assert rows
    again = await pool.fetch("SELECT * FROM analytics.daily_performance_summary")
    assert sorted(map(tuple, again)) == sorted(map(tuple, rows))

    trades = by_order(counted.pieces)
    rows = await pool.fetch("SELECT * FROM analytics.symbol_performance")
    assert {(r["bot_id"], r["symbol"]) for r in rows} == {key[:2] for key in trades}
    for row in rows:
        mine = [ps for key, ps in trades.items() if key[:2] == (row["bot_id"], row["symbol"])]
        expect_result(row, [total(p.net for p in ps) for ps in mine])
        volume = total(p.qty * (p.entry + p.exit) for ps in mine for p in ps)
        assert same(row["volume"], volume)
        held = [max(p.exit_at for p in ps) - min(p.entry_at for p in ps) for ps in mine]
        assert same(row["avg_hold_seconds"], Fraction(sum(held), 1000 * len(held)))

    reasons: dict[tuple[str, str], dict[object, list[Piece]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for piece in counted.pieces:
        reasons[(piece.bot, piece.exit_reason)][(piece.symbol, piece.order)].append(piece)
    rows = await pool.fetch("SELECT * FROM trading.exit_reason_analysis")
    assert {(row["bot_id"], row["exit_reason"]) for row in rows} == set(reasons)
    for row in rows:
        of_reason = list(reasons[(row["bot_id"], row["exit_reason"])].values())
        expect_result(row, [total(p.net for p in ps) for ps in of_reason])
        whole = total(p.net for p in counted.pieces if p.bot == row["bot_id"])
        assert same(row["share_of_pnl"], Fraction(row["net_pnl"]) / whole if whole else None)
    again = await pool.fetch("SELECT * FROM analytics.exit_reason_summary")
    assert sorted(map(tuple, again)) == sorted(map(tuple, rows))


def expect_result(row: asyncpg.Record, nets: list[Fraction]) -> None:
    assert row["trades"] == len(nets)
    assert row["wins"] == sum(net > 0 for net in nets)
    assert row["losses"] == sum(net < 0 for net in nets)
    assert row["breakeven"] == sum(net == 0 for net in nets)
    assert same(row["net_pnl"], total(nets))
    assert same(row["avg_pnl"], total(nets) / len(nets))


async def test_open_positions_are_worth_what_the_newest_price_says(
    pool: Pool, counted: Counted
) -> None:
    open_lots = {key: lots for key, lots in counted.lots.items() if lots}
    newest = max(lot.at for lots in open_lots.values() for lot in lots)
    for symbol, mark, side in (("BTCUSDT", "101.25", 1), ("ETHUSDT", "99.5", -1)):
        await pool.execute(
            "INSERT INTO trading.exchange_positions (account, symbol, position_idx, signed_size,"
            " mark_price, leverage, liq_price, stop_loss, take_profit, trailing_stop, seq, source,"
            " exchange_time) VALUES ($1, $2, 0, $3, $4, 10, 50, 95, 0, 0, 1, 'stream', $5)",
            *(ACCOUNT, symbol, Decimal(side), Decimal(mark), newest),
        )
    # A candle that closed later than the exchange last told its mark.
    await pool.execute("SELECT trading.ensure_market_data_month($1)", newest)
    await pool.execute(
        "INSERT INTO trading.market_data (symbol, interval, timestamp, open_price, high_price,"
        " low_price, close_price, volume, quote_volume, data_source)"
        " VALUES ('ETHUSDT', '5m', $1, 98, 99, 97, 98, 1, 1, 'stream'),"
        " ('ETHUSDT', '1h', $2, 98, 99, 97, 97.5, 1, 1, 'stream')",
        newest - 60_000,
        newest - 5_000_000,
    )
    prices = {"BTCUSDT": Fraction("101.25"), "ETHUSDT": Fraction(98)}
    rows = await pool.fetch("SELECT * FROM trading.position_summaries")
    assert {(row["bot_id"], row["symbol"]) for row in rows} == set(open_lots)
    for row in rows:
        key = (row["bot_id"], row["symbol"])
        lots, price = open_lots[key], prices[row["symbol"]]
        size = total(lot.qty for lot in lots)
        sign = 1 if counted.sides[key] == "long" else -1
        gain = total((price - lot.price) * lot.qty * sign for lot in lots)
        assert row["side"] == counted.sides[key]
        assert same(row["current_price"], price)
        assert same(row["size"], size)
        assert same(row["exposure"], size * price)
        assert same(row["unrealized_pnl"], gain)
        assert same(row["unrealized_pnl_pct"], gain / total(lot.qty * lot.price for lot in lots))
        assert (row["stop_loss"], row["take_profit"]) == (95, None)
        cycle = counted.cycles[key][-1]
        assert row["position_id"] == f"{key[0]}:{key[1]}:{cycle.opened_by}"
        assert row["age_seconds"] >= 0

    await pool.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.active_positions_summary")
    kept = await pool.fetch("SELECT * FROM analytics.active_positions_view")
    shared = ("bot_id", "symbol", "side", "size", "unrealized_pnl", "opened_at")
    assert {tuple(row[c] for c in shared) for row in kept} == {
        tuple(row[c] for c in shared) for row in rows
    }
    # A market of our own is as late as its newest execution, whatever the time is here.
    await pool.execute(
        "INSERT INTO config.marks (account, seen) VALUES ($1, $2)"
        " ON CONFLICT (account) DO UPDATE SET seen = excluded.seen",
        *(ACCOUNT, newest + 7_000),
    )
    for row in await pool.fetch("SELECT * FROM analytics.active_positions_view"):
        assert row["age_seconds"] == Decimal(newest + 7_000 - row["opened_at"]) / 1000


async def test_days_of_bots_go_together_as_statistics_say(pool: Pool, counted: Counted) -> None:
    assert await pool.fetch("SELECT * FROM analytics.bot_correlation") == [], "without a capital"
    await pool.execute(
        "UPDATE trading.bots SET initial_capital = 10000 WHERE bot_id = ANY ($1)", BOTS
    )
    await pool.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.bot_correlation")
    newest = await pool.fetchval("SELECT max(exec_time) FROM trading.executions")
    last = datetime.fromtimestamp(newest / 1000, UTC).date()
    gained: dict[str, dict[object, float]] = {bot: defaultdict(float) for bot in BOTS}
    for piece in counted.pieces:
        gained[piece.bot][piece.day] += float(piece.net)
    returns: dict[str, list[float]] = {}
    for bot, days in gained.items():
        worth, returns[bot] = 10_000.0, []
        for back in range(90, -1, -1):
            net = days[last - timedelta(days=back)]
            returns[bot].append(net / worth)
            worth += net
    (row,) = await pool.fetch("SELECT * FROM analytics.bot_correlation")
    assert (row["bot_a"], row["bot_b"], row["days"]) == (*BOTS, 91)
    expected = statistics.correlation(*returns.values())
    assert row["correlation"] == pytest.approx(expected, abs=1e-9)
    # Without what is left of one of them there is no return of its days.
    await pool.execute("UPDATE trading.bots SET initial_capital = 0 WHERE bot_id = $1", BOTS[0])
    await pool.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.bot_correlation")
    assert await pool.fetch("SELECT * FROM analytics.bot_correlation") == []


async def test_days_add_up_one_after_the_other(pool: Pool, counted: Counted) -> None:
    running: dict[str, Decimal] = defaultdict(Decimal)
    rows = await pool.fetch("SELECT * FROM analytics.daily_performance_view ORDER BY trade_date")
    for day in rows:
        running[day["bot_id"]] += day["net_pnl"]
        assert day["cumulative_pnl"] == running[day["bot_id"]]
        assert day["bot_name"] == day["bot_id"][:-4]


async def test_what_nobody_owns_is_in_the_views_that_say_so(pool: Pool) -> None:
    book = Book(ACCOUNT, "BTCUSDT")
    rows = [execution("in", T0), execution("out", T0 + 1000, "Sell")]
    commits = [Commit(ACCOUNT, change=book.add([row], RULES)) for row in rows]
    async with pool.acquire() as connection:
        await write_batch(connection, Batch.of(commits), None)
    await Summaries(pool, SystemClock()).refresh_days()
    with_manual = (
        "trading.completed_trades_summary",
        "trading.exit_reason_analysis",
        "analytics.exit_reason_summary",
        "analytics.symbol_performance",
    )
    for view in with_manual:
        assert await pool.fetchval(f"SELECT array_agg(bot_id) FROM {view}") == ["manual"], view
    without = (
        "trading.bot_daily_performance",
        "analytics.daily_performance_summary",
        "analytics.daily_performance_view",
        "analytics.bot_correlation",
        "analytics.closed(NULL, '-infinity'::timestamptz, 'infinity'::timestamptz)",
    )
    for view in without:
        assert not await pool.fetch(f"SELECT * FROM {view}"), view


async def test_health_is_one_row(pool: Pool, counted: Counted) -> None:
    await pool.execute("UPDATE trading.bots SET status = 'running' WHERE bot_id = 'alpha_001'")
    await pool.execute("UPDATE trading.bots SET status = 'failed' WHERE bot_id = 'beta_001'")
    await pool.execute(
        "INSERT INTO audit.system_events (event_type, event_level, message, event_time) VALUES"
        " ('a', 'ERROR', 'new', clock_timestamp() - interval '1 h'),"
        " ('a', 'ERROR', 'old', clock_timestamp() - interval '25 h')"
    )
    (row,) = await pool.fetch("SELECT * FROM analytics.system_health_dashboard")
    assert (row["bots"], row["bots_running"], row["bots_failed"]) == (3, 1, 1)
    assert (row["errors_24h"], row["warnings_24h"]) == (1, 0)
    assert row["open_positions"] == sum(bool(lots) for lots in counted.lots.values())
    newest = await pool.fetchval("SELECT max(exec_time) FROM trading.fills")
    assert row["last_fill"] == newest


async def test_the_documented_queries_run_unchanged(pool: Pool, counted: Counted) -> None:
    """Word for word as scripts and notebooks out there ask them."""
    bots = await pool.fetch("SELECT * FROM trading.bots")
    assert {"bot_id", "bot_name", "status", "deployment_mode", "initial_capital"} <= set(
        bots[0].keys()
    )
    for bot, limit in itertools.product(BOTS, (5, 10)):
        rows = await pool.fetch(
            f"SELECT * FROM trading.fills WHERE bot_id = '{bot}' "
            f"ORDER BY exec_time DESC LIMIT {limit}"
        )
        assert len(rows) == limit
        named = {"exec_price", "exec_qty", "exec_time", "close_reason", "commission"}
        assert {*named, "client_order_id", "side", "symbol", "id"} <= set(rows[0].keys())
        times = [row["exec_time"] for row in rows]
        assert times == sorted(times, reverse=True)
        assert times[0] == await pool.fetchval(
            "SELECT max(exec_time) FROM trading.fills WHERE bot_id = $1", bot
        )
    rows = await pool.fetch(
        "SELECT exec_time, symbol, side, exec_qty, exec_price, commission, close_reason "
        "FROM trading.fills WHERE bot_id = 'alpha_001' ORDER BY exec_time DESC LIMIT 100"
    )
    sells = await pool.fetch(
        "SELECT exec_time FROM trading.fills WHERE bot_id = 'alpha_001' AND side = 'Sell'"
    )
    assert len(sells) == sum(row["side"] == "Sell" for row in rows)
    found = await pool.fetch(
        "SELECT close_reason, COUNT(*) AS trades, SUM(net_pnl) AS total_pnl, "
        "AVG(net_pnl) AS avg_pnl, "
        "COUNT(*) FILTER (WHERE net_pnl > 0)::float / COUNT(*) AS win_rate "
        "FROM trading.trades_pnl WHERE bot_id = 'alpha_001' "
        "GROUP BY close_reason ORDER BY total_pnl DESC"
    )
    pieces = [piece for piece in counted.pieces if piece.bot == "alpha_001"]
    assert {row["close_reason"] for row in found} == {piece.exit_reason for piece in pieces}
    for row in found:
        nets = [piece.net for piece in pieces if piece.exit_reason == row["close_reason"]]
        assert row["trades"] == len(nets)
        assert same(row["total_pnl"], total(nets))
        assert row["win_rate"] == pytest.approx(sum(net > 0 for net in nets) / len(nets))
    ids = [row["id"] for row in await pool.fetch("SELECT id FROM trading.fills")]
    assert len(set(ids)) == len(ids)
    assert min(ids) > 0
