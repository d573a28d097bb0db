"""The checks, by the hour over what is new and each night over everything.

What is found goes to audit.system_events, one row for each check that found something; critical
findings are alerts. A database that is away leaves all for the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock, VenueClock
from alpha.ledger.alert_journal import SystemEvent
from alpha.ledger.observations import Level
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.quality.checks import Finding, Window, run_checks
from alpha.quality.spans import Spans
from alpha.schedule import Daily, Duty, Every, Schedule

log = structlog.get_logger(__name__)

EVENT = "DATA_QUALITY"
EVERY_S = 3600.0
#: After the duties of the full hour.
OFFSET_S = 600.0
SPANS_EVERY_S = 60.0
#: What is looked at again each time, and at the first time, in the exchange's time.
OVERLAP_MS = 3_600_000
FIRST_MS = 86_400_000
#: What a moment may break is looked at again after this.
SETTLED_AFTER_S = 150.0


class QualityDuty:
    """`put` takes an event on its way into the database and never waits."""

    def __init__(
        self,
        pool: Pool,
        spans: Spans,
        put: Callable[[SystemEvent], None],
        alerts: Alerts,
        clock: Clock,
        venue: VenueClock,
        *,
        keep_short_days: int,
    ) -> None:
        self._pool = pool
        self._spans = spans
        self._put = put
        self._alerts = alerts
        self._clock = clock
        self._venue = venue
        self._keep_short_days = keep_short_days
        self._seen_ms: int | None = None

    def begin(self, schedule: Schedule) -> None:
        schedule.add(Duty("spans", Every(SPANS_EVERY_S), self.save_spans, at_start=True))
        schedule.add(Duty("quality", Every(EVERY_S, OFFSET_S), self.look, jitter_s=300))
        schedule.add(Duty("quality-full", Daily(3, 40), self.look_at_all, jitter_s=600))

    async def save_spans(self) -> None:
        await self._spans.save(self._keep_short_days)

    async def end(self) -> None:
        """What a clean stop leaves behind: which candles are to be there."""
        await self._spans.finish(self._keep_short_days)

    async def look(self) -> None:
        """Checks what has happened since the last time."""
        if not self._venue.anchored:
            return
        now_ms = self._venue.now_ms()
        since_ms = now_ms - FIRST_MS if self._seen_ms is None else self._seen_ms - OVERLAP_MS
        if await self._check(Window(max(since_ms, 0), self._keep_short_days)):
            self._seen_ms = now_ms

    async def look_at_all(self) -> None:
        await self._check(Window(None, self._keep_short_days))

    async def _check(self, window: Window) -> bool:
        """False: the database is away."""
        began = self._clock.monotonic()
        try:
            findings = await run_checks(self._pool, window)
            findings = await self._settled(findings, window)
        except CONNECTION_ERRORS as error:
            log.debug("quality_not_checked", error=type(error).__name__)
            return False
        faulty = [one for one in findings if not one.is_clean]
        for finding in faulty:
            self._tell(finding, window)
        log.debug(
            "quality_checked",
            checks=len(findings),
            faulty=len(faulty),
            full=window.is_full,
            seconds=round(self._clock.monotonic() - began, 3),
        )
        return True

    async def _settled(self, findings: Sequence[Finding], window: Window) -> list[Finding]:
        """What may be a moment's counts when it is still so a while later."""
        doubtful = [one.check for one in findings if one.found and one.check.settles]
        if not doubtful:
            return list(findings)
        await self._clock.sleep(SETTLED_AFTER_S)
        again = {one.check.name: one for one in await run_checks(self._pool, window, doubtful)}
        return [again.get(one.check.name, one) for one in findings]

    def _tell(self, finding: Finding, window: Window) -> None:
        check, examples = finding.check, "; ".join(finding.examples)
        if check.level == "CRITICAL" and finding.found is not None:
            # Alerts are written down by themselves.
            self._alerts.tell(
                "data_quality",
                finding.message,
                component=check.name,
                found=finding.found,
                examples=examples,
                full=window.is_full,
            )
            return
        level: Level = "ERROR" if check.level == "ERROR" and finding.found else "WARNING"
        self._put(
            SystemEvent(
                EVENT,
                level,
                finding.message,
                self._clock.now_ms(),
                component=check.name,
                details={
                    "found": finding.found,
                    "examples": examples,
                    "full": window.is_full,
                },
            )
        )
