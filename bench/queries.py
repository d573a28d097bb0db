"""How long readers wait on a large ledger: `python -m bench.queries --json`.

Fills an embedded PostgreSQL with a million fills of 100 bots and ten million candles
(`bench.million`, half an hour on a small machine), or takes one that is filled: `--dsn`. Then asks,
each of them many times, what daemons, commands and dashboards ask:

- `position`: open positions of one bot, `market_data`: 1,000 candles in a row;
- `analytics`: the report of one bot and that of all;
- `views`: every view of the schema `analytics` and every summary of `trading` that a dashboard
  reads, whole or, where it grows with the ledger, one bot of it;
- `start_reads_s`: all that a start reads of accounts, books and bots, in the order of a start.

Milliseconds are p50, p95, p99 and the longest; the first question of each kind counts as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from alpha import embedded
from alpha.analytics.reader import AnalyticsReader
from alpha.clock import Clock, SystemClock
from alpha.crew import past_of
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.reader import LedgerReader
from bench.million import MIGRATIONS, SYMBOLS, Shape, make

#: What dashboards read; $1 is a bot.
VIEWS: Mapping[str, str] = {
    "analytics.active_positions_view": "SELECT * FROM analytics.active_positions_view",
    "analytics.daily_performance_view": (
        "SELECT * FROM analytics.daily_performance_view WHERE bot_id = $1"
    ),
    "analytics.system_health_dashboard": "SELECT * FROM analytics.system_health_dashboard",
    "analytics.symbol_performance": "SELECT * FROM analytics.symbol_performance",
    "analytics.exit_reason_summary": "SELECT * FROM analytics.exit_reason_summary",
    "analytics.bot_correlation": "SELECT * FROM analytics.bot_correlation",
    "trading.position_summaries": "SELECT * FROM trading.position_summaries WHERE bot_id = $1",
    "trading.current_positions": "SELECT * FROM trading.current_positions",
}
CANDLES = """
SELECT timestamp, open_price, high_price, low_price, close_price, volume
  FROM trading.market_data
 WHERE exchange = 'bybit' AND symbol = $1 AND interval = '1m' AND timestamp < $2
 ORDER BY timestamp DESC LIMIT 1000"""
SUMMARIES = ("active_positions_summary", "daily_performance_summary", "bot_correlation",
             "symbol_performance", "exit_reason_summary")  # fmt: skip

Ask = Callable[[int], Awaitable[object]]


def figures(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    last = len(ordered) - 1
    places = {"p50": last // 2, "p95": round(last * 0.95), "p99": round(last * 0.99), "max": last}
    return {name: round(ordered[place], 2) for name, place in places.items()}


class Questions:
    def __init__(self, pool: Pool, clock: Clock, times: int) -> None:
        self._pool = pool
        self._clock = clock
        self._times = times
        self._reader = LedgerReader(pool)

    async def ask(self, question: Ask) -> dict[str, float]:
        taken = []
        for number in range(self._times):
            began = self._clock.perf_ns()
            await question(number)
            taken.append((self._clock.perf_ns() - began) / 1e6)
        return figures(taken)

    async def all(self) -> dict[str, object]:
        bots = [
            (str(row["bot_id"]), str(row["account"]))
            for row in await self._pool.fetch(
                "SELECT bot_id, account FROM trading.bots WHERE bot_id <> 'manual' ORDER BY bot_id"
            )
        ]
        newest = await self._pool.fetchval("SELECT max(timestamp) FROM trading.market_data")
        analytics = AnalyticsReader(self._pool)
        reader = self._reader
        found: dict[str, object] = {
            "start_reads_s": round(await self.start(bots), 2),
            "position_ms": await self.ask(
                lambda number: reader.positions(bots[number % len(bots)][0])
            ),
            "market_data_ms": await self.ask(
                lambda number: self._pool.fetch(
                    CANDLES,
                    SYMBOLS[number % len(SYMBOLS)],
                    (newest or 0) - number * 1_000_000_000 // self._times,
                )
            ),
            "analytics_bot_ms": await self.ask(
                lambda number: analytics.report(bots[number % len(bots)][0], 90)
            ),
            "analytics_all_ms": await self.ask(lambda number: analytics.report(None, 90)),
        }
        found["views_ms"] = {
            name: await self.ask(
                lambda number, sql=sql: self._pool.fetch(  # type: ignore[misc]
                    sql, *([bots[number % len(bots)][0]] if "$1" in sql else [])
                )
            )
            for name, sql in VIEWS.items()
        }
        return found

    async def start(self, bots: Sequence[tuple[str, str]]) -> float:
        """Seconds of what a daemon with all these bots reads before it is live."""
        reader, began = self._reader, self._clock.monotonic()
        for account in await reader.accounts():
            marks = await reader.marks(account)
            await reader.cash_by_owner(account)
            await reader.open_orders(account)
            await reader.order_ids(account, marks.verified_ms - 600_000)
            await reader.overrides(account)
            await reader.order_tags(account)
            for symbol in await reader.traded_symbols(account):
                flat_ms = await reader.last_flat_ms(account, symbol)
                await reader.executions_since(account, symbol, flat_ms)
            newest_ms = await reader.newest_ms(account)
            if newest_ms is not None:
                await reader.exec_ids(account, marks.verified_ms - 900_000, newest_ms)
        for bot_id, account in bots:
            await past_of(reader, bot_id, account)
            await reader.unfinished_exits(account, bot_id)
        return self._clock.monotonic() - began


async def measure(dsn: str, times: int, clock: Clock) -> dict[str, object]:
    await migrate(dsn, MIGRATIONS)
    pool = await open_pool(dsn, clock=clock)
    try:
        began = clock.monotonic()
        for name in SUMMARIES:
            await pool.execute(f"REFRESH MATERIALIZED VIEW analytics.{name}", timeout=600)
        refresh_s = clock.monotonic() - began
        fills = await pool.fetchval("SELECT count(*) FROM trading.fills", timeout=600)
        answers = await Questions(pool, clock, times).all()
    finally:
        await pool.close()
    return {"benchmark": "queries", "fills": fills, "refresh_s": round(refresh_s, 1), **answers}


async def _run(folder: Path, dsn: str | None, shape: Shape, candles: int, times: int) -> None:
    clock = SystemClock()
    if dsn is not None:
        print(json.dumps(await measure(dsn, times, clock)))
        return
    servers = await embedded.start(folder, mode="paper", redis=False, clock=clock)
    try:
        await make(servers.postgres_dsn, shape, candles=candles, clock=clock)
        print(json.dumps(await measure(servers.postgres_dsn, times, clock)))
    finally:
        await servers.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.queries", description=__doc__)
    parser.add_argument("--json", action="store_true", help="as it always does")
    parser.add_argument("--dsn", help="a database that bench.million has filled")
    parser.add_argument("--fills", type=int, default=1_000_000)
    parser.add_argument("--candles", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=200, help="of each question")
    options = parser.parse_args(arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    folder = Path(tempfile.mkdtemp(prefix="alpha-bench-"))
    folder.chmod(0o755)
    shape = Shape(fills=options.fills)
    try:
        asyncio.run(_run(folder, options.dsn, shape, options.candles, options.times))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
