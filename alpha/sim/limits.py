"""Rate limits: per account and endpoint, and per address (V5 "Rate Limit").

Both count on the wall clock. An account that asks too often is told so for a second; an address
that does is banned for ten minutes.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from alpha.clock import Clock

WINDOW_S = 1.0
ADDRESS_LIMIT = 600
ADDRESS_WINDOW_S = 5.0
BAN_S = 600.0


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


class AddressLimit:
    """HTTP requests of an address: `limit` in five seconds, else a ban of `ban_s`."""

    def __init__(self, clock: Clock, limit: int = ADDRESS_LIMIT, ban_s: float = BAN_S) -> None:
        self._clock = clock
        self._limit = limit
        self._ban_s = ban_s
        self._asked: dict[str, deque[float]] = {}
        self._banned_until: dict[str, float] = {}

    def allows(self, address: str) -> bool:
        """Counts a request; False while the address is banned, which waiting alone ends."""
        now = self._clock.monotonic()
        if now < self._banned_until.get(address, now):
            return False
        asked = self._asked.setdefault(address, deque())
        while asked and now - asked[0] >= ADDRESS_WINDOW_S:
            asked.popleft()
        asked.append(now)
        if len(asked) <= self._limit:
            return True
        asked.clear()
        self._banned_until[address] = now + self._ban_s
        return False
