"""How fast fills get from the socket into the ledger: `python -m bench.ledger --json`.

An embedded PostgreSQL of its own, fsync on. Five rounds, in each one after the other:

- `frame_to_commit_ms`: frames of one fill, 200 a second, from the socket read to the commit;
- `fills_per_s`: frames of several rows as fast as they can be taken, through the whole path:
  decoded, attributed, folded, executions, fills and projections committed by the daemon's writer;
- `ratio_raw_unnest`: the same rows of the same tables sent by `unnest`, 512 fills a transaction,
  with the columns ready: no decoding, no fold, no lease. What PostgreSQL itself can do;
- `ratio_psycopg2_per_row`: the rows of `trading.fills` alone, one commit each, by psycopg2
  (script/bootstrap --bench makes its environment, which this does when it is not there).

Figures are medians of the rounds; a ratio is that of one round.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from heapq import merge
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TypeVar

import structlog
import uvloop

from alpha import embedded
from alpha.bybit.messages import decode_private
from alpha.clock import Clock, SystemClock, iso
from alpha.core.events import Execution
from alpha.core.records import Commit
from alpha.core.steps import QtySteps
from alpha.ledger import columns
from alpha.ledger.batch import Batch
from alpha.ledger.lease import Lease
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import Pool, connect, open_pool
from alpha.ledger.queries import load
from alpha.ledger.registry import AccountEntry, BotEntry, register, register_qty_steps
from alpha.ledger.transaction import encoded, insertions
from alpha.ledger.writer import LedgerWriter
from alpha.trading.account import Account
from bench.million import MIGRATIONS, STEP, SYMBOLS, Shape, history

ROOT = Path(__file__).parents[1]
RAW_FILLS = 512
_SQL = load("writes.sql")
T = TypeVar("T")


@dataclass(frozen=True)
class Size:
    """How much is measured: fills of a flood, of the steady stream and of the peer, all of the
    day before `until_ms`. What streams is young, which the sums of past days know."""

    until_ms: int = Shape().until_ms

    rounds: int = 5
    flood: int = 8_000
    steady: int = 1_000
    per_row: int = 2_000
    rows_per_frame: int = 4
    per_s: float = 200.0

    @property
    def accounts(self) -> int:
        return 4 * self.rounds + 1

    @property
    def shape(self) -> Shape:
        each = max(self.flood, self.steady, self.per_row)
        return Shape(
            fills=each * self.accounts,
            accounts=self.accounts,
            bots=10,
            days=1,
            until_ms=self.until_ms,
        )


@dataclass(slots=True)
class Sample:
    values: list[float] = field(default_factory=list)

    def add(self, value: float, /) -> None:
        self.values.append(value)

    def figures(self) -> dict[str, float]:
        ordered = sorted(self.values)
        last = len(ordered) - 1
        return {"p50": ordered[last // 2], "p99": ordered[round(last * 0.99)], "max": ordered[-1]}


class Kept:
    """A ledger that only keeps what it is given."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []

    def put(self, commit: Commit) -> bool:
        self.commits.append(commit)
        return True


def executions(shape: Shape, account: str, count: int) -> list[Execution]:
    """The first `count` of an account, its symbols in turn as time goes."""
    books = (history(shape, account, symbol) for symbol in SYMBOLS)
    return list(islice(merge(*books, key=lambda row: row.exec_time), count))


def parts(rows: Sequence[T], of_each: int) -> list[Sequence[T]]:
    return [rows[first : first + of_each] for first in range(0, len(rows), of_each)]


def frames(rows: Sequence[Execution], of_each: int) -> list[bytes]:
    return [
        json.dumps(
            {
                "id": f"frame-{number}",
                "topic": "execution.linear",
                "creationTime": part[-1].exec_time + 20,
                "data": [_wire(row) for row in part],
            }
        ).encode()
        for number, part in enumerate(parts(rows, of_each))
    ]


def _wire(row: Execution) -> dict[str, object]:
    """A row as the private socket sends it."""
    return {
        "category": "linear", "symbol": row.symbol, "closedSize": "0", "execFee": str(row.fee),
        "execId": row.exec_id, "execPrice": str(row.price), "execQty": str(row.qty),
        "execType": row.exec_type, "execValue": str(row.value), "feeRate": str(row.fee_rate),
        "tradeIv": "", "markIv": "", "blockTradeId": "", "markPrice": str(row.price),
        "indexPrice": "", "underlyingPrice": "", "leavesQty": "0", "orderId": row.order_id,
        "orderLinkId": row.order_link_id, "orderPrice": str(row.price), "orderQty": str(row.qty),
        "orderType": row.order_type, "stopOrderType": "UNKNOWN", "side": row.side,
        "execTime": str(row.exec_time), "isLeverage": "0", "isMaker": row.is_maker,
        "seq": row.seq, "marketUnit": "", "execPnl": "0", "createType": row.create_type,
        "extraFees": [], "feeCurrency": "USDT",
    }  # fmt: skip


