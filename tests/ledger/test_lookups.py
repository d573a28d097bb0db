"""The documented ways to fills read none of the large tables as a whole."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from alpha.ledger.pool import Connection, Pool
from alpha.ledger.queries import load
from tests.conftest import ROOT
from tests.ledger.conftest import ACCOUNT, BOTS

LEDGER = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")
BLOCK = LEDGER.partition("<!-- lookups -->\n```sql\n")[2].partition("```")[0]
DOCUMENTED = [sql.strip() for sql in BLOCK.split(";") if sql.strip()]
#: What each of them needs, in their order; a bot's fills in a symbol have several good ways.
INDEXES: tuple[set[str], ...] = (
    {"fills_by_bot"},
    set(),
    {"fills_by_time"},
    {"executions_by_order", "fills_pkey"},
    {"orders_pkey", "executions_by_order", "fills_pkey"},
)
ROWS = 5_000
FILL = f"""
INSERT INTO trading.executions (account, symbol, exec_id, order_id, order_link_id, side, exec_type,
    price, qty, value, fee, fee_currency, leaves_qty, is_maker, create_type, order_type,
    stop_order_type, exec_time, seq, source)
SELECT '{ACCOUNT}', 'S' || n % 10, 'e' || n, 'o' || n, 'l' || n, 'Buy', 'Trade', 1, 1, 1, 0, 'USDT',
       0, true, '', 'Market', '', to_timestamp(1762000000 + n), n, 'paper'
  FROM generate_series(1, {ROWS}) n;
INSERT INTO trading.fills (account, symbol, exec_id, bot_id, leg, order_id, order_link_id, side,
    exec_type, exec_price, exec_qty, commission, fee_currency, effect, reason, reason_source,
    attribution, realised, position_after, is_maker, exec_time, seq)
SELECT account, symbol, exec_id, CASE WHEN seq % 51 = 0 THEN '{BOTS[0]}' ELSE '{BOTS[1]}' END,
       1, order_id, order_link_id, side, exec_type, price, qty, fee, fee_currency, 'entry',
       'entry', 'id', 'id', 0, 1, is_maker, exec_time, seq
  FROM trading.executions;
INSERT INTO trading.orders (account, order_link_id, bot_id, symbol, side, purpose, reason,
    order_type, qty, reduce_only, state, exchange_order_id, filled_qty, decided_at, changed_at)
SELECT account, order_link_id, bot_id, symbol, side, 'entry', 'entry', 'Market', 1, false, 'filled',
       order_id, 1, exec_time, exec_time
  FROM trading.fills;
ANALYZE trading.executions; ANALYZE trading.fills; ANALYZE trading.orders;
"""


@pytest.fixture
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """On a ledger with enough rows for the planner to prefer an index."""
    async with pool.acquire() as connection:
        await connection.execute(FILL)
        yield connection


async def indexes_of(connection: Connection, sql: str, *arguments: object) -> set[str]:
    rows = await connection.fetch(f"EXPLAIN {sql}", *arguments)
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan, plan
    return set(re.findall(r"Index Scan (?:using|on) (\w+)", plan))


async def test_each_lookup_has_its_index(connection: Connection) -> None:
    for sql, expected in zip(DOCUMENTED, INDEXES, strict=True):
        asked = sql.replace("'momentum'", f"'{BOTS[0]}'").replace("BTCUSDT", "S2")
        assert expected <= await indexes_of(connection, asked), sql
    recent = load("library.sql")["recent_fills"]
    for symbol in (None, "S2"):
        assert await indexes_of(connection, recent, BOTS[0], symbol, 10)


async def test_they_find_what_they_are_asked_for(connection: Connection) -> None:
    words = {"'momentum'": f"'{BOTS[0]}'", "BTCUSDT": "S2"}
    words |= {"5f1b0c8e-7a52-4f43-9c4e-0d2f7b8f2a11": "o42", "momentum-en-mh7e6ozk": "l42"}
    found = []
    for sql in DOCUMENTED:
        for word, here in words.items():
            sql = sql.replace(word, here)
        found.append([row["exec_id"] for row in await connection.fetch(sql)])
    ids = range(ROWS, 0, -1)
    assert found == [
        [f"e{n}" for n in ids if n % 51 == 0][:10],
        [f"e{n}" for n in ids if n % 51 == 0 and n % 10 == 2][:10],
        [f"e{n}" for n in ids][:100],
        ["e42"],
        ["e42"],
    ]
