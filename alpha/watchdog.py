"""The watchdog, systemd's or our own guard: a daemon that stands still is started again.

Progress means that the event loop turns and that every task that has promised to check in has
done so within its own limit. PostgreSQL, Redis or the exchange being away is not a lack of
progress. Protocol: sd_notify(3), datagrams to $NOTIFY_SOCKET.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock
from alpha.guard import PULSE_EVERY_S, Lifeline

log = structlog.get_logger(__name__)

#: Checked this often when systemd asks for no watchdog: lateness is logged all the same.
DEFAULT_EVERY_S = 5.0


class Watchdog:
    """`environment` is the process's; without NOTIFY_SOCKET systemd is told nothing, without
    `lifeline` no guard is."""

    def __init__(
        self,
        clock: Clock,
        environment: Mapping[str, str],
        lifeline: Lifeline | None = None,
        alerts: Alerts | None = None,
    ) -> None:
        self._alerts = alerts or Alerts(clock)
        self._clock = clock
        self._lifeline = lifeline
        self._address = environment.get("NOTIFY_SOCKET", "")
        microseconds = environment.get("WATCHDOG_USEC", "")
        self._every_s = int(microseconds) / 2e6 if microseconds.isdigit() else DEFAULT_EVERY_S
        if lifeline is not None:
            self._every_s = PULSE_EVERY_S
        self._limits: dict[str, float] = {}
        self._seen: dict[str, float] = {}
        self._late: str | None = None
        self._is_stopping = False

    def expect(self, task: str, within_s: float) -> None:
        """From now on `task` has to call `progress` at least this often."""
        self._limits[task] = within_s
        self._seen[task] = self._clock.monotonic()

    def pulse(self, task: str, within_s: float) -> Callable[[], None]:
        """Expects the task, from its first call on, and gives it what it has to call."""

        def progress() -> None:
            if task not in self._limits and not self._is_stopping:
                self.expect(task, within_s)
            self.progress(task)

        return progress

    def progress(self, task: str) -> None:
        self._seen[task] = self._clock.monotonic()

    def late(self) -> str | None:
        """The task that is overdue, if any."""
        now = self._clock.monotonic()
        for task, limit in self._limits.items():
            if now - self._seen[task] > limit:
                return task
        return None

    def ready(self, words: str) -> None:
        self._send(f"READY=1\nSTATUS={words}")

    def stopping(self) -> None:
        self._is_stopping = True
        self._limits.clear()
        if self._lifeline is not None:
            self._lifeline.end()
        self._send("STOPPING=1")

    async def run(self) -> None:
        """Feeds systemd, or the guard, while everybody makes progress."""
        while True:
            late = self.late()
            if late is None:
                self._send("WATCHDOG=1")
                if self._lifeline is not None and not self._is_stopping:
                    self._lifeline.pulse()
            elif late != self._late:
                self._alerts.tell(
                    "no_progress",
                    f"expected {late} to move on within {self._limits[late]:g} s, was silent; the "
                    f"daemon is started again if that lasts, the log says what it waits for",
                    component=late,
                )
            self._late = late
            await self._clock.sleep(self._every_s)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # An abstract socket's address begins with a NUL byte, written as '@'.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)  # a full queue must not stop the loop
                sender.sendto(message.encode(), address)
        except OSError as error:
            log.warning("sd_notify_failed", error=str(error), socket=os.path.basename(address))
