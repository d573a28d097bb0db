"""Points on their way to a server of InfluxDB 2's write API.

Putting one in never waits and never fails. Points wait in a bounded queue; the oldest give way when
it is full, which is counted and told once an outage. Nothing is kept over a restart: this is a copy
of what the database holds.
"""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Mapping
from itertools import islice

import aiohttp
import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock
from alpha.sinks.line import Value, line

log = structlog.get_logger(__name__)

MAX_WAITING = 50_000
#: Lines of one request, and requests of one flush: what follows waits for the next one.
BATCH = 1_000
_REQUESTS = 20
ANSWER_WITHIN_S = 5.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
#: An outage that lasts longer is told.
TOLD_AFTER_S = 30.0
#: Of these requests the server will never take the same lines.
_REFUSED = frozenset({400, 413, 422})
_SHOWN = 200


class InfluxSink:
    """`put` from anywhere in the loop; `flush` regularly, one at a time."""

    def __init__(
        self,
        url: str,
        *,
        token: str,
        org: str,
        bucket: str,
        clock: Clock,
        alerts: Alerts,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._url = url.rstrip("/") + "/api/v2/write"
        self._query = {"bucket": bucket, "precision": "ms", **({"org": org} if org else {})}
        self._headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Encoding": "gzip",
            **({"Authorization": f"Token {token}"} if token else {}),
        }
        self._clock = clock
        self._alerts = alerts
        self._max_waiting = max_waiting
        self._waiting: deque[str] = deque()
        self._taken = 0  # lines that have left the head of the queue, by sending or by giving way
        self._away_since: float | None = None
        self._not_before = 0.0
        self._pause = _FIRST_PAUSE_S
        self._told = False
        self.sent = 0
        self.dropped = 0  # gave way
        self.refused = 0  # the server does not take them

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(
        self,
        measurement: str,
        tags: Mapping[str, str],
        fields: Mapping[str, Value | None],
        at_ms: int,
    ) -> None:
        """`at_ms` is Unix time in ms. A point of the same measurement, tags and time replaces the
        one before it."""
        text = line(measurement, tags, fields, at_ms)
        if not text:
            return
        if len(self._waiting) >= self._max_waiting:
            self._take(1)
            self.dropped += 1
        self._waiting.append(text)

    async def flush(self) -> None:
        """Sends what waits, unless the server was away a moment ago."""
        if not self._waiting or self._clock.monotonic() < self._not_before:
            return
        limits = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=limits) as session:
            size = BATCH
            for _ in range(_REQUESTS):
                if not self._waiting:
                    return
                lines = list(islice(self._waiting, size))
                before = self._taken
                why, status = await self._send(session, lines)
                if not why:
                    self._back()
                    self._take(max(len(lines) - (self._taken - before), 0))
                    self.sent += len(lines)
                    size = BATCH
                elif status not in _REFUSED:
                    self._away(why)
                    return
                elif len(lines) > 1:
                    # One wrong line must not take along the others.
                    self._back()
                    size = (len(lines) + 1) // 2
                else:
                    self._back()
                    self._take(1 if self._taken == before else 0)
                    self.refused += 1
                    log.warning("point_refused", point=lines[0][:_SHOWN], says=why)
                    size = BATCH

    async def _send(self, session: aiohttp.ClientSession, lines: list[str]) -> tuple[str, int]:
        """Why it was not taken ("" when it was), and the status (0: no answer)."""
        body = gzip.compress("\n".join(lines).encode(), compresslevel=1)
        try:
            async with session.post(
                self._url, params=self._query, headers=self._headers, data=body
            ) as answer:
                if answer.status in (200, 204):
                    return "", answer.status
                said = (await answer.content.read(_SHOWN)).decode("utf-8", "replace")
                return f"status {answer.status}: {said}".strip(), answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return type(error).__name__, 0

    def _take(self, lines: int) -> None:
        for _ in range(min(lines, len(self._waiting))):
            self._waiting.popleft()
            self._taken += 1

    def _away(self, why: str) -> None:
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since = now
        self._not_before = now + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_S)
        log.debug("influx_away", why=why, waiting=self.waiting, dropped=self.dropped)
        if not self._told and now - self._away_since >= TOLD_AFTER_S:
            self._told = True
            self._alerts.tell(
                "sink_away",
                f"expected the InfluxDB server to take points, was {why} for "
                f"{now - self._away_since:.0f} s; trading is not touched, {self.waiting} points "
                f"wait and the oldest give way beyond {self._max_waiting}: see [sinks.influx]",
                level="ERROR",
                component="influx",
                dropped=self.dropped,
            )

    def _back(self) -> None:
        if self._away_since is not None:
            log.info(
                "influx_back",
                seconds=round(self._clock.monotonic() - self._away_since, 1),
                waiting=self.waiting,
                dropped=self.dropped,
            )
        self._away_since, self._told = None, False
        self._not_before, self._pause = 0.0, _FIRST_PAUSE_S
