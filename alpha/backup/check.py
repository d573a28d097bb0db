"""Is a backup any good? And what a restored database holds, against what was written down.

A backup is good when it can be restored, migrated, and when everything recomputed from its
executions agrees: each projection row, the number of executions and fills, the ledger's hash.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from alpha.backup.folder import Manifest
from alpha.backup.restore import File, replace
from alpha.backup.scratch import scratch
from alpha.clock import Clock, Randomness
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import connect
from alpha.ledger.verify import VerifyResult, verify

#: From so many executions on several processes verify; for fewer their start takes longer.
_LARGE = 100_000
_MOST_JOBS = 4


@dataclass(slots=True)
class Outcome:
    """What was found, and how long each step took."""

    problems: list[dict[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    executions: int = 0
    fills: int = 0
    sha256: str = ""
    migrated: list[int] = field(default_factory=list)
    #: whether there was a manifest to compare with
    compared: bool = False

    @property
    def ok(self) -> bool:
        return not self.problems

    def row(self) -> dict[str, object]:
        return {
            "ok": self.ok,
            "compared": self.compared,
            "executions": self.executions,
            "fills": self.fills,
            "sha256": self.sha256,
            "migrated": self.migrated,
            "seconds": {**self.seconds, "total": round(sum(self.seconds.values()), 3)},
            "problems": self.problems,
        }


class Stopwatch:
    """Times the steps of an outcome."""

    def __init__(self, clock: Clock, seconds: dict[str, float]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._since = clock.monotonic()

    def step(self, name: str) -> None:
        """The step that has just ended."""
        now = self._clock.monotonic()
        self._seconds[name] = round(now - self._since, 3)
        self._since = now


async def check_backup(
    file: File,
    dsn: str,
    *,
    mode: str,
    ours: bool,
    migrations: Path,
    clock: Clock,
    randomness: Randomness,
) -> dict[str, object]:
    """Restores into a scratch database and looks at everything; the answer of `backup verify`.
    Raises AlphaError for a file that cannot be restored."""
    outcome = Outcome()
    watch = Stopwatch(clock, outcome.seconds)
    async with scratch(dsn, ours=ours, clock=clock, randomness=randomness) as place:
        watch.step("scratch")
        await replace(place.dsn, file, mode=mode, ours=place.ours)
        watch.step("restore")
        await settle(place.dsn, file.manifest, outcome, watch, migrations=migrations, clock=clock)
        where = place.where
    return {"file": str(file.path), "where": where, **outcome.row()}


async def settle(
    dsn: str,
    manifest: Manifest | None,
    outcome: Outcome,
    watch: Stopwatch,
    *,
    migrations: Path,
    clock: Clock,
) -> None:
    """What follows the loading: migrations, statistics for the planner, the verification."""
    done = await migrate(dsn, migrations, clock=clock)
    outcome.migrated = [one.version for one in done]
    connection = await connect(dsn)
    try:
        await connection.execute("ANALYZE", timeout=900)
    finally:
        await connection.close()
    watch.step("migrate")
    is_large = manifest is not None and manifest.ledger.executions > _LARGE
    jobs = min(os.cpu_count() or 1, _MOST_JOBS) if is_large else 1
    compare(manifest, await verify(dsn, clock=clock, jobs=jobs), outcome)
    watch.step("verify")


def compare(manifest: Manifest | None, found: VerifyResult, outcome: Outcome) -> None:
    """Adds what a verification says, and where it is not what the manifest says."""
    outcome.executions, outcome.fills = found.executions, found.fills
    outcome.sha256 = found.sha256
    outcome.problems += [
        {"where": one.where, "expected": one.expected, "found": one.found} for one in found.problems
    ]
    if manifest is None:
        return
    outcome.compared, ledger = True, manifest.ledger
    pairs: list[tuple[str, object, object]] = [
        ("executions", ledger.executions, found.executions),
        ("fills", ledger.fills, found.fills),
    ]
    if ledger.sha256 is not None:
        pairs.append(("sha256", ledger.sha256, found.sha256))
    outcome.problems += [
        {"where": f"ledger {name}", "expected": str(expected), "found": str(was)}
        for name, expected, was in pairs
        if expected != was
    ]
