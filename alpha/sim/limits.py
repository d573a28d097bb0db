"""Rate limits: per account and endpoint, a rolling second of wall time (V5 "Rate Limit")."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from alpha.clock import Clock

WINDOW_S = 1.0


class Standing(NamedTuple):
    """What the response headers say: the limit, what is left of it, when it is whole again.

    `granted` of the requests asked for may go on.
    """

    granted: int
    limit: int
    left: int
    reset_ms: int

    def headers(self) -> dict[str, str]:
        return {
            "X-Bapi-Limit": str(self.limit),
            "X-Bapi-Limit-Status": str(self.left),
            "X-Bapi-Limit-Reset-Timestamp": str(self.reset_ms),
        }


class RateLimits:
    """Buckets by (account, endpoint)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], deque[float]] = {}

    def take(self, account: str, endpoint: str, limit: int, count: int = 1) -> Standing:
        """Uses up to `count` requests of the bucket; none is granted if it was empty."""
        now = self._clock.monotonic()
        bucket = self._buckets.setdefault((account, endpoint), deque())
        while bucket and now - bucket[0] >= WINDOW_S:
            bucket.popleft()
        wall = self._clock.now_ms()
        granted = min(count, limit - len(bucket))
        if granted == 0:
            wait = WINDOW_S - (now - bucket[0])
            return Standing(0, limit, 0, wall + round(wait * 1000))
        bucket.extend([now] * granted)
        return Standing(granted, limit, limit - len(bucket), wall)
