"""What a broken connection looks like to whoever writes to Redis, and that a cancel is one."""

from __future__ import annotations

import asyncio

import pytest
import uvloop
from redis.exceptions import ConnectionError as ConnectionBroken

from alpha.clock import SystemClock
from alpha.state.connection import open_redis


def test_a_connection_that_the_loop_has_closed_is_broken_and_made_anew(redis_url: str) -> None:
    """On the daemon's own loop, where a write to it is no OSError."""

    async def break_and_write() -> None:
        redis = open_redis(redis_url, 0)
        connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        connection._writer.transport.abort()
        await SystemClock().sleep(0)
        with pytest.raises(ConnectionBroken, match="the handler is closed"):
            await connection.send_command("PING")
        await redis.connection_pool.release(connection)
        assert await redis.ping()
        await redis.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(break_and_write())


async def test_no_cancel_is_lost_whenever_it_comes(redis_url: str) -> None:
    """Neither is it lost just as a command has been sent, nor is its answer read as another's."""
    redis = open_redis(redis_url, 0)
    for turns in range(30):
        assert await redis.echo(turns) == str(turns)
        asking = asyncio.ensure_future(redis.echo("asked"))
        for _ in range(turns):
            await SystemClock().sleep(0)
        if asking.cancel():
            with pytest.raises(asyncio.CancelledError):
                await asking
        else:
            await asking
    await redis.aclose()
