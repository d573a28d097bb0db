"""Answers straight from a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.clock import SystemClock
from alpha.config import Config, load
from alpha.control import text
from alpha.control.database_desk import DatabaseDesk, open_database_desk
from alpha.control.layer import Actor, Control
from alpha.control.wire import encode
from alpha.errors import NotRunning, TimedOut
from alpha.ledger.pool import Pool, connect, open_pool
from alpha.ledger.registry import AccountEntry, BotEntry, heartbeat, register
from alpha.ledger.writer import LedgerWriter
from tests.ledger.samples import T0, entry_commit, execution, exit_commit, order

VIEWER = Actor("cli", "someone", "admin")


def settings(folder: Path, url: str = "") -> Config:
    file = folder / "alpha.toml"
    file.write_text(
        f'data_dir = "{folder}/data"\n[postgres]\nurl = "{url}"\n'
        '[bots.first]\nenabled = true\nbot_id = "alpha_001"\n'
        '[bots.second]\nbot_id = "beta_001"\n',
        encoding="utf-8",
    )
    return load(file, {}, {})


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(postgres_dsn, clock=SystemClock(), max_size=2)
    yield pool
    await pool.close()


@pytest.fixture
async def traded(pool: Pool) -> None:
    """Bot `first` bought twice and sold once."""
    await register(
        pool,
        [AccountEntry("main", "paper")],
        [BotEntry("alpha_001", "main", "first", "test", "paper", status="running")],
    )
    writer = LedgerWriter(pool, clock=SystemClock(), lease=None)
    task = asyncio.create_task(writer.run())
    buy, sell = execution("e1", T0), execution("e2", T0 + 1000, "Sell")
    writer.put(entry_commit(buy))
    writer.put(exit_commit(buy, sell))
    held = execution("e3", T0 + 2000, symbol="ETHUSDT", qty="0.5")
    writer.put(entry_commit(held))
    from alpha.core.records import Commit

    writer.put(Commit("main", orders=(order("o1", "filled", filled="1"),)))
    await writer.drain(10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await heartbeat(pool, "main", ["alpha_001"])


@pytest.fixture
def desk(pool: Pool, tmp_path: Path) -> DatabaseDesk:
    return DatabaseDesk(pool, settings(tmp_path), SystemClock())


@pytest.mark.usefixtures("traded")
async def test_fills_have_the_documented_columns(desk: DatabaseDesk) -> None:
    rows = await desk.fills(10)
    assert [row["exec_id"] for row in rows] == ["e1", "e2", "e3"]
    first = rows[0]
    assert first["exec_time"] == "2025-10-01T08:00:00.000Z"
    assert (first["bot"], first["bot_id"], first["symbol"]) == ("first", "alpha_001", "BTCUSDT")
    assert (first["side"], first["exec_qty"], first["exec_price"]) == ("Buy", "1", "100.5")
    assert first["commission"] == "0.05"
    assert {"close_reason", "client_order_id"} <= set(first)
    assert [row["exec_id"] for row in await desk.fills(2)] == ["e2", "e3"]


@pytest.mark.usefixtures("traded")
async def test_positions_orders_and_bots(desk: DatabaseDesk, pool: Pool) -> None:
    (position,) = await desk.positions(None)
    assert (position["bot"], position["symbol"], position["side"], position["size"]) == (
        "first",
        "ETHUSDT",
        "long",
        "0.5",
    )
    assert position["avg_price"] == "100.5" and position["unrealised_pnl"] is None
    assert await desk.positions("second") == []
    await pool.execute(
        "INSERT INTO trading.market_data (symbol, interval, timestamp, open_price, high_price,"
        " low_price, close_price, volume, quote_volume, data_source)"
        " VALUES ('ETHUSDT', '5m', $1, 102, 102, 102, 102, 1, 102, 'stream')",
        T0 + 60_000,
    )
    (position,) = await desk.positions(None)
    assert position["unrealised_pnl"] == Decimal("0.75"), "as in trading.position_summaries"
    (row,) = await desk.orders(5)
    assert (row["bot"], row["state"], row["qty"]) == ("first", "filled", "1")
    first, second = await desk.bots()
    assert (first["state"], first["fills"], first["open_positions"]) == ("running", 3, 1)
    assert (second["state"], second["fills"], second["enabled"]) == ("disabled", 0, False)


@pytest.mark.usefixtures("traded")
async def test_status_and_analytics(desk: DatabaseDesk) -> None:
    control = Control(desk, SystemClock())
    document = json.loads(encode((await control.run("status", {}, VIEWER)).data))
    assert document["source"] == "database" and document["pid"] is None
    assert 0 <= document["data_age_s"] < 60
    bot = document["bots"]["first"]
    assert (bot["bot_id"], bot["fills"], bot["orders"]) == ("alpha_001", 3, 1)
    assert bot["realised_pnl"] == "-0.1"
    assert bot["last_fill"]["symbol"] == "ETHUSDT"
    assert [p["symbol"] for p in bot["positions"]] == ["ETHUSDT"]
    answer = await control.run("analytics", {"bot": "first", "days": "30"}, VIEWER)
    (row,) = json.loads(encode(answer.data))["analytics"]
    assert (row["trades"], row["losses"], row["net_pnl"], row["fees"]) == (1, 1, "-0.1", "0.1")
    assert row["win_rate"] == "0" and row["correlation"] == {}
    assert row["basis"] == "realised"
    row |= {"sharpe": -173.1, "ratio_days": 2, "max_drawdown": 0.031, "exposure": 0.345}
    words = "realised Sharpe -173.10 (of 2 days) · realised drawdown 3.1 % · exposure 34.5 %"
    assert words in text.analytics([row], 30)
    row |= {"sharpe": 1.5, "ratio_days": 30}
    assert "realised Sharpe 1.50 · realised drawdown" in text.analytics([row], 30)
    shown = (await control.run("risk", {}, VIEWER)).text
    assert shown.startswith("no limit is broken, no halt; "), "there may be limits all the same"


async def test_a_fresh_database_is_an_empty_one(postgres_dsn: str, tmp_path: Path) -> None:
    connection = await connect(postgres_dsn)
    for schema in ("trading", "analytics", "config", "audit"):
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    await connection.close()
    async with open_database_desk(settings(tmp_path, postgres_dsn), SystemClock()) as desk:
        assert await desk.fills(5) == [] and await desk.orders(5) == []
        assert await desk.positions(None) == [] and await desk.analytics(None, 7) == []
        status = await desk.status()
        assert status["data_age_s"] is None
        assert status["bots"]["first"]["state_reason"] == "it has not run yet"


@pytest.mark.usefixtures("traded")
async def test_acting_needs_a_daemon_and_is_written_down(desk: DatabaseDesk, pool: Pool) -> None:
    with pytest.raises(NotRunning) as caught:
        await Control(desk, SystemClock()).run("stop", {"bot": "first"}, VIEWER)
    assert caught.value.exit_code == 3
    row = await pool.fetchrow("SELECT * FROM audit.command_log")
    assert row is not None
    assert (row["channel"], row["operator"], row["command"]) == ("cli", "someone", "stop")
    assert row["decision"] == "refused" and "running daemon" in row["result"]
    assert json.loads(row["arguments"]) == {"bot": "first"}


async def test_neither_daemon_nor_database_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alpha.control.databases.READER_WAIT_S", 0.2)
    config = settings(tmp_path, "postgresql://me:hush@127.0.0.1:1/books")
    with pytest.raises(TimedOut, match=r"found neither; .*127\.0\.0\.1:1") as caught:
        async with open_database_desk(config, SystemClock()):
            pass
    assert caught.value.exit_code == 5 and "hush" not in str(caught.value)
