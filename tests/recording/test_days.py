"""Figures by day are those of the round trips and of the equity of that day."""

from __future__ import annotations

from array import array
from dataclasses import replace
from datetime import date
from decimal import Decimal

import asyncpg
import pytest

from alpha.backtest.metrics import metrics
from alpha.backtest.result import Curve, Result
from alpha.ledger.pool import Pool
from alpha.ledger.recording import BalanceRow, confirm_transfers, daily_results, save_balances
from alpha.recording.days import value_at_risk, write_days
from tests.trading.life import ACCOUNT, BOT

D = Decimal
DAY = 86_400_000
#: 2025-11-01, a Saturday.
FIRST = 1_761_955_200_000
HOUR = DAY // 24

#: Equity of a bot, hour by hour: three days with a fall that lasts from the first to the second.
COURSE = {
    0: 1000,
    5: 1100,
    20: 990,
    24 + 1: 935,
    24 + 9: 1000,
    24 + 23: 1050,
    48 + 2: 1200,
    48 + 22: 1140,
}


def row(hours: int, equity: int) -> BalanceRow:
    at_ms = FIRST + hours * HOUR
    return BalanceRow(ACCOUNT, BOT, "periodic", D(equity), D(equity), "books", at_ms)


async def trade(pool: Pool, number: int, hours: int, net: str, held_h: int = 2) -> None:
    """A round trip of its own order, closed so many hours after the first midnight."""
    await pool.execute(
        "INSERT INTO trading.completed_trades (account, symbol, bot_id, entry_exec_id,"
        " exit_exec_id, side, quantity, entry_order_id, entry_order_link_id, entry_price,"
        " entry_time, entry_reason, entry_commission, exit_order_id, exit_order_link_id,"
        " exit_price, exit_time, exit_reason, exit_commission, gross_pnl, funding)"
        " VALUES ($1, 'BTCUSDT', $2, $3, $3, 'long', 2, $3, $3, 100, $4, 'entry', 0.5, $3, $3,"
        " 100, $5, 'time_exit', 0.5, $6, 0)",
        ACCOUNT,
        BOT,
        f"n{number}",
        FIRST + (hours - held_h) * HOUR,
        FIRST + hours * HOUR,
        D(net) + 1,
    )


async def days(pool: Pool) -> list[asyncpg.Record]:
    async with pool.acquire() as connection:
        await write_days(connection, BOT, ACCOUNT)
    return await pool.fetch("SELECT * FROM trading.risk_metrics ORDER BY date")


@pytest.fixture
async def course(pool: Pool) -> Pool:
    async with pool.acquire() as connection:
        await save_balances(connection, [row(*one) for one in COURSE.items()])
    return pool


async def test_three_days_by_hand(course: Pool) -> None:
    for number, (hours, net) in enumerate([(3, "40"), (6, "-10"), (7, "-20"), (30, "0")]):
        await trade(course, number, hours, net, held_h=1 + number)
    first, second, third = await days(course)
    assert [one["date"] for one in (first, second, third)] == [
        *(date(2025, 11, 1), date(2025, 11, 2), date(2025, 11, 3))
    ]
    assert [(one["starting_equity"], one["ending_equity"]) for one in (first, second, third)] == [
        *((1000, 990), (990, 1050), (1050, 1140))
    ]
    assert (first["total_trades"], first["winning_trades"], first["losing_trades"]) == (3, 1, 2)
    assert first["win_rate"] == round(D(1) / 3, 8)
    assert (first["gross_profit"], first["gross_loss"], first["net_profit"]) == (40, 30, 10)
    assert first["profit_factor"] == round(D(40) / 30, 8)
    assert (first["avg_win"], first["avg_loss"]) == (40, -15)
    assert (first["largest_win"], first["largest_loss"]) == (40, -20)
    assert (first["shortest_holding_hours"], first["longest_holding_hours"]) == (1, 3)
    assert first["avg_position_size"] == 200
    assert (first["daily_pnl"], first["daily_return"]) == (-10, D("-0.01"))
    assert (first["max_drawdown"], first["current_drawdown"]) == (110, 110)
    assert (second["max_drawdown"], second["max_drawdown_pct"]) == (165, D("0.15"))
    assert (third["max_drawdown"], third["current_drawdown"]) == (165, 60)
    assert (second["breakeven_trades"], second["win_rate"], second["profit_factor"]) == (1, 0, None)
    assert (third["total_trades"], third["win_rate"], third["net_profit"]) == (0, None, 0)
    assert first["sharpe_ratio"] is None, "one day has no spread"


