"""The live picture of one bot in Redis, as the library reads and writes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from alpha.clock import Clock
from alpha.errors import ConfigError, TimedOut
from alpha.state import keys
from alpha.state.connection import expect_database, lacks_database, open_redis
from alpha.state.mirror import HEARTBEAT_TTL_S, Encodable
from alpha.state.picture import PositionPicture


class LivePicture:
    """Connects when it is first asked, again and again for `wait_s` seconds; what follows is tried
    once. All raise TimedOut when Redis does not answer, ConfigError when it is another mode's or
    does not have this database."""

    def __init__(
        self, url: str, database: int, *, bot_id: str, mode: str, clock: Clock, wait_s: float
    ) -> None:
        self._url = url
        self._database = database
        self._bot_id = bot_id
        self._mode = mode
        self._clock = clock
        self._wait_s = wait_s
        self._connected: Redis | None = None

    async def position(self, symbol: str) -> dict[str, str]:
        """The fields of the details, empty for a symbol that is not shown."""
        async with self._redis() as redis:
            found = await redis.hgetall(keys.position_details(self._bot_id, symbol))
        return {str(name): str(value) for name, value in found.items()}

    async def show_position(self, symbol: str, picture: PositionPicture) -> None:
        """In one MULTI: the size under both names, the details, whether it is held."""
        name = keys.position_details(self._bot_id, symbol)
        details = _encodable(keys.details_of(picture))
        async with self._redis() as redis, redis.pipeline(transaction=True) as multi:
            multi.set(keys.position(self._bot_id, symbol), keys.size_of(picture))
            multi.set(keys.position_alias(self._bot_id, symbol), keys.size_of(picture))
            multi.delete(name)
            multi.hset(name, mapping=details)
            if picture.signed_size:
                multi.sadd(keys.open_positions(self._bot_id), symbol)
            else:
                multi.srem(keys.open_positions(self._bot_id), symbol)
            await multi.execute()

    async def show_equity(self, fields: keys.Fields) -> None:
        async with self._redis() as redis:
            await redis.hset(keys.equity(self._bot_id), mapping=_encodable(fields))

    async def beat(self) -> None:
        async with self._redis() as redis:
            name, now = keys.heartbeat(self._bot_id), self._clock.now_ms()
            await redis.set(name, now, ex=HEARTBEAT_TTL_S)

    async def close(self) -> None:
        redis, self._connected = self._connected, None
        if redis is not None:
            await redis.aclose()

    # -- inside -------------------------------------------------------------------------------

    @asynccontextmanager
    async def _redis(self) -> AsyncIterator[Redis]:
        if self._connected is None:
            self._connected = await self._connect()
        try:
            yield self._connected
        except (RedisError, OSError) as error:
            raise TimedOut(
                f"expected Redis to answer, was {type(error).__name__}; the same call may be made "
                f"again"
            ) from error

    async def _expect_database(self, redis: Redis) -> None:
        try:
            await expect_database(self._url, self._database)
        except ConfigError:
            await redis.aclose()
            raise

    async def _connect(self) -> Redis:
        redis = open_redis(self._url, self._database)
        until, pause = self._clock.monotonic() + self._wait_s, 0.1
        while True:
            try:
                await redis.set(keys.MODE, self._mode, nx=True)
                found = await redis.get(keys.MODE)
            except (RedisError, OSError) as error:
                if lacks_database(error):
                    await self._expect_database(redis)
                if self._clock.monotonic() + pause > until:
                    await redis.aclose()
                    raise TimedOut(
                        f"expected Redis to answer within {self._wait_s:.0f} s, was "
                        f"{type(error).__name__}; start it or correct [redis] url"
                    ) from error
                await self._clock.sleep(pause)
                pause = min(pause * 2, 2.0)
            else:
                break
        if found != self._mode:
            await redis.aclose()
            raise ConfigError(
                f"redis.url: expected a Redis of mode {self._mode}, was one of mode {found!s}"
            )
        return redis


def _encodable(fields: keys.Fields) -> dict[Encodable, Encodable]:
    return {name: value for name, value in fields.items()}
