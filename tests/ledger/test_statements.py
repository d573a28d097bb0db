"""How the writer's rows become texts, and several statements one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from decimal import Decimal

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.clock import SystemClock
from alpha.ledger.pool import Pool
from alpha.ledger.queries import load
from alpha.ledger.statements import literal, statement
from alpha.ledger.writer import LedgerWriter, is_refusal
from tests.ledger.conftest import running
from tests.ledger.samples import T0, entry_commit, execution

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
MONEY = st.decimals(allow_nan=False, allow_infinity=False, places=12, max_value=10**15)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "text": TEXTS | st.sampled_from(['"', "\\", "NULL", "null", "{}", ",", " ", ""]),
    "numeric": MONEY | st.sampled_from([Decimal("1E-8"), Decimal("-0"), Decimal("1E+20")]),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "smallint": st.integers(0, 1),
    "boolean": st.booleans(),
    "timestamptz": st.integers(-1, 4_000_000_000_000),
}


@pytest.mark.parametrize("kind", VALUES)
async def test_postgres_reads_what_was_written(pool: Pool, kind: str) -> None:
    loop = asyncio.get_running_loop()
    sql = f"SELECT $1::text::{kind}[]"

    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(values=st.lists(st.none() | VALUES[kind], min_size=1, max_size=5))
    def property_(values: Sequence[object]) -> None:
        asked = asyncio.run_coroutine_threadsafe(pool.fetchval(sql, literal(kind, values)), loop)
        assert asked.result(10) == list(values)

    await asyncio.to_thread(property_)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("timestamptz", 10**18),
        ("timestamptz", "yesterday evening"),
        ("numeric", "many"),
        ("bigint", 2**70),
        ("text", "\0"),
        ("text", "\ud800"),
    ],
)
async def test_what_no_column_holds_is_refused(pool: Pool, kind: str, value: object) -> None:
    """By the server or on the way there, as data that would be refused again."""
    with pytest.raises(asyncpg.PostgresError) as refused:
        await pool.fetchval(f"SELECT $1::text::{kind}[]", literal(kind, [value]))
    assert is_refusal(refused.value)


async def test_arrays_step_together_and_the_last_part_answers(pool: Pool) -> None:
    whole = statement("insert_executions", "upsert_fills", "advance_marks")
    assert whole.types[:3] == ("text", "text", "text")
    assert len(whole.types) == 25 + 23 + 3
    assert "unnest($26::text::text[])" in whole.sql
    assert "unnest($1::text::text[], $2" not in whole.sql
    assert whole.sql.startswith("WITH part_0 AS (")
    assert whole.sql.rstrip().endswith("RETURNING m.commit_no")
    async with pool.acquire() as connection:  # the server can prepare it
        prepared = await connection.prepare(whole.sql)
        assert {one.name for one in prepared.get_parameters()} == {"text"}


async def test_a_young_table_is_asked_by_its_key(pool: Pool) -> None:
    """What `expect_ledger_rows` asks: before a table was analyzed, another index seems as good,
    which reads every execution of the symbol."""
    await pool.execute(
        "INSERT INTO trading.executions SELECT 'main', 'BTCUSDT', 'e' || n, 'o', '', 'Buy',"
        " 'Trade', 1, 1, 1, 0, 'USDT', 0, 0, 0, false, '', '', '', now() + n * interval '1 ms',"
        " n, 0, 0, 'stream' FROM generate_series(1, 9000) n"
    )
    body = await pool.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'expect_ledger_rows'")
    found = re.search(r"LATERAL \((.*?LIMIT 1)\)", body, re.DOTALL)
    assert found is not None
    body = found[1]
    for number, name in enumerate(("account", "symbol", "opened_by"), start=1):
        body = body.replace(f"n.{name}", f"${number}")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(load("writes.sql")["begin"].partition(";")[2])
        await connection.execute(f"PREPARE row_of (text, text, text) AS {body}")
        plan = await connection.fetch("EXPLAIN EXECUTE row_of ('main', 'BTCUSDT', 'e1')")
    assert "executions_pkey" in "".join(row[0] for row in plan)


@pytest.mark.parametrize("table", ["fills", "position_entries", "positions"])
async def test_a_projection_of_nothing_is_refused(pool: Pool, table: str) -> None:
    """Whoever writes it. The execution of another symbol is none of its own."""
    writer = LedgerWriter(pool, clock=SystemClock(), lease=None)
    async with running(writer):
        writer.put(entry_commit(execution("e1", T0)))
        assert await writer.drain(10)
    key = "opened_by" if table == "positions" else "exec_id"
    names = [
        row["column_name"]
        for row in await pool.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'trading'"
            " AND table_name = $1 AND is_generated = 'NEVER' AND is_identity = 'NO'",
            table,
        )
        if row["column_name"] not in (key, "symbol", "id")
    ]
    with pytest.raises(
        asyncpg.ForeignKeyViolationError, match=r"row of the ledger, was e9 of main"
    ):
        await pool.execute(
            f"INSERT INTO trading.{table} ({key}, symbol, {', '.join(names)})"
            f" SELECT 'e9', 'ETHUSDT', {', '.join(names)}"
            f" FROM trading.{table}"
        )
