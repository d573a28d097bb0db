"""Closed bars into trading.market_data, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from itertools import pairwise

import asyncpg
import pytest

from alpha.clock import SystemClock, cpu_ns
from alpha.core.events import Bar
from alpha.ledger.pool import Pool, connect, open_pool
from alpha.market.archive import BATCH, Gauge, MarketArchive
from tests.until import until

STEP = 300_000
T0 = 1_759_190_400_000  # 2025-09-30T00:00:00Z: the next day is another month
DAY = 86_400_000


def bar(number: int, symbol: str = "AAAUSDT", step: int = STEP) -> Bar:
    close = 100 + 7 * math.sin(number / 9)
    open_ = 100 + 7 * math.sin((number - 1) / 9)
    high, low = max(open_, close) + 0.5, min(open_, close) - 0.25
    start = T0 + number * step
    return Bar(symbol, step, start, open_, high, low, close, 3.5, 350.0)


def bars(first: int, last: int, symbol: str = "AAAUSDT") -> list[Bar]:
    return [bar(number, symbol) for number in range(first, last)]


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(postgres_dsn, clock=SystemClock(), max_size=3)
    yield pool
    pool.terminate()


@asynccontextmanager
async def archiving(pool: Pool, **options: Callable[[], bool]) -> AsyncIterator[MarketArchive]:
    archive = MarketArchive(pool, SystemClock(), **options)
    task = asyncio.create_task(archive.run())
    yield archive
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def count(pool: Pool, where: str = "true") -> int:
    found: int = await pool.fetchval(f"SELECT count(*) FROM trading.market_data WHERE {where}")
    return found


async def test_bars_are_stored_once_by_month_with_indicators(pool: Pool) -> None:
    async with archiving(pool) as archive:
        archive.keep(bars(0, 900), "rest")
        archive.keep(bars(895, 901), "rest")
        archive.keep([bar(901)], "stream")
        await until(lambda: archive.written == 902, "everything written")
    assert await count(pool) == 902
    assert await count(pool, "data_source = 'stream'") == 1
    months = await pool.fetch(
        "SELECT tableoid::regclass::text AS part, count(*) AS rows FROM trading.market_data"
        " GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in months] == [
        ("trading.market_data_2025_09", 288),
        ("trading.market_data_2025_10", 614),
    ]
    row = await pool.fetchrow(
        "SELECT * FROM trading.market_data ORDER BY timestamp DESC LIMIT 1 OFFSET 1"
    )
    assert row is not None
    assert (row["exchange"], row["symbol"], row["interval"]) == ("bybit", "AAAUSDT", "5m")
    assert row["timestamp"] == T0 + 900 * STEP
    assert row["volume"] == Decimal("3.5") and row["quote_volume"] == 350
    assert float(row["close_price"]) == pytest.approx(bar(900).close, rel=1e-12)
    gauge = Gauge(T0)
    expected = [gauge.update(one) for one in bars(0, 901)][-1]
    names = ("ema_20", "ema_50", "ema_200", "rsi_14", "atr_14")
    assert [float(row[name]) for name in names] == pytest.approx(expected, rel=1e-6)


async def test_indicators_wait_for_enough_bars_and_follow_a_longer_history(pool: Pool) -> None:
    async with archiving(pool) as archive:
        archive.keep(bars(850, 900), "rest")
        await until(lambda: archive.written == 50, "the short history")
        assert await count(pool, "rsi_14 IS NOT NULL") == 36
        assert await count(pool, "ema_20 IS NOT NULL") == 0
        archive.keep(bars(0, 900), "rest")
        await until(lambda: archive.written == 950, "the long history")
    assert await count(pool) == 900
    assert await count(pool, "ema_20 IS NOT NULL") == 900 - 79
    assert await count(pool, "ema_200 IS NOT NULL") == 900 - 799


async def test_a_hole_begins_the_indicators_anew(pool: Pool) -> None:
    async with archiving(pool) as archive:
        archive.keep([*bars(0, 100), *bars(101, 111)], "rest")
        await until(lambda: archive.written == 110, "both runs")
    assert await count(pool, "rsi_14 IS NOT NULL") == 86


def test_the_strength_index_and_the_range_are_means_of_14_bars() -> None:
    gauge = Gauge(T0)
    series = bars(0, 40)
    numbers = [gauge.update(one) for one in series]
    assert numbers[13][3:] == (None, None)
    changes = [after.close - one.close for one, after in pairwise(series)]
    last = changes[-14:]
    up, down = sum(max(one, 0.0) for one in last), sum(max(-one, 0.0) for one in last)
    ranges = [
        max(after.high, one.close) - min(after.low, one.close) for one, after in pairwise(series)
    ]
    assert numbers[-1][3:] == pytest.approx((100 - 100 / (1 + up / down), sum(ranges[-14:]) / 14))


@pytest.fixture
def own_heap() -> Iterator[None]:
    """What other tests hold is not looked through by the collector meanwhile."""
    gc.freeze()
    yield
    gc.unfreeze()


async def test_350_symbols_at_once_leave_the_loop_free(pool: Pool, own_heap: None) -> None:
    symbols = [f"S{number:03d}USDT" for number in range(350)]
    async with archiving(pool) as archive:
        clock = SystemClock()
        works: list[int] = []

        async def turn() -> None:
            while True:
                before = cpu_ns()
                await clock.sleep(0.001)
                works.append(cpu_ns() - before)

        turning = asyncio.create_task(turn())
        for number in range(4):
            for symbol in symbols:
                archive.keep([bar(number, symbol)], "stream")
            await until(lambda: archive.waiting == 0, "the queue is empty")
        await until(lambda: archive.written == 4 * 350, "all are written")
        turning.cancel()
        with suppress(asyncio.CancelledError):
            await turning
    assert await count(pool) == 4 * 350
    works.sort()
    # Of the processor's time, however many share in it: 2 ms are measured.
    assert works[len(works) * 99 // 100] < 10_000_000


async def test_the_ledger_goes_first(pool: Pool) -> None:
    busy, away, asked = True, True, 0

    def is_away() -> bool:
        nonlocal asked
        asked += 1
        return away

    async with archiving(pool, is_busy=lambda: busy, is_away=is_away) as archive:
        archive.keep(bars(0, 10), "rest")
        await until(lambda: asked > 10, "asked again and again")
        assert archive.written == 0
        away = busy = False
        await until(lambda: archive.written == 10, "written once the ledger is done")
        busy = True
        archive.keep(bars(10, 20), "rest")
        await until(lambda: archive.written == 20, "a busy ledger delays it, no more")


async def test_a_lost_server_loses_no_bar(pool: Pool, postgres_dsn: str) -> None:
    async with archiving(pool) as archive:
        archive.keep(bars(0, 3), "rest")
        await until(lambda: archive.written == 3, "the first")
        other = await connect(postgres_dsn)
        killed = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for first in range(3, 3 + 4 * BATCH, BATCH):
            archive.keep(bars(first, first + BATCH), "stream")
            await other.execute(killed)
        await other.close()
        await until(lambda: archive.written == 3 + 4 * BATCH, "all of them in the end")
    assert await count(pool) == 3 + 4 * BATCH


async def test_a_candle_that_the_database_refuses_holds_up_nothing(pool: Pool) -> None:
    async with archiving(pool) as archive:
        wrong = Bar("BADUSDT", STEP, T0, 1.0, 0.5, 2.0, 1.0, 1.0, 1.0)
        archive.keep([*bars(0, 3), wrong, *bars(3, 6)], "rest")
        await until(lambda: archive.written == 6, "the others, before and behind it")
        assert archive.dropped == 1
    assert await count(pool) == 6


async def test_a_month_that_the_default_holds_stays_there(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO trading.market_data (symbol, interval, timestamp, open_price, high_price,"
        " low_price, close_price, volume, quote_volume, data_source)"
        " VALUES ('XUSDT', '5m', $1, 1, 1, 1, 1, 1, 1, 'rest')",
        T0,
    )
    async with archiving(pool) as archive:
        archive.keep(bars(0, 5), "rest")
        await until(lambda: archive.written == 5, "written all the same")
    assert await count(pool) == 6


async def test_only_sound_candles_are_taken(pool: Pool) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(
            "INSERT INTO trading.market_data (symbol, interval, timestamp, open_price, high_price,"
            " low_price, close_price, volume, quote_volume, data_source)"
            " VALUES ('XUSDT', '5m', $1, 1, 0.9, 0.8, 0.85, 1, 1, 'rest')",
            T0,
        )
