"""Months of trading.market_data: made ahead, thinned out, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from alpha.clock import ManualClock, SystemClock, VenueClock
from alpha.ledger.pool import Pool, open_pool
from alpha.market.retention import DAY_MS, CandleRetention, months_from

NOW = round(datetime(2025, 12, 15, 12, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(postgres_dsn, clock=SystemClock(), max_size=3)
    yield pool
    pool.terminate()


def retention(pool: Pool, now_ms: int = NOW, keep_short_days: int = 90) -> CandleRetention:
    wall = ManualClock(NOW)
    venue = VenueClock(wall)
    venue.observe(now_ms)
    return CandleRetention(pool, wall, venue, keep_short_days=keep_short_days)


async def put(pool: Pool, interval: str, *starts: int, symbol: str = "AUSDT") -> None:
    await pool.executemany(
        "INSERT INTO trading.market_data (symbol, interval, timestamp, open_price, high_price,"
        " low_price, close_price, volume, quote_volume, data_source)"
        " VALUES ($1, $2, $3, 1, 1, 1, 1, 1, 1, 'rest')",
        [(symbol, interval, start) for start in starts],
    )


async def partitions(pool: Pool) -> dict[str, int]:
    names = await pool.fetch(
        "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid"
        " WHERE inhparent = 'trading.market_data'::regclass ORDER BY 1"
    )
    return {
        row["relname"]: await pool.fetchval(f"SELECT count(*) FROM trading.{row['relname']}")
        for row in names
    }


async def test_months_stand_ready_and_strays_come_home(pool: Pool) -> None:
    await put(pool, "5m", NOW, NOW - 40 * DAY_MS)
    assert await partitions(pool) == {"market_data_other": 2}
    await retention(pool).run()
    assert await partitions(pool) == {
        "market_data_2025_11": 1,
        "market_data_2025_12": 1,
        "market_data_2026_01": 0,
        "market_data_2026_02": 0,
        "market_data_other": 0,
    }
    # The keys of what has moved hold as before.
    with pytest.raises(Exception, match="duplicate key"):
        await put(pool, "5m", NOW)


async def test_short_candles_go_after_90_days_and_long_ones_stay(pool: Pool) -> None:
    short = [NOW - days * DAY_MS for days in (400, 200, 95, 91, 90, 89, 1)]
    await retention(pool).prepare(NOW)
    for start in short:
        await pool.execute("SELECT trading.ensure_market_data_month($1)", start)
    await put(pool, "5m", *short)
    await put(pool, "30m", *short, symbol="BUSDT")
    await put(pool, "1h", short[1], short[2])
    before = await partitions(pool)
    assert before["market_data_2024_11"] == 2
    keeper = retention(pool)
    await keeper.run()
    left = await pool.fetch("SELECT interval, timestamp FROM trading.market_data ORDER BY 1, 2")
    assert [(row["interval"], row["timestamp"]) for row in left] == [
        *(("1h", start) for start in (short[1], short[2])),
        *(("30m", start) for start in short[4:]),
        *(("5m", start) for start in short[4:]),
    ]
    after = await partitions(pool)
    assert "market_data_2024_11" not in after, "nothing was kept of it"
    assert after["market_data_2025_05"] == 1, "what was kept of it"
    # What has replaced a partition has its key, and takes candles again.
    with pytest.raises(Exception, match="duplicate key"):
        await put(pool, "1h", short[1])
    await put(pool, "1h", short[1] + HOUR)
    await keeper.run()
    assert (await partitions(pool))["market_data_2025_05"] == 2


async def test_how_long_is_a_setting_and_many_rows_go_in_parts(pool: Pool) -> None:
    await retention(pool).prepare(NOW)
    await pool.execute(
        "INSERT INTO trading.market_data (symbol, interval, timestamp, open_price, high_price,"
        " low_price, close_price, volume, quote_volume, data_source)"
        " SELECT 'AUSDT', '1m', $1::timestamptz - n * interval '1 minute', 1, 1, 1, 1, 1, 1, 'rest'"
        " FROM generate_series(1, 3 * 1440) n",
        NOW,
    )
    assert await retention(pool, keep_short_days=2).forget(NOW - 2 * DAY_MS) == 1440
    assert await pool.fetchval("SELECT count(*) FROM trading.market_data") == 2 * 1440


async def test_nothing_is_done_before_the_time_of_the_exchange_is_known(pool: Pool) -> None:
    wall = ManualClock(NOW)
    await CandleRetention(pool, wall, VenueClock(wall), keep_short_days=90).run()
    assert await partitions(pool) == {"market_data_other": 0}


async def test_a_lock_of_somebody_else_leaves_it_for_later(pool: Pool) -> None:
    await put(pool, "5m", NOW)
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE trading.market_data_other IN ROW EXCLUSIVE MODE")
        await retention(pool).run()
    assert await partitions(pool) == {"market_data_other": 1}
    await retention(pool).run()
    assert (await partitions(pool))["market_data_other"] == 0


@pytest.mark.parametrize("exchange", ["exchange = 'bybit' AND ", ""])
async def test_the_bars_of_a_symbol_are_read_by_key(pool: Pool, exchange: str) -> None:
    await retention(pool).prepare(NOW)
    await pool.execute(
        "INSERT INTO trading.market_data (symbol, interval, timestamp, open_price, high_price,"
        " low_price, close_price, volume, quote_volume, data_source)"
        " SELECT 'S' || s || 'USDT', '5m', $1::timestamptz + n * interval '5 minutes',"
        " 1, 1, 1, 1, 1, 1, 'rest' FROM generate_series(1, 4) s, generate_series(0, 8000) n",
        NOW,
    )
    await pool.execute("ANALYZE trading.market_data")
    plan = "\n".join(
        row[0]
        for row in await pool.fetch(
            f"EXPLAIN SELECT * FROM trading.market_data WHERE {exchange}"
            "symbol = 'S2USDT' AND interval = '5m' ORDER BY timestamp DESC LIMIT 1000"
        )
    )
    assert "market_data_2025_12_pkey" in plan
    assert "Seq Scan" not in plan


def test_months_are_those_of_the_calendar() -> None:
    def names(at: datetime, more: int) -> list[str]:
        starts = months_from(round(at.timestamp() * 1000), more)
        return [datetime.fromtimestamp(ms / 1000, UTC).isoformat() for ms in starts]

    assert names(datetime(2024, 1, 31, 23, 59, tzinfo=UTC), 2) == [
        "2024-01-01T00:00:00+00:00",
        "2024-02-01T00:00:00+00:00",
        "2024-03-01T00:00:00+00:00",
    ]
    assert names(datetime(2025, 12, 1, tzinfo=UTC), 1)[-1] == "2026-01-01T00:00:00+00:00"
