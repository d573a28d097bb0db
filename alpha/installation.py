"""One data directory, one daemon: the lock on it, and the name of the installation.

The lock is a `flock`, so the kernel gives it back when a process dies in any way. Whoever gets
it is the successor of the process that had it before, and may take its lease over at once.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from types import TracebackType

from alpha.clock import Randomness
from alpha.errors import AlphaError, ConfigError


class DataDirLock:
    """Context manager; raises AlphaError naming the holder when another process has it."""

    def __init__(self, data_dir: Path, name: str = "alpha.lock") -> None:
        self.path = data_dir / name
        self._fd: int | None = None

    def __enter__(self) -> DataDirLock:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"expected a data_dir that this user can write, found {self.path.parent} "
                f"({error.strerror}); choose another in config.toml or ALPHA__DATA_DIR"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 64).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise AlphaError(
                f"expected to be the only daemon on {self.path.parent}, was already in use by "
                f"process {holder}; stop it or choose another data_dir"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def holder_of(data_dir: Path, name: str = "alpha.lock") -> int | None:
    """The process id that holds the lock now; None when nobody does."""
    path = data_dir / name
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(fd, 64).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    else:
        return None
    finally:
        os.close(fd)


def installation_id(data_dir: Path, randomness: Randomness) -> str:
    """Host name and a token made once per data directory: names the holder of a lease."""
    path = data_dir / "installation"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(randomness.token()[:12] + "\n", encoding="ascii")
    return f"{socket.gethostname()}:{path.read_text(encoding='ascii').strip()}"
