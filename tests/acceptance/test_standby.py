"""Two installations of one account: one works, one waits, and never do both act."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from alpha.clock import SystemClock
from tests.acceptance.daemons import PATIENCE_S, Installation, Json, comparable
from tests.acceptance.pairs import Site
from tests.acceptance.test_processes import assert_nothing_was_sent_twice
from tests.until import until

TAKEOVER_S = 10.0
STANDBY = "event='standby'"


async def standing_by(home: Installation) -> None:
    await until(lambda: STANDBY in home.log, "a standby", within_s=PATIENCE_S)


def roles(home: Installation) -> list[str]:
    shown = home.json("status")["daemons"]
    assert isinstance(shown, list) and all(one["accounts"] == ["main"] for one in shown)
    return [one["role"] for one in shown]


class Since:
    """The moment from which a takeover is measured."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self.now()

    def now(self) -> None:
        self._at = self._clock.monotonic()

    @property
    def seconds(self) -> float:
        return self._clock.monotonic() - self._at


@asynccontextmanager
async def taking_over(home: Installation) -> AsyncIterator[Since]:
    """What happens inside ends the other one; the standby is ready to trade in time."""
    before, since = home.log.count("alpha_ready"), Since()
    yield since
    await home.ready(before + 1)
    took = since.seconds
    print(f"takeover in {took:.2f} s")
    assert took < TAKEOVER_S, home.log[-3000:]


async def assert_all_is_right(home: Installation, process: subprocess.Popen[bytes]) -> None:
    """More trades come, then the daemon stops clean, and nothing was lost, doubled, invented."""
    await home.trades(len(home.truth("Trade")) + 20)
    before = home.truth()
    assert home.stop(process) == 0, home.log[-3000:]
    verified = home.json("ledger", "verify")
    assert verified["ok"] and verified["problems"] == [], verified
    # The exchange outlives the daemon here, and stops may be hit while nobody looks.
    ledger = {comparable(row, ours=True) for row in await home.ledger()}
    assert ledger >= {comparable(row, ours=False) for row in before}, "lost"
    assert ledger <= {comparable(row, ours=False) for row in home.truth()}, "invented"
    assert_nothing_was_sent_twice(home)


@pytest.mark.alone
async def test_a_standby_waits_is_shown_and_takes_over_from_a_killed_one(site: Site) -> None:
    with site.pair() as (a, b):
        first = a.start()
        await a.ready()
        second = b.start()
        await standing_by(b)
        await a.trades(10)
        for home in (a, b):
            await until(
                lambda home=home: roles(home) == ["active", "standby"],  # type: ignore[misc]
                "both shown",
            )
        assert "standby for main" in a.ask("status").stdout
        assert b.ask("bots", "stop", "shorty").returncode == 3
        async with taking_over(b):
            first.kill()
            first.wait()
        await until(lambda: roles(b) == ["active"], "the new owner alone")
        assert "this standby trades now" in str(b.alerts()["takeover"]["message"])
        await assert_all_is_right(b, second)


async def test_a_clean_stop_hands_over_at_once(site: Site) -> None:
    with site.pair() as (a, b):
        first = a.start()
        await a.ready()
        second = b.start()
        await standing_by(b)
        async with taking_over(b):
            assert a.stop(first) == 0
        await assert_all_is_right(b, second)


@pytest.mark.alone
async def test_a_stalled_holder_is_replaced_and_harms_nothing_when_it_wakes(site: Site) -> None:
    with site.pair() as (a, b):
        first = a.start()
        await a.ready()
        second = b.start()
        await standing_by(b)
        await a.trades(10)
        async with taking_over(b):
            first.send_signal(signal.SIGSTOP)
        await b.trades(len(b.truth("Trade")) + 5)
        # With the new owner stopped too, whatever happens now is the old one's doing.
        second.send_signal(signal.SIGSTOP)
        orders = await arrived(b)
        first.send_signal(signal.SIGCONT)
        assert first.wait(timeout=10) == 1, a.log[-3000:]
        assert b.own_orders() == orders
        second.send_signal(signal.SIGCONT)
        assert "LeaseLost" in a.log or "taken over by another process" in a.log
        await assert_all_is_right(b, second)


async def arrived(home: Installation) -> list[Json]:
    """The exchange's orders, once what was on the wire to it when everybody stopped is there."""
    before: list[Json] = []
    while (orders := home.own_orders()) != before:
        before = orders
        await SystemClock().sleep(0.5)
    return orders


@pytest.mark.alone
async def test_a_holder_stopped_while_it_writes_is_replaced_in_time(site: Site) -> None:
    """Stopped as soon as a transaction is seen open, so that its locks are in the way."""
    with site.pair() as (a, b):
        homes = [a, b]
        running = [a.start()]
        await a.ready()
        running.append(b.start())
        await standing_by(b)
        for turn in range(3):
            home, other = homes[turn % 2], homes[1 - turn % 2]
            await home.trades(len(home.truth("Trade")) + 5)
            async with taking_over(other) as since:
                await stop_in_a_transaction(site, running[turn % 2].pid)
                since.now()  # until then it had been woken again and again
            running[turn % 2].send_signal(signal.SIGCONT)
            assert running[turn % 2].wait(timeout=10) == 1, home.log[-3000:]
            waits = home.log.count(STANDBY)
            running[turn % 2] = home.start()
            await until(
                lambda home=home, waits=waits: home.log.count(STANDBY) > waits,  # type: ignore[misc]
                "a standby",
                within_s=PATIENCE_S,
            )
        await assert_all_is_right(homes[1], running[1])


async def stop_in_a_transaction(site: Site, pid: int) -> None:
    connection = await asyncpg.connect(site.postgres)
    try:
        async with asyncio.timeout(30):
            while True:
                os.kill(pid, signal.SIGSTOP)
                await SystemClock().sleep(0.05)
                open_now = await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND state = 'idle in transaction'"
                )
                if open_now:
                    return
                os.kill(pid, signal.SIGCONT)
                await SystemClock().sleep(0.003)
    finally:
        await connection.close()


async def test_the_time_of_a_standby_ends_too(site: Site) -> None:
    with site.pair() as (a, b):
        first = a.start()
        await a.ready()
        report = site.folder / "report.json"
        waiting = b.start("--for", "12s", "--report", str(report))
        await standing_by(b)
        assert waiting.wait(timeout=PATIENCE_S) == 0
        assert b.truth() == a.truth()
        assert report.exists()
        assert a.stop(first) == 0
