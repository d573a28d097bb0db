"""PostgreSQL and Redis of our own, for whoever has configured none.

The programs come with two wheels and run on unix sockets under keepers of our own: started by
whoever needs them first, joined by others, started again when they die, stopped with their last
user. For demonstration, development and tests; production configures its servers by URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from alpha.clock import Clock
from alpha.embedded.keeping import Stay
from alpha.embedded.place import find_place
from alpha.embedded.postgres import create_database, start_postgres
from alpha.embedded.valkey import start_valkey, url

__all__ = ["Servers", "start"]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Servers:
    """The servers in use by this process. A URL is empty when its server was not asked for.

    `redis_url` names no database: whoever connects chooses one."""

    postgres_dsn: str = ""
    redis_url: str = ""
    _starts: dict[str, Callable[[], Awaitable[Stay]]] = field(default_factory=dict, repr=False)
    _stays: dict[str, Stay] = field(default_factory=dict, repr=False)

    async def use(self, name: str, start: Callable[[], Awaitable[Stay]]) -> None:
        self._starts[name] = start
        self._stays[name] = await start()

    async def watch(self) -> None:
        """Starts a server again whose keeper was killed, until cancelled; who uses it connects
        anew, to the same place."""
        async with asyncio.TaskGroup() as group:
            for name in self._stays:
                group.create_task(self._watch(name), name=f"keeper-of-{name}")

    async def _watch(self, name: str) -> None:
        while True:
            await self._stays[name].ended()
            log.error("keeper_died", server=name)
            self._stays[name].writer.close()
            self._stays[name] = await self._starts[name]()

    async def stop(self) -> None:
        """Leaves the servers; those that nobody else uses are stopped cleanly before this
        returns. May be called twice."""
        while self._stays:
            _, stay = self._stays.popitem()
            await stay.leave()


async def start(
    data_dir: Path, *, mode: str, postgres: bool = True, redis: bool = True, clock: Clock
) -> Servers:
    """Starts the servers of a data_dir, or joins those that run; returns when they answer.

    The database of the mode, `alpha_<mode>`, is made when it is not there. Raises ConfigError
    when a wheel is missing or the data are another user's or version's, AlphaError with the
    server's own words when it does not start."""
    place = await asyncio.to_thread(find_place, data_dir)
    servers = Servers()
    try:
        if redis:
            await servers.use("Redis", lambda: start_valkey(place, mode, clock))
            servers.redis_url = url(place, mode)
        if postgres:
            await servers.use("PostgreSQL", lambda: start_postgres(place, clock))
            servers.postgres_dsn = await create_database(place, mode)
    except BaseException:
        await servers.stop()
        raise
    return servers
