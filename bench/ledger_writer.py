"""How fast the ledger writer commits: `python -m bench.ledger_writer DSN`, an empty database.

Prints one JSON document: single fills one after the other (milliseconds from `put` to the
commit), and a flood of fills in batches (fills a second).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import structlog

from alpha.clock import Clock, SystemClock
from alpha.core.events import Execution
from alpha.core.records import BookChange, Commit, Fill, Lot, Marks, PositionCycle
from alpha.ledger.lease import Lease
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import open_pool
from alpha.ledger.registry import AccountEntry, BotEntry, register
from alpha.ledger.writer import LedgerWriter

_MIGRATIONS = Path(__file__).parents[1] / "migrations"
_T0 = 1_759_305_600_000
_BOT = "bench_001"


def entry(number: int, symbol: str) -> Commit:
    """An entry fill as the account queues it: execution, fill, lot, position, mark."""
    row = Execution(
        account="bench",
        symbol=symbol,
        exec_id=f"{number:032x}",
        order_id=f"order-{number}",
        order_link_id=f"{_BOT}-en-{number:08x}",
        side="Buy",
        exec_type="Trade",
        price=Decimal("64123.5"),
        qty=Decimal("0.003"),
        value=Decimal("192.3705"),
        fee=Decimal("0.105803775"),
        fee_currency="USDT",
        fee_rate=Decimal("0.00055"),
        leaves_qty=Decimal(0),
        closed_size=Decimal(0),
        is_maker=False,
        create_type="CreateByUser",
        order_type="Market",
        stop_order_type="",
        exec_time=_T0 + number,
        seq=number,
        received_ms=_T0 + number,
    )
    fill = Fill(
        row.account,
        symbol,
        row.exec_id,
        _BOT,
        1,
        row.order_id,
        row.order_link_id,
        row.side,
        row.exec_type,
        row.price,
        row.qty,
        row.fee,
        row.fee_currency,
        "entry",
        "entry",
        "id",
        "id",
        Decimal(0),
        row.qty,
        row.is_maker,
        row.exec_time,
        row.seq,
    )
    lot = Lot(
        row.account,
        symbol,
        row.exec_id,
        _BOT,
        "long",
        row.price,
        row.qty,
        row.qty,
        row.fee,
        row.fee,
        Decimal(0),
        "entry",
        row.order_id,
        row.order_link_id,
        row.exec_time,
    )
    cycle = PositionCycle(
        row.account,
        symbol,
        _BOT,
        f"{number:032x}",
        "long",
        row.qty,
        row.qty,
        row.price,
        Decimal(0),
        row.fee,
        Decimal(0),
        "entry",
        None,
        row.exec_time,
        None,
    )
    change = BookChange(
        row.account, symbol, executions=(row,), fills=(fill,), lots=(lot,), cycles=(cycle,)
    )
    return Commit(row.account, change=change, marks=Marks(row.account, row.exec_time, 0))


class _Sample:
    def __init__(self) -> None:
        self.values: list[float] = []

    def add(self, value: float, /) -> None:
        self.values.append(value)

    def figures(self) -> dict[str, float]:
        ordered = sorted(self.values)
        last = len(ordered) - 1
        return {
            "p50": round(ordered[last // 2], 3),
            "p99": round(ordered[round(last * 0.99)], 3),
            "max": round(ordered[-1], 3),
        }


async def measure(dsn: str, singles: int, flood: int, clock: Clock) -> dict[str, object]:
    await migrate(dsn, _MIGRATIONS)
    pool = await open_pool(dsn, clock=clock)
    await register(
        pool,
        [AccountEntry("bench", "paper")],
        [BotEntry(_BOT, "bench", "bench", "bench", "paper")],
    )
    lease = Lease(pool, ["bench"], "bench", installation="bench", clock=clock)
    await lease.acquire()
    sample = _Sample()
    writer = LedgerWriter(
        pool, clock=clock, lease=lease, frame_to_commit=sample, max_queue=flood + singles
    )
    task = asyncio.create_task(writer.run())
    for number in range(singles):
        commit = entry(number, f"S{number}USDT")
        writer.put(replace(commit, frame_ns=clock.perf_ns()))
        await writer.drain(10)
    transactions = writer.transactions
    commits = [entry(number, f"S{number}USDT") for number in range(singles, singles + flood)]
    started = clock.perf_ns()
    for commit in commits:
        writer.put(commit)
    await writer.drain(300)
    seconds = (clock.perf_ns() - started) / 1e9
    batches = writer.transactions - transactions
    task.cancel()
    await asyncio.wait([task])
    await lease.release()
    await pool.close()
    return {
        "single_fill_commit_ms": sample.figures(),
        "singles": singles,
        "flood_fills": flood,
        "flood_transactions": batches,
        "fills_per_s": round(flood / seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dsn")
    parser.add_argument("--singles", type=int, default=500)
    parser.add_argument("--flood", type=int, default=20_000)
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    result = asyncio.run(measure(options.dsn, options.singles, options.flood, SystemClock()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
