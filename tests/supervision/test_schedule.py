"""Duties are done when they are due, and one that fails harms nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alpha.alerts import Alerts
from alpha.clock import ManualClock, SystemRandomness
from alpha.schedule import Daily, Duty, Every, Rhythm, Schedule
from alpha.supervision import Supervisor
from tests.until import until

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("rhythm", "now", "due"),
    [
        (Every(3600, 300), NOON, NOON + timedelta(minutes=5)),
        (Every(3600, 300), NOON + timedelta(minutes=5), NOON + timedelta(minutes=65)),
        (Every(5), NOON + timedelta(seconds=1), NOON + timedelta(seconds=5)),
        (Daily(2), NOON, NOON + timedelta(hours=14)),
        (Daily(2), NOON - timedelta(hours=10), NOON + timedelta(hours=14)),
        (Daily(12, 30), NOON, NOON + timedelta(minutes=30)),
    ],
)
def test_when_it_is_due(rhythm: Rhythm, now: datetime, due: datetime) -> None:
    assert rhythm.next_after(ms(now)) == ms(due)


async def test_duties_are_done_when_due_and_a_failure_is_told() -> None:
    clock = ManualClock(ms(NOON))
    alerts = Alerts(clock)
    supervisor = Supervisor(clock)
    schedule = Schedule(clock, SystemRandomness(1), supervisor, alerts)
    done: list[tuple[str, int]] = []
    told: list[str] = []
    alerts.listen(lambda alert: told.append(alert.message))

    async def backup() -> None:
        done.append(("backup", clock.now_ms()))
        raise ValueError("no room")

    async def sync() -> None:
        done.append(("sync", clock.now_ms()))

    schedule.add(Duty("backup", Daily(2), backup))
    schedule.add(Duty("sync", Every(3600, 300), sync, jitter_s=60.0, at_start=True))
    await until(lambda: len([one for one in done if one[0] == "backup"]) == 2, "two backups")
    await supervisor.cancel()
    assert done[0][0] == "sync"  # at the start
    assert next(at for name, at in done if name == "backup") >= ms(NOON + timedelta(hours=14))
    assert any("expected backup to succeed, was no room" in one for one in told)
    assert not supervisor.failed.done()
    assert len([one for one in done if one[0] == "sync"]) > 24
