"""An account on a simulator over sockets, and its ledger: no daemon runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import aiohttp
import pytest

from alpha.alerts import Alerts
from alpha.bybit.endpoints import Endpoints
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.clock import SystemClock
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.registry import AccountEntry, BotEntry, register
from alpha.ledger.verify import VerifyResult, verify
from alpha.sync.account import AccountSync
from alpha.sync.stored import stored_accounts
from tests.sim.conftest import Start, http, start
from tests.sim.wire import Json, Venue

__all__ = ["http", "start"]

ACCOUNT, BOT = "main", "beat_001"
D = Decimal
CLOCK = SystemClock()


@dataclass
class Site:
    """One account's exchange and database."""

    venue: Venue
    rest: Rest
    pool: Pool
    dsn: str
    alerts: Alerts = field(default_factory=lambda: Alerts(CLOCK))

    @asynccontextmanager
    async def sync(self, most_rows: int | None = None) -> AsyncIterator[AccountSync]:
        """The account's sync, in a process of its own as it were; with `most_rows` it leaves out
        what a daemon's would."""
        async with stored_accounts(
            self.pool,
            {ACCOUNT: self.rest},
            [ACCOUNT],
            installation="here",
            clock=CLOCK,
            alerts=self.alerts,
            most_rows=most_rows,
            settle_s=0.3,
        ) as accounts:
            yield accounts[ACCOUNT]

    async def trade(self, side: str, qty: str, symbol: str = "ETHUSDT", **more: object) -> None:
        """A market order, filled; market time has gone on then."""
        await self.venue.create(symbol=symbol, side=side, orderType="Market", qty=qty, **more)
        await self.passed(1)

    async def passed(self, ms: int) -> None:
        """Until so much market time is over."""
        until = await self.rest.server_time() + ms
        while await self.rest.server_time() < until:
            await CLOCK.sleep(0.002)

    async def provoke(self, **event: object) -> Json:
        more = {"symbol": "ETHUSDT", "key": self.venue.key, **event}
        if event["event"] == "funding":
            more.pop("key")
        if event["event"] == "transfer":
            more.pop("symbol")
        answer = await self.venue.plain("/sim/provoke", more)
        assert answer["ok"] is True, answer
        return answer

    async def truth(self) -> set[str]:
        """Ids of everything that the exchange has executed."""
        now = await self.rest.server_time()
        found: set[str] = set()
        async for page in self.rest.executions(now - 6 * 86_400_000, now + 1_000):
            found.update(row.exec_id for row in page)
        return found

    async def ledger(self) -> set[str]:
        rows = await self.pool.fetch("SELECT exec_id FROM trading.executions")
        return {row["exec_id"] for row in rows}

    async def verified(self) -> VerifyResult:
        found = await verify(self.dsn, account=ACCOUNT)
        assert found.problems == ()
        return found


@pytest.fixture
async def site(start: Start, http: aiohttp.ClientSession, postgres_dsn: str) -> AsyncIterator[Site]:
    venue = await start(speed=60.0, balance="100000")
    pool = await open_pool(postgres_dsn, clock=CLOCK, max_size=6)
    await register(
        pool, [AccountEntry(ACCOUNT, "paper")], [BotEntry(BOT, ACCOUNT, BOT, "beat", "paper")]
    )
    urls = venue.urls
    rest = Rest(
        Endpoints(urls["rest"], urls["public_ws"], urls["private_ws"], urls["trade_ws"]),
        Credentials(venue.key, venue.secret),
        account=ACCOUNT,
        clock=CLOCK,
        limiter=Limiter(CLOCK),
        session=http,
    )
    try:
        yield Site(venue, rest, pool, postgres_dsn)
    finally:
        await pool.close()
