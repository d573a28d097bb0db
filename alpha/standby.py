"""Waiting for accounts that another installation holds: nothing is sent and nothing of the
ledger written until its lease has ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock
from alpha.config import Config
from alpha.control.database_desk import DatabaseDesk
from alpha.control.desk import Source, Status
from alpha.control.layer import Control
from alpha.control.socket import ControlServer, socket_path
from alpha.errors import NotRunning
from alpha.ledger import standbys
from alpha.ledger.lease import Lease, LeaseHeld
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.watchdog import Watchdog

log = structlog.get_logger(__name__)

#: How soon an ended lease is noticed. With its 4 s and the quiet after it, and a start meanwhile,
#: a takeover stays within 10 s.
POLL_S = 0.25
SAY_EVERY_S = 2.0
ANSWER_WITHIN_S = 4.0


class StandbyDesk(DatabaseDesk):
    """What a waiting daemon answers: the owner's rows, from the database both share."""

    source: Source = "daemon"

    def __init__(self, pool: Pool, config: Config, clock: Clock, *, started: float) -> None:
        super().__init__(pool, config, clock)
        self._started = started

    async def status(self) -> Status:
        found = await super().status()
        found["pid"] = os.getpid()
        found["uptime_s"] = self._clock.monotonic() - self._started
        return found

    def _not_running(self, name: str) -> NotRunning:
        return NotRunning(
            f"{name}: expected the daemon that holds its account, was a standby; ask the active "
            "one (`alpha status` names it)"
        )


class Standby:
    """`is_over` ends the waiting: a `--for` that has run out."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        watchdog: Watchdog,
        desk: StandbyDesk,
        alerts: Alerts,
        *,
        is_over: Callable[[], bool],
    ) -> None:
        self._config = config
        self._clock = clock
        self._watchdog = watchdog
        self._desk = desk
        self._alerts = alerts
        self._is_over = is_over
        self._is_away = False

    async def wait(self, pool: Pool, lease: Lease, held: LeaseHeld) -> bool:
        """True once the lease is ours; False when the waiting was ended. Raises `held` where
        taking over cannot work: the built-in exchange is the other installation's own."""
        if self._config.mode == "paper" and not self._config.exchange.rest_url:
            raise LeaseHeld(
                f"{held}; to wait as its standby in mode paper, both need the same exchange: "
                f"run `alpha sim` and set [exchange] rest_url and its sockets in both"
            ) from None
        log.warning("standby", accounts=list(lease.accounts), why=str(held))
        self._watchdog.ready(f"standby for {', '.join(lease.accounts)}: {held}")
        async with AsyncExitStack() as stack:
            control = Control(self._desk, self._clock)
            server = ControlServer(control, socket_path(self._config.data_dir))
            await server.start()
            stack.push_async_callback(server.stop)
            stack.push_async_callback(self._leave, pool, lease)
            return await self._poll(pool, lease, str(held))

    async def _poll(self, pool: Pool, lease: Lease, held: str) -> bool:
        since, said_at = self._clock.monotonic(), float("-inf")
        while not self._is_over():
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    if self._clock.monotonic() - said_at >= SAY_EVERY_S:
                        await standbys.waits(pool, lease)
                        said_at = self._clock.monotonic()
                    if await self._try(lease):
                        waited = round(self._clock.monotonic() - since, 3)
                        self._alerts.tell(
                            "takeover",
                            f"expected the other daemon to hold {', '.join(lease.accounts)} "
                            f"({held}), has let go; this standby trades now: look after that one",
                            level="ERROR",
                            waited_s=str(waited),
                        )
                        return True
                self._answered()
            except CONNECTION_ERRORS as error:
                self._unanswered(error)
            await self._clock.sleep(POLL_S)
        return False

    async def _try(self, lease: Lease) -> bool:
        if await lease.others():
            return False
        try:
            await lease.acquire(take_over=True)
        except LeaseHeld:  # a third one was quicker
            return False
        return True

    def _answered(self) -> None:
        if self._is_away:
            log.info("standby_sees_postgres_again")
        self._is_away = False

    def _unanswered(self, error: BaseException) -> None:
        if not self._is_away:
            log.warning("standby_without_postgres", error=f"{type(error).__name__}: {error}")
        self._is_away = True

    async def _leave(self, pool: Pool, lease: Lease) -> None:
        with suppress(*CONNECTION_ERRORS):
            await standbys.waits_no_more(pool, lease)
