"""The benchmark's ledger is a real one: what it measures, a verification agrees with."""

from __future__ import annotations

from alpha.clock import SystemClock
from alpha.ledger.pool import open_pool
from alpha.ledger.verify import verify
from bench.ledger import Bench, Size, prepare


async def test_every_way_ends_in_books_that_verify(postgres_dsn: str) -> None:
    size = Size(rounds=1, flood=240, steady=20, rows_per_frame=3)
    clock = SystemClock()
    pool = await open_pool(postgres_dsn, clock=clock)
    try:
        await prepare(postgres_dsn, size, pool)
        bench = Bench(postgres_dsn, size, pool, clock)
        steady, flood, raw = await bench.steady(), await bench.flood(), await bench.raw_unnest()
    finally:
        await pool.close()
    assert 0 < steady["p50"] <= steady["p99"] <= steady["max"]
    assert flood > 0 and raw > 0
    one, two = await verify(postgres_dsn), await verify(postgres_dsn, jobs=2)
    assert one == two
    assert one.ok, one.problems[:3]
    assert one.executions == 20 + 2 * 240
