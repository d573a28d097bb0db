"""The library's face: the books and the live picture of one bot, for scripts and notebooks.

    async with AlphaDB(bot_id="shortseller_001") as db:
        print(await db.get_daily_pnl(), await db.get_recent_fills(5))

Reads work for everyone and at any time. Writes are for bots without a daemon, in a paper database:
fills of a real exchange come from the exchange alone, and while a daemon holds the account it is
the only writer.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from contextlib import AsyncExitStack
from datetime import datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from types import TracebackType

import asyncpg
import structlog

from alpha.clock import Clock, SystemClock, iso
from alpha.config import Config, load
from alpha.control.databases import is_migrated, stores
from alpha.core.events import Execution, Side
from alpha.core.ids import BOT_ID
from alpha.core.performance import DAY_MS
from alpha.core.records import MANUAL
from alpha.errors import ConfigError, NeedsOperator, NotFound
from alpha.facade.live import LivePicture
from alpha.facade.values import (
    LIBRARY,
    Number,
    Row,
    amount,
    expect_symbol,
    ms_of,
    new_execution,
    row_of,
    side_of,
    text,
    whole,
)
from alpha.ledger import registry
from alpha.ledger.booking import book_executions
from alpha.ledger.lease import LeaseHeld
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.queries import load as load_sql
from alpha.ledger.reader import LedgerReader
from alpha.ledger.stored import trimmed
from alpha.state import keys
from alpha.state.connection import expect_database
from alpha.state.picture import PositionPicture

#: Modes in which nobody but us makes fills.
WRITABLE = ("paper", "backtest")
#: Another script has the account for a moment only; a daemon keeps it.
_TURN_WITHIN_S = 10.0
_SQL = load_sql("library.sql")
_numbers = count(1)


class AlphaDB:
    """One bot's data. Reads settings like every command (`config`: a file's path, default
    `./config.toml`; environment; `mode`), and starts or joins the servers of the data directory
    where no addresses are configured.

    `redis_db`: default that of the bot. `account`: makes a bot that the database does not know yet
    (paper only), on an account of its own. Connecting is tried again for `wait_s` seconds.

    Raises NotFound for an unknown bot, ConfigError for settings that are wrong, such as a database
    that the Redis server does not have, TimedOut when a server does not answer."""

    def __init__(
        self,
        bot_id: str,
        redis_db: int | None = None,
        *,
        account: str | None = None,
        config: Path | str | None = None,
        mode: str | None = None,
        postgres_url: str | None = None,
        redis_url: str | None = None,
        wait_s: float = 30.0,
        clock: Clock | None = None,
    ) -> None:
        if not BOT_ID.fullmatch(text("bot_id", bot_id)) or bot_id == MANUAL:
            raise ConfigError(f"expected a bot id of 1 to 20 of a-z, 0-9 and _, was {bot_id!r}")
        self.bot_id = bot_id
        self.account = account or ""
        self._account_to_make = account
        self._redis_db = None if redis_db is None else whole("redis_db", redis_db, 0)
        self._config = None if config is None else Path(config)
        given = {"mode": mode, "postgres.url": postgres_url, "redis.url": redis_url}
        self._given = {key: value for key, value in given.items() if value is not None}
        self._wait_s = wait_s
        self._clock = clock or SystemClock()
        self._holder = f"{LIBRARY} of pid {os.getpid()}, {next(_numbers)}"
        self._mode = ""
        self._turn = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._opened: Pool | None = None
        self._picture: LivePicture | None = None

    async def __aenter__(self) -> AlphaDB:
        if not structlog.is_configured():
            _log_what_is_wrong()
        config = load(self._config, os.environ, self._given)
        async with AsyncExitStack() as stack:
            found = await stack.enter_async_context(stores(config, self._clock, redis=True))
            pooler = True if found.postgres != found.postgres_direct else None
            pool = await open_pool(
                found.postgres, clock=self._clock, max_size=4, wait_s=self._wait_s, pooler=pooler
            )
            stack.push_async_callback(pool.close)
            if not await is_migrated(pool):
                raise NeedsOperator(
                    "expected a database of Alpha's, was an empty one; run alpha db migrate, or "
                    "start the daemon once"
                )
            await self._find_bot(pool, config, found.redis)
            picture = LivePicture(
                found.redis,
                self._redis_db or 0,
                bot_id=self.bot_id,
                mode=self._mode,
                clock=self._clock,
                wait_s=self._wait_s,
            )
            stack.push_async_callback(picture.close)
            self._opened, self._picture = pool, picture
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened = self._picture = None
        await self._stack.aclose()

    # -- the books ----------------------------------------------------------------------------

    async def write_fill(
        self,
        *,
        symbol: str,
        side: Side,
        exec_price: Number,
        exec_qty: Number,
        commission: Number = 0,
        exec_time: datetime | None = None,
        close_reason: str | None = None,
        order_id: str = "",
        client_order_id: str = "",
        exec_id: str = "",
    ) -> int:
        """Books a fill of this bot, with everything that follows from it: lots, round trips,
        positions. Returns the id of its row in `trading.fills`, > 0; for one that is there already
        the id that it has.

        `commission`: > 0 paid. `exec_time`: aware, default now. `close_reason`: why the order was
        sent, where no `client_order_id` (`bot:reason:unix_ms`, or the form on the wire) says it.
        `exec_id` names the fill for ever; left out, it follows from all the rest.

        Raises NeedsOperator in a database of a real exchange and while a daemon has the account,
        ConfigError for values that make no fill."""
        if self._mode not in WRITABLE:
            raise NeedsOperator(
                f"expected a database of mode {' or '.join(WRITABLE)} to write fills into, was one "
                f"of mode {self._mode}: its fills come from the exchange alone; set mode = "
                f'"paper", or import history with alpha import'
            )
        row = new_execution(
            self.bot_id,
            self.account,
            symbol=symbol,
            side=side,
            price=amount("exec_price", exec_price),
            qty=amount("exec_qty", exec_qty),
            fee=amount("commission", commission, signed=True),
            at_ms=ms_of(exec_time) if exec_time is not None else self._clock.now_ms(),
            received_ms=self._clock.now_ms(),
            reason=close_reason,
            order_id=order_id,
            link_id=client_order_id,
            exec_id=exec_id,
        )
        if not await self._is_known(row):
            await self._expect_past(row.exec_time)
            async with self._turn:
                await self._book(row)
        found = await self._pool.fetchval(
            _SQL["fill_id"], self.account, symbol, row.exec_id, self.bot_id
        )
        if found is None:
            raise NeedsOperator(
                f"expected execution {row.exec_id} of {symbol} to be {self.bot_id}'s, was given to "
                f"somebody else; see alpha fills"
            )
        return int(found)

    async def get_recent_fills(self, limit: int = 10, symbol: str | None = None) -> list[Row]:
        """The newest fills, newest first, in the columns of `trading.fills`."""
        if symbol is not None:
            expect_symbol(symbol)
        limit = whole("limit", limit, 0)
        rows = await self._pool.fetch(_SQL["recent_fills"], self.bot_id, symbol, limit)
        return [row_of(row) for row in rows]

    async def get_daily_pnl(self, days: int = 1) -> Decimal:
        """USDT of the round trips that ended on the last `days` UTC days, today included: net of
        all their fees, with their share of funding. An open position counts nothing. Today is the
        exchange's; in paper mode the day of the account's newest execution. Imported ones count."""
        days = whole("days", days, 1, 36_500)
        found = await self._pool.fetchval(_SQL["pnl_of_days"], self.bot_id, self.account, days)
        return trimmed(found)

    async def get_trade_count_today(self) -> int:
        """Entry orders that have filled on this UTC day, as in `get_daily_pnl`."""
        return int(await self._pool.fetchval(_SQL["trades_today"], self.bot_id, self.account))

    # -- the live picture ---------------------------------------------------------------------

    async def get_position_redis(self, symbol: str) -> dict[str, str] | None:
        """The fields of `position:{bot}:{symbol}:details` (docs/redis.md); None for a symbol in
        which the bot never held anything. Raises TimedOut when Redis does not answer."""
        expect_symbol(symbol)
        return await self._live.position(symbol) or None

    async def update_position_redis(
        self,
        symbol: str,
        *,
        size: Number,
        side: Side,
        avg_price: Number | None = None,
        unrealized_pnl: Number | None = None,
        mark_price: Number | None = None,
    ) -> None:
        """Shows a position of this bot: `size` without sign, 0 when flat. Raises NeedsOperator
        while a daemon has the account, TimedOut when Redis does not answer."""
        await self._expect_free()
        expect_symbol(symbol)
        signed = amount("size", size, zero=True) * (1 if side_of(side) == "Buy" else -1)
        picture = PositionPicture(
            signed,
            avg_price=None if avg_price is None else amount("avg_price", avg_price),
            unrealised_pnl=None
            if unrealized_pnl is None
            else amount("unrealized_pnl", unrealized_pnl, signed=True),
            mark_price=None if mark_price is None else amount("mark_price", mark_price),
            last_update=iso(self._clock.now_ms()),
            source=LIBRARY,
        )
        await self._live.show_position(symbol, picture)

    async def update_heartbeat(self) -> None:
        """The bot is alive: in the registry, and in Redis for 15 s. Raises NeedsOperator while a
        daemon has the account."""
        if await self._pool.fetchval(_SQL["heartbeat"], self.bot_id, self.account) is None:
            await self._refuse()
        await self._live.beat()

    async def update_equity(
        self,
        equity: Number,
        *,
        balance: Number | None = None,
        available: Number | None = None,
        unrealized_pnl: Number | None = None,
    ) -> None:
        """USDT that the bot is worth now, in the registry and in `equity:{bot}`. Raises
        NeedsOperator while a daemon has the account."""
        worth = amount("equity", equity, signed=True)
        rest = {"balance": balance, "available": available, "upnl": unrealized_pnl}
        fields = {"equity": keys.plain(worth)} | {
            name: "" if value is None else keys.plain(amount(name, value, signed=True))
            for name, value in rest.items()
        }
        if await self._pool.fetchval(_SQL["equity"], self.bot_id, self.account, worth) is None:
            await self._refuse()
        await self._live.show_equity({**fields, "ts": str(self._clock.now_ms())})

    # -- inside: the bot ----------------------------------------------------------------------

    @property
    def _pool(self) -> Pool:
        if self._opened is None:
            raise RuntimeError("expected `async with AlphaDB(...)` around this call, was none")
        return self._opened

    @property
    def _live(self) -> LivePicture:
        if self._picture is None:
            raise RuntimeError("expected `async with AlphaDB(...)` around this call, was none")
        return self._picture

    async def _find_bot(self, pool: Pool, config: Config, redis_url: str) -> None:
        found = await pool.fetchrow(_SQL["bot"], self.bot_id)
        if found is None:
            if self._account_to_make is None:
                raise NotFound(
                    f"expected a bot of this database, was {self.bot_id!r}; see alpha bots list, "
                    f"or name an account to make one on"
                )
            if self._redis_db:  # it is kept with the bot
                await expect_database(redis_url, self._redis_db)
            await self._make_bot(pool, config, self._account_to_make)
            found = await pool.fetchrow(_SQL["bot"], self.bot_id)
            if found is None:
                raise AssertionError(f"expected {self.bot_id} to be made, was not")
        elif self._account_to_make not in (None, found["account"]):
            raise ConfigError(
                f"expected account {found['account']} of {self.bot_id}, was {self._account_to_make}"
            )
        self.account, self._mode = found["account"], found["mode"]
        if self._redis_db is None:
            self._redis_db = int(found["redis_db"])

    async def _make_bot(self, pool: Pool, config: Config, account: str) -> None:
        """What an account's bots are decides whose its executions are: so an account of others is
        left alone."""
        mode = await pool.fetchval(_SQL["account_mode"], account) or config.mode
        if mode not in WRITABLE:
            raise NeedsOperator(
                f"expected mode {' or '.join(WRITABLE)} to make a bot in, was {mode}; bots of an "
                f"exchange are made by their daemon"
            )
        others = await pool.fetch(_SQL["other_bots"], account, self.bot_id)
        if others:
            raise ConfigError(
                f"expected an account of {self.bot_id}'s own, was {account} of "
                f"{', '.join(row['bot_id'] for row in others)}; name another"
            )
        entry = registry.BotEntry(
            self.bot_id, account, self.bot_id, LIBRARY, mode, redis_db=self._redis_db or 0
        )
        await registry.register(pool, [registry.AccountEntry(account, mode)], [entry])

    async def _expect_free(self) -> None:
        if await self._pool.fetchval(_SQL["holder"], self.account) is not None:
            await self._refuse()

    async def _refuse(self) -> None:
        holder = await self._pool.fetchval(_SQL["holder"], self.account)
        raise NeedsOperator(
            f"expected account {self.account} to be free, was held by {holder or 'a daemon'}, "
            f"which alone writes for its bots; stop it first, or use a database of your own"
        )

    # -- inside: fills ------------------------------------------------------------------------

    async def _is_known(self, row: Execution) -> bool:
        """Whether it is in the ledger; another one of the same name is an error."""
        found = await self._pool.fetchrow(_SQL["execution"], self.account, row.symbol, row.exec_id)
        if found is None:
            return False
        is_same = (found["side"], found["price"], found["qty"], found["fee"]) == (
            row.side,
            row.price,
            row.qty,
            row.fee,
        )
        if not is_same:
            raise ConfigError(
                f"expected exec_id {row.exec_id} to be {found['side']} {trimmed(found['qty'])} at "
                f"{trimmed(found['price'])} as it was booked, was {row.side} {row.qty} at "
                f"{row.price}; a fill keeps its name"
            )
        return True

    async def _expect_past(self, at_ms: int) -> None:
        """The newest execution decides what day it is, for all bots and for ever. In paper mode the
        market may be ahead of this clock."""
        if at_ms <= self._clock.now_ms() + DAY_MS:
            return
        newest = await LedgerReader(self._pool).newest_ms()
        if newest is None or at_ms > newest + DAY_MS:
            raise ConfigError(
                f"expected exec_time at most a day after now, or after the newest execution of the "
                f"database, was {iso(at_ms)}; correct it: a fill is booked for ever"
            )

    async def _book(self, row: Execution) -> None:
        until = self._clock.monotonic() + _TURN_WITHIN_S
        while True:
            try:
                await book_executions(
                    self._pool,
                    self.account,
                    [row],
                    holder=self._holder,
                    installation=f"{LIBRARY} {socket.gethostname()}",
                    clock=self._clock,
                )
            except (LeaseHeld, asyncpg.LockNotAvailableError):
                holder = await self._pool.fetchval(_SQL["holder"], self.account)
                is_daemon = holder is not None and not holder.startswith(LIBRARY)
                if is_daemon or self._clock.monotonic() > until:
                    await self._refuse()
                await self._clock.sleep(0.02)
            else:
                return


def _log_what_is_wrong() -> None:
    """For a script that has not set up its log: its output stays its own."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
