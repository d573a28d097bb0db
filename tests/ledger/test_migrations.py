from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import asyncpg
import pytest

from alpha.errors import NeedsOperator
from alpha.ledger.migrations import MigrationChanged, migrate, read_folder, status
from alpha.ledger.pool import Pool, connect
from tests.ledger.conftest import MIGRATIONS


async def test_applies_once_and_remembers_what_it_applied(empty_dsn: str) -> None:
    first = await migrate(empty_dsn, MIGRATIONS)
    assert [applied.version for applied in first] == list(range(1, len(first) + 1))
    assert await migrate(empty_dsn, MIGRATIONS) == []
    now = await status(empty_dsn, MIGRATIONS)
    assert [(a.name, a.checksum) for a in now.applied] == [(a.name, a.checksum) for a in first]
    assert now.pending == ()


async def test_two_processes_at_once_apply_each_file_once(empty_dsn: str) -> None:
    done = await asyncio.gather(*(migrate(empty_dsn, MIGRATIONS) for _ in range(3)))
    versions = sorted(applied.version for one in done for applied in one)
    assert versions == [migration.version for migration in read_folder(MIGRATIONS)]


async def test_a_changed_file_is_refused_with_both_checksums(
    empty_dsn: str, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    before = await migrate(empty_dsn, folder)
    changed = folder / "0002_ledger.sql"
    changed.write_text(changed.read_text() + "-- a word more\n")
    (folder / f"{len(before) + 1:04d}_next.sql").write_text("CREATE TABLE config.next (a int);")
    with pytest.raises(MigrationChanged) as refused:
        await migrate(empty_dsn, folder)
    assert "0002_ledger.sql" in str(refused.value)
    assert before[1].checksum in str(refused.value)
    assert read_folder(folder)[1].checksum in str(refused.value)
    with pytest.raises(MigrationChanged):
        await status(empty_dsn, folder)
    connection = await connect(empty_dsn)
    assert await connection.fetchval("SELECT to_regclass('config.next')") is None
    await connection.close()


async def test_a_failing_file_leaves_nothing_of_itself(empty_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE good (a int);")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (a int); SELECT nonsense;")
    with pytest.raises(NeedsOperator, match=r"0002_bad\.sql"):
        await migrate(empty_dsn, tmp_path)
    assert [applied.version for applied in (await status(empty_dsn, tmp_path)).applied] == [1]
    connection = await connect(empty_dsn)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    await connection.close()


def test_names_and_numbers_are_checked(tmp_path: Path) -> None:
    with pytest.raises(NeedsOperator, match="was none"):
        read_folder(tmp_path)
    (tmp_path / "0001_a.sql").write_text("")
    (tmp_path / "0003_b.sql").write_text("")
    with pytest.raises(NeedsOperator, match="expected migration 0002"):
        read_folder(tmp_path)
    (tmp_path / "3_b.sql").write_text("")
    with pytest.raises(NeedsOperator, match=r"was 3_b\.sql"):
        read_folder(tmp_path)


async def test_a_newer_database_is_refused(empty_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("SELECT 1;")
    (tmp_path / "0002_b.sql").write_text("SELECT 1;")
    await migrate(empty_dsn, tmp_path)
    (tmp_path / "0002_b.sql").unlink()
    with pytest.raises(NeedsOperator, match="was migrated to 0002"):
        await migrate(empty_dsn, tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET {} = {}",
        "DELETE FROM {}",
        "TRUNCATE {} CASCADE",
    ],
)
@pytest.mark.parametrize(
    ("table", "column"),
    [("trading.executions", "fee"), ("trading.attribution_overrides", "note")],
)
async def test_the_database_itself_refuses_changes_of_the_ledger(
    pool: Pool, statement: str, table: str, column: str
) -> None:
    await pool.execute(
        "INSERT INTO trading.executions VALUES ('main', 'BTCUSDT', 'e1', 'o', '', 'Buy', "
        "'Trade', 1, 1, 1, 0, 'USDT', NULL, 0, NULL, false, '', '', '', now(), 1, NULL, NULL, "
        "'rest', NULL)"
    )
    await pool.execute(
        "INSERT INTO trading.attribution_overrides (account, symbol, exec_id, bot_id, operator) "
        "VALUES ('main', 'BTCUSDT', 'e1', 'alpha_001', 'somebody')"
    )
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await pool.execute(statement.format(table, column, column))
    # Nor does a superuser get past them by taking itself for a replica.
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            async with connection.transaction():
                await connection.execute("SET LOCAL session_replication_role = replica")
                await connection.execute(statement.format(table, column, column))
    assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 1


async def test_the_documented_queries_run(pool: Pool) -> None:
    for query in (
        "SELECT * FROM trading.bots",
        "SELECT exec_time, symbol, side, exec_qty, exec_price, commission, close_reason "
        "FROM trading.fills WHERE bot_id = 'alpha_001' ORDER BY exec_time DESC LIMIT 100",
        "SELECT close_reason, count(*), sum(net_pnl), avg(net_pnl), "
        "count(*) FILTER (WHERE net_pnl > 0)::float / count(*) FROM trading.trades_pnl "
        "WHERE bot_id = 'alpha_001' GROUP BY close_reason",
        "SELECT * FROM trading.current_positions",
        "SELECT * FROM trading.bot_daily_performance ORDER BY trade_date",
    ):
        await pool.fetch(query)


async def test_a_bot_trades_on_one_account_but_manual_on_all(pool: Pool) -> None:
    assert await pool.fetchval("SELECT count(*) FROM trading.bots WHERE bot_id = 'manual'") == 2
    with pytest.raises(asyncpg.UniqueViolationError, match="bots_one_account"):
        await pool.execute(
            "INSERT INTO trading.bots (bot_id, account, bot_name, bot_type, strategy_name, mode) "
            "VALUES ('alpha_001', 'second', 'x', 'x', 'x', 'paper')"
        )
