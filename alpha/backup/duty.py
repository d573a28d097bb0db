"""The daemon's own backups: each hour, each day, and at once when one is overdue.

A process of its own with low priority makes them, so that neither the loop nor the ledger's writer
ever waits for one. What is due is told by what lies in the folder, so nothing is missed after the
machine or the daemon has been down, and a restart makes no second one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from alpha.backup.folder import BackupFolder
from alpha.backup.programs import ENDS_WITHIN_S
from alpha.clock import Clock
from alpha.config import Config
from alpha.errors import AlphaError
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.ledger.queries import load
from alpha.schedule import DAY_MS, Daily, Duty, Every, Rhythm, Schedule

log = structlog.get_logger(__name__)

Scheduled = Literal["hourly", "daily"]

#: What is older than this is told as degraded.
TOO_OLD_MS = 26 * 3_600_000
_LOOK_EVERY_S = 60.0
#: One that failed is tried again after this.
_AGAIN_AFTER_MS = 15 * 60_000
_WITHIN_S = 3_600.0
_HOUR_MS = 3_600_000


class _Made(msgspec.Struct):
    """What it needs of the answer of `alpha backup create`."""

    name: str
    redis_problem: str | None


class BackupDuty:
    """`config_file`: what `--config` named, for the process that has to read the same settings."""

    def __init__(self, config: Config, config_file: Path | None, pool: Pool, clock: Clock) -> None:
        hour, minute = config.backup.daily_at.split(":")
        self._rhythms: dict[Scheduled, tuple[Rhythm, int]] = {
            "daily": (Daily(int(hour), int(minute)), DAY_MS)
        }
        if config.backup.hourly:
            self._rhythms["hourly"] = (Every(3600), _HOUR_MS)
        self._config = config
        self._config_file = config_file
        self._pool = pool
        self._clock = clock
        self._newest_ms: dict[Scheduled, int] | None = None
        self._not_before_ms = 0

    def begin(self, schedule: Schedule) -> None:
        if self._config.backup.enabled:
            schedule.add(Duty("backup", Every(_LOOK_EVERY_S), self.look, at_start=True))

    async def look(self) -> None:
        """Makes what is due. Raises AlphaError when that fails; a database that is away is waited
        for: others tell of it."""
        now_ms = self._clock.now_ms()
        try:
            if self._newest_ms is None:
                self._newest_ms = await self._read()
            due = self.due(now_ms)
            if due is None or now_ms < self._not_before_ms:
                return
            await self._pool.fetchval("SELECT 1")
        except CONNECTION_ERRORS as error:
            log.debug("backup_waits", error=type(error).__name__)
            return
        self._not_before_ms = now_ms + _AGAIN_AFTER_MS
        await self._make(due)
        self._newest_ms["hourly"] = now_ms
        if due == "daily":
            self._newest_ms["daily"] = now_ms
        self._not_before_ms = 0

    def due(self, now_ms: int) -> Scheduled | None:
        """What should have been made since the newest of its kind; a daily one is an hourly one,
        too."""
        if self._newest_ms is None:
            return None
        for kind, (rhythm, _) in self._rhythms.items():
            if rhythm.next_after(self._newest_ms[kind]) <= now_ms:
                return kind
        return None

    @property
    def newest_ms(self) -> int | None:
        """When the newest one was made, or the database where there is none yet; None until it is
        known, or when none are wanted."""
        if self._newest_ms is None or not self._config.backup.enabled:
            return None
        return max(self._newest_ms.values())

    @property
    def age_s(self) -> float | None:
        newest_ms = self.newest_ms
        return None if newest_ms is None else max(0, self._clock.now_ms() - newest_ms) / 1000

    @property
    def overdue_since_ms(self) -> int | None:
        """Since when the newest is too old; None while it is not."""
        newest_ms = self.newest_ms
        if newest_ms is None or self._clock.now_ms() - newest_ms <= TOO_OLD_MS:
            return None
        return newest_ms + TOO_OLD_MS

    async def _read(self) -> dict[Scheduled, int]:
        """The newest of each kind in the folder; of a kind without any, the database's birth."""
        born = await self._pool.fetchval(load("backup.sql")["applied_since"])
        known = await asyncio.to_thread(BackupFolder.of(self._config).all)
        found: dict[Scheduled, int] = {"hourly": int(born or 0), "daily": int(born or 0)}
        for backup in known:
            manifest = backup.manifest
            if manifest.kind in ("hourly", "daily"):
                found["hourly"] = max(found["hourly"], manifest.created_ms)
            if manifest.kind == "daily":
                found["daily"] = max(found["daily"], manifest.created_ms)
        return found

    async def _make(self, kind: Scheduled) -> None:
        """One backup by a process of its own, which ends with this one."""
        config = [] if self._config_file is None else ["--config", str(self._config_file)]
        began = self._clock.monotonic()
        with tempfile.TemporaryFile() as said:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "alpha", "backup", "create", "--json"),
                *("--scheduled", kind, "--mode", self._config.mode, *config),
                *("--daemon", str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=said.fileno(),
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # pg_dump is in it, too
            )
            try:
                async with asyncio.timeout(_WITHIN_S):
                    status = await process.wait()
            except TimeoutError:
                raise AlphaError(f"expected it within {_WITHIN_S / 60:.0f} min, was not") from None
            finally:
                await _end(process)
            said.seek(0)
            words = said.read(4000).decode("utf-8", "replace").strip()
        if status != 0:
            raise AlphaError(words.removeprefix("alpha: ") or f"exit code {status}")
        seconds = round(self._clock.monotonic() - began, 3)
        made = msgspec.json.decode(words.splitlines()[-1], type=_Made)
        log.info("backup_made", name=made.name, seconds=seconds)
        if made.redis_problem:
            log.warning("redis_not_saved", why=made.redis_problem)


async def _end(process: asyncio.subprocess.Process) -> None:
    """With its programs, which leave nothing in the server when they are asked first."""
    for ask, within_s in ((signal.SIGTERM, 2 * ENDS_WITHIN_S), (signal.SIGKILL, None)):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, ask)
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await process.wait()
