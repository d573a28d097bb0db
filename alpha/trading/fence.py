"""May something be sent now? The lease decides; entries also need a ledger that takes them."""

from __future__ import annotations

from collections.abc import Callable

from alpha.clock import Clock
from alpha.ledger.lease import Lease


class LeaseFence:
    """Asked after a request's stamp was taken, so that what leaves late is refused by the
    exchange. Without PostgreSQL entries stop, exits and missing stops continue."""

    def __init__(self, lease: Lease, ledger_healthy: Callable[[], bool], clock: Clock) -> None:
        self._lease = lease
        self._ledger_healthy = ledger_healthy
        self._clock = clock

    def entries_allowed(self) -> bool:
        return self._ledger_healthy() and self._lease.sendable(self._clock.monotonic())

    def exits_allowed(self) -> bool:
        return self._lease.sendable(self._clock.monotonic(), is_exit=True)
