"""PostgreSQL away, stalled or full in the middle of a run: exits go on, entries wait, nothing is
lost, and the account is live again soon after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from alpha.clock import SystemClock
from alpha.core.records import Commit, Marks
from alpha.ledger.pool import Pool
from alpha.ledger.verify import verify
from alpha.sim.proxy import FaultProxy
from alpha.trading import catchup
from tests.proxied import behind_proxy
from tests.trading.exchange import HandExchange
from tests.trading.life import ACCOUNT, BOT, Life, register_beat
from tests.trading.test_faults import BTC, enter, hear, leave
from tests.until import until

WALL = SystemClock()
BACK_WITHIN_S = 10.0


@asynccontextmanager
async def at_work(life: Life) -> AsyncIterator[None]:
    """The life with the tasks that keep its account live."""
    service = life.service

    async def compare() -> None:
        while True:
            await WALL.sleep(0.2)
            service.recovery.watch_ledger()

    tasks = [asyncio.create_task(service.recovery.run()), asyncio.create_task(compare())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await life.kill()


async def is_stored(life: Life, dsn: str) -> None:
    assert await life.writer.drain(10)
    found = await verify(dsn, account=ACCOUNT)
    assert found.problems == ()
    stored = await life.pool.fetch("SELECT exec_id FROM trading.executions")
    assert {row["exec_id"] for row in stored} == {r.exec_id for r in await life.exchange.truth()}


FAULTS: dict[str, Callable[[FaultProxy], None]] = {
    "cut": FaultProxy.cut,
    "stalled": FaultProxy.stall,
    "half open": FaultProxy.half_open,
    "reset": FaultProxy.reset,
}


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_database_that_goes_away_and_comes_back(
    exchange: HandExchange, postgres_dsn: str, fault: str
) -> None:
    async with behind_proxy(postgres_dsn) as (proxy, pool):
        await register_beat(pool)
        life = Life(exchange, pool, WALL)
        await life.start()
        async with at_work(life):
            await enter(life)
            FAULTS[fault](proxy)
            await hear(life)  # its fills are folded, told and queued
            assert life.account.position(BOT, BTC).signed_qty == exchange.position(BTC) > 0
            assert life.beat.fills > 0
            if fault != "reset":
                await until(lambda: not life.account.live, "it is seen")
                assert not life.writer.accepts(ACCOUNT), "entries are blocked"
                assert life.writer.degraded_why
            await leave(life)
            assert exchange.position(BTC) == 0, "exits go on"
            await hear(life)
            proxy.heal()
            began = WALL.monotonic()
            await until(
                lambda: life.account.live and life.writer.degraded_since is None,
                "the account is live",
                within_s=BACK_WITHIN_S,
            )
            assert WALL.monotonic() - began <= BACK_WITHIN_S
            assert life.account.position(BOT, BTC).signed_qty == 0
            await is_stored(life, postgres_dsn)


async def test_a_database_that_is_slow_and_answers_is_no_gap(
    exchange: HandExchange, pool: Pool, postgres_dsn: str
) -> None:
    life = Life(exchange, pool, WALL)
    await life.start()
    async with at_work(life):
        await pool.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(3); RETURN NULL; END $$"
        )
        await pool.execute(
            "CREATE TRIGGER slow AFTER INSERT ON trading.executions"
            " FOR EACH STATEMENT EXECUTE FUNCTION slow()"
        )
        gaps, changes = life.account.gaps, len(life.changes)
        await enter(life)
        await hear(life)
        await until(lambda: not life.writer.accepts(ACCOUNT), "entries are blocked")
        assert life.writer.state == "slow"
        await pool.execute("ALTER TABLE trading.executions DISABLE TRIGGER slow")
        await until(lambda: life.writer.accepts(ACCOUNT), "entries are free again")
        await WALL.sleep(0.5)
        assert life.account.live
        assert (life.account.gaps, len(life.changes)) == (gaps, changes)
        await is_stored(life, postgres_dsn)


async def test_a_queue_that_takes_long_and_gets_on_is_waited_for(
    exchange: HandExchange, pool: Pool, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that gave up would begin again, and the account be live that much later."""
    life = Life(exchange, pool, WALL)
    await life.start()
    monkeypatch.setattr(catchup, "DRAIN_S", 0.8)
    async with at_work(life):
        await pool.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(0.15); RETURN NULL; END $$"
        )
        await pool.execute(
            "CREATE TRIGGER slow AFTER INSERT OR UPDATE ON config.marks"
            " FOR EACH STATEMENT EXECUTE FUNCTION slow()"
        )
        await enter(life)
        await hear(life)
        for number in range(6):
            life.account.put(Commit(ACCOUNT, marks=Marks(ACCOUNT, number + 1, number + 1)))
        with capture_logs() as logs:
            life.service.recovery.gap("something")
            await until(lambda: not life.writer.queued, "all is written", within_s=30)
            await WALL.sleep(0.3)
        assert "sync_failed" not in [entry["event"] for entry in logs]
        assert life.account.live
        await is_stored(life, postgres_dsn)


async def test_a_full_disk_is_waited_for_and_refuses_nothing_for_good(
    exchange: HandExchange, pool: Pool, postgres_dsn: str
) -> None:
    life = Life(exchange, pool, WALL)
    await life.start()
    async with at_work(life):
        await enter(life)
        await life.stored()
        await pool.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE"
            " 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
        )
        await pool.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT ON trading.executions"
            " FOR EACH ROW EXECUTE FUNCTION full_disk()"
        )
        await hear(life)
        await until(lambda: life.writer.disk_full, "the disk is named")
        assert "No space left" in life.writer.degraded_why
        assert life.writer.poisoned == {}
        await leave(life)
        assert exchange.position(BTC) == 0, "exits go on"
        await pool.execute("DROP TRIGGER full_disk ON trading.executions")
        await until(
            lambda: life.account.live and life.writer.degraded_since is None,
            "the account is live",
            within_s=BACK_WITHIN_S,
        )
        await hear(life)
        assert not life.writer.disk_full
        await is_stored(life, postgres_dsn)


async def test_a_question_that_is_never_answered_gives_its_place_in_the_pool_back(
    postgres_dsn: str,
) -> None:
    async with behind_proxy(postgres_dsn) as (proxy, pool):
        proxy.half_open()
        for _ in range(6):  # more than the pool has places
            with pytest.raises((TimeoutError, OSError)):
                async with asyncio.timeout(0.3):
                    await pool.fetchval("SELECT 1")
        proxy.heal()
        async with asyncio.timeout(10):
            assert await pool.fetchval("SELECT 1") == 1
