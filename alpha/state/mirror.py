"""The Redis mirror: the live picture for readers outside, written after every change.

Redis is never waited for and never believed. Changes only mark a bot; a task writes the newest
picture of each marked bot, one MULTI per bot in the bot's own database. Every five seconds a run
token is read in each database: a missing or foreign one means that Redis was wiped, or written
by somebody else, and everything is written again. Redis being away is counted and logged once.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from alpha.clock import Clock
from alpha.errors import ConfigError
from alpha.state import keys
from alpha.state.picture import BotPicture, MarketPicture

log = structlog.get_logger(__name__)

HEARTBEAT_EVERY_S = 5.0
RETRY_S = 0.5
#: Messages for subscribers that are kept while Redis is away; older ones are dropped.
MAX_MESSAGES = 1_000
#: What redis-py takes as a key or a value.
Encodable: TypeAlias = "bytes | bytearray | memoryview[int] | str | int | float"
_AWAY = (RedisError, OSError, TimeoutError)


class Mirror:
    """`pictures` returns the present picture of a bot, `market` that of the market; both are
    called when something is written, never before."""

    def __init__(
        self,
        url: str,
        *,
        mode: str,
        token: str,
        bots: Mapping[str, int],
        clock: Clock,
        pictures: Callable[[str], BotPicture],
        market: Callable[[], MarketPicture],
    ) -> None:
        self._mode = mode
        self._token = token
        self._bots = dict(bots)  # bot id -> database
        self._clock = clock
        self._pictures = pictures
        self._market = market
        self._connections = {
            db: Redis.from_url(
                url, db=db, decode_responses=True, socket_timeout=2.0, socket_connect_timeout=2.0
            )
            for db in {0, *bots.values()}
        }
        self._marked: dict[str, None] = {}
        self._market_marked = False
        self._messages: deque[tuple[str, str]] = deque(maxlen=MAX_MESSAGES)
        self._wake = asyncio.Event()
        self._beat_at = 0.0
        self._known: dict[str, set[str]] = {bot: set() for bot in bots}  # symbols ever shown
        self._orders: dict[str, set[str]] = {bot: set() for bot in bots}
        self.away_since: float | None = None
        self.rewrites = 0
        self.failures = 0

    # -- what the daemon says -----------------------------------------------------------------

    def mark(self, bot_id: str) -> None:
        """Something of the bot has changed."""
        if bot_id in self._bots:
            self._marked[bot_id] = None
            self._wake.set()

    def mark_market(self) -> None:
        self._market_marked = True
        self._wake.set()

    def publish(self, channel: str, message: Mapping[str, object]) -> None:
        """Tells subscribers; the message goes out with the next write."""
        self._messages.append((channel, json.dumps(message, default=str)))
        self._wake.set()

    @property
    def healthy(self) -> bool:
        return self.away_since is None

    # -- start and stop -----------------------------------------------------------------------

    async def connect(self) -> None:
        """Checks that this Redis is this mode's. Raises ConfigError when it is another's;
        a Redis that is away is not an error: it is written when it comes."""
        redis = self._connections[0]
        try:
            await redis.set(keys.MODE, self._mode, nx=True)
            found = await redis.get(keys.MODE)
            policy = (await redis.config_get("maxmemory-policy")).get("maxmemory-policy")
        except _AWAY as error:
            self._failed(error)
            return
        if str(found) != self._mode:
            raise ConfigError(
                f"redis.url: expected a Redis of mode {self._mode}, was one of mode {found!s}; "
                f"give each mode a Redis of its own"
            )
        if policy not in (None, "noeviction"):
            log.warning("redis_may_evict", policy=policy, expected="noeviction")

    async def run(self) -> None:
        """Writes until cancelled."""
        await self._rewrite_all()
        while True:
            try:
                async with asyncio.timeout(max(self._beat_at - self._clock.monotonic(), 0.01)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if self.away_since is not None:
                await self._clock.sleep(RETRY_S)
                await self._rewrite_all()
                continue
            try:
                await self._write_marked()
                if self._clock.monotonic() >= self._beat_at:
                    await self._beat()
            except _AWAY as error:
                self._failed(error)

    async def close(self) -> None:
        for redis in self._connections.values():
            await redis.aclose()

    # -- writing ------------------------------------------------------------------------------

    async def _write_marked(self) -> None:
        while self._marked:
            bot_id = next(iter(self._marked))
            del self._marked[bot_id]
            await self._write_bot(bot_id)
        if self._market_marked or self._messages:
            self._market_marked = False
            await self._write_globals()

    async def _write_bot(self, bot_id: str) -> None:
        picture = self._pictures(bot_id)
        async with self._connections[picture.redis_db].pipeline(transaction=True) as multi:
            self._put_positions(multi, picture)
            self._put_orders(multi, picture)
            now = self._clock.now_ms()
            multi.hset(keys.equity(bot_id), mapping=_fields(keys.equity_of(picture, now)))
            multi.hset(keys.bot_state(bot_id), mapping=_fields(keys.state_of(picture)))
            multi.hset(keys.bot_metrics(bot_id), mapping=_fields(keys.metrics_of(picture)))
            multi.set(keys.heartbeat(bot_id), now, ex=int(3 * HEARTBEAT_EVERY_S))
            await multi.execute()

    def _put_positions(self, multi: Pipeline, picture: BotPicture) -> None:
        bot_id, known = picture.bot_id, self._known[picture.bot_id]
        known.update(picture.positions)
        multi.delete(keys.open_positions(bot_id))
        for symbol in sorted(known):
            shown = picture.positions.get(symbol)
            size = "0" if shown is None else keys.size_of(shown)
            multi.set(keys.position(bot_id, symbol), size)
            multi.set(keys.position_alias(bot_id, symbol), size)
            details = keys.position_details(bot_id, symbol)
            if shown is None:
                multi.delete(details)
                multi.hset(
                    details, mapping=_fields({"size": "0", "signed_size": "0", "side": "None"})
                )
            else:
                multi.hset(details, mapping=_fields(keys.details_of(shown)))
            if size != "0":
                multi.sadd(keys.open_positions(bot_id), symbol)

    def _put_orders(self, multi: Pipeline, picture: BotPicture) -> None:
        bot_id = picture.bot_id
        live = {order.order_id for order in picture.orders}
        multi.delete(keys.open_orders(bot_id))
        for gone in self._orders[bot_id] - live:
            multi.delete(keys.order(bot_id, gone))
        for order in picture.orders:
            name = keys.order(bot_id, order.order_id)
            multi.hset(name, mapping=_fields(keys.order_of(order)))
            multi.expire(name, keys.ORDER_TTL_S)
            multi.sadd(keys.open_orders(bot_id), order.order_id)
        self._orders[bot_id] = live

    async def _write_globals(self) -> None:
        market = self._market()
        async with self._connections[0].pipeline(transaction=True) as multi:
            for symbol, last in market.prices.items():
                multi.hset(keys.price(symbol), mapping=_fields(keys.price_of(last, market)))
                multi.expire(keys.price(symbol), keys.PRICE_TTL_S)
            for bar in market.candles:
                name = keys.candle(bar.symbol, bar.interval_ms)
                multi.hset(name, mapping=_fields(keys.candle_of(bar)))
                multi.pexpire(name, 2 * bar.interval_ms)
            while self._messages:
                multi.publish(*self._messages.popleft())
            multi.set(keys.HEARTBEAT, self._clock.now_ms(), ex=int(3 * HEARTBEAT_EVERY_S))
            await multi.execute()

    # -- wiped, replaced, away ----------------------------------------------------------------

    async def _beat(self) -> None:
        """Reads the run token everywhere; rewrites all where it is not ours."""
        self._beat_at = self._clock.monotonic() + HEARTBEAT_EVERY_S
        for db, redis in self._connections.items():
            if await redis.get(keys.RUN_TOKEN) != self._token:
                log.warning("redis_rewritten", database=db)
                await self._rewrite_all()
                return
        for bot_id, db in self._bots.items():
            await self._connections[db].set(
                keys.heartbeat(bot_id), self._clock.now_ms(), ex=int(3 * HEARTBEAT_EVERY_S)
            )
        self._market_marked = True
        await self._write_globals()

    async def _rewrite_all(self) -> None:
        """Everything again, with what an earlier run left set to its present value."""
        try:
            await self._connections[0].set(keys.MODE, self._mode, nx=True)
            for bot_id, db in self._bots.items():
                await self._learn(bot_id, self._connections[db])
                await self._write_bot(bot_id)
            await self._write_globals()
            for redis in self._connections.values():
                await redis.set(keys.RUN_TOKEN, self._token)
        except _AWAY as error:
            self._failed(error)
            return
        self._marked.clear()
        self.rewrites += 1
        self._beat_at = self._clock.monotonic() + HEARTBEAT_EVERY_S
        if self.away_since is not None:
            log.info("redis_back", seconds=self._clock.monotonic() - self.away_since)
            self.away_since = None

    async def _learn(self, bot_id: str, redis: Redis) -> None:
        """What stands there from before: positions closed while nobody wrote become 0."""
        prefix = keys.position(bot_id, "")
        async for name in redis.scan_iter(match=f"{prefix}*", count=500):
            symbol = str(name).removeprefix(prefix)
            if ":" not in symbol:
                self._known[bot_id].add(symbol)
        prefix = keys.order(bot_id, "")
        async for name in redis.scan_iter(match=f"{prefix}*", count=500):
            self._orders[bot_id].add(str(name).removeprefix(prefix))

    def _failed(self, error: BaseException) -> None:
        self.failures += 1
        if self.away_since is None:
            self.away_since = self._clock.monotonic()
            log.error("redis_away", error=f"{type(error).__name__}: {error}")
        self._wake.set()


async def read_positions(url: str, bots: Mapping[str, int]) -> dict[tuple[str, str], Decimal]:
    """Signed sizes as Redis shows them, by (bot id, symbol); flat ones are left out."""
    shown: dict[tuple[str, str], Decimal] = {}
    for bot_id, db in bots.items():
        redis = Redis.from_url(url, db=db, decode_responses=True, socket_timeout=5.0)
        try:
            for symbol in await _symbols(redis, bot_id):
                found = await redis.hget(keys.position_details(bot_id, symbol), "signed_size")
                if found and Decimal(str(found)):
                    shown[(bot_id, symbol)] = Decimal(str(found))
        finally:
            await redis.aclose()
    return shown


async def _symbols(redis: Redis, bot_id: str) -> Iterable[str]:
    return sorted(str(symbol) for symbol in await redis.smembers(keys.open_positions(bot_id)))


def _fields(fields: Mapping[str, str]) -> dict[Encodable, Encodable]:
    """The mapping type that the client's signature asks for: its keys are invariant."""
    return {name: value for name, value in fields.items()}
