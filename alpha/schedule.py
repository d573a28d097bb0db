"""What is done again and again: every so often, or at a time of the day. Wall time, UTC.

A duty that fails is told of and done again when it is due next; it never stops the daemon, and it
never delays another one. Nothing is made up for what was due while the daemon was down: a duty that
has to catch up says so itself (`at_start`) and looks at what it has done last.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock, Randomness
from alpha.supervision import Supervisor

log = structlog.get_logger(__name__)

DAY_MS = 86_400_000


class Rhythm(Protocol):
    def next_after(self, now_ms: int) -> int:
        """The first moment after `now_ms` at which it is due, both Unix time in ms."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """At the multiples of `seconds` since midnight UTC, `offset_s` later: `Every(3600, 300)` is
    five past every hour."""

    seconds: float
    offset_s: float = 0.0

    def next_after(self, now_ms: int) -> int:
        period, offset = round(self.seconds * 1000), round(self.offset_s * 1000)
        return ((now_ms - offset) // period + 1) * period + offset


@dataclass(frozen=True, slots=True)
class Daily:
    """Once a day, at `hour`:`minute` UTC."""

    hour: int
    minute: int = 0

    def next_after(self, now_ms: int) -> int:
        offset = (self.hour * 60 + self.minute) * 60_000
        return ((now_ms - offset) // DAY_MS + 1) * DAY_MS + offset


@dataclass(frozen=True, slots=True)
class Duty:
    """`jitter_s` spreads what many installations do at the same moment."""

    name: str
    rhythm: Rhythm
    run: Callable[[], Awaitable[None]]
    jitter_s: float = 0.0
    at_start: bool = False


class Schedule:
    """Runs duties as kept tasks of the daemon."""

    def __init__(
        self, clock: Clock, randomness: Randomness, supervisor: Supervisor, alerts: Alerts
    ) -> None:
        self._clock = clock
        self._randomness = randomness
        self._supervisor = supervisor
        self._alerts = alerts

    def add(self, duty: Duty) -> None:
        async def keep() -> None:
            await self._keep(duty)

        self._supervisor.keep(f"duty:{duty.name}", keep, vital=False)

    async def _keep(self, duty: Duty) -> None:
        if duty.at_start:
            await self._do(duty)
        while True:
            due_ms = duty.rhythm.next_after(self._clock.now_ms())
            due_ms += round(self._randomness.jitter(0.0, duty.jitter_s) * 1000)
            while (left_ms := due_ms - self._clock.now_ms()) > 0:
                # Looked at again now and then: the wall clock may be set meanwhile.
                await self._clock.sleep(min(left_ms / 1000, 60.0))
            await self._do(duty)

    async def _do(self, duty: Duty) -> None:
        try:
            await duty.run()
        except Exception as error:
            log.error("task_failed", task=f"duty:{duty.name}", exc_info=error)
            self._alerts.tell(
                "duty_failed",
                f"expected {duty.name} to succeed, was {str(error) or type(error).__name__}; it "
                f"is done again when it is due next: see the log",
                level="ERROR",
                component=duty.name,
            )
