"""Sums of days never show what the trades do not say, whatever is written and summed up when."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.clock import SystemClock
from alpha.ledger.pool import Connection, Pool
from alpha.ledger.summaries import Summaries
from tests.ledger.conftest import ACCOUNT, BOTS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
#: The hours before now in which trades of these tests close; the sums begin 25 hours ago.
HOURS = 9 * 24
OWNERS = (*BOTS, "manual")
FIGURES = (
    *("trades", "wins", "losses", "gross_profit", "gross_loss", "best", "worst"),
    *("gross_pnl", "fees", "funding", "net_pnl"),
)


@dataclass(frozen=True, slots=True)
class Piece:
    number: int
    bot: int
    hours_ago: int
    order: int  # which entry order it is a part of; 0: of none
    gross: int

    async def write(self, connection: Pool | Connection, now_ms: int) -> None:
        exit_ms = now_ms - self.hours_ago * HOUR_MS
        await connection.execute(
            "INSERT INTO trading.completed_trades (account, symbol, bot_id, entry_exec_id, "
            "exit_exec_id, side, quantity, entry_order_id, entry_order_link_id, entry_price, "
            "entry_time, entry_reason, entry_commission, exit_order_id, exit_order_link_id, "
            "exit_price, exit_time, exit_reason, exit_commission, gross_pnl, funding) VALUES "
            "($1, $2, $3, $4, $5, 'long', 1, $6, '', 100, $7::timestamptz - interval '5 hours', "
            "$8, 0.25, 'x', '', 100, $7, $9, 0.25, $10, $11) "
            "ON CONFLICT (account, symbol, entry_exec_id, exit_exec_id, bot_id) DO UPDATE SET "
            "entry_order_id = excluded.entry_order_id, exit_time = excluded.exit_time, "
            "entry_time = excluded.entry_time, gross_pnl = excluded.gross_pnl",
            ACCOUNT,
            "BTCUSDT" if self.number % 2 else "ETHUSDT",
            OWNERS[self.bot],
            f"in{self.number}",
            f"out{self.number}",
            f"order{self.order}" if self.order else "",
            exit_ms,
            "ema_cross" if self.order % 2 else "entry",
            "stop_loss" if self.gross < 0 else "take_profit",
            Decimal(self.gross),
            Decimal(self.order) / 8,
        )


@dataclass(frozen=True, slots=True)
class Refold:
    """Everything later is taken away."""

    hours_ago: int


@dataclass(frozen=True, slots=True)
class SumUp:
    pass


@dataclass(frozen=True, slots=True)
class Look:
    hours_ago: int
    bots: tuple[int, ...] | None
    of_midnight: bool = False


pieces = st.builds(
    Piece,
    number=st.integers(0, 7),
    bot=st.integers(0, 2),
    hours_ago=st.sampled_from([1, 20, 30, 55, 80, 81, 130, 160, HOURS]),
    order=st.integers(0, 4),
    gross=st.integers(-3, 3),
)
moments = st.integers(0, HOURS + 24)
bots = st.sampled_from([None, (0,), (1,), (0, 1), (2,)])
looks = st.builds(Look, moments, bots, st.booleans())
changes = st.lists(
    pieces | pieces | st.builds(Refold, moments) | st.builds(SumUp) | looks, min_size=6, max_size=12
)

WHOLE = Look(HOURS + 24, None)
Sums = dict[tuple[str, str], dict[str, Decimal]]


def sums(rows: list[asyncpg.Record]) -> Sums:
    """What the figures of these trades are, computed by hand."""
    trades: dict[tuple[str, str, tuple[object, ...]], list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        for kind in ("day", "symbol", "reason", "rule"):
            opened_by = row["entry_order_id"] or row["entry_exec_id"]
            trade = (row["bot_id"], row["day"], row["symbol"], opened_by)
            trades[kind, row[kind], trade].append(row)
    found: Sums = {}
    for (kind, name, _), parts in trades.items():
        net = sum((part["net_pnl"] for part in parts), Decimal(0))
        into = found.setdefault(
            (kind, name), dict.fromkeys(FIGURES, Decimal(0)) | {"best": net, "worst": net}
        )
        into["trades"] += 1
        into["wins"] += net > 0
        into["losses"] += net < 0
        into["gross_profit"] += max(net, Decimal(0))
        into["gross_loss"] -= min(net, Decimal(0))
        into["best"], into["worst"] = max(into["best"], net), min(into["worst"], net)
        for part in parts:
            for figure in ("gross_pnl", "fees", "funding", "net_pnl"):
                into[figure] += part[figure]
    return found


async def check(pool: Pool, look: Look, now_ms: int) -> None:
    since = now_ms - look.hours_ago * HOUR_MS - HOUR_MS // 2
    if look.of_midnight:
        since -= since % DAY_MS
    wanted = None if look.bots is None else [OWNERS[bot] for bot in look.bots]
    rows = await pool.fetch(
        "SELECT t.*, symbol, exit_reason AS reason, entry_reason AS rule, "
        "total_commission AS fees, to_char(exit_time AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day "
        "FROM trading.completed_trades t WHERE exit_time >= $1 AND bot_id = ANY ($2)",
        since,
        wanted or list(BOTS),
    )
    given_ = await pool.fetch(
        "SELECT kind, name, sum(trades) AS trades, sum(wins) AS wins, sum(losses) AS losses, "
        "sum(gross_profit) AS gross_profit, sum(gross_loss) AS gross_loss, max(best) AS best, "
        "min(worst) AS worst, sum(gross_pnl) AS gross_pnl, sum(fees) AS fees, "
        "sum(funding) AS funding, sum(net_pnl) AS net_pnl "
        "FROM analytics.closed($1, $2, 'infinity') GROUP BY kind, name",
        wanted,
        since,
    )
    assert {(r["kind"], r["name"]): {f: r[f] for f in FIGURES} for r in given_} == sums(rows)
    assert await pool.fetchval(
        "SELECT coalesce(max(day) + 1, '-infinity'::date) <= "
        "(($1::timestamptz - interval '25 hours') AT TIME ZONE 'UTC')::date "
        "FROM analytics.closed_days",
        SystemClock().now_ms(),
    ), "a day that is not over long enough is written without a mark"


async def tell(pool: Pool, before: Sequence[Piece], told: Sequence[object], now_ms: int) -> None:
    await pool.execute(
        "TRUNCATE trading.completed_trades, analytics.closed_days, analytics.rewritten_days"
    )
    summaries = Summaries(pool, SystemClock())
    for step in [*before, SumUp(), *told]:
        match step:
            case Piece():
                await step.write(pool, now_ms)
            case Refold():
                await pool.execute(
                    "DELETE FROM trading.completed_trades WHERE exit_time > $1",
                    now_ms - step.hours_ago * HOUR_MS,
                )
            case SumUp():
                assert await summaries.close_days()
            case Look():
                await check(pool, step, now_ms)
    for look in (WHOLE, Look(HOURS + 1, (0, 1)), Look(100, (2,)), Look(0, None)):
        await check(pool, look, now_ms)


async def test_sums_of_days_are_those_of_the_trades(pool: Pool) -> None:
    loop = asyncio.get_running_loop()
    now_ms = SystemClock().now_ms()

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(before=st.lists(pieces, min_size=6, max_size=12), told=changes)
    def property_(before: list[Piece], told: list[object]) -> None:
        asyncio.run_coroutine_threadsafe(tell(pool, before, told, now_ms), loop).result(60)

    await asyncio.to_thread(property_)


async def test_what_is_written_while_days_are_summed_up_counts(pool: Pool) -> None:
    now_ms = SystemClock().now_ms()
    summaries = Summaries(pool, SystemClock())
    for number in range(4):
        await Piece(number, 0, 80 + 30 * number, number, 1).write(pool, now_ms)
    assert await summaries.close_days()
    await Piece(5, 0, 80, 1, 2).write(pool, now_ms)
    # Another's lock stops it after its first look at the marks.
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM analytics.closed_days FOR UPDATE")
        closing = asyncio.create_task(summaries.close_days())
        while not await pool.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
            await SystemClock().sleep(0.01)
        await Piece(6, 0, 80, 2, 3).write(pool, now_ms)
        await Piece(7, 0, 140, 2, 3).write(pool, now_ms)
    assert await closing
    await check(pool, WHOLE, now_ms)
    assert await pool.fetchval("SELECT count(DISTINCT day) FROM analytics.rewritten_days") == 2
    assert await summaries.close_days()
    await check(pool, WHOLE, now_ms)
    assert await pool.fetchval("SELECT count(*) FROM analytics.rewritten_days") == 0


async def test_every_way_of_writing_marks_its_day(pool: Pool) -> None:
    now_ms = SystemClock().now_ms()
    summaries = Summaries(pool, SystemClock())
    await Piece(1, 0, 100, 1, 1).write(pool, now_ms)
    await Piece(2, 0, 60, 1, 1).write(pool, now_ms)
    for piece in (
        *(Piece(3, 0, 50, 1, 1), Piece(3, 0, 130, 1, 1), Piece(3, 0, 2, 1, 1)),
        *(Piece(4, 1, 2, 1, 1), Piece(4, 1, 50, 1, 2), Piece(5, 0, 160, 1, 1)),
    ):
        assert await summaries.close_days()
        await piece.write(pool, now_ms)
        await check(pool, WHOLE, now_ms)
    assert await summaries.close_days()
    await pool.execute("DELETE FROM trading.completed_trades WHERE entry_exec_id = 'in5'")
    await check(pool, WHOLE, now_ms)


async def test_days_are_read_as_sums(pool: Pool) -> None:
    now_ms = SystemClock().now_ms()
    await Piece(1, 0, 100, 1, 2).write(pool, now_ms)
    assert await Summaries(pool, SystemClock()).close_days()
    await pool.execute("UPDATE analytics.closed_days SET net_pnl = 77")
    net = "SELECT sum(net_pnl) FROM analytics.closed(NULL, '-infinity', 'infinity')"
    assert await pool.fetchval(net) == 4 * 77
    await pool.execute("UPDATE trading.completed_trades SET gross_pnl = 3")
    assert await pool.fetchval(net) == 4 * Decimal("2.625")


async def test_every_zone_is_told_the_same(pool: Pool) -> None:
    """A date is midnight of the session's zone before anybody makes it one of UTC."""
    now_ms = SystemClock().now_ms()
    for hours_ago in range(26, 120):
        await Piece(hours_ago, 0, hours_ago, hours_ago, 1).write(pool, now_ms)
    assert await Summaries(pool, SystemClock()).close_days()
    await Piece(200, 0, 50, 200, 1).write(pool, now_ms)  # one of the days is read anew
    asked = (
        "SELECT sum(trades) FROM analytics.closed(NULL, '-infinity', 'infinity') WHERE kind = 'day'"
    )
    async with pool.acquire() as connection, connection.transaction():
        for zone in ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland"):
            await connection.execute(f"SET LOCAL timezone = '{zone}'")
            assert await connection.fetchval(asked) == 95, zone


