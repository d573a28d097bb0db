"""Reaching PostgreSQL and Redis when no daemon does it for us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from alpha.clock import Clock
from alpha.config import Config
from alpha.errors import TimedOut
from alpha.ledger.pool import Pool, open_pool

#: A reader does not wait for a database as long as a daemon that has to trade.
READER_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Stores:
    """Addresses; `redis` is "" when it was not asked for and is not configured."""

    postgres: str
    postgres_direct: str
    redis: str


@asynccontextmanager
async def stores(config: Config, clock: Clock, *, redis: bool = False) -> AsyncIterator[Stores]:
    """The addresses of these settings. What has no address in them is a server of our own: it is
    started for as long as the context lasts, or, when a daemon has it running, joined."""
    postgres_url = config.postgres.url.get_secret_value()
    redis_url = config.redis.url.get_secret_value()
    direct_url = config.postgres.direct_url.get_secret_value()
    if postgres_url and (redis_url or not redis):
        yield Stores(postgres_url, direct_url or postgres_url, redis_url)
        return
    from alpha import embedded

    servers = await embedded.start(
        config.data_dir,
        mode=config.mode,
        postgres=not postgres_url,
        redis=redis and not redis_url,
        clock=clock,
    )
    try:
        url = postgres_url or servers.postgres_dsn
        yield Stores(url, direct_url or url, redis_url or (servers.redis_url if redis else ""))
    finally:
        await servers.stop()


@asynccontextmanager
async def database_pool(
    config: Config, clock: Clock, *, direct: bool = False
) -> AsyncIterator[Pool]:
    """A pool that has reached its server, past a pooler when `direct`; TimedOut, naming the
    host, when it could not."""
    async with stores(config, clock) as found:
        url = found.postgres_direct if direct else found.postgres
        pooler = True if url != found.postgres_direct else None
        pool = await open_pool(url, clock=clock, max_size=2, wait_s=READER_WAIT_S, pooler=pooler)
        try:
            yield pool
        finally:
            await pool.close()


async def is_migrated(pool: Pool) -> bool:
    """Whether a daemon has used this database; one that none has used is empty, not broken."""
    return bool(await pool.fetchval("SELECT to_regclass('audit.command_log') IS NOT NULL"))


def no_daemon_either(config: Config, error: TimedOut) -> TimedOut:
    """The words for a reader that found neither of its two sources."""
    return TimedOut(
        f"expected a daemon on {config.data_dir} or its database, found neither; {error}"
    )
