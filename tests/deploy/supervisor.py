"""systemd's end of sd_notify: a real datagram socket that keeps what it is told."""

from __future__ import annotations

import socket
from pathlib import Path


class NotifySocket:
    """`environment` is what systemd gives the process that it starts."""

    def __init__(self, path: Path, *, watchdog_s: float = 30.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.environment = {
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": str(round(watchdog_s * 1_000_000)),
        }
        self.told: list[str] = []

    def listen(self) -> list[str]:
        """Everything told so far, one message an entry."""
        while True:
            try:
                self.told.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self.told

    def heard(self, message: str) -> bool:
        return any(message in told.split("\n") for told in self.listen())

    def close(self) -> None:
        self._socket.close()
