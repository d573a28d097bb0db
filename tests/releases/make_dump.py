"""Makes the dump of a release that tests migrate from: a database as that release leaves it.

Run it with the code of that release, on an empty database of PostgreSQL 15:

    git worktree add OLD COMMIT
    cp tests/releases/make_dump.py tests/ledger/fifo.py OLD/tests/ledger
    cd OLD && python -m tests.ledger.make_dump DSN /usr/lib/postgresql/15/bin > schema_0008.sql

Everything in it is made up, by a seed.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from alpha.clock import SystemClock
from alpha.core.book import Book
from alpha.core.events import ADJUSTMENT
from alpha.core.records import AttributionRules, Commit, Override
from alpha.ledger.batch import Batch
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import open_pool
from alpha.ledger.registry import (
    AccountEntry,
    BotEntry,
    OrderTagEntry,
    register,
    register_qty_steps,
)
from alpha.ledger.transaction import write_batch
from alpha.ledger.verify import verify
from tests.ledger.conftest import ACCOUNT, BOTS
from tests.ledger.fifo import history
from tests.ledger.samples import T0, decision, execution, order

SYMBOLS = ("BTCUSDT", "ETHUSDT")


async def fill(dsn: str) -> str:
    """Fills the database; returns the hash of its ledger."""
    clock = SystemClock()
    await migrate(dsn, Path("migrations"))
    pool = await open_pool(dsn, clock=clock)
    await register(
        pool,
        [AccountEntry(ACCOUNT, "paper", owners={"ETHUSDT": BOTS[0]})],
        [BotEntry(bot, ACCOUNT, bot[:-4], "test", "paper") for bot in BOTS],
        [OrderTagEntry("ec", "ema_cross", True), OrderTagEntry("tp", "take_profit", False)],
    )
    await register_qty_steps(pool, ACCOUNT, dict.fromkeys(SYMBOLS, Decimal("0.001")), T0 - 1)
    given = Override(ACCOUNT, "BTCUSDT", "stray", BOTS[0], "somebody", "operator", "mine", T0 + 9)
    for symbol in SYMBOLS:
        rows = list(history(8, symbol, 40))
        last = rows[-1].exec_time
        if symbol == "BTCUSDT":
            rows.append(execution("stray", last + 1, "Sell", "1"))
            rows.append(
                replace(
                    execution("adjustment-1", last + 2, "Buy", "0.5", exec_type=ADJUSTMENT),
                    order_id="",
                    fee=Decimal(0),
                    fee_rate=None,
                    create_type="somebody",
                    order_type="agreed",
                    seq=0,
                    source="import",
                )
            )
        rules = AttributionRules(
            account=ACCOUNT,
            bots=frozenset(BOTS),
            owners={"ETHUSDT": BOTS[0]},
            overrides={"stray": BOTS[0]},
        )
        change = Book(ACCOUNT, symbol).add(rows, rules)
        overrides = (given,) if symbol == "BTCUSDT" else ()
        orders = (order(f"{BOTS[0]}-ec-{symbol.lower()[:8]:0>8}", "filled", filled="1"),)
        commit = Commit(ACCOUNT, change=change, overrides=overrides, orders=orders)
        async with pool.acquire() as connection:
            await write_batch(connection, Batch.of([commit]), None)
    async with pool.acquire() as connection:
        decided = Commit(ACCOUNT, decisions=(decision(1), decision(2)))
        await write_batch(connection, Batch.of([decided]), None)
    for start in (T0, T0 + 300_000, T0 + 31 * 86_400_000):
        await pool.fetchval("SELECT trading.ensure_market_data_month($1)", start)
        await pool.execute(
            "INSERT INTO trading.market_data (symbol, interval, timestamp, open_price, high_price,"
            " low_price, close_price, volume, quote_volume, data_source)"
            " VALUES ('BTCUSDT', '5m', $1, 100, 101, 99, 100.5, 3, 301.5, 'stream')",
            start,
        )
    await pool.execute(
        "INSERT INTO audit.system_events (event_type, event_level, message, event_time)"
        " VALUES ('manual_trade', 'WARNING', 'somebody has traded by hand', $1)",
        T0,
    )
    await pool.execute(
        "INSERT INTO audit.command_log (channel, operator, command, decision)"
        " VALUES ('cli', 'somebody', 'fills assign', 'allowed')"
    )
    await pool.close()
    found = await verify(dsn)
    if found.problems:
        raise SystemExit(f"expected a sound ledger, was {found.problems}")
    return found.sha256


def main() -> None:
    dsn, programs = sys.argv[1:]
    sha256 = asyncio.run(fill(dsn))
    dump = subprocess.run(
        [f"{programs}/pg_dump", "--no-owner", "--no-privileges", "--inserts", "--dbname", dsn],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # Guards of psql, which is not what reads it.
    kept = [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestr"))]
    print(f"-- ledger sha256 {sha256}")
    print("\n".join(kept))


if __name__ == "__main__":
    main()
