"""What runs every few seconds looks rows up by key, however many there are."""

from __future__ import annotations

import re

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
    "last_wallet": (ACCOUNT,),
    "cash_between": (ACCOUNT, START_MS, START_MS),
}


@pytest.mark.parametrize("name", ASKED)
async def test_no_table_is_read_as_a_whole(pool: Pool, name: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await limit(connection)
        rows = await connection.fetch(f"EXPLAIN {SQL[name]}", *ASKED[name])
    plan = "\n".join(row[0] for row in rows)
    assert re.findall(r"Seq Scan on (\w+)", plan) == [], plan
