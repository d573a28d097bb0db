"""Alerts on their way into audit.system_events. Putting one in never waits and never fails; the
database being away is this task's business alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg
import structlog

from alpha.alerts import Alert, Detail
from alpha.clock import Clock
from alpha.ledger.columns import storable
from alpha.ledger.observations import Level, record_event
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.ledger.writer import is_refusal

log = structlog.get_logger(__name__)

MAX_WAITING = 1000
_ANSWER_WITHIN_S = 5.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_EXPECTED: tuple[type[BaseException], ...] = (
    asyncpg.PostgresError,
    ValueError,
    *CONNECTION_ERRORS,
)


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """What nobody has to act on: written down like an alert, told to nobody."""

    kind: str
    level: Level
    message: str
    at_ms: int
    component: str | None = None
    account: str | None = None
    bot_id: str | None = None
    symbol: str | None = None
    details: Mapping[str, Detail] = field(default_factory=dict)
    repeated: int = 0


class AlertJournal:
    """A bounded queue and the task that empties it. The oldest gives way when it is full; that is
    counted in `dropped`."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._waiting: deque[Alert | SystemEvent] = deque()
        self._filled = asyncio.Event()
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many are not in the database yet."""
        return len(self._waiting)

    def put(self, alert: Alert | SystemEvent) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(alert)
        self._filled.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            while self._waiting:
                await self._write(self._waiting[0])
            self._filled.clear()
            await self._filled.wait()

    async def drain(self, within_s: float) -> bool:
        """Writes what waits, now that `run` has ended; False when that took too long."""
        try:
            async with asyncio.timeout(within_s):
                while self._waiting:
                    await self._write(self._waiting[0])
        except TimeoutError:
            return False
        return True

    async def _write(self, alert: Alert | SystemEvent) -> None:
        """Again and again while the server is away. The alert stays in the queue until then."""
        pause = _FIRST_PAUSE_S
        while self._waiting and self._waiting[0] is alert:
            try:
                async with asyncio.timeout(_ANSWER_WITHIN_S):
                    await self.record(alert)
            except _EXPECTED as error:
                if not _is_refused(error):
                    log.debug("alert_waits", kind=alert.kind, error=type(error).__name__)
                    await self._clock.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_S)
                    continue
                # One that the database refuses must not hold up all that follow.
                self.dropped += 1
                log.warning("alert_not_written", kind=alert.kind, error=type(error).__name__)
            if self._waiting and self._waiting[0] is alert:
                self._waiting.popleft()

    async def record(self, alert: Alert | SystemEvent) -> None:
        """Writes one now, or raises what the database says."""
        await record_event(
            self._pool,
            alert.kind,
            alert.level,
            storable(alert.message),
            at_ms=alert.at_ms,
            component=alert.component,
            account=alert.account,
            bot_id=alert.bot_id,
            symbol=alert.symbol,
            details={
                **{
                    name: storable(value) if isinstance(value, str) else value
                    for name, value in alert.details.items()
                },
                **({"repeated": alert.repeated} if isinstance(alert, Alert) else {}),
            },
        )


def _is_refused(error: BaseException) -> bool:
    """The alert itself cannot be stored; any other error passes."""
    if isinstance(error, asyncpg.PostgresError):
        return is_refusal(error)
    return isinstance(error, ValueError)
