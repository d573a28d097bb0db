"""What runs every few seconds looks rows up by key, however many there are."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from alpha.ledger.pool import Pool
from alpha.ledger.queries import load
from alpha.ledger.recording import limit
from tests.trading.exchange import START_MS
from tests.trading.life import ACCOUNT, BOT

SQL = load("recording.sql")
ASKED: dict[str, tuple[object, ...]] = {
    "settle_signals": ([ACCOUNT],),
    "reopen_signals": (ACCOUNT, "BTCUSDT", START_MS),
    "closed_since": ([BOT], START_MS, START_MS, START_MS),
    "risk_since": (BOT, ACCOUNT),
    "settled_wallet": (ACCOUNT,),
    "wallets_between": (ACCOUNT, [BOT], START_MS, START_MS, 64),
    "cash_between": (ACCOUNT, START_MS, START_MS),
    "confirm_transfers": ([ACCOUNT], [ACCOUNT], [BOT], Decimal("0.01")),
}


@pytest.mark.parametrize("name", ASKED)
async def test_no_table_is_read_as_a_whole(pool: Pool, name: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await limit(connection)
        rows = await connection.fetch(f"EXPLAIN {SQL[name]}", *ASKED[name])
    plan = "\n".join(row[0] for row in rows)
    assert re.findall(r"Seq Scan on (\w+)", plan) == [], plan


async def test_fills_of_signals_are_found_by_key(pool: Pool) -> None:
    """Not by account or bot, which may have a million of them."""
    async with pool.acquire() as connection, connection.transaction():
        await limit(connection)
        rows = await connection.fetch(f"EXPLAIN {SQL['settle_signals']}", [ACCOUNT])
    plan = "\n".join(row[0] for row in rows)
    looks = re.findall(r"Scan.* on fills.*\n(?:.*Recheck.*\n)?(?:.*Filter.*\n)?(.*)", plan)
    assert len(looks) == 2, plan
    assert all("fills" not in look and "exec_id" in look for look in looks), plan
