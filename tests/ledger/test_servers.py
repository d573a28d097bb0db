"""Which servers the tests run on: what was asked for is what answers."""

from __future__ import annotations

import os

from redis.asyncio import Redis

from alpha.ledger.pool import Pool


async def test_the_servers_are_those_that_were_asked_for(pool: Pool, redis_url: str) -> None:
    version = await pool.fetchval("SELECT version()")
    redis = Redis.from_url(redis_url)
    information = await redis.info("server")
    await redis.aclose()
    is_system = os.environ.get("TEST_SERVERS") == "system"
    assert ("Debian" in version or "Ubuntu" in version) is is_system, version
    assert (information.get("server_name") == "valkey") is not is_system, information
