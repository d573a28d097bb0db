"""A mark on disk that says which hook is running right now.

The file is mapped into memory, so marking costs a few hundred nanoseconds and the mark outlives a
kill of the process: whoever opens the file next reads which bot's hook never came back.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from alpha.clock import Clock, iso

_FORMAT = struct.Struct("<8sB7xq96s")  # magic, running, since (Unix ms), "bot\0hook"
_MAGIC = b"alphahk1"
_SINCE_AND_LABEL = struct.Struct("<q96s")
_RUNNING_AT = 8
_SINCE_AT = 16


@dataclass(frozen=True, slots=True)
class RunningHook:
    bot: str
    hook: str
    since_ms: int

    def __str__(self) -> str:
        return f"hook {self.hook} of bot {self.bot}, running since {iso(self.since_ms)}"


class HookMark:
    """One per process. `left_running` is what the previous owner of the file never finished."""

    def __init__(self, path: Path, clock: Clock) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size != _FORMAT.size:
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, _FORMAT.size)
            self._map = mmap.mmap(descriptor, _FORMAT.size)
        finally:
            os.close(descriptor)
        self._clock = clock
        self.left_running = _decode(self._map[:])
        _FORMAT.pack_into(self._map, 0, _MAGIC, 0, 0, b"")

    @staticmethod
    def label(bot: str, hook: str) -> bytes:
        return f"{bot}\0{hook}".encode()[:96]

    def enter(self, label: bytes) -> None:
        _SINCE_AND_LABEL.pack_into(self._map, _SINCE_AT, self._clock.now_ms(), label)
        self._map[_RUNNING_AT] = 1

    def leave(self) -> None:
        self._map[_RUNNING_AT] = 0

    def running(self) -> RunningHook | None:
        return _decode(self._map[:])

    def close(self) -> None:
        self._map.close()


def mark_of(data_dir: Path) -> Path:
    """The file of the daemon on this data directory."""
    return data_dir / "run" / "hook.mark"


def read_mark(path: Path) -> RunningHook | None:
    """What runs now, for a watchdog of another thread or process. None: no hook, or no file."""
    try:
        return _decode(path.read_bytes())
    except FileNotFoundError:
        return None


def _decode(content: bytes) -> RunningHook | None:
    if len(content) != _FORMAT.size:
        return None
    magic, running, since_ms, label = _FORMAT.unpack(content)
    if magic != _MAGIC or not running:
        return None
    bot, _, hook = label.rstrip(b"\0").partition(b"\0")
    return RunningHook(bot.decode("utf-8", "replace"), hook.decode("utf-8", "replace"), since_ms)
