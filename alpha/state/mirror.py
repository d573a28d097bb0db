"""The Redis mirror: the live picture for readers outside, written after every change.

Redis is never waited for and never believed. Changes only mark a bot; a task writes the newest
picture of each marked bot, one MULTI per bot in the bot's own database. Each MULTI leaves a
numbered run token behind; every five seconds the tokens are read, and one that is missing, older
than ours or somebody else's means that Redis was wiped, has lost writes in a crash, or was
written by another: everything is written again. Redis being away is counted and logged once.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TypeAlias

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError, ResponseError

from alpha.alerts import Alerts
from alpha.clock import Clock
from alpha.errors import ConfigError
from alpha.state import keys
from alpha.state.connection import expect_database, lacks_database, open_redis
from alpha.state.picture import BotPicture, MarketPicture, PositionPicture

log = structlog.get_logger(__name__)

HEARTBEAT_EVERY_S = 5.0
HEARTBEAT_TTL_S = 15
RETRY_S = 0.5
CLOSE_WITHIN_S = 1.0
#: Messages for subscribers that are kept while Redis is away; older ones are dropped.
MAX_MESSAGES = 1_000
#: What redis-py takes as a key or a value.
Encodable: TypeAlias = "bytes | bytearray | memoryview[int] | str | int | float"
_AWAY = (RedisError, OSError, TimeoutError)
_FLAT = PositionPicture(Decimal(0))


class Mirror:
    """`pictures` returns the present picture of a bot, `market` that of the market; both are
    called when something is written, never before. `bots` maps their ids to databases. `owner`
    names the accounts: daemons of others may write to the same Redis."""

    def __init__(
        self,
        url: str,
        *,
        mode: str,
        owner: str,
        token: str,
        bots: Mapping[str, int],
        clock: Clock,
        pictures: Callable[[str], BotPicture],
        market: Callable[[], MarketPicture],
        alerts: Alerts | None = None,
    ) -> None:
        self._alerts = alerts or Alerts(clock)
        self._url = url
        self._mode = mode
        self._token = token
        self._token_key = keys.run_token(owner)
        self._bots = dict(bots)
        self._clock = clock
        self._pictures = pictures
        self._market = market
        self._connections = {db: open_redis(url, db) for db in sorted({0, *bots.values()})}
        #: Per database, the number of the last MULTI that is known to be written.
        self._written = dict.fromkeys(self._connections, 0)
        self._marked: dict[str, None] = {}
        self._market_marked = False
        self._messages: deque[tuple[str, str]] = deque(maxlen=MAX_MESSAGES)
        self._wake = asyncio.Event()
        self._beat_at = 0.0
        self._rewriting = False
        self._lost = False  # a write has found that another token stood there
        self._is_ours = False
        #: Per bot, what each symbol ever shown stands at in Redis; None: not known.
        self._shown: dict[str, dict[str, keys.Fields | None]] = {bot: {} for bot in bots}
        self._orders: dict[str, set[str]] = {bot: set() for bot in bots}
        self.away_since: float | None = None
        self.away_why = ""
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

    def rewrite(self) -> None:
        """Has everything written again, soon: what stands there may have been changed by others,
        and no token shows that."""
        self._lost, self._beat_at = True, 0.0
        self._wake.set()

    def publish(self, channel: str, message: Mapping[str, object]) -> None:
        """Tells subscribers with the next write. Where that write was in doubt (Redis went away
        in the middle of it) they are told again."""
        self._messages.append((channel, json.dumps(message, default=_as_text)))
        self._wake.set()

    @property
    def healthy(self) -> bool:
        return self.away_since is None

    # -- start and stop -----------------------------------------------------------------------

    async def connect(self) -> None:
        """Checks that this Redis is this mode's. Raises ConfigError when it is another's, or has no
        database of such a number; a Redis that is away is not an error: it is written when it
        comes."""
        try:
            await self._claim()
        except _AWAY as error:
            if lacks_database(error):
                for db in self._connections:
                    await expect_database(self._url, db)
            self._failed(error)
            return
        try:
            answer = await self._connections[0].config_get("maxmemory-policy")
        except _AWAY as error:
            log.info("redis_policy_not_told", error=type(error).__name__)
            return
        policy = answer.get("maxmemory-policy")
        if policy not in (None, "noeviction"):
            log.warning("redis_may_evict", policy=policy, expected="noeviction")

    async def run(self) -> None:
        """Writes until cancelled. Raises ConfigError when a Redis that comes late, or comes
        back, belongs to another mode."""
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

    async def close(self, *, silently: bool = False) -> None:
        """Writes what is marked, if Redis takes it soon, and disconnects. `run` has ended.
        `silently`: nothing is written, another daemon shows these bots now."""
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                if self.healthy and self._is_ours and not silently:
                    await self._write_marked()
        except _AWAY as error:
            self._failed(error)
        for redis in self._connections.values():
            await redis.aclose()

    async def _claim(self) -> None:
        """Marks every database that we use as this mode's, or finds that it is another's."""
        self._is_ours = False
        for db, redis in self._connections.items():
            await redis.set(keys.MODE, self._mode, nx=True)
            found = await redis.get(keys.MODE)
            if found is not None and str(found) != self._mode:
                raise ConfigError(
                    f"redis.url: expected a Redis of mode {self._mode}, was one of mode "
                    f"{found!s} (database {db}, key {keys.MODE}); give each mode a Redis of "
                    f"its own"
                )
        self._is_ours = True

    # -- writing ------------------------------------------------------------------------------

    @asynccontextmanager
    async def _multi(self, db: int) -> AsyncIterator[Pipeline]:
        """One MULTI that ends with the run token; on leaving it is written, or has raised. It
        looks at the token that it replaces: one that is not the last we wrote, or gone, means
        that this Redis has lost something, which the token just written would hide."""
        number = self._written[db] + 1
        async with self._connections[db].pipeline(transaction=True) as multi:
            yield multi
            multi.get(self._token_key)
            multi.set(self._token_key, self._numbered(number))
            *answers, found, last = await multi.execute(raise_on_error=False)
        for answer in (*answers, last):
            if isinstance(answer, Exception):
                raise answer
        expected, self._written[db] = self._numbered(number - 1), number
        if found != expected and not self._rewriting:
            self._lost = True
            self._beat_at = self._clock.monotonic()

    def _numbered(self, number: int) -> str:
        return f"{self._token}:{number}"

    async def _write_marked(self) -> None:
        while self._marked:
            bot_id = next(iter(self._marked))
            del self._marked[bot_id]
            await self._write_bot(bot_id)
        if self._market_marked or self._messages:
            await self._write_globals()

    async def _write_bot(self, bot_id: str) -> None:
        picture, db = self._pictures(bot_id), self._bots[bot_id]
        now = self._clock.now_ms()
        async with self._multi(db) as multi:
            shown = self._put_positions(multi, picture)
            self._put_orders(multi, picture)
            _put(multi, keys.equity(bot_id), keys.equity_of(picture, now))
            _put(multi, keys.bot_state(bot_id), keys.state_of(picture))
            _put(multi, keys.bot_metrics(bot_id), keys.metrics_of(picture))
            multi.set(keys.heartbeat(bot_id), now, ex=HEARTBEAT_TTL_S)
        self._shown[bot_id].update(shown)
        self._orders[bot_id] = {order.order_id for order in picture.orders}

    def _put_positions(self, multi: Pipeline, picture: BotPicture) -> dict[str, keys.Fields]:
        """Every symbol that has changed, or whose value in Redis is not known; flat is "0"."""
        bot_id, known = picture.bot_id, self._shown[picture.bot_id]
        changed: dict[str, keys.Fields] = {}
        for symbol in sorted({*known, *picture.positions}):
            position = picture.positions.get(symbol, _FLAT)
            details = keys.details_of(position)
            if known.get(symbol) == details:
                continue
            changed[symbol] = details
            multi.set(keys.position(bot_id, symbol), details["size"])
            multi.set(keys.position_alias(bot_id, symbol), details["size"])
            _put(multi, keys.position_details(bot_id, symbol), details)
        multi.delete(keys.open_positions(bot_id))
        held = sorted(name for name, one in picture.positions.items() if one.signed_size)
        if held:
            multi.sadd(keys.open_positions(bot_id), *held)
        return changed

    def _put_orders(self, multi: Pipeline, picture: BotPicture) -> None:
        bot_id = picture.bot_id
        live = {order.order_id for order in picture.orders}
        multi.delete(keys.open_orders(bot_id))
        for gone in self._orders[bot_id] - live:
            multi.delete(keys.order(bot_id, gone))
        for order in picture.orders:
            name = keys.order(bot_id, order.order_id)
            _put(multi, name, keys.order_of(order))
            multi.expire(name, keys.ORDER_TTL_S)
            multi.sadd(keys.open_orders(bot_id), order.order_id)

    async def _write_globals(self) -> None:
        messages = tuple(self._messages)
        with_market, self._market_marked = self._market_marked, False
        async with self._multi(0) as multi:
            if with_market:
                self._put_market(multi)
            for channel, text in messages:
                multi.publish(channel, text)
            multi.set(keys.HEARTBEAT, self._clock.now_ms(), ex=HEARTBEAT_TTL_S)
        for message in messages:  # those that a full queue has not pushed out meanwhile
            if self._messages and self._messages[0] is message:
                self._messages.popleft()

    def _put_market(self, multi: Pipeline) -> None:
        market = self._market()
        for symbol, last in market.prices.items():
            _put(multi, keys.price(symbol), keys.price_of(last, market))
            multi.expire(keys.price(symbol), keys.PRICE_TTL_S)
        for bar in market.candles:
            name = keys.candle(bar.symbol, bar.interval_ms)
            _put(multi, name, keys.candle_of(bar))
            multi.pexpire(name, 2 * bar.interval_ms)

    # -- wiped, replaced, away ----------------------------------------------------------------

    async def _beat(self) -> None:
        """Reads the run token everywhere; rewrites all where it is not the last we wrote."""
        for db, redis in self._connections.items():
            found = await _text_at(redis, self._token_key)
            if self._lost or found != self._numbered(self._written[db]):
                log.warning("redis_rewritten", database=db, found="none" if not found else "other")
                await self._rewrite_all()
                return
        self._beat_at = self._clock.monotonic() + HEARTBEAT_EVERY_S
        for bot_id, db in self._bots.items():
            await self._connections[db].set(
                keys.heartbeat(bot_id), self._clock.now_ms(), ex=HEARTBEAT_TTL_S
            )
        self._market_marked = True
        await self._write_globals()

    async def _rewrite_all(self) -> None:
        """Everything again, with what an earlier run left set to its present value."""
        self._beat_at = self._clock.monotonic() + HEARTBEAT_EVERY_S
        self._marked.clear()  # whatever changes from here on is marked again
        self._market_marked = True
        self._rewriting, self._lost = True, False
        try:
            await self._claim()
            for bot_id, db in self._bots.items():
                await self._learn(bot_id, self._connections[db])
                await self._write_bot(bot_id)
            await self._write_globals()
        except _AWAY as error:
            self._failed(error)
            return
        finally:
            self._rewriting = False
        self.rewrites += 1
        if self.away_since is not None:
            log.info("redis_back", seconds=round(self._clock.monotonic() - self.away_since, 3))
            self.away_since = None

    async def _learn(self, bot_id: str, redis: Redis) -> None:
        """What stands there from before: positions closed while nobody wrote become 0. Values
        are forgotten, so that each is written."""
        shown: dict[str, keys.Fields | None] = dict.fromkeys(self._shown[bot_id])
        for prefix in (keys.position(bot_id, ""), keys.position_alias(bot_id, "")):
            for rest in await _names(redis, prefix):
                shown[rest.removesuffix(":details")] = None
        self._shown[bot_id] = {symbol: None for symbol in shown if ":" not in symbol}
        self._orders[bot_id] |= set(await _names(redis, keys.order(bot_id, "")))

    def _failed(self, error: BaseException) -> None:
        self.failures += 1
        self.away_why = f"{type(error).__name__}: {error}"
        if self.away_since is None:
            self.away_since = self._clock.monotonic()
            self._alerts.tell(
                "redis_away",
                f"expected Redis to answer, was {self.away_why}; no entries until it does, exits "
                f"go on, nothing to do here once it is back",
                level="ERROR",
            )
        self._wake.set()


async def read_positions(url: str, bots: Mapping[str, int]) -> dict[tuple[str, str], Decimal]:
    """Signed sizes as Redis shows them, by (bot id, symbol); flat ones are left out. The number
    is the canonical key's, its sign that of the details."""
    shown: dict[tuple[str, str], Decimal] = {}
    for bot_id, db in bots.items():
        redis = open_redis(url, db, timeout_s=5.0)
        try:
            for symbol in await _names(redis, keys.position(bot_id, "")):
                if ":" in symbol:
                    continue
                async with redis.pipeline(transaction=True) as multi:
                    multi.get(keys.position(bot_id, symbol))
                    multi.hget(keys.position_details(bot_id, symbol), "side")
                    size, side = await multi.execute()
                if size and Decimal(str(size)):
                    shown[(bot_id, symbol)] = Decimal(str(size)) * (-1 if side == "Sell" else 1)
        finally:
            await redis.aclose()
    return shown


