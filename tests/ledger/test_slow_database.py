"""A database that is slow, or stops answering in the middle of a transaction: what is queued gets
through in the end, once, and what merely takes long is no outage."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from alpha.clock import SystemClock
from alpha.core.records import Commit
from alpha.ledger import writer as writing
from alpha.ledger.patience import Patience
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.writer import LedgerWriter, WriterState
from alpha.sim.proxy import FaultProxy
from tests.ledger.conftest import running
from tests.ledger.samples import T0, entry_commit, execution
from tests.proxied import behind_proxy
from tests.until import until

WALL = SystemClock()


def entries(count: int) -> list[Commit]:
    """Commits of five rows each."""
    return [
        entry_commit(execution(f"e{number}", T0 + number, symbol=f"S{number}"))
        for number in range(count)
    ]


async def nap(pool: Pool, trigger: str, naps: int, seconds: float) -> None:
    """The first `naps` rows or statements that the trigger sees take so long."""
    await pool.execute("CREATE SEQUENCE naps")
    await pool.execute(
        "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF nextval('naps') <= {naps} THEN PERFORM pg_sleep({seconds}); END IF;"
        " RETURN NULL; END $$"
    )
    await pool.execute(trigger.format("trading.executions") + " EXECUTE FUNCTION nap()")


def noting(pool: Pool) -> tuple[LedgerWriter, list[WriterState], list[int]]:
    """A writer, the states it has been in, and the commits of each of its transactions."""
    states: list[WriterState] = []
    sizes: list[int] = []
    writer = LedgerWriter(pool, clock=WALL, lease=None, state_changed=states.append)
    writer.on_commit(lambda commits, _: sizes.append(len(commits)))
    return writer, states, sizes


async def test_a_slow_commit_that_is_answered_is_no_outage(pool: Pool) -> None:
    await nap(pool, "CREATE TRIGGER nap AFTER INSERT ON {} FOR EACH STATEMENT", 1, 3.0)
    writer, states, sizes = noting(pool)
    async with running(writer):
        for commit in entries(3):
            writer.put(commit)
        await until(lambda: writer.state == "slow", "it is noticed")
        assert not writer.accepts("main"), "entries wait"
        assert "over 2 s" in writer.degraded_why
        assert await writer.drain(10)
        assert writer.accepts("main")
    assert states == ["slow", "ok"]
    assert sizes == [3]


async def test_what_takes_too_long_together_is_written_in_halves(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_SLOW_S", 0.4)
    monkeypatch.setattr(writing, "_GIVE_UP_S", 1.0)
    await nap(pool, "CREATE TRIGGER nap AFTER INSERT ON {} FOR EACH ROW", 1_000_000, 0.15)
    writer, states, sizes = noting(pool)
    async with running(writer):
        for commit in entries(16):  # 2.4 s in one transaction
            writer.put(commit)
        assert await writer.drain(40)
    assert sum(sizes) == 16
    assert max(sizes) <= 4
    assert states[:2] == ["slow", "away"] and states[-1] == "ok"
    assert await LedgerReader(pool).counts() == (16, 16)


async def test_a_book_folded_anew_is_waited_for_by_its_rows(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one commit: there are no halves, and it would be given up for ever."""
    monkeypatch.setattr(writing, "_GIVE_UP_S", 1.0)
    monkeypatch.setattr(writing, "_PER_ROW_S", 0.2)
    await nap(pool, "CREATE TRIGGER nap AFTER INSERT ON {} FOR EACH ROW", 1_000_000, 0.15)
    (whole,) = entries(1)
    assert whole.change is not None
    rows = tuple(execution(f"e{number}", T0 + number, symbol="S0") for number in range(16))
    writer, states, _ = noting(pool)
    async with running(writer):
        writer.put(replace(whole, change=replace(whole.change, executions=rows)))
        assert await writer.drain(20)
    assert states == ["slow", "ok"]
    assert await LedgerReader(pool).counts() == (16, 1)


async def test_a_commit_in_doubt_is_run_again_as_it_was(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may stand already: a part of it, written after it, would be older than it."""
    monkeypatch.setattr(writing, "_GIVE_UP_S", 1.0)
    await nap(
        pool,
        "CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON {} DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW",
        1,
        2.5,
    )
    writer, states, sizes = noting(pool)
    async with running(writer):
        for commit in entries(8):
            writer.put(commit)
        assert await writer.drain(20)
    assert sizes == [8]
    assert states == ["away", "ok"]
    assert await LedgerReader(pool).counts() == (8, 8)


@pytest.mark.parametrize("fault", [FaultProxy.cut, FaultProxy.stall, FaultProxy.half_open])
async def test_hundreds_of_commits_are_through_soon_after_the_database_is_back(
    pool: Pool, postgres_dsn: str, fault: Callable[[FaultProxy], None]
) -> None:
    async with behind_proxy(postgres_dsn) as (proxy, far):
        idle = [await far.acquire() for _ in range(3)]  # others have had connections, too
        for connection in idle:
            await far.release(connection)
        writer, states, sizes = noting(far)
        async with running(writer):
            commits = entries(600)
            for commit in commits[:10]:
                writer.put(commit)
            assert await writer.drain(10)
            fault(proxy)
            for commit in commits[10:]:
                writer.put(commit)
            await until(lambda: writer.state == "away", "it is noticed")
            await WALL.sleep(1.0)
            proxy.heal()
            began = WALL.monotonic()
            assert await writer.drain(10)
            assert WALL.monotonic() - began < 6.0
            assert await far.fetchval("SELECT 1", timeout=2) == 1
    assert states[-2:] == ["away", "ok"]
    assert sum(sizes) == 600
    assert await LedgerReader(pool).counts() == (600, 600)


async def test_patience_counts_only_while_our_loop_turns() -> None:
    late: list[str] = []
    async with Patience(0.5, 1.0, lambda: late.append("late")) as patience:
        threading.Event().wait(1.6)  # nobody reads the answer that may lie there
        await WALL.sleep(0.1)
    assert patience.stalled
    assert late == []


async def test_patience_ends_when_nothing_answers() -> None:
    late: list[float] = []
    began = WALL.monotonic()
    patience = Patience(0.5, 1.0, lambda: late.append(WALL.monotonic() - began))
    with pytest.raises(TimeoutError):
        async with patience:
            await asyncio.Event().wait()
    assert WALL.monotonic() - began >= 1.0
    assert [0.5 <= passed < 1.0 for passed in late] == [True]
    assert not patience.stalled
