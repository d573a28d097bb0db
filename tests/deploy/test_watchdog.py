"""The watchdog tells a real socket, and only while there is progress."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from alpha.clock import ManualClock, SystemClock
from alpha.watchdog import DEFAULT_EVERY_S, Watchdog
from tests.deploy.supervisor import NotifySocket
from tests.until import until

FEED = "WATCHDOG=1"


class SteppedClock(ManualClock):
    """One sleeper, who sleeps until the test has moved the clock so far."""

    def __init__(self) -> None:
        super().__init__()
        self._asleep = asyncio.Event()
        self._woken = asyncio.Event()
        self._until_ms = 0

    async def sleep(self, seconds: float) -> None:
        self._until_ms = self.now_ms() + round(seconds * 1000)
        self._woken.clear()
        self._asleep.set()
        await self._woken.wait()

    async def step(self, ms: int) -> None:
        """Moves the clock; returns when the sleeper, woken or not, sleeps."""
        self.advance(ms)
        if self._asleep.is_set() and self.now_ms() >= self._until_ms:
            self._asleep.clear()
            self._woken.set()
        await asyncio.wait_for(self._asleep.wait(), timeout=5)


@pytest.fixture
def notified() -> Iterator[NotifySocket]:
    # Not tmp_path: a socket's path may have 107 bytes only.
    with tempfile.TemporaryDirectory(prefix="alpha-") as folder:
        made = NotifySocket(Path(folder) / "notify", watchdog_s=10)
        try:
            yield made
        finally:
            made.close()


@asynccontextmanager
async def running(watchdog: Watchdog) -> AsyncIterator[None]:
    task = asyncio.create_task(watchdog.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_is_fed_twice_per_deadline_while_every_task_makes_progress(
    notified: NotifySocket,
) -> None:
    clock = SteppedClock()
    watchdog = Watchdog(clock, notified.environment)
    watchdog.expect("market", within_s=7)
    async with running(watchdog):
        await clock.step(0)
        for count in range(1, 6):
            assert notified.listen().count(FEED) == count
            watchdog.progress("market")
            await clock.step(5_000)  # half of the ten seconds that systemd allows


async def test_one_late_task_starves_it_until_it_goes_on(notified: NotifySocket) -> None:
    clock = SteppedClock()
    watchdog = Watchdog(clock, notified.environment)
    watchdog.expect("market", within_s=7)
    watchdog.expect("ledger", within_s=7)
    with capture_logs() as logs:
        async with running(watchdog):
            await clock.step(0)
            for _ in range(3):
                watchdog.progress("market")
                await clock.step(5_000)
            # At 0 and 5 s all was well; from 10 s on the ledger was late.
            assert notified.listen().count(FEED) == 2
            assert watchdog.late() == "ledger"
            watchdog.progress("ledger")
            watchdog.progress("market")
            assert watchdog.late() is None
            await clock.step(5_000)
            assert notified.listen().count(FEED) == 3
    said = [line for line in logs if line["event"] == "no_progress"]
    (line,) = said  # once, not twice
    assert line["component"] == "ledger" and "within 7 s" in line["says"]


def test_a_deadline_is_met_at_its_last_moment() -> None:
    clock = ManualClock()
    watchdog = Watchdog(clock, {})
    watchdog.expect("market", within_s=7)
    clock.advance(7_000)
    assert watchdog.late() is None
    clock.advance(1)
    assert watchdog.late() == "market"


def test_ready_and_stopping_are_said_and_a_stopping_daemon_is_late_for_nothing(
    notified: NotifySocket,
) -> None:
    clock = ManualClock()
    watchdog = Watchdog(clock, notified.environment)
    watchdog.expect("market", within_s=7)
    watchdog.ready("3 bots, mode paper")
    clock.advance(60_000)
    assert watchdog.late() == "market"
    watchdog.stopping()
    assert watchdog.late() is None
    assert notified.listen() == ["READY=1\nSTATUS=3 bots, mode paper", "STOPPING=1"]


def test_an_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("")  # the kernel chooses an abstract name
        receiver.settimeout(5)
        address = receiver.getsockname()
        assert address[0] == 0
        Watchdog(ManualClock(), {"NOTIFY_SOCKET": "@" + address[1:].decode()}).ready("up")
        assert receiver.recv(100) == b"READY=1\nSTATUS=up"


async def test_a_supervisor_that_does_not_listen_never_stops_the_loop(
    notified: NotifySocket,
) -> None:
    watchdog = Watchdog(ManualClock(), notified.environment)
    with capture_logs() as logs:
        await asyncio.wait_for(asyncio.to_thread(_flood, watchdog), timeout=10)
    assert {line["event"] for line in logs} == {"sd_notify_failed"}
    assert 0 < len(notified.listen()) < 1_000


def _flood(watchdog: Watchdog) -> None:
    for _ in range(1_000):
        watchdog.ready("up")


async def test_a_supervisor_that_is_gone_is_logged_not_raised(tmp_path: Path) -> None:
    clock = SystemClock()
    gone = {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "20000"}
    with capture_logs() as logs:
        async with running(Watchdog(clock, gone)):
            await until(lambda: len(logs) >= 2, "two failed notes", within_s=5)
    assert {line["event"] for line in logs} == {"sd_notify_failed"}


async def test_without_a_supervisor_lateness_is_logged_all_the_same() -> None:
    clock = SteppedClock()
    watchdog = Watchdog(clock, {})
    watchdog.expect("market", within_s=1)
    with capture_logs() as logs:
        async with running(watchdog):
            await clock.step(0)
            await clock.step(round(DEFAULT_EVERY_S * 1000))
    assert [line["component"] for line in logs] == ["market"]
