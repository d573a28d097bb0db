"""A test's database behind a proxy that fails on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from alpha.clock import SystemClock
from alpha.ledger.pool import Pool, open_pool
from alpha.sim.proxy import FaultProxy


@asynccontextmanager
async def behind_proxy(dsn: str) -> AsyncIterator[tuple[FaultProxy, Pool]]:
    """The proxy, and a pool of connections that go through it."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    proxy = FaultProxy(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}", 0)
    port = await proxy.start()
    url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable"
    pool = await open_pool(url, clock=SystemClock(), max_size=4)
    try:
        yield proxy, pool
    finally:
        pool.terminate()
        await proxy.stop()
