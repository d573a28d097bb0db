"""A backfill that is killed, by kill -9, and asked for again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.sync.conftest import ACCOUNT, CLOCK, Site

ROOT = Path(__file__).resolve().parents[2]


async def begin(site: Site) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.sync.backfilling"),
        *(site.dsn, site.venue.urls["rest"], ACCOUNT, site.venue.key),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "SECRET": site.venue.secret},
    )


async def killed_once(site: Site, process: asyncio.subprocess.Process, query: str) -> None:
    """Kills it as soon as the database says yes."""
    try:
        async with asyncio.timeout(30):
            while not await site.pool.fetchval(query):
                assert process.returncode is None, "expected it to be under way, was at its end"
                await CLOCK.sleep(0.01)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL


FETCHING = "SELECT count(*) > 0 FROM trading.sync_watermarks WHERE endpoint = 'backfill'"
#: The books have one symbol's history, and not yet the other's.
ENTERING = """
SELECT count(*) = 1 FROM (
    SELECT DISTINCT b.symbol FROM trading.sync_backlog b
     WHERE NOT EXISTS (SELECT FROM trading.executions e WHERE e.exec_id = b.exec_id)) waiting
"""


async def test_nothing_is_lost_or_doubled_by_kills(site: Site) -> None:
    for side, other in (("Buy", "Sell"), ("Sell", "Buy")):
        await site.trade(side, "2")
        await site.trade(other, "1", "BTCUSDT")
        await site.trade(other, "2")
    slow = {"kind": "slow", "path": "/v5/execution/list", "seconds": 0.2}
    await site.venue.plain("/sim/faults", {"faults": [slow]})
    truth = await site.truth()
    await killed_once(site, await begin(site), FETCHING)
    assert await site.ledger() == set()
    # Not in memory anywhere else: what was fetched is all that the next one has.
    await killed_once(site, await begin(site), f"SELECT ({ENTERING})")
    half = await site.ledger()
    assert half and half < truth
    last = await begin(site)
    told, _ = await last.communicate()
    assert told.decode().strip().endswith("completed 0"), told
    assert await site.ledger() == truth
    rows = await site.pool.fetch(
        "SELECT exec_id, sum(exec_qty) AS qty, min(e.qty) AS whole, sum(f.commission) AS fee, "
        "       min(e.fee) AS whole_fee "
        "  FROM trading.fills f JOIN trading.executions e USING (account, symbol, exec_id) "
        " GROUP BY exec_id"
    )
    assert {row["exec_id"] for row in rows} == truth
    for row in rows:
        assert (row["qty"], row["fee"]) == (row["whole"], row["whole_fee"]), dict(row)
    assert await site.pool.fetchval("SELECT count(*) FROM trading.sync_backlog") == 0
    states = await site.pool.fetch("SELECT status FROM trading.sync_status ORDER BY id")
    assert [row["status"] for row in states][-1] == "completed" and len(states) == 3
    await site.verified()
