"""Through a real PgBouncer in transaction mode: what scripts and the daemon's duties do."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from alpha import AlphaDB
from alpha.clock import ManualClock, SystemClock, VenueClock
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import open_pool
from alpha.ledger.summaries import Summaries
from alpha.ledger.verify import verify
from alpha.market.retention import CandleRetention
from tests.acceptance.pooler import pgbouncer
from tests.conftest import ROOT

NOON = datetime(2025, 10, 1, 12, tzinfo=UTC)


async def test_the_library_and_the_duties_work_through_pgbouncer(
    postgres_dsn: str, redis_url: str, server_folder: Path, tmp_path: Path
) -> None:
    async with pgbouncer(server_folder, postgres_dsn) as pooler:
        assert await migrate(pooler, ROOT / "migrations") == []
        config = tmp_path / "config.toml"
        config.write_text(
            f'data_dir = "{tmp_path}"\n[postgres]\nurl = "{pooler}"\n'
            f'direct_url = "{postgres_dsn}"\n[redis]\nurl = "{redis_url}"\n',
            "utf-8",
        )
        for _ in range(2):  # the second connects anew, on another server connection
            async with AlphaDB("notebook_001", account="notes", config=config) as db:
                for hour, side in ((12, "Buy"), (13, "Sell")):
                    await db.write_fill(
                        symbol="BTCUSDT",
                        side="Buy" if side == "Buy" else "Sell",
                        exec_price=100 + hour,
                        exec_qty=1,
                        exec_time=NOON.replace(hour=hour),
                    )
                assert await db.get_daily_pnl() == Decimal(1)
                assert len(await db.get_recent_fills()) == 2
        pool = await open_pool(pooler, clock=SystemClock(), max_size=2, pooler=True)
        try:
            summaries = Summaries(pool, SystemClock())
            await summaries.refresh_days()
            assert not summaries.stale
            await summaries.refresh_positions()
            assert (
                await pool.fetchval("SELECT sum(trades) FROM analytics.daily_performance_summary")
                == 1
            )
            wall = ManualClock(round(NOON.timestamp() * 1000))
            venue = VenueClock(wall)
            venue.observe(wall.now_ms())
            await CandleRetention(pool, wall, venue, keep_short_days=90).run()
            assert await pool.fetchval(
                "SELECT to_regclass('trading.market_data_2025_12') IS NOT NULL"
            )
        finally:
            pool.terminate()
        assert (await verify(postgres_dsn)).problems == ()
