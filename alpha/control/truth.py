"""Redis and the exchange as a verification asks them: read only, and with errors that say
"could not be asked" rather than "differs"."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal

import aiohttp
from redis.exceptions import RedisError

from alpha.bybit.endpoints import Endpoints, endpoints_for
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.clock import Clock
from alpha.config import Config
from alpha.errors import NotRunning, RetryLater
from alpha.installation import holder_of
from alpha.ledger.verify import MirrorPositions
from alpha.state.mirror import read_commits, read_positions


def mirror_reader(
    config: Config, url: str, commits: Callable[[], Awaitable[Mapping[str, int]]]
) -> MirrorPositions:
    """Signed sizes by (bot_id, symbol) of every configured bot.

    While a daemon runs, Redis follows the ledger by itself. After one was killed it may show a
    moment that was never committed, until the next start writes it again: then it cannot be
    compared. `commits` tells each account's newest commit."""
    databases = {bot.bot_id: bot.redis_db for bot in config.bots.values()}

    async def read() -> Mapping[tuple[str, str], Decimal]:
        try:
            if holder_of(config.data_dir) is None:
                await _require_same_commit(config, url, await commits())
            return await read_positions(url, databases)
        except RedisError as error:
            raise RetryLater(f"Redis could not be asked: {type(error).__name__}") from error

    return read


async def _require_same_commit(config: Config, url: str, commits: Mapping[str, int]) -> None:
    bots = {bot.bot_id: bot for bot in config.bots.values()}
    shown = await read_commits(url, {bot_id: bot.redis_db for bot_id, bot in bots.items()})
    for bot_id, commit_no in shown.items():
        newest = commits.get(bots[bot_id].account)
        if commit_no != str(newest):
            raise RetryLater(
                f"Redis shows {bot_id} at commit {commit_no or 'none yet'}, the ledger is at "
                f"{newest}; start the daemon, it writes Redis again"
            )


class RestTruth:
    """What the exchange says over REST, for accounts that have a key."""

    def __init__(self, clients: Mapping[str, Rest]) -> None:
        self.clients = clients

    async def executions(
        self, account: str, after_ms: int, until_ms: int
    ) -> Collection[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        async for rows in self._client(account).executions(after_ms + 1, until_ms):
            found.update(row.key for row in rows if after_ms < row.exec_time <= until_ms)
        return found

    async def positions(self, account: str) -> Mapping[str, Decimal]:
        rows = await self._client(account).positions()
        return {row.symbol: row.signed_size for row in rows if row.signed_size}

    def _client(self, account: str) -> Rest:
        client = self.clients.get(account)
        if client is None:
            raise RetryLater(f"account {account} has no API key in the settings")
        return client


@asynccontextmanager
async def exchange_reader(config: Config, clock: Clock) -> AsyncIterator[RestTruth | None]:
    """Asks the exchange of these settings; None when there is none to ask (the simulator of a
    daemon that has stopped)."""
    try:
        endpoints = _endpoints(config)
    except NotRunning:
        yield None
        return
    async with aiohttp.ClientSession() as session:
        yield RestTruth(
            {
                name: Rest(
                    endpoints,
                    Credentials(
                        account.api_key.get_secret_value(), account.api_secret.get_secret_value()
                    ),
                    account=name,
                    clock=clock,
                    limiter=Limiter(clock),
                    session=session,
                )
                for name, account in config.accounts.items()
                if account.api_key.get_secret_value()
            }
        )


def _endpoints(config: Config) -> Endpoints:
    given = config.exchange
    if config.mode != "paper":
        known = endpoints_for(config.mode)
    elif given.rest_url:
        known = Endpoints("", "", "", "")
    else:
        known = _simulator(config)
    return Endpoints(
        rest=given.rest_url or known.rest,
        public_ws=given.public_ws_url or known.public_ws,
        private_ws=given.private_ws_url or known.private_ws,
        trade_ws=given.trade_ws_url or known.trade_ws,
    )


def _simulator(config: Config) -> Endpoints:
    """Where the daemon's own simulator listens, while it does."""
    state = config.data_dir / "sim"
    if holder_of(state, "sim.lock") is None:
        raise NotRunning(f"expected a simulator on {state}, found none")
    try:
        ready = json.loads((state / "ready.json").read_text(encoding="ascii"))
        return Endpoints(
            rest=str(ready["rest"]),
            public_ws=str(ready["public_ws"]),
            private_ws=str(ready["private_ws"]),
            trade_ws=str(ready["trade_ws"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise NotRunning(f"expected {state}/ready.json to say where it listens") from error
