"""What one start of the daemon was asked for, beside the settings."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from alpha.clock import Clock

_SPAN = re.compile(r"^(\d+)(s|m|h)$")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`bots`: the names that `--bots` gave; None when it was not given (the settings decide).
    `for_s`: seconds to run, counted from `started`, which is the process's start on the
    monotonic clock. `report`: where to write the report. `live`: `--live` was given.
    `config_file`: what `--config` named, for processes that have to read the same settings."""

    bots: tuple[str, ...] | None = None
    for_s: int | None = None
    report: Path | None = None
    live: bool = False
    config_file: Path | None = None
    started: float = 0.0

    def left_s(self, clock: Clock) -> float | None:
        """Seconds of the run that are left, never below 0; None: until told to stop."""
        if self.for_s is None:
            return None
        return max(0.0, self.started + self.for_s - clock.monotonic())


def parse_span(text: str) -> int:
    """`60s`, `5m`, `1h` in seconds; ValueError for anything else."""
    found = _SPAN.match(text.strip())
    if found is None or int(found.group(1)) == 0:
        raise ValueError(f"expected a time such as 60s, 5m or 1h, found {text!r}")
    return int(found.group(1)) * _SECONDS[found.group(2)]


def process_started(clock: Clock) -> float:
    """When this process started, on the monotonic clock (Linux: proc(5), stat field 22)."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
        ticks = int(stat.rsplit(")", 1)[1].split()[19])
        uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return clock.monotonic()
    age = uptime - ticks / os.sysconf("SC_CLK_TCK")
    return clock.monotonic() - max(0.0, age)
