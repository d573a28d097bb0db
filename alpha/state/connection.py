"""How every part connects to Redis: the same numbers of databases, and no command sent twice."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

TIMEOUT_S = 2.0


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
    options = redis.connection_pool.connection_kwargs
    # The number of the URL would otherwise win over any that is asked for.
    options["db"] = int(options.get("db") or 0) + database
    return redis
