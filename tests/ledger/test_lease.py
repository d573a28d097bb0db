from __future__ import annotations

import asyncio

import pytest

from alpha.clock import ManualClock, SystemClock
from alpha.core.records import Commit, Marks
from alpha.ledger.lease import LIFE_MS, Lease, LeaseBusy, LeaseHeld, LeaseLost
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.writer import LedgerWriter
from tests.ledger.samples import T0, entry_commit, execution


def lease_of(
    pool: Pool,
    holder: str,
    *accounts: str,
    installation: str = "",
    clock: ManualClock | SystemClock | None = None,
) -> Lease:
    return Lease(
        pool,
        accounts or ("main",),
        holder,
        installation=installation or f"of {holder}",
        clock=clock or SystemClock(),
    )


async def expire(pool: Pool, seconds: float) -> None:
    await pool.execute(
        "UPDATE config.leases SET expires_at = clock_timestamp() - $1 * interval '1 second'",
        seconds,
    )


async def test_a_second_holder_is_refused_by_name(pool: Pool) -> None:
    first, second = lease_of(pool, "host-a 17"), lease_of(pool, "host-b 18", "second", "main")
    await first.acquire()
    with pytest.raises(LeaseHeld, match=r"account main to be free, was held by host-a 17 until 20"):
        await second.acquire(take_over=True)
    assert not second.is_held()
    # All or nothing: the other account was not taken either.
    assert [row["account"] for row in (await LedgerReader(pool).status())["leases"]] == ["main"]
    assert first.epochs == {"main": 1}


async def test_a_long_transaction_is_told_of_and_not_waited_for(pool: Pool) -> None:
    """An import writes under its lease in one transaction, longer than the lease lives."""
    writing = lease_of(pool, "host import", installation="data dir")
    await writing.acquire()
    await expire(pool, 1.0)
    daemon = lease_of(pool, "host pid 1", "main", "more", installation="data dir")
    async with pool.acquire() as connection, connection.transaction():
        await writing.check(connection, {"main"})
        with pytest.raises(LeaseBusy, match=r"write for main, more, host import still does"):
            await daemon.acquire(take_over=True)
        assert not daemon.is_held()
    await daemon.acquire(take_over=True)


async def test_the_same_installation_takes_over_at_once(pool: Pool) -> None:
    before = lease_of(pool, "host pid 1", installation="data dir")
    after = lease_of(pool, "host pid 2", installation="data dir")
    await before.acquire()
    with pytest.raises(LeaseHeld):
        await after.acquire()
    await after.acquire(take_over=True)
    assert after.epochs == {"main": 2}
    assert after.sendable(SystemClock().monotonic())
    with pytest.raises(LeaseLost, match="main"):
        await before.renew_once()
    assert not before.is_held()
    assert not before.sendable(SystemClock().monotonic(), is_exit=True)


async def test_an_expired_lease_is_free_but_its_last_requests_are_waited_for(pool: Pool) -> None:
    clock = ManualClock(1_000_000)
    await lease_of(pool, "gone").acquire()
    await expire(pool, 1.0)
    heir = lease_of(pool, "heir", clock=clock)
    await heir.acquire()
    assert heir.is_held()
    assert not heir.sendable(clock.monotonic(), is_exit=True)
    clock.advance(2_600)  # 3.5 s after the end
    assert heir.sendable(clock.monotonic())


async def test_a_restart_soon_after_a_takeover_keeps_the_silence(pool: Pool) -> None:
    clock = ManualClock(1_000_000)
    await lease_of(pool, "gone").acquire()
    await expire(pool, 0.1)
    await lease_of(pool, "heir pid 1", installation="heir").acquire()
    again = lease_of(pool, "heir pid 2", installation="heir", clock=clock)
    await again.acquire(take_over=True)
    assert not again.sendable(clock.monotonic(), is_exit=True)
    await again.quiet()
    assert 1_002_000 < clock.now_ms() <= 1_003_501
    await again.renew_once()
    assert again.sendable(clock.monotonic())


async def test_who_waits_sees_the_owners_and_locks_nothing(pool: Pool) -> None:
    owner = lease_of(pool, "owner", "main", "second")
    await owner.acquire()
    waiting = lease_of(pool, "waiting", "main", "third")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT * FROM config.leases FOR UPDATE")
        async with asyncio.timeout(5):
            (other,) = await waiting.others()
            assert await waiting.other_daemon() == "owner"
    assert (other.account, other.holder) == ("main", "owner")
    assert 0 < other.left_ms <= LIFE_MS
    assert await owner.others() == []
    await expire(pool, 0.1)
    assert await waiting.others() == []


async def test_small_writes_need_the_lease_too(pool: Pool) -> None:
    old = lease_of(pool, "one", installation="data dir")
    await old.acquire()
    async with old.owning() as connection:
        await connection.execute("UPDATE trading.bots SET status = 'running'")
    await lease_of(pool, "two", installation="data dir").acquire(take_over=True)
    with pytest.raises(LeaseLost, match="main under epoch 1"):
        async with old.owning() as connection:
            await connection.execute("UPDATE trading.bots SET status = 'failed'")
    assert await pool.fetchval("SELECT count(*) FROM trading.bots WHERE status = 'failed'") == 0


