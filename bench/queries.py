"""How long readers wait on a large ledger: `python -m bench.queries --json`.

Fills an embedded PostgreSQL with a million fills of 100 bots and ten million candles
(`bench.million`, half an hour on a small machine), or takes one that is filled: `--dsn`. Then asks,
each of them many times, what daemons, commands and dashboards ask:

- `position`: open positions of one bot, `market_data`: 1,000 candles in a row;
- `analytics`: the report of one bot, that of all together, and one of each, over 90 days and over
  7, with the two newest days marked as written again, as if they were today and yesterday, which
  no sum holds yet;
- `views`: every view of the schema `analytics` and every summary of `trading` that a dashboard
  reads, whole or, where it grows with the ledger, one bot of it;
- `start_reads_s`: all that a start reads of accounts, books and bots, in the order of a start, and
  `start_parts_s`: what of it takes longest;
- `start`: seconds until all accounts of a daemon are `live` that is started on it with all these
  bots, and until they are warm (`bench.start`; the daemon's own traces stay in the database);
- `scans`: which of these questions read all fills, or all of another large table, by their plans.

Milliseconds are p50, p95, p99 and the longest; the first question of each kind counts as well. What
it is at is said on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from alpha import embedded
from alpha.analytics.reader import AnalyticsReader
from alpha.clock import Clock, SystemClock
from alpha.core.performance import DAY_MS
from alpha.crew import past_of
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.queries import load
from alpha.ledger.reader import LedgerReader
from alpha.ledger.summaries import Summaries
from bench.million import MIGRATIONS, SYMBOLS, Shape, make
from bench.start import measure as measure_start

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
#: A large table that is read as a whole.
SCANNED = re.compile(
    r"Seq Scan on ((?:fills|executions|completed_trades|orders|market_data_\d+))\b"
)
LAST_DAYS = """
INSERT INTO analytics.rewritten_days
SELECT DISTINCT day FROM (SELECT day FROM analytics.closed_days WHERE bot_id = '*' AND kind = 'day'
                           ORDER BY day DESC LIMIT 2) newest"""

Ask = Callable[[int], Awaitable[object]]
_T = TypeVar("_T")


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
        self._bots: list[tuple[str, str]] = []

    async def ask(self, what: str, question: Ask, times: int | None = None) -> dict[str, float]:
        taken = []
        for number in range(times or self._times):
            began = self._clock.perf_ns()
            await question(number)
            taken.append((self._clock.perf_ns() - began) / 1e6)
        found = figures(taken)
        say(f"{what}: {found}")
        return found

    def _bot(self, number: int) -> str:
        return self._bots[number % len(self._bots)][0]

    async def all(self) -> dict[str, object]:
        self._bots = [
            (str(row["bot_id"]), str(row["account"]))
            for row in await self._pool.fetch(
                "SELECT bot_id, account FROM trading.bots WHERE bot_id <> 'manual' ORDER BY bot_id"
            )
        ]
        parts = await self.start()
        newest = await self._pool.fetchval("SELECT max(timestamp) FROM trading.market_data")
        return {
            "start_reads_s": round(sum(parts.values()), 2),
            "start_parts_s": {name: round(took, 2) for name, took in parts.items() if took > 0.05},
            "position_ms": await self.ask(
                "position", lambda number: self._reader.positions(self._bot(number))
            ),
            "market_data_ms": await self.ask(
                "market_data",
                lambda number: self._pool.fetch(
                    CANDLES,
                    SYMBOLS[number % len(SYMBOLS)],
                    (newest or 0) - number * 1_000_000_000 // self._times,
                ),
            ),
            **await self._analytics(),
            "views_ms": {name: await self._view(name, sql) for name, sql in VIEWS.items()},
            "scans": await self._scans(),
        }

    async def _view(self, name: str, sql: str) -> dict[str, float]:
        def question(number: int) -> Awaitable[object]:
            return self._pool.fetch(sql, *([self._bot(number)] if "$1" in sql else []))

        return await self.ask(name, question)

    async def _analytics(self) -> dict[str, object]:
        reader = AnalyticsReader(self._pool, self._clock)
        each = [bot for bot, _ in self._bots]
        await self._pool.execute(LAST_DAYS)
        found = {
            f"analytics_{who}_{days}_days_ms": await self.ask(
                f"analytics of {who}, {days} days", partial(question, days), times
            )
            for days in (90, 7)
            for who, question, times in (
                ("bot", lambda days, number: reader.reports([self._bot(number)], days), None),
                ("all", lambda days, number: reader.report(days), None),
                ("each", lambda days, number: reader.reports(each, days), self._times // 4),
            )
        }
        await self._pool.execute("DELETE FROM analytics.rewritten_days")
        return dict(found)

    async def _scans(self) -> dict[str, list[str]]:
        """Which tables are read as a whole, by question; the planner is as it is."""
        bot, account = self._bots[0]
        each = [one for one, _ in self._bots]
        closed = load("analytics.sql")
        reads = load("reads.sql")
        asked: dict[str, tuple[str, tuple[object, ...]]] = {
            "position": (reads["positions"], (bot,)),
            "bots": (reads["bots"], ()),
            "bot_totals": (reads["bot_totals"], (account, bot)),
            "cash_by_owner": (reads["cash_by_owner"], (account,)),
            "market_data": (CANDLES, (SYMBOLS[0], 0)),
            "fills of bots": (closed["fills"], (each, 0)),
            "open of bots": (closed["open"], (each,)),
            **{name: (sql, (bot,) if "$1" in sql else ()) for name, sql in VIEWS.items()},
        }
        until = await self._reader.newest_ms() or 0
        for name, bots in (("bot", [bot]), ("all", None), ("each", each)):
            asked[f"closed of {name}"] = (closed["closed"], (bots, until - 90 * DAY_MS, until))
            asked[f"gained of {name}"] = (closed["gained"], (bots, until - 90 * DAY_MS))
        found = {}
        for name, (sql, arguments) in asked.items():
            rows = await self._pool.fetch(f"EXPLAIN {sql}", *arguments)
            tables = sorted(set(SCANNED.findall("\n".join(row[0] for row in rows))))
            if tables:
                found[name] = tables
        say(f"scans: {found}")
        return found

    async def start(self) -> dict[str, float]:
        """Seconds of what a daemon with all these bots reads before it is live, by part."""
        reader, took = self._reader, dict[str, float]()

        async def timed(name: str, reading: Awaitable[_T]) -> _T:
            began = self._clock.monotonic()
            result = await reading
            took[name] = took.get(name, 0.0) + self._clock.monotonic() - began
            return result

        for account in await timed("accounts", reader.accounts()):
            marks = await timed("marks", reader.marks(account))
            since = marks.verified_ms
            await timed("cash_by_owner", reader.cash_by_owner(account))
            await timed("open_orders", reader.open_orders(account))
            await timed("order_ids", reader.order_ids(account, since - 600_000))
            await timed("overrides", reader.overrides(account))
            await timed("order_tags", reader.order_tags(account))
            for symbol in await timed("traded_symbols", reader.traded_symbols(account)):
                flat_ms = await timed("last_flat", reader.last_flat_ms(account, symbol))
                await timed("executions", reader.executions_since(account, symbol, flat_ms))
            newest_ms = await timed("newest", reader.newest_ms(account))
            if newest_ms is not None:
                await timed("exec_ids", reader.exec_ids(account, since - 900_000, newest_ms))
            say(f"start: {account} is read")
        for bot_id, account in self._bots:
            await timed("past", past_of(reader, bot_id, account))
            await timed("unfinished_exits", reader.unfinished_exits(account, bot_id))
        return took


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


async def measure(dsn: str, times: int, clock: Clock) -> dict[str, object]:
    await migrate(dsn, MIGRATIONS)
    pool = await open_pool(dsn, clock=clock)
    try:
        say("summaries")
        began = clock.monotonic()
        summaries = Summaries(pool, clock)
        await summaries.refresh_positions()
        await summaries.refresh_days()
        refresh_s = clock.monotonic() - began
        if summaries.stale:
            raise RuntimeError(
                "expected the summaries to be refreshed, some were not; is a daemon "
                "at it? then try again"
            )
        fills = await pool.fetchval("SELECT count(*) FROM trading.fills", timeout=600)
        answers = await Questions(pool, clock, times).all()
    finally:
        await pool.close()
    say("a daemon starts")
    start = await measure_start(dsn, clock)
    return {
        "benchmark": "queries",
        "fills": fills,
        "refresh_s": round(refresh_s, 1),
        **answers,
        "start": start,
    }


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
