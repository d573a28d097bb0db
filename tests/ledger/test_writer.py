from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.clock import SystemClock
from alpha.core.orders import OrderState, advance
from alpha.core.records import BookChange, Commit, Marks
from alpha.errors import NeedsOperator
from alpha.ledger import columns
from alpha.ledger.batch import Batch
from alpha.ledger.pool import Pool, connect
from alpha.ledger.reader import LedgerReader
from alpha.ledger.transaction import write_batch
from alpha.ledger.writer import LedgerWriter, WriterState
from tests.ledger.conftest import running, unguarded
from tests.ledger.samples import (
    T0,
    cycle,
    decision,
    entry_commit,
    execution,
    exit_commit,
    history,
    lot,
    order,
)

TABLES = (
    "trading.executions",
    "trading.adjustments",
    "trading.fills",
    "trading.funding_payments",
    "trading.position_entries",
    "trading.completed_trades",
    "trading.positions",
    "trading.orders",
    "config.decisions",
    "config.bot_state",
    "config.marks",
)
#: Columns that say when a row was written, not what it says.
VOLATILE = frozenset({"id", "created_at", "updated_at", "recorded_at", "commit_no"})


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    """Waits for a condition; fails after a deadline."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def contents(pool: Pool) -> Mapping[str, Sequence[object]]:
    found: dict[str, Sequence[object]] = {}
    for table in TABLES:
        rows = await pool.fetch(f"SELECT * FROM {table}")
        found[table] = sorted(
            str([(k, v) for k, v in row.items() if k not in VOLATILE]) for row in rows
        )
    return found


async def wiped(pool: Pool) -> None:
    """The executions' guard is switched off for the test's own connection only."""
    async with pool.acquire() as connection, unguarded(connection):
        for table in TABLES:
            await connection.execute(f"DELETE FROM {table}")


async def test_commits_what_is_queued(pool: Pool, writer: LedgerWriter) -> None:
    told: list[tuple[int, int]] = []
    writer.on_commit(lambda commits, number: told.append((len(commits), number)))
    commits = history()
    for commit in commits:
        assert writer.put(commit)
    assert await writer.drain(10)
    assert sum(count for count, _ in told) == len(commits)
    assert [number for _, number in told] == sorted({number for _, number in told})
    reader = LedgerReader(pool)
    assert await reader.marks("main") == Marks("main", T0 + 5_000, T0 + 3_000)
    assert [(fill["exec_id"], fill["bot_id"]) for fill in await reader.fills(10)] == [
        ("e1", "alpha_001"),
        ("e2", "alpha_001"),
        ("e3b", "beta_001"),
    ]
    # The row whose projections were replaced stays in the ledger.
    stored = await reader.executions_since("main", "BTCUSDT", None)
    assert [row.exec_id for row in stored] == ["e1", "f1", "e2", "e3b", "e3"]
    assert stored[0] == execution("e1", T0)
    assert (await reader.orders(5))[0]["state"] == "filled"
    state = await reader.bot_state("main", "alpha_001")
    assert state is not None
    assert (state.ordinal, state.state_json, state.last_stamp) == (3, '{"b":1.0,"a":3}', T0 + 3)


async def test_any_split_and_any_repetition_of_batches_gives_the_same_tables(pool: Pool) -> None:
    commits = history()
    async with pool.acquire() as connection:
        for commit in commits:
            await write_batch(connection, Batch.of([commit]), None)
        expected = await contents(pool)

        async def replay(cuts: set[int], repeats: list[int]) -> None:
            await wiped(pool)
            edges = [0, *sorted(cuts), len(commits)]
            for number, (start, end) in enumerate(itertools.pairwise(edges)):
                for _ in range(1 + repeats[number % len(repeats)]):
                    if start < end:
                        await write_batch(connection, Batch.of(commits[start:end]), None)
            assert await contents(pool) == expected

        runner = asyncio.get_running_loop()

        @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(
            cuts=st.sets(st.integers(1, len(commits) - 1)),
            repeats=st.lists(st.integers(0, 2), min_size=1, max_size=4),
        )
        def property_(cuts: set[int], repeats: list[int]) -> None:
            asyncio.run_coroutine_threadsafe(replay(cuts, repeats), runner).result(60)

        await asyncio.to_thread(property_)


async def test_a_backend_killed_in_the_middle_is_survived(pool: Pool) -> None:
    """A lock holds the transaction open; its backend is killed; the batch is run again."""
    states: list[WriterState] = []
    writer = LedgerWriter(pool, clock=SystemClock(), lease=None, state_changed=states.append)
    async with running(writer), pool.acquire() as other:
        async with other.transaction():
            await other.execute("LOCK TABLE trading.fills IN ACCESS EXCLUSIVE MODE")
            assert writer.put(entry_commit(execution("e1", T0)))
            victim = None
            async with asyncio.timeout(10):
                while victim is None:
                    victim = await pool.fetchval(
                        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                        "AND datname = current_database() "
                        "AND query LIKE 'WITH part_0 %'"
                    )
            await pool.execute("SELECT pg_terminate_backend($1)", victim)
            await until(lambda: writer.degraded_since is not None)
            assert not writer.healthy
        assert await writer.drain(10)
    assert states == ["away", "ok"]
    assert writer.healthy
    assert await LedgerReader(pool).counts() == (1, 1)


async def test_a_server_that_takes_no_connections_is_waited_for(
    pool: Pool, postgres_dsn: str
) -> None:
    """Everything queued meanwhile is there afterwards, once and in order."""
    name = await pool.fetchval("SELECT current_database()")
    elsewhere = await connect(postgres_dsn.replace(f"/{name}", "/template1", 1))
    writer = LedgerWriter(pool, clock=SystemClock(), lease=None)
    try:
        async with running(writer):
            writer.put(entry_commit(execution("e1", T0)))
            assert await writer.drain(10)
            await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            await elsewhere.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
            )
            for number in range(2, 30):
                assert writer.put(
                    entry_commit(execution(f"e{number}", T0 + number, symbol=f"S{number}"))
                )
            await until(lambda: writer.degraded_since is not None)
            assert not await writer.drain(0.3)
            assert writer.poisoned == {}
            assert writer.queued == 28
            await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            assert await writer.drain(10)
        assert writer.healthy
        assert await LedgerReader(pool).counts() == (29, 29)
    finally:
        await elsewhere.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await elsewhere.close()


async def test_an_unanswered_commit_is_run_again_and_counts_once(pool: Pool) -> None:
    """The transaction commits, and the answer is lost: the same batch is written twice."""
    async with pool.acquire() as connection:
        batch = Batch.of(history())
        await write_batch(connection, batch, None)
        before = await contents(pool)
        await write_batch(connection, batch, None)
    assert await contents(pool) == before


async def test_a_full_queue_refuses_and_keeps_the_account_out_until_healed(pool: Pool) -> None:
    writer = LedgerWriter(pool, clock=SystemClock(), lease=None, max_queue=1)
    first, second = execution("e1", T0), execution("e2", T0 + 1, "Sell")
    assert writer.put(entry_commit(first))
    assert not writer.put(exit_commit(first, second))
    assert writer.torn == {"main"}
    assert (writer.accepts("main"), writer.accepts("second")) == (False, True)
    async with running(writer):
        assert await writer.drain(10)
        # What follows would build on a commit that is not there.
        assert not writer.put(entry_commit(execution("e3", T0 + 2)))
        assert writer.put(Commit("second", marks=Marks("second", T0, 0)))
        assert await writer.drain(10)
        writer.heal("main")
        assert writer.accepts("main")
        assert writer.put(exit_commit(first, second))
        assert await writer.drain(10)
    assert await LedgerReader(pool).counts() == (2, 2)


async def test_a_poisoned_commit_stops_its_account_and_no_other(pool: Pool) -> None:
    told: list[tuple[str, NeedsOperator]] = []
    writer = LedgerWriter(
        pool,
        clock=SystemClock(),
        lease=None,
        blocked=lambda account, error: told.append((account, error)),
    )
    good = entry_commit(execution("e1", T0))
    row = execution("e2", T0 + 1)
    bad = Commit("main", change=BookChange("main", row.symbol, lots=(lot(row, "alpha_001", "1"),)))
    later = entry_commit(execution("e3", T0 + 2, symbol="ETHUSDT"))
    foreign = execution("x1", T0, account="second")
    other = Commit("second", change=BookChange("second", "BTCUSDT", executions=(foreign,)))
    for commit in (good, bad, later, other):
        assert writer.put(commit)
    async with running(writer):
        assert not await writer.drain(10)
        assert not writer.put(later)
        assert writer.put(Commit("second", marks=Marks("second", T0, 0)))
    assert [account for account, _ in told] == ["main"]
    assert "position_entries" in str(writer.poisoned["main"])
    assert not writer.healthy
    assert writer.held_back == {"main": [bad, later]}
    stored = await pool.fetch("SELECT account, exec_id FROM trading.executions ORDER BY exec_id")
    assert [tuple(found) for found in stored] == [("main", "e1"), ("second", "x1")]


async def test_orders_move_in_the_database_as_in_the_code(pool: Pool) -> None:
    """Every pair of states, one after the other and in one batch."""
    pairs = [(before, after) for before in OrderState for after in OrderState]
    first = [order(f"{b}-{a}", b.value, updated_ms=T0) for b, a in pairs]
    second = [order(f"{b}-{a}", a.value, updated_ms=T0 + 1) for b, a in pairs]
    expected = {f"{b}-{a}": advance(b, a).value for b, a in pairs}
    async with pool.acquire() as connection:
        await write_batch(connection, Batch.of([Commit("main", orders=tuple(first))]), None)
        await write_batch(connection, Batch.of([Commit("main", orders=tuple(second))]), None)
        stored = await connection.fetch("SELECT order_link_id, state FROM trading.orders")
    assert {row["order_link_id"]: row["state"] for row in stored} == expected
    merged = Batch.of([Commit("main", orders=(*first, *second))])
    assert {row.client_order_id: row.state for row in merged.orders.values()} == expected


async def test_of_two_rows_in_one_state_the_later_stays(pool: Pool, writer: LedgerWriter) -> None:
    for updated_ms, filled in ((T0 + 10, "1"), (T0 + 4, "0.5")):
        row = order("o", "partially_filled", updated_ms=updated_ms, filled=filled)
        writer.put(Commit("main", orders=(row,)))
        assert await writer.drain(10)
    assert await pool.fetchval("SELECT filled_qty FROM trading.orders") == Decimal(1)


async def test_a_decision_is_kept_as_it_was_first_written(pool: Pool, writer: LedgerWriter) -> None:
    first = decision(1)
    for row in (first, replace(first, intents_json='["again"]'), decision(2), first):
        writer.put(Commit("main", decisions=(row,)))
        await writer.drain(10)
    rows = await pool.fetch("SELECT ordinal, intents FROM config.decisions ORDER BY ordinal")
    assert [tuple(row) for row in rows] == [(1, "[]"), (2, "[]")]
    state = await LedgerReader(pool).bot_state("main", "alpha_001")
    assert state is not None and state.ordinal == 2


async def test_batches_stay_within_the_row_limit(pool: Pool) -> None:
    writer = LedgerWriter(pool, clock=SystemClock(), lease=None, max_rows=10)
    sizes: list[int] = []
    writer.on_commit(lambda commits, _: sizes.append(len(commits)))
    for number in range(7):
        writer.put(entry_commit(execution(f"e{number}", T0 + number, symbol=f"S{number}")))
    async with running(writer):
        assert await writer.drain(10)
    assert sizes == [2, 2, 2, 1]  # five rows each


async def test_latency_is_measured_from_the_socket_read(pool: Pool) -> None:
    measured: list[float] = []

    class Figures:
        def add(self, value: float, /) -> None:
            measured.append(value)

    clock = SystemClock()
    writer = LedgerWriter(pool, clock=clock, lease=None, frame_to_commit=Figures())
    commit = replace(entry_commit(execution("e1", T0)), frame_ns=clock.perf_ns())
    writer.put(commit)
    writer.put(Commit("main", decisions=(decision(1),)))
    async with running(writer):
        assert await writer.drain(10)
    assert len(measured) == 1
    assert 0 < measured[0] < 10_000


def test_closed_positions_are_written_before_open_ones() -> None:
    first, second, third = (execution(f"e{number}", T0 + number) for number in range(3))
    rows = [cycle(third, "alpha_001", "1", None), cycle(first, "alpha_001", "0", second)]
    written = columns.cycles(rows)
    assert list(written[3]) == ["e0", "e2"]
    assert list(written[14]) == [T0 + 1, None]


async def test_a_bot_has_one_open_position_per_symbol(pool: Pool) -> None:
    first, second = execution("e1", T0), execution("e2", T0 + 1)
    async with pool.acquire() as connection:
        await write_batch(connection, Batch.of([entry_commit(first)]), None)
        with pytest.raises(asyncpg.UniqueViolationError, match="positions_one_open"):
            await write_batch(connection, Batch.of([entry_commit(second)]), None)
        await connection.execute("ROLLBACK")


async def test_what_cannot_be_encoded_ahead_stays_in_its_place(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost by it, and what stands behind it is not written first."""
    writer = LedgerWriter(pool, clock=SystemClock(), lease=None, max_rows=10)
    order: list[str] = []
    writer.on_commit(lambda commits, _: order.extend(_ids(commits)))
    encode, calls = writer._encoded, itertools.count()

    def encoded(commits: list[Commit]) -> object:
        if next(calls) == 1:
            raise MemoryError
        return encode(commits)

    monkeypatch.setattr(writer, "_encoded", encoded)
    async with running(writer):
        for number in range(12):
            writer.put(entry_commit(execution(f"e{number}", T0 + number, symbol=f"S{number}")))
        assert await writer.drain(10)
    assert next(calls) > 2
    assert order == [f"e{number}" for number in range(12)]


def _ids(commits: Sequence[Commit]) -> list[str]:
    return [one.change.executions[0].exec_id for one in commits if one.change is not None]
