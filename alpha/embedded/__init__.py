"""PostgreSQL and Redis of our own, for whoever has configured none.

The programs come with two wheels and run on unix sockets under keepers of our own: started by
whoever needs them first, joined by others, started again when they die, stopped with their last
user. For demonstration, development and tests; production configures its servers by URL.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from alpha.clock import Clock
from alpha.embedded.place import find_place
from alpha.embedded.postgres import create_database, start_postgres
from alpha.embedded.valkey import start_valkey, url

__all__ = ["Servers", "start"]


@dataclass(slots=True)
class Servers:
    """The servers in use by this process. A URL is empty when its server was not asked for.

    `redis_url` names no database: whoever connects chooses one."""

    postgres_dsn: str = ""
    redis_url: str = ""
    _stays: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)

    async def stop(self) -> None:
        """Leaves the servers; those that nobody else uses are stopped cleanly before this
        returns. May be called twice."""
        await self._stays.aclose()


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
            servers._stays.push_async_callback((await start_valkey(place, mode, clock)).leave)
            servers.redis_url = url(place, mode)
        if postgres:
            servers._stays.push_async_callback((await start_postgres(place, clock)).leave)
            servers.postgres_dsn = await create_database(place, mode)
    except BaseException:
        await servers.stop()
        raise
    return servers
