"""The role alpha_reader: it reads all, writes nothing, and cannot log in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from structlog.testing import capture_logs

from alpha.ledger.migrations import migrate
from alpha.ledger.pool import Connection, Pool, connect
from tests.ledger.conftest import MIGRATIONS

RELATIONS = """
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind::text AS kind
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('trading', 'analytics', 'config', 'audit')
       AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
     ORDER BY 1
"""
REFUSED = asyncpg.InsufficientPrivilegeError


@asynccontextmanager
async def reader(pool: Pool) -> AsyncIterator[Connection]:
    async with pool.acquire() as connection:
        await connection.execute("SET ROLE alpha_reader")
        yield connection
        await connection.execute("RESET ROLE")


async def test_it_reads_everything_also_what_comes_later(pool: Pool) -> None:
    await pool.execute("CREATE TABLE trading.of_a_later_version (a int)")
    await pool.execute("SELECT trading.ensure_market_data_month('2031-05-05')")
    relations = await pool.fetch(RELATIONS)
    names = {row["name"] for row in relations}
    assert {"trading.of_a_later_version", "trading.market_data_2031_05"} <= names
    assert {"trading.executions", "analytics.bot_correlation", "audit.command_log"} <= names
    async with reader(pool) as connection:
        for name in sorted(names):
            await connection.fetch(f"SELECT * FROM {name} LIMIT 1")


async def test_it_writes_nothing(pool: Pool) -> None:
    relations = await pool.fetch(RELATIONS)
    async with reader(pool) as connection:
        for name, kind in relations:
            if kind == "S":
                with pytest.raises(REFUSED):
                    await connection.fetchval(f"SELECT nextval('{name}')")
                continue
            rights = await connection.fetchval(
                "SELECT bool_or(has_table_privilege($1, r)) FROM unnest(ARRAY['INSERT', 'UPDATE',"
                " 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) r",
                name,
            )
            assert rights is False, name
        for statement in (
            "DELETE FROM trading.executions",
            "UPDATE trading.bots SET status = 'paused'",
            "INSERT INTO config.marks (account) VALUES ('main')",
            "TRUNCATE audit.system_events",
            "DROP TABLE trading.market_data_other",
            "CREATE TABLE trading.mine (a int)",
            "CREATE TABLE public.mine (a int)",
            "SELECT trading.ensure_market_data_month('2032-05-05')",
            "REFRESH MATERIALIZED VIEW analytics.bot_correlation",
            "CREATE ROLE friend",
        ):
            with pytest.raises(asyncpg.PostgresError, match=r"permission denied|must be owner"):
                await connection.execute(statement)


async def test_nobody_logs_in_as_it(pool: Pool) -> None:
    (role,) = await pool.fetch("SELECT * FROM pg_roles WHERE rolname = 'alpha_reader'")
    assert not (role["rolcanlogin"] or role["rolsuper"] or role["rolcreaterole"])
    assert not (role["rolcreatedb"] or role["rolreplication"] or role["rolbypassrls"])
    assert await pool.fetchval(
        "SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'alpha_reader'"
    )


async def test_grants_that_a_restore_has_lost_come_back(pool: Pool, postgres_dsn: str) -> None:
    await pool.execute("REVOKE SELECT ON trading.fills FROM alpha_reader")
    async with reader(pool) as connection:
        with pytest.raises(REFUSED):
            await connection.fetch("SELECT * FROM trading.fills")
    assert await migrate(postgres_dsn, MIGRATIONS) == []
    async with reader(pool) as connection:
        await connection.fetch("SELECT * FROM trading.fills")


async def test_an_owner_that_may_make_no_roles_migrates_and_is_told(empty_dsn: str) -> None:
    connection = await connect(empty_dsn)
    try:
        # As on a server where nobody has made the role.
        await connection.execute("ALTER ROLE alpha_reader RENAME TO reader_elsewhere")
        await connection.execute("CREATE ROLE tenant NOLOGIN NOCREATEROLE")
        await connection.execute(
            "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO tenant',"
            " current_database()); END $$"
        )
        await connection.execute("SET ROLE tenant")
        with capture_logs() as logs:
            done = await migrate(connection, MIGRATIONS)
        assert done
        (told,) = [entry for entry in logs if entry["event"] == "reader_without_rights"]
        assert told["log_level"] == "warning"
        assert "tenant may not make it; run CREATE ROLE alpha_reader NOLOGIN" in told["what"]
        # The administrator does so, and the next start grants.
        await connection.execute("RESET ROLE; CREATE ROLE alpha_reader NOLOGIN; SET ROLE tenant")
        with capture_logs() as logs:
            assert await migrate(connection, MIGRATIONS) == []
        assert logs == []
        await connection.execute("RESET ROLE; SET ROLE alpha_reader")
        assert await connection.fetch("SELECT * FROM trading.trades") == []
    finally:
        await connection.execute("RESET ROLE")
        await connection.execute("DROP OWNED BY tenant CASCADE")
        await connection.execute("DROP ROLE tenant")
        await connection.execute("DROP OWNED BY alpha_reader; DROP ROLE IF EXISTS alpha_reader")
        await connection.execute("ALTER ROLE reader_elsewhere RENAME TO alpha_reader")
        await connection.close()