async def test_a_renewal_that_waited_counts_from_when_it_was_asked_for(pool: Pool) -> None:
    """An owner that stopped with a transaction open must not gain the time that it waited."""
    lease = lease_of(pool, "one")
    await lease.acquire()
    async with pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("SELECT * FROM config.leases FOR SHARE")
            task = asyncio.create_task(lease.renew_once())
            await SystemClock().sleep(1.0)
            assert not task.done()
        await task
    left_s = await pool.fetchval(
        "SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 FROM config.leases"
    )
    assert left_s < LIFE_MS / 1000 - 0.9


async def test_a_released_lease_is_free_at_once(pool: Pool) -> None:
    first, second = lease_of(pool, "one"), lease_of(pool, "two")
    await first.acquire()
    await first.release()
    assert not first.is_held()
    await second.acquire()
    assert second.sendable(SystemClock().monotonic())
    await first.release()
    assert second.epochs == {"main": 2}
    await second.renew_once()


async def test_held_until_shortly_before_the_database_lets_others_in(pool: Pool) -> None:
    clock = ManualClock(1_000_000)
    lease = lease_of(pool, "one", clock=clock)
    assert not lease.is_held()
    await lease.acquire()
    for _ in range(3):
        clock.advance(1_000)
        assert lease.is_held()
        assert lease.sendable(clock.monotonic())
    clock.advance(600)
    # PostgreSQL does not answer, the loop turned all the time: exits only.
    assert not lease.is_held()
    assert not lease.sendable(clock.monotonic())
    assert lease.sendable(clock.monotonic(), is_exit=True)
    await lease.renew_once()
    assert lease.sendable(clock.monotonic())


async def test_after_a_stall_nothing_is_sent_until_it_is_held_again(pool: Pool) -> None:
    clock = ManualClock(1_000_000)
    lease = lease_of(pool, "one", clock=clock)
    await lease.acquire()
    clock.advance(LIFE_MS)
    assert not lease.sendable(clock.monotonic(), is_exit=True)
    clock.advance(100)
    assert not lease.sendable(clock.monotonic(), is_exit=True)
    await lease.renew_once()
    assert lease.sendable(clock.monotonic(), is_exit=True)


async def test_renewing_keeps_it_and_ends_when_it_is_lost(pool: Pool) -> None:
    lease = lease_of(pool, "one", installation="data dir")
    await lease.acquire()
    told: list[bool] = []
    task = asyncio.create_task(lease.renew(told.append))
    ends = "SELECT expires_at FROM config.leases"
    before = await pool.fetchval(ends)
    async with asyncio.timeout(10):
        while await pool.fetchval(ends) == before:
            pass
    assert lease.is_held()
    await lease_of(pool, "two", installation="data dir").acquire(take_over=True)
    with pytest.raises(LeaseLost):
        async with asyncio.timeout(10):
            await task


async def test_a_stale_epoch_cannot_write(pool: Pool) -> None:
    old = lease_of(pool, "one", installation="data dir")
    await old.acquire()
    writer = LedgerWriter(pool, clock=SystemClock(), lease=old)
    task = asyncio.create_task(writer.run())
    assert writer.put(entry_commit(execution("e1", T0)))
    assert await writer.drain(10)
    await lease_of(pool, "two", installation="data dir").acquire(take_over=True)
    assert writer.put(entry_commit(execution("e2", T0 + 1, symbol="ETHUSDT")))
    with pytest.raises(LeaseLost, match="account main under epoch 1"):
        async with asyncio.timeout(10):
            await task
    assert await LedgerReader(pool).counts() == (1, 1)
    assert not writer.put(entry_commit(execution("e3", T0 + 2)))


async def test_an_account_outside_the_lease_is_not_written(pool: Pool) -> None:
    lease = lease_of(pool, "one", "second")
    await lease.acquire()
    writer = LedgerWriter(pool, clock=SystemClock(), lease=lease)
    writer.put(entry_commit(execution("e1", T0)))
    with pytest.raises(LeaseLost, match="account main"):
        async with asyncio.timeout(10):
            await writer.run()


async def test_one_stale_account_keeps_the_whole_transaction_out(pool: Pool) -> None:
    old = lease_of(pool, "one", "main", "second", installation="data dir")
    await old.acquire()
    await lease_of(pool, "two", "second", installation="data dir").acquire(take_over=True)
    writer = LedgerWriter(pool, clock=SystemClock(), lease=old)
    writer.put(entry_commit(execution("e1", T0)))
    writer.put(Commit("second", marks=Marks("second", T0, 0)))
    with pytest.raises(LeaseLost, match="account second"):
        async with asyncio.timeout(10):
            await writer.run()
    assert await LedgerReader(pool).counts() == (0, 0)


async def test_a_takeover_waits_for_a_running_transaction(pool: Pool) -> None:
    """The writer's check locks the lease's row, so no epoch changes under its feet."""
    old = lease_of(pool, "one", installation="data dir")
    await old.acquire()
    new = lease_of(pool, "two", installation="data dir")
    async with pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("SELECT * FROM config.leases FOR SHARE")
            task = asyncio.create_task(new.acquire(take_over=True))
            async with asyncio.timeout(10):
                while not await pool.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND datname = current_database()"
                ):
                    pass
            assert not task.done()
        await task
    assert new.epochs == {"main": 2}
