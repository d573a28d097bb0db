"""How every part connects to Redis: the same numbers of databases, and no command sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionBroken
from redis.exceptions import RedisError

from alpha.errors import ConfigError

TIMEOUT_S = 2.0

if TYPE_CHECKING:
    _Connection = AbstractConnection
else:
    _Connection = object  # stands beside whichever kind the URL asks for


class _Telling(_Connection):
    """Says of a connection that the loop has closed already what it is: broken. Other than
    asyncio's own loop, uvloop raises a bare RuntimeError from a write on it. And tells of a cancel
    that came just as a command had been sent: redis-py waits for that with `asyncio.wait_for`,
    which loses it before Python 3.12, and what was to end would go on for ever."""

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        task = asyncio.current_task()
        known = task.cancelling() if task else 0
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            raise ConnectionBroken(f"expected an open connection, was: {error}") from error
        if task and task.cancelling() > known:
            await self.disconnect(nowait=True)  # nobody reads the answer
            raise asyncio.CancelledError


def open_redis(url: str, database: int, *, timeout_s: float = TIMEOUT_S) -> Redis:
    """A client of one database. A number in the URL is where our range begins: with
    `redis://host:6379/8` a bot's database 2 is the server's database 10. A connection that
    breaks is an error of the command: the caller knows what has to follow."""
    redis: Redis = Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="replace",  # what others keep there need not be text
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )
    kind = redis.connection_pool.connection_class
    redis.connection_pool.connection_class = type(f"Telling{kind.__name__}", (_Telling, kind), {})
    options = redis.connection_pool.connection_kwargs
    # The number of the URL would otherwise win over any that is asked for.
    options["db"] = int(options.get("db") or 0) + database
    return redis


def lacks_database(error: BaseException) -> bool:
    """Whether a server has refused the number. It comes with the connection, so redis-py tells it
    as one that is broken."""
    return isinstance(error, RedisError) and "DB index" in str(error)


async def expect_database(url: str, database: int) -> None:
    """Raises ConfigError when the server answers and has no such database. One that does not answer
    may have it: nothing is said of that here."""
    redis = open_redis(url, database)
    try:
        await redis.ping()
    except (RedisError, OSError) as error:
        if lacks_database(error):
            number = redis.connection_pool.connection_kwargs["db"]
            raise ConfigError(
                f"redis_db: expected one of the server's databases, {await _numbers(url)}, was "
                f"{number}, the number in redis.url and redis_db together; correct one of them"
            ) from error
    finally:
        await redis.aclose()


async def _numbers(url: str) -> str:
    """Of the databases of a server; it need not say."""
    redis = open_redis(url, 0)
    redis.connection_pool.connection_kwargs["db"] = 0  # which every server has
    try:
        told = (await redis.config_get("databases")).get("databases")
    except (RedisError, OSError):
        told = None
    finally:
        await redis.aclose()
    return "fewer than that" if told is None else f"0 to {int(told) - 1}"