async def test_a_transaction_marks_a_day_once(pool: Pool) -> None:
    """However much of it is folded anew, and whatever of the transaction is taken back."""
    now_ms = SystemClock().now_ms()
    for number in range(40):
        await Piece(number, 0, 50 + 24 * (number % 2), number, 1).write(pool, now_ms)
    summaries = Summaries(pool, SystemClock())
    assert await summaries.close_days()
    marks = "SELECT count(*), count(DISTINCT day) FROM analytics.rewritten_days"
    async with pool.acquire() as connection:
        taken_back = connection.transaction()
        async with connection.transaction():
            await taken_back.start()
            await connection.execute("DELETE FROM trading.completed_trades")
            await taken_back.rollback()
            assert tuple(await connection.fetchrow(marks) or ()) == (0, 0)
            await connection.execute("DELETE FROM trading.completed_trades")
            for number in range(40):
                piece = Piece(number, 0, 50 + 24 * (number % 2), number, 2)
                await piece.write(connection, now_ms)
            await connection.execute("UPDATE trading.completed_trades SET gross_pnl = 3")
        assert tuple(await connection.fetchrow(marks) or ()) == (2, 2)
        await check(pool, WHOLE, now_ms)
        # The next transaction of the connection makes its own.
        assert await summaries.close_days()
        await connection.execute("UPDATE trading.completed_trades SET gross_pnl = 4")
    await check(pool, WHOLE, now_ms)


async def test_what_no_order_has_opened_is_a_trade_for_each_execution(pool: Pool) -> None:
    """Wherever trades are counted."""
    now_ms = SystemClock().now_ms()
    midday = (now_ms // DAY_MS * DAY_MS - 3 * DAY_MS) + 12 * HOUR_MS
    for number, gross in ((1, 2), (3, -1), (5, -2)):
        await Piece(number, 0, 0, 0, gross).write(pool, midday)
    await Piece(7, 0, 0, 1, 1).write(pool, midday)
    await Piece(9, 0, 0, 1, 1).write(pool, midday)  # of the same order
    for name in ("analytics.symbol_performance", "analytics.daily_performance_summary"):
        await pool.execute(f"REFRESH MATERIALIZED VIEW {name}")
    for view in (
        "trading.bot_daily_performance",
        "trading.completed_trades_summary",
        "analytics.symbol_performance",
        "analytics.daily_performance_summary",
        "analytics.closed(NULL, '-infinity', 'infinity') WHERE kind = 'day'",
    ):
        (row,) = await pool.fetch(f"SELECT trades, wins, losses FROM {view}")
        assert tuple(row) == (4, 2, 2), view