async def test_ratios_and_falls_are_those_of_a_backtest(course: Pool) -> None:
    third = (await days(course))[-1]
    curve = Curve(array("q"), array("d"), array("i"))
    for hours, equity in COURSE.items():
        curve.close_ms.append(FIRST + hours * HOUR + 1)
        curve.equity.append(float(equity))
        curve.open_positions.append(1)
    found = metrics(
        Result(D(1000), D(1140), [], [], [], [], D(0), D(0), curve, 0, [])  # the same equity
    )
    assert float(third["max_drawdown_pct"]) == pytest.approx(found["max_drawdown"])
    assert float(third["sharpe_ratio"]) == pytest.approx(found["sharpe"])
    assert float(third["sortino_ratio"]) == pytest.approx(found["sortino"])


async def test_a_deposit_is_no_gain(course: Pool) -> None:
    async with course.acquire() as connection:
        await save_balances(
            connection,
            [
                BalanceRow(
                    *(ACCOUNT, BOT, "deposit", D(2140), D(2140), "books", FIRST + 71 * HOUR),
                    amount=D(1000),
                )
            ],
        )
    third = (await days(course))[-1]
    assert (third["ending_equity"], third["cash_flow"], third["daily_pnl"]) == (2140, 1000, 90)
    assert third["current_drawdown"] == 60


async def test_a_transfer_that_is_found_after_its_day_was_computed_is_no_gain(course: Pool) -> None:
    """A clean stop computes the day; what came right before it is found at the next start."""
    before = await days(course)
    async with course.acquire() as connection:
        at_ms = FIRST + 30 * HOUR  # the second day
        row = BalanceRow(*(ACCOUNT, BOT, "deposit", D(1000), D(1000), "books", at_ms))
        await save_balances(connection, [replace(row, amount=D(30))])
    after = await days(course)
    assert (before[1]["cash_flow"], after[1]["cash_flow"]) == (0, 30)
    assert after[1]["daily_pnl"] == before[1]["daily_pnl"] - 30


async def test_a_day_is_computed_again_when_the_log_says_what_was_a_transfer(course: Pool) -> None:
    at_ms = FIRST + 30 * HOUR  # the second day
    async with course.acquire() as connection:
        row = BalanceRow(
            *(ACCOUNT, BOT, "withdrawal", D(1000), D(1000), "books", at_ms),
            amount=D(-30),
            since_ms=at_ms - HOUR,
        )
        await save_balances(connection, [row])
    before = await days(course)
    assert before[1]["cash_flow"] == -30
    await course.execute(
        "INSERT INTO trading.sync_watermarks (account, endpoint, high_water)"
        " VALUES ($1, 'transactions', $2)",
        *(ACCOUNT, at_ms + HOUR),
    )
    async with course.acquire() as connection:
        assert await confirm_transfers(connection, [ACCOUNT], [], D(0)) == 1
    after = await days(course)
    assert after[1]["cash_flow"] == 0
    assert after[1]["daily_pnl"] == before[1]["daily_pnl"] - 30, "it was a loss"


async def test_late_rows_are_counted_where_they_belong(course: Pool) -> None:
    await trade(course, 1, 3, "40")
    assert [one["total_trades"] for one in await days(course)] == [1, 0, 0]
    before = await course.fetchval("SELECT max(calculated_at) FROM trading.risk_metrics")
    await trade(course, 2, 4, "-7")
    rows = await days(course)
    assert [one["total_trades"] for one in rows] == [2, 0, 0]
    assert all(one["calculated_at"] > before for one in rows), "later days rest on earlier ones"
    before = rows[-1]["calculated_at"]
    rows = await days(course)
    assert [one["calculated_at"] > before for one in rows] == [False, False, True]


async def test_value_at_risk_needs_thirty_days(pool: Pool) -> None:
    rows = []
    for day in range(32):
        fall = 50 if day == 7 else 20 if day == 9 else 0
        rows += [row(day * 24, 1000), row(day * 24 + 23, 1000 - fall)]
    async with pool.acquire() as connection:
        await save_balances(connection, rows)
    await days(pool)
    async with pool.acquire() as connection:
        early = await daily_results(connection, [BOT], date(2025, 11, 30))
        late = await daily_results(connection, [BOT], date(2025, 12, 2))
    assert (len(early), value_at_risk(early)) == (29, None)
    assert value_at_risk(late) == D("0.02"), (
        "of 31 days the worst twentieth ends at the second worst"
    )