async def read_commits(url: str, bots: Mapping[str, int]) -> dict[str, str]:
    """The ledger's commit that each bot's picture shows, "" for one that is ahead of the ledger;
    bots of which nothing is shown are left out."""
    shown: dict[str, str] = {}
    for bot_id, db in bots.items():
        redis = open_redis(url, db, timeout_s=5.0)
        try:
            found = await redis.hget(keys.bot_state(bot_id), "commit_no")
            if found is not None:
                shown[bot_id] = str(found)
        finally:
            await redis.aclose()
    return shown


async def _names(redis: Redis, prefix: str) -> list[str]:
    """What follows the prefix in every key that has it, sorted."""
    found = {str(name) async for name in redis.scan_iter(match=f"{prefix}*", count=500)}
    return sorted(name.removeprefix(prefix) for name in found)


async def _text_at(redis: Redis, key: str) -> str | None:
    """A key of another type than text is somebody else's: it reads as absent."""
    try:
        found = await redis.get(key)
    except ResponseError as error:
        if "WRONGTYPE" not in str(error):
            raise
        return None
    return None if found is None else str(found)


def _put(multi: Pipeline, name: str, fields: keys.Fields) -> None:
    """A hash with exactly these fields, whatever stood there."""
    mapping: dict[Encodable, Encodable] = {field: value for field, value in fields.items()}
    multi.delete(name)
    multi.hset(name, mapping=mapping)


def _as_text(value: object) -> str:
    return keys.plain(value) if isinstance(value, Decimal) else str(value)
