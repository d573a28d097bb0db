"""The tables of one (account, symbol) against its executions: what a verification does most of.

Books depend on nothing of each other, so several processes may look at them, each through a
connection that sees the same snapshot of the database.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from multiprocessing import active_children, get_context

import asyncpg

from alpha.core.canonical import execution_line, plain
from alpha.core.events import ADJUSTMENT
from alpha.core.reasons import BUILTIN
from alpha.core.steps import NO_STEPS
from alpha.interrupts import without_interrupt
from alpha.ledger.audit import KEYS, Facts, RowKey, TableRow, names_itself, recompute
from alpha.ledger.pool import Connection, connect, end_with_us
from alpha.ledger.reader import LedgerReader

_SMALLEST = Decimal("0.000000000001")
#: Ways of finding an owner that depend on which bots are configured: a bot added later may turn
#: one into another without changing whose a row is.
_BY_CONFIGURATION = frozenset({"sole_bot", "open_lot", "symbol"})
#: Books that may wait, finished, for those before them.
_AHEAD = 4
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Problem:
    where: str
    expected: str
    found: str


@dataclass(slots=True)
class BookFindings:
    """`lines`: the canonical ledger of the book, as it is hashed; adjustments among them.
    `span_ms`: the times of its first and its last execution."""

    account: str
    lines: bytes = b""
    executions: int = 0
    fills: int = 0
    span_ms: tuple[int, int] | None = None
    problems: list[Problem] = field(default_factory=list)


async def check_books(
    connection: Connection, dsn: str, books: Sequence[tuple[str, str]], jobs: int
) -> AsyncIterator[BookFindings]:
    """What each book says, in their order. `connection` is in a transaction of repeatable read,
    whose snapshot the processes share when `jobs` is more than one."""
    if jobs <= 1 or len(books) <= 1:
        for account, symbol in books:
            yield await check_book(connection, account, symbol)
        return
    snapshot = str(await connection.fetchval("SELECT pg_export_snapshot()"))
    waiting: list[Future[BookFindings]] = []
    rest = iter(books)
    others = active_children()
    with ProcessPoolExecutor(
        min(jobs, len(books)),
        mp_context=get_context("spawn"),
        initializer=_end_with,
        initargs=(os.getpid(),),
    ) as processes:
        try:
            for book in rest:
                with without_interrupt():  # the first one starts them all
                    waiting.append(processes.submit(_check_in_process, dsn, snapshot, *book))
                if len(waiting) >= jobs * _AHEAD:
                    yield await asyncio.wrap_future(waiting.pop(0))
            while waiting:
                yield await asyncio.wrap_future(waiting.pop(0))
        except BaseException:
            # Nobody waits for the books at hand, which may wait for a lock themselves.
            for process in set(active_children()).difference(others):
                process.terminate()
            raise


def _end_with(parent: int) -> None:
    """Ends a worker when its parent is killed: it would wait for its next book for ever."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the request was in
        os._exit(1)


def _check_in_process(dsn: str, snapshot: str, account: str, symbol: str) -> BookFindings:
    """A book is lists and rows without cycles, which the collector would look through all the
    while that they grow: a third of the time."""
    gc.disable()
    return asyncio.run(_check_at(dsn, snapshot, account, symbol))


async def _check_at(dsn: str, snapshot: str, account: str, symbol: str) -> BookFindings:
    connection = await connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # The name comes from PostgreSQL itself: digits and dashes.
            await connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            await end_with_us(connection)
            return await check_book(connection, account, symbol)
    finally:
        await connection.close()


async def check_book(connection: Connection, account: str, symbol: str) -> BookFindings:
    reader, findings = LedgerReader(connection), BookFindings(account)
    rows = await reader.executions_since(account, symbol, None)
    bots = frozenset(await reader.known_bots(account))
    codes = {reason.code: reason.name for reason in BUILTIN.reasons()}
    codes |= await reader.order_codes()
    # What names its bot and its reason itself is not looked up among the orders.
    unnamed = {row.order_id for row in rows if not names_itself(row.order_link_id, bots, codes)}
    tags = await reader.order_tags(account, symbol, unnamed) if unnamed else {}
    steps = await reader.qty_steps(account)
    facts = Facts(
        bots=bots,
        owners=await reader.symbol_owners(account),
        orders={key: (tag.bot_id, tag.reason, tag.source) for key, tag in tags.items()},
        overrides=await reader.overrides(account),
        codes=codes,
        qty_steps=steps.get(symbol, NO_STEPS).known,
    )
    times = [row.exec_time for row in rows if row.exec_type != ADJUSTMENT]
    findings.executions = len(times)
    findings.span_ms = (min(times), max(times)) if times else None
    findings.lines = "".join(f"{execution_line(row)}\n" for row in rows).encode()
    expected = recompute(rows, facts)
    for table, key in KEYS.items():
        await _compare_table(
            connection, findings, account, symbol, table, key, expected.tables[table]
        )
    return findings


async def _compare_table(
    connection: Connection,
    findings: BookFindings,
    account: str,
    symbol: str,
    table: str,
    key: tuple[str, ...],
    expected: Mapping[RowKey, TableRow],
) -> None:
    first: TableRow | None = next(iter(expected.values()), None)
    names = tuple(first) if first is not None else key
    stored = await connection.fetch(
        f"SELECT {', '.join(names)} FROM {table} WHERE account = $1 AND symbol = $2",
        account,
        symbol,
    )
    if table == "trading.fills":
        findings.fills = len(stored)
    places = [names.index(column) for column in key]
    found = {tuple(row[place] for place in places): row for row in stored}
    if len(found) == len(expected) and all(
        row is not None and list(row) == list(wanted.values())
        for wanted, row in ((wanted, found.get(key)) for key, wanted in expected.items())
    ):
        return
    where = f"{table} {account} {symbol}"
    findings.problems += _differences(where, expected, found)


def _differences(
    where: str, expected: Mapping[RowKey, TableRow], found: Mapping[RowKey, asyncpg.Record]
) -> list[Problem]:
    problems = []
    for key in sorted(expected.keys() | found.keys(), key=str):
        place = f"{where} {'/'.join(str(part) for part in key)}"
        if key not in found:
            problems.append(Problem(place, "a row", "none"))
        elif key not in expected:
            problems.append(Problem(place, "no row", "one"))
        else:
            problems += _compare_row(place, expected[key], found[key])
    return problems


def _compare_row(place: str, expected: TableRow, found: asyncpg.Record) -> list[Problem]:
    return [
        Problem(f"{place} {column}", shown(value), shown(found[column]))
        for column, value in expected.items()
        if not _same(column, value, found[column])
    ]


def _same(column: str, expected: object, found: object) -> bool:
    if isinstance(expected, Decimal) and isinstance(found, Decimal):
        return expected.quantize(_SMALLEST, ROUND_HALF_UP) == found
    if column == "attribution" and {expected, found} <= _BY_CONFIGURATION:
        return True
    return expected == found


def shown(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)
