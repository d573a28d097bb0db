"""A backfill in a process of its own, which can be killed: `python -m tests.sync.backfilling`."""

from __future__ import annotations

import asyncio
import os
import sys

import aiohttp

from alpha.alerts import Alerts
from alpha.bybit.endpoints import Endpoints
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.clock import SystemClock
from alpha.ledger.pool import open_pool
from alpha.sync.stored import stored_accounts


async def backfill(dsn: str, rest_url: str, account: str, key: str, secret: str) -> None:
    clock = SystemClock()
    pool = await open_pool(dsn, clock=clock, max_size=6)
    async with aiohttp.ClientSession() as session:
        rest = Rest(
            Endpoints(rest_url, "ws://nowhere", "ws://nowhere", "ws://nowhere"),
            Credentials(key, secret),
            account=account,
            clock=clock,
            limiter=Limiter(clock),
            session=session,
        )
        async with stored_accounts(
            pool,
            {account: rest},
            [account],
            installation="here",
            clock=clock,
            alerts=Alerts(clock),
            settle_s=0.3,
        ) as accounts:
            run = await accounts[account].backfill(1)
    await pool.close()
    print(run.status, run.left, run.error)


if __name__ == "__main__":
    # The secret does not stand in a list of processes.
    dsn, rest_url, account, key = sys.argv[1:]
    asyncio.run(backfill(dsn, rest_url, account, key, os.environ["SECRET"]))
