"""How long an account is away: the status of a running daemon, asked for ten times a second."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from alpha.clock import Clock
from bench.chaos_daemon import Daemon
from bench.chaos_plan import Fault
from bench.chaos_world import World

EVERY_S = 0.1
ANSWER_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """`away` names the accounts, bots and servers that were not well; None: no answer."""

    at_s: float
    away: tuple[str, ...] | None

    @property
    def well(self) -> bool:
        return self.away == ()


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault as it happened, in seconds since the start; `refused` says why it did not."""

    fault: Fault
    began_s: float
    ended_s: float
    refused: str = ""


#: Bots in these states cannot do their work.
UNFIT = ("disabled", "starting", "warming", "failed")


class Watch:
    """Looks at the daemons until cancelled. All is well when one of them says of every account
    that it is live, of every bot that it works, and of both servers that they are there."""

    def __init__(self, world: World, clock: Clock, started: float) -> None:
        self._world = world
        self._clock = clock
        self._started = started
        self.looks: list[Look] = []

    async def run(self) -> None:
        """Until cancelled. A daemon that gives no answer does not hold up the other."""
        async with asyncio.TaskGroup() as group:
            for daemon in self._world.daemons:
                group.create_task(self._look_at(daemon))

    async def _look_at(self, daemon: Daemon) -> None:
        while True:
            at_s = self._clock.monotonic() - self._started
            away = self._away(daemon, await daemon.ask("status", ANSWER_WITHIN_S))
            if away == ():
                self._world.active = daemon
            if away == () or daemon is self._world.active:
                self.looks.append(Look(at_s, away))
            await self._clock.sleep(EVERY_S)

    def _away(self, daemon: Daemon, status: dict[str, object] | None) -> tuple[str, ...] | None:
        if status is None:
            return None
        if isinstance(pid := status.get("pid"), int):
            daemon.pid = pid
        accounts, bots = status["accounts"], status["bots"]
        assert isinstance(accounts, dict) and isinstance(bots, dict)
        layout = self._world.layout  # while it starts, a daemon names only those it has opened
        return (
            *(name for name in layout.accounts if name not in accounts),
            *(bot.name for bot in layout.bots if bot.name not in bots),
            *(name for name, row in accounts.items() if row["status"] != "live"),
            *(name for name, row in bots.items() if row["state"] in UNFIT),
            *(name for name in ("postgres", "redis") if status[name] != "ok"),
        )

    async def until_well(self, within_s: float) -> bool:
        """Until a look that began after this call finds every account live."""
        begun = self._clock.monotonic() - self._started
        while self._clock.monotonic() - self._started < begun + within_s:
            if any(look.well for look in self.looks[-3:] if look.at_s >= begun):
                return True
            await self._clock.sleep(EVERY_S)
        return False


def recovery(looks: list[Look], struck: list[Struck]) -> dict[str, float | None]:
    """Per kind of fault the longest time from its end to the look from which on all was well,
    until the next fault began; 0: nobody could see that anything was away. When the next one
    began before that, what it took until all was well for the first time. None: never again.
    A fault that begins before the one before it has ended says nothing about its kind."""
    worst: dict[str, list[float | None]] = defaultdict(list)
    done = [one for one in struck if not one.refused]
    for number, one in enumerate(done):
        if any(other.ended_s > one.began_s for other in done[:number]):
            continue
        next_s = min((other.began_s for other in done[number + 1 :]), default=float("inf"))
        if next_s < one.ended_s:
            continue
        after = [look for look in looks if look.at_s >= one.ended_s]
        alone = [look for look in after if look.at_s < next_s]
        away = [place for place, look in enumerate(alone) if not look.well]
        if not away:
            worst[one.fault.name].append(0.0)
            continue
        well = next((look for look in after[away[-1] :] if look.well), None)
        worst[one.fault.name].append(None if well is None else round(well.at_s - one.ended_s, 2))
    return {
        name: None if None in times else max(time for time in times if time is not None)
        for name, times in sorted(worst.items())
    }


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
