"""When a daemon looks, and what of it is left to read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from alpha.alerts import Alerts
from alpha.clock import ManualClock, SystemClock, SystemRandomness, VenueClock
from alpha.ledger.alert_journal import AlertJournal
from alpha.ledger.pool import Pool
from alpha.quality.duty import QualityDuty
from alpha.quality.spans import Spans
from alpha.schedule import Schedule
from alpha.supervision import Supervisor
from tests.ledger.conftest import pool, unguarded
from tests.ledger.samples import T0
from tests.quality.test_checks import FAULTS, HOUR, MINUTE, books

__all__ = ["books", "pool"]

WALL = SystemClock()


class SteppedClock(ManualClock):
    """Sleepers wait until somebody advances it."""

    def __init__(self, now_ms: int) -> None:
        super().__init__(now_ms)
        self._moved = asyncio.Event()

    def advance(self, ms: int) -> None:
        super().advance(ms)
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        due_ms = self.now_ms() + round(seconds * 1000)
        while self.now_ms() < due_ms:
            await self._moved.wait()


async def test_a_daemon_looks_by_the_hour_and_by_night(books: Pool) -> None:
    """As a daemon has it: the schedule, the journal, and rows in the end."""
    clock = SteppedClock(round(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000))
    alerts, journal = Alerts(clock), AlertJournal(books, clock)
    alerts.listen(journal.put)
    supervisor, venue = Supervisor(clock), VenueClock(clock)
    venue.observe(T0 + 12 * HOUR)
    quality = QualityDuty(
        books, Spans(books, lambda: None, int), journal.put, alerts, clock, venue,
        keep_short_days=90,
    )  # fmt: skip
    quality.begin(Schedule(clock, SystemRandomness(1), supervisor, alerts))
    supervisor.keep("journal", journal.run)
    supervisor.keep("alerts", alerts.run)
    async with books.acquire() as connection, unguarded(connection):
        for name in ("missing_candles", "lots_and_positions"):
            await connection.execute(FAULTS[name])

    async def told() -> set[tuple[str, str, str, str]]:
        rows = await books.fetch(
            "SELECT event_type, event_level, component, details->>'full' AS whole"
            "  FROM audit.system_events"
        )
        return {tuple(row.values()) for row in rows}

    async def come(expected: set[tuple[str, str, str, str]]) -> None:
        async with asyncio.timeout(10):
            while not expected <= await told():
                await WALL.sleep(0.01)
                clock.advance(10_000)

    by_hour = {
        ("DATA_QUALITY", "WARNING", "missing_candles", "false"),
        ("data_quality", "CRITICAL", "lots_and_positions", "false"),
    }
    clock.advance(9 * MINUTE)
    await WALL.sleep(0.1)
    assert await told() == set()
    clock.advance(6 * MINUTE)
    await come(by_hour)
    assert await told() == by_hour
    clock.advance(3 * HOUR)  # until the night's is due the hour's is told again
    await come({(kind, level, name, "true") for kind, level, name, _ in by_hour})
    await supervisor.cancel()
