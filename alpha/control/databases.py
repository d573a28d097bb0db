"""Reaching the database when no daemon does it for us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alpha.clock import Clock
from alpha.config import Config
from alpha.errors import TimedOut
from alpha.ledger.pool import Pool, open_pool

#: A reader does not wait for a database as long as a daemon that has to trade.
READER_WAIT_S = 5.0


@asynccontextmanager
async def database_url(config: Config, clock: Clock, *, direct: bool = False) -> AsyncIterator[str]:
    """The URL of the database of these settings; `direct` asks for the one past a pooler.
    Without a configured one a server of our own is started, or the one that runs is joined."""
    url = config.postgres.url.get_secret_value()
    if url:
        yield (config.postgres.direct_url.get_secret_value() if direct else "") or url
        return
    from alpha import embedded

    servers = await embedded.start(
        config.data_dir, mode=config.mode, postgres=True, redis=False, clock=clock
    )
    try:
        yield servers.postgres_dsn
    finally:
        await servers.stop()


@asynccontextmanager
async def database_pool(
    config: Config, clock: Clock, *, direct: bool = False
) -> AsyncIterator[Pool]:
    """A pool that has reached its server; TimedOut, naming the host, when it could not."""
    async with database_url(config, clock, direct=direct) as url:
        pool = await open_pool(url, clock=clock, max_size=2, wait_s=READER_WAIT_S)
        try:
            yield pool
        finally:
            await pool.close()


def no_daemon_either(config: Config, error: TimedOut) -> TimedOut:
    """The words for a reader that found neither of its two sources."""
    return TimedOut(
        f"expected a daemon on {config.data_dir} or its database, found neither; {error}"
    )
