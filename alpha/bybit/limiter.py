"""Rate limits: a rolling window per endpoint, exits and stops first (Bybit V5, Rate Limit).

The window counts our own sends; the response headers raise or lower its size and show what
others with the same account have used. Entries leave a share of every window to exits, reads one
of the address's, and an entry that has queued too long is dropped: its price has moved.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count, islice

from alpha.clock import Clock
from alpha.errors import RetryLater


class Priority(IntEnum):
    """Who goes first when both wait."""

    EXIT = 0  # exits, stops, cancels
    ENTRY = 1
    OTHER = 2  # reads and settings


class EntryDropped(RetryLater):
    """The entry queued longer than it stays worth sending. Nothing was sent."""


#: Requests per second and account, default tier (Rate Limit, API Rate Limit Table).
DEFAULT_LIMITS: Mapping[str, int] = {
    "/v5/order/create": 10,
    "/v5/order/amend": 10,
    "/v5/order/cancel": 10,
    "/v5/order/cancel-all": 10,
    "/v5/position/set-leverage": 10,
    "/v5/position/switch-mode": 10,
    "/v5/position/trading-stop": 10,
    "/v5/order/realtime": 50,
    "/v5/order/history": 50,
    "/v5/execution/list": 50,
    "/v5/position/list": 50,
    "/v5/position/closed-pnl": 50,
    "/v5/account/wallet-balance": 50,
    "/v5/account/info": 50,
    "/v5/account/transaction-log": 25,
    "/v5/account/fee-rate": 5,
    "/v5/user/query-api": 10,
}

#: The address limit: 600 requests per 5 s over everything; a margin stays for other programs.
IP_LIMIT = 500
IP_WINDOW_S = 5.0
#: No account may send more a second; a header that says so is broken.
HIGHEST_LIMIT = 10_000
#: Of every 10 tokens this many are not for entries.
RESERVED_OF_TEN = 3
ENTRY_PATIENCE_S = 2.0

_Ticket = tuple[int, int]
#: Shortest pause of a waiter that is not at the head of its queue.
_BEHIND_S = 0.005


@dataclass(slots=True)
class _Window:
    """Sends of the last `length_s` seconds and the tickets that wait for room."""

    capacity: int
    length_s: float
    #: These leave the reserve to the others.
    yielding: tuple[Priority, ...] = (Priority.ENTRY,)
    sent: deque[float] = field(default_factory=deque)
    waiting: list[_Ticket] = field(default_factory=list)

    def expire(self, now: float) -> None:
        while self.sent and self.sent[0] <= now - self.length_s:
            self.sent.popleft()

    def room_for(self, priority: Priority) -> int:
        """How many sends of the window this priority may fill."""
        yields = priority in self.yielding
        reserved = -(-self.capacity * RESERVED_OF_TEN // 10) if yields else 0
        return max(1, self.capacity - reserved)

    def delay(self, priority: Priority, now: float) -> float:
        """Seconds until a send of this priority fits; 0 when it fits now."""
        self.expire(now)
        surplus = len(self.sent) - self.room_for(priority)
        if surplus < 0:
            return 0.0
        freeing = next(islice(self.sent, surplus, None))
        return max(0.0, freeing + self.length_s - now) or _BEHIND_S

    def fill_to(self, remaining: int, now: float) -> None:
        """Counts sends that are not ours, so that `remaining` are left."""
        self.expire(now)
        for _ in range(self.capacity - len(self.sent) - max(0, remaining)):
            self.sent.append(now)


class Address:
    """What all accounts of one process share, whose requests come from one address: its window,
    and the ban when it was overrun."""

    def __init__(self) -> None:
        self.window = _Window(IP_LIMIT, IP_WINDOW_S, (Priority.ENTRY, Priority.OTHER))
        self.shut_until = 0.0


class Limiter:
    """Paces one account's requests. `acquire` before each send, `observe` after each answer.
    Limiters of one process share their `address`; without one it is the limiter's own."""

    def __init__(
        self,
        clock: Clock,
        limits: Mapping[str, int] | None = None,
        *,
        address: Address | None = None,
    ) -> None:
        self._clock = clock
        self._limits = dict(DEFAULT_LIMITS if limits is None else limits)
        self._windows: dict[str, _Window] = {}
        self._address = address or Address()
        self._tickets = count()

    def waiting(self, endpoint: str) -> int:
        """How many requests queue for `endpoint`."""
        window = self._windows.get(endpoint)
        return len(window.waiting) if window else 0

    def shut(self, seconds: float) -> None:
        """Stops everything but exits for `seconds` (an address ban)."""
        until = self._clock.monotonic() + seconds
        self._address.shut_until = max(self._address.shut_until, until)

    async def acquire(self, endpoint: str, priority: Priority) -> None:
        """Waits for room. Raises EntryDropped for an entry after 2 s, RetryLater while shut."""
        window = self._window(endpoint)
        ticket = (int(priority), next(self._tickets))
        deadline = self._clock.monotonic() + ENTRY_PATIENCE_S
        insort(window.waiting, ticket)
        try:
            while True:
                now = self._clock.monotonic()
                self._refuse_while_shut(priority, now)
                delay = max(window.delay(priority, now), self._address.window.delay(priority, now))
                if delay == 0.0 and window.waiting[0] == ticket:
                    window.sent.append(now)
                    self._address.window.sent.append(now)
                    return
                if priority is Priority.ENTRY:
                    if now >= deadline:
                        raise EntryDropped(
                            f"expected room for an entry on {endpoint} within "
                            f"{ENTRY_PATIENCE_S:g} s, was none; the entry is dropped"
                        )
                    delay = min(delay, deadline - now)
                await self._clock.sleep(max(delay, _BEHIND_S))
        finally:
            window.waiting.remove(ticket)

    def observe(self, endpoint: str, headers: Mapping[str, str]) -> None:
        """Learns from X-Bapi-Limit and X-Bapi-Limit-Status; answers without them teach nothing,
        nor do numbers that no limit can be."""
        window = self._window(endpoint)
        limit = _whole(headers.get("X-Bapi-Limit"))
        if limit:
            window.capacity = limit
        remaining = _whole(headers.get("X-Bapi-Limit-Status"))
        if remaining is not None:
            window.fill_to(remaining, self._clock.monotonic())

    def exceeded(self, endpoint: str) -> None:
        """The exchange said "too many visits": the window is full, whatever we counted."""
        self._window(endpoint).fill_to(0, self._clock.monotonic())

    def _refuse_while_shut(self, priority: Priority, now: float) -> None:
        if now < self._address.shut_until and priority is not Priority.EXIT:
            left = self._address.shut_until - now
            raise RetryLater(
                f"the exchange shut this address out; expected again in {left:.0f} s", after_s=left
            )

    def _window(self, endpoint: str) -> _Window:
        window = self._windows.get(endpoint)
        if window is None:
            # Public endpoints have no limit of their own; the address limit binds them.
            window = _Window(self._limits.get(endpoint, IP_LIMIT), 1.0)
            self._windows[endpoint] = window
        return window


def _whole(text: str | None) -> int | None:
    # The length first: int() refuses thousands of digits.
    if text is None or len(text) > 9 or not (text.isascii() and text.isdigit()):
        return None
    return number if (number := int(text)) <= HIGHEST_LIMIT else None
