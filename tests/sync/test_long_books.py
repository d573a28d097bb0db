"""A book of any length that is folded anew without a daemon leaves the loop to others meanwhile:
to the lease, and to whoever ends the sync."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

import aiohttp
import asyncpg
import pytest

from alpha.alerts import Alerts
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.clock import SystemClock
from alpha.core.book import Book
from alpha.core.events import Execution
from alpha.core.reasons import ReasonBook
from alpha.core.records import AttributionRules, BookChange
from alpha.ledger import stored, writer
from alpha.ledger.batch import Batch
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.registry import AccountEntry, BotEntry, register
from alpha.ledger.transaction import Transaction
from alpha.ledger.verify import verify
from alpha.sync.stored import stored_accounts
from alpha.trading.catchup import CatchUp
from tests.ledger.samples import T0, execution
from tests.trading.life import NOWHERE

ACCOUNT, BOT = "main", "beat_001"
CLOCK = SystemClock()
#: What counts as long here.
LONG = 50
WITHIN_S = 20.0

T = TypeVar("T")


def never_flat(count: int) -> list[Execution]:
    """A position that is added to and taken from, and never closed."""
    first = execution("e0", T0, "Buy", "5", account=ACCOUNT)
    rest = (
        execution(f"e{n}", T0 + n * 1_000, "Buy" if n % 2 else "Sell", "0.1", account=ACCOUNT)
        for n in range(1, count)
    )
    return [replace(row, source="rest") for row in (first, *rest)]


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(postgres_dsn, clock=CLOCK, max_size=4)
    await register(
        pool, [AccountEntry(ACCOUNT, "paper")], [BotEntry(BOT, ACCOUNT, BOT, "beat", "paper")]
    )
    yield pool
    await pool.close()


@asynccontextmanager
async def books(pool: Pool) -> AsyncIterator[CatchUp]:
    """What a sync without a daemon brings its executions to."""
    async with aiohttp.ClientSession() as http:
        rest = Rest(
            *(NOWHERE, Credentials("key", "secret")),
            account=ACCOUNT,
            clock=CLOCK,
            limiter=Limiter(CLOCK),
            session=http,
        )
        async with stored_accounts(
            *(pool, {ACCOUNT: rest}, [ACCOUNT]),
            installation="here",
            clock=CLOCK,
            alerts=Alerts(CLOCK),
        ) as accounts:
            yield accounts[ACCOUNT]._catch_up


def interrupt(patch: pytest.MonkeyPatch, wait: Callable[[str], None]) -> None:
    """Has `wait` called in the middle of everything that takes long with a long book."""
    fold, encode, read = Book.add, Transaction.of, stored.execution_from

    def add(self: Book, rows: Iterable[Execution], rules: AttributionRules) -> BookChange:
        rows = list(rows)
        if len(rows) >= LONG:
            wait("fold")
        return fold(self, rows, rules)

    def of(batch: Batch, reasons: ReasonBook) -> Transaction:
        if len(batch.fills) >= LONG:
            wait("encode")
        return encode(batch, reasons)

    def execution_from(row: asyncpg.Record) -> Execution:
        if row["exec_id"] == "e70":
            wait("read")
        return read(row)

    patch.setattr(writer, "LONG_ROWS", LONG)
    patch.setattr(stored, "LONG_ROWS", LONG)
    patch.setattr(stored, "execution_from", execution_from)
    patch.setattr(Book, "add", add)
    patch.setattr(Transaction, "of", of)


@pytest.mark.parametrize("way", ["appended", "late", "before"])
async def test_the_loop_turns_while_a_long_book_is_folded(
    pool: Pool, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    rows = never_flat(120)
    if way == "before":
        held = sum((row.signed_qty for row in rows), Decimal(0))
        last = execution("last", T0 + 200_000, "Sell", str(held), account=ACCOUNT)
        rows.append(replace(last, source="rest"))
    missed = rows.pop(5) if way == "late" else None
    loop, seen = asyncio.get_running_loop(), list[str]()

    def wait(where: str) -> None:
        turned = threading.Event()
        loop.call_soon_threadsafe(turned.set)
        assert turned.wait(WITHIN_S), f"{where}: expected the loop to turn, it stood still"
        seen.append(where)

    async with books(pool) as catch_up:
        if missed is not None:
            await catch_up.bring(rows)
        interrupt(monkeypatch, wait)
        if missed is not None:
            await catch_up.bring([missed])
        elif way == "before":
            await catch_up.put_before("BTCUSDT", rows)
        else:
            await catch_up.bring(rows)
        await catch_up.drain()
    expected = ["read", "fold", "fold", "encode"] if way == "late" else ["fold", "encode"]
    assert seen == expected
    monkeypatch.undo()
    found = await verify(postgres_dsn, account=ACCOUNT)
    assert (found.problems, found.executions) == ((), len(rows) + (missed is not None))


async def test_who_ends_it_does_not_wait_for_the_fold(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    is_waited_for, waited = list[bool](), list[bool]()

    def wait(where: str) -> None:
        begun.set()
        is_waited_for.append(not threading.current_thread().daemon)
        waited.append(go_on.wait(WITHIN_S))

    async def sync() -> None:
        async with books(pool) as catch_up:
            interrupt(monkeypatch, wait)
            await catch_up.bring(never_flat(120))

    syncing = asyncio.create_task(sync())
    try:
        while not begun.is_set():
            await CLOCK.sleep(0.01)
        syncing.cancel()
        done, _ = await asyncio.wait({syncing}, timeout=WITHIN_S / 4)
        assert done and not waited, "expected the sync to end at once, it waits for its fold"
        assert is_waited_for == [False], "nor does the end of the process wait"
    finally:
        go_on.set()
    assert await pool.fetchval("SELECT count(*) FROM trading.executions") == 0
    assert await pool.fetchval("SELECT count(*) FROM config.leases WHERE expires_at > now()") == 0