class Bench:
    """Each measurement takes the next account, with ten bots of its own."""

    def __init__(self, dsn: str, size: Size, pool: Pool, clock: Clock) -> None:
        self._dsn = dsn
        self._size = size
        self._pool = pool
        self._clock = clock
        self._names = iter(size.shape.account_names())

    def _account(self, ledger: Kept | LedgerWriter) -> Account:
        name = next(self._names)
        bots = self._size.shape.bot_ids(name)
        account = Account(
            name,
            bots={bot_id: frozenset(SYMBOLS) for bot_id in bots},
            known_bots=(),
            owners={},
            ledger=ledger,
            clock=self._clock,
            qty_steps={symbol: QtySteps.always(STEP) for symbol in SYMBOLS},
            overrides={},
        )
        account.release()
        return account

    def _rows(self, account: Account, count: int) -> list[Execution]:
        return executions(self._size.shape, account.name, count)

    def _take(self, account: Account, raw: bytes) -> None:
        """What the session does with a frame of the private socket."""
        received_ns = self._clock.perf_ns()
        events = decode_private(raw, account.name, self._clock.now_ms())
        account.receive([one for one in events if isinstance(one, Execution)], received_ns)

    async def _through_path(self, count: int, of_each: int, every_s: float) -> tuple[float, Sample]:
        """Seconds and latencies of `count` executions, a frame every `every_s` seconds."""
        sample = Sample()
        lease = Lease(
            self._pool, self._size.shape.account_names(), "bench", installation="bench",
            clock=self._clock,
        )  # fmt: skip
        await lease.acquire()
        writer = LedgerWriter(self._pool, clock=self._clock, lease=lease, frame_to_commit=sample)
        account = self._account(writer)
        wire = frames(self._rows(account, count), of_each)
        gc.collect()
        gc.freeze()  # as a daemon does when it is ready
        task = asyncio.create_task(writer.run())
        began = self._clock.monotonic()
        for number, raw in enumerate(wire):
            await self._clock.sleep(max(began + number * every_s - self._clock.monotonic(), 0))
            self._take(account, raw)
        drained = await writer.drain(300)
        seconds = self._clock.monotonic() - began
        task.cancel()
        await asyncio.wait([task])
        await lease.release()
        if not drained or account.overflowed or writer.commits != count:
            raise SystemExit(f"expected {count} commits, was {writer.commits}")
        return seconds, sample

    async def steady(self) -> dict[str, float]:
        _, sample = await self._through_path(self._size.steady, 1, 1 / self._size.per_s)
        return sample.figures()

    async def flood(self) -> float:
        count = self._size.flood
        seconds, _ = await self._through_path(count, self._size.rows_per_frame, 0)
        return count / seconds

    async def raw_unnest(self) -> float:
        """Fills a second of the same rows, written without any work of ours."""
        commits = self._folded(self._size.flood)
        ready = [encoded(list(insertions(Batch.of(part)))) for part in parts(commits, RAW_FILLS)]
        connection = await connect(self._dsn)
        began = self._clock.monotonic()
        for sql, arguments in ready:
            await connection.execute(_SQL["begin"])
            await connection.execute(sql, *arguments)
            await connection.execute("COMMIT")
        seconds = self._clock.monotonic() - began
        await connection.close()
        return len(commits) / seconds

    def _folded(self, count: int) -> list[Commit]:
        kept = Kept()
        account = self._account(kept)
        for raw in frames(self._rows(account, count), self._size.rows_per_frame):
            self._take(account, raw)
        return kept.commits

    async def per_row(self, python: str) -> float:
        """Rows of the fills table a second by psycopg2; their executions are there already."""
        batch = Batch.of(self._folded(self._size.per_row))
        connection = await connect(self._dsn)
        await connection.execute(
            _SQL["insert_executions"], *columns.executions(batch.executions.values())
        )
        await connection.close()
        found = re.search(r"trading\.fills \(([^)]*)\)", _SQL["upsert_fills"])
        assert found is not None
        names = [name.strip() for name in found[1].split(",")]
        rows = list(zip(*columns.fills(batch.fills.values()), strict=True))
        given = {
            "dsn": self._dsn,
            "columns": names,
            "rows": [
                [_plain(name, value) for name, value in zip(names, row, strict=True)]
                for row in rows
            ],
        }
        peer = await asyncio.create_subprocess_exec(
            python,
            str(ROOT / "bench" / "psycopg2_rows.py"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await peer.communicate(json.dumps(given).encode())
        if peer.returncode:
            raise SystemExit(f"{python} could not run bench/psycopg2_rows.py: see above")
        return len(rows) / float(printed)


def _plain(name: str, value: object) -> object:
    if name == "exec_time" and isinstance(value, int):
        return iso(value)
    return str(value) if isinstance(value, Decimal) else value


async def prepare(dsn: str, size: Size, pool: Pool) -> None:
    """The accounts and bots of all measurements, in an empty database."""
    await migrate(dsn, MIGRATIONS)
    names = size.shape.account_names()
    bots = [
        BotEntry(bot_id, name, bot_id, "bench", "paper")
        for name in names
        for bot_id in size.shape.bot_ids(name)
    ]
    await register(pool, [AccountEntry(name, "paper") for name in names], bots)
    for name in names:
        await register_qty_steps(pool, name, dict.fromkeys(SYMBOLS, STEP), 0)


async def measure(dsn: str, size: Size, peer: str, clock: Clock) -> dict[str, object]:
    """All figures of an empty database at `dsn`. `peer`: a Python that has psycopg2."""
    pool = await open_pool(dsn, clock=clock)
    try:
        await prepare(dsn, size, pool)
        fsync = await pool.fetchval("SHOW fsync")
        bench = Bench(dsn, size, pool, clock)
        await bench.steady()  # connections, plans and code are warm after it
        runs = []
        for _ in range(size.rounds):
            await pool.execute("CHECKPOINT")  # that of the round before falls into none of these
            steady, flood = await bench.steady(), await bench.flood()
            runs.append(Run(steady, flood, await bench.raw_unnest(), await bench.per_row(peer)))
    finally:
        await pool.close()
    return {"benchmark": "ledger", "fsync": fsync, **_figures(runs)}


@dataclass(frozen=True, slots=True)
class Run:
    """One round: milliseconds, then fills a second."""

    latency: dict[str, float]
    flood: float
    raw: float
    per_row: float

    def as_json(self) -> dict[str, object]:
        return {
            "frame_to_commit_ms": {name: round(ms, 3) for name, ms in self.latency.items()},
            "fills_per_s": round(self.flood),
            "raw_unnest_fills_per_s": round(self.raw),
            "psycopg2_rows_per_s": round(self.per_row),
        }


def _figures(runs: Sequence[Run]) -> dict[str, object]:
    def middle(value: Callable[[Run], float], digits: int) -> float:
        return round(median(value(run) for run in runs), digits)

    return {
        "frame_to_commit_ms": {
            "p50": middle(lambda run: run.latency["p50"], 3),
            "p99": middle(lambda run: run.latency["p99"], 3),
            "max": middle(lambda run: run.latency["max"], 3),
        },
        "fills_per_s": middle(lambda run: run.flood, 0),
        "raw_unnest_fills_per_s": middle(lambda run: run.raw, 0),
        "psycopg2_rows_per_s": middle(lambda run: run.per_row, 0),
        "ratio_raw_unnest": middle(lambda run: run.flood / run.raw, 3),
        "ratio_psycopg2_per_row": middle(lambda run: run.flood / run.per_row, 2),
        "rounds": [run.as_json() for run in runs],
    }


def peer_python() -> str:
    """A Python with psycopg2; makes its environment when it is not there."""
    subprocess.run([ROOT / "script" / "bootstrap", "--bench"], check=True, stdout=sys.stderr)
    return str(ROOT / ".venv-bench" / "bin" / "python")


async def _in_own_database(folder: Path, size: Size, peer: str, clock: Clock) -> dict[str, object]:
    servers = await embedded.start(folder, mode="paper", redis=False, clock=clock)
    try:
        return await measure(servers.postgres_dsn, size, peer, clock)
    finally:
        await servers.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--rounds", type=int, default=Size.rounds)
    parser.add_argument("--fills", type=int, default=Size.flood, help="of a flood")
    options = parser.parse_args(arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    size = Size(SystemClock().now_ms(), rounds=options.rounds, flood=options.fills)
    peer = peer_python()
    folder = Path(tempfile.mkdtemp(prefix="alpha-bench-"))
    folder.chmod(0o755)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(_in_own_database(folder, size, peer, SystemClock()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            if name != "rounds":
                print(f"{name:24} {value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
