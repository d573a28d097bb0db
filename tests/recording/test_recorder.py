"""What is written down beside the ledger is what the ledger and the bots say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import asyncpg
import pytest

from alpha.config import Config
from alpha.config.settings import BotSettings
from alpha.core.events import WalletEvent
from alpha.ledger import recording
from alpha.ledger.pool import Pool
from alpha.ledger.recording import BalanceRow, forget_events, save_balances, thin_balances
from alpha.recording.portfolio import periods
from alpha.recording.settings import record_settings
from alpha.trading.account import AccountStatus
from tests.recording.conftest import Desk, logged, recorder_beside
from tests.trading.exchange import KEY, START_MS
from tests.trading.life import ACCOUNT, BOT, MINUTE
from tests.trading.test_faults import BTC, ETH, enter, hear, leave

D = Decimal
HOUR = 3_600_000


def told(desk: Desk, wallet: Decimal, at_ms: int) -> None:
    """The exchange's word on the wallet."""
    desk.life.account.balance.tell(WalletEvent(ACCOUNT, wallet, wallet, wallet, at_ms))


async def balances(pool: Pool) -> list[asyncpg.Record]:
    return await pool.fetch("SELECT * FROM trading.account_balance ORDER BY id")


async def events(pool: Pool) -> list[tuple[str, str | None]]:
    rows = await pool.fetch("SELECT event_type, bot_id FROM audit.system_events ORDER BY id")
    return [(row["event_type"], row["bot_id"]) for row in rows]


async def test_a_round_trip_is_seen_in_balances_and_equity(desk: Desk, pool: Pool) -> None:
    first = desk.life.account.balance.usdt
    await desk.recorder.write_balances()
    await enter(desk.life)
    await hear(desk.life)
    await desk.life.stored()
    await leave(desk.life)
    await hear(desk.life)
    await desk.life.stored()
    desk.at(START_MS + 7 * MINUTE)
    await desk.recorder.write_balances()
    rows = await balances(pool)
    kinds = [(row["bot_id"], row["snapshot_type"]) for row in rows]
    assert kinds[:2] == [(None, "wallet"), (BOT, "initial")]
    assert (BOT, "trade_open") in kinds and (BOT, "trade_close") in kinds
    (closed,) = [row for row in rows if row["snapshot_type"] == "trade_close"]
    net = await pool.fetchval("SELECT sum(net_pnl) FROM trading.completed_trades")
    cycle = await pool.fetchval("SELECT position_id FROM trading.positions")
    assert net < 0, "two fees"
    assert closed["equity"] == closed["total_balance"] == round(first + net, 8)
    assert closed["realized_pnl"] == round(net, 8)
    assert closed["position_id"] == cycle
    newest = {row["bot_id"]: row for row in rows}
    assert newest[None]["equity"] == newest[BOT]["equity"] == round(first + net, 8)
    assert newest[BOT]["timestamp"] == START_MS + 7 * MINUTE
    await desk.recorder.write_balances()  # the account's wallet row has an earlier stamp
    before = len(await balances(pool))
    await desk.recorder.write_balances()
    assert len(await balances(pool)) == before, "nothing has changed, no time has passed"


async def test_equity_is_written_when_it_moves_and_now_and_then(desk: Desk, pool: Pool) -> None:
    told(desk, D(10_000), START_MS)
    written = []
    for step, wallet in enumerate([10_000, 10_001, 10_001, 10_001, 10_001, 10_002]):
        at_ms = START_MS + step * 90_000
        desk.at(at_ms)
        told(desk, D(wallet), at_ms if wallet != 10_001 else START_MS + 90_000)
        await desk.recorder.write_balances()
        rows = [row for row in await balances(pool) if row["bot_id"] == BOT]
        written.append(len([row for row in rows if row["amount"] is None]))
    assert written == [1, 2, 2, 2, 2, 3]
    desk.at(START_MS + 5 * 90_000 + 5 * MINUTE)
    await desk.recorder.write_balances()
    kinds = {
        r["snapshot_type"] for r in await balances(pool) if r["timestamp"] > START_MS + 450_000
    }
    assert "periodic" in kinds


async def test_a_clean_stop_writes_the_equity_that_the_registry_shows_then(
    desk: Desk, pool: Pool
) -> None:
    """However short ago there was a row: doctors compare the two."""
    told(desk, D(10_000), START_MS)
    await desk.recorder.write_balances()
    desk.at(START_MS + 10_000)
    told(desk, D(10_003), START_MS + 10_000)
    await desk.recorder.write_balances()
    newest = "SELECT equity FROM trading.account_balance WHERE bot_id = $1 ORDER BY id DESC LIMIT 1"
    assert await pool.fetchval(newest, BOT) == 10_000
    await desk.recorder.end("SIGTERM")
    assert await pool.fetchval(newest, BOT) == 10_003


async def test_money_from_outside_is_told_from_what_was_traded(desk: Desk, pool: Pool) -> None:
    told(desk, D(10_000), START_MS)
    desk.at(START_MS + MINUTE)
    await desk.recorder.write_balances()
    await enter(desk.life)
    await hear(desk.life)
    await desk.life.stored()
    fee = await pool.fetchval("SELECT sum(commission) FROM trading.fills")
    at_ms = START_MS + 2 * MINUTE
    told(desk, D(10_000) - fee, at_ms)
    desk.at(at_ms + 31_000)
    await desk.recorder.write_balances()
    told(desk, D(10_250) - fee, at_ms + MINUTE)
    desk.at(at_ms + MINUTE + 1)
    await desk.recorder.write_balances()
    assert await _transfers(pool) == [], "it has not stood still"
    desk.at(at_ms + MINUTE + 31_000)
    await desk.recorder.write_balances()
    await desk.recorder.write_balances()
    assert await _transfers(pool) == [(None, "deposit", 250), (BOT, "deposit", 250)]

    # A withdrawal while no daemon runs.
    again = recorder_beside(desk.life, desk.clock, desk.lease, Config())
    told(again, D(10_150) - fee, at_ms + 2 * MINUTE)
    again.at(at_ms + 3 * MINUTE)
    await again.recorder.write_balances()
    assert (None, "withdrawal", -100) in await _transfers(pool)
    own = await pool.fetch(
        "SELECT equity, own_equity FROM trading.equity_history"
        " WHERE bot_id = $1 ORDER BY timestamp, id",
        BOT,
    )
    assert own[-1]["equity"] - own[-1]["own_equity"] == 150


async def test_the_transaction_log_knows_better_than_a_wallet(desk: Desk, pool: Pool) -> None:
    async def seen(wallet: str, at_ms: int) -> None:
        told(desk, D(wallet), at_ms)
        desk.at(at_ms + 31_000)
        await desk.recorder.write_balances()

    async def flows() -> list[tuple[str | None, str, Decimal]]:
        rows = [row for row in await balances(pool) if row["amount"] is not None]
        return [(row["bot_id"], row["snapshot_type"], row["amount"]) for row in rows]

    start = START_MS
    await desk.life.stored()
    await seen("10000", start)
    await seen("10250.5", start + 2 * MINUTE)  # 0.5 of it is an execution that was missed
    await seen("10150.5", start + 4 * MINUTE)
    await seen("10130.5", start + 6 * MINUTE)  # a loss that was missed, and no withdrawal
    deduced = [("deposit", D("250.5")), ("withdrawal", D(-100)), ("withdrawal", D(-20))]
    assert await flows() == [(who, *one) for one in deduced for who in (None, BOT)]

    first = ("250", start + 2 * MINUTE + 500)  # the log's clock is a little ahead
    await logged(desk, pool, start + 2 * MINUTE + 5_000, first)
    assert len(await flows()) == 6, "the log might still tell of more"
    await logged(desk, pool, start + 5 * MINUTE, ("-100", start + 4 * MINUTE - 200))
    exact = [("deposit", D(250)), ("withdrawal", D(-100))]
    known = [(who, *one) for one in exact for who in (None, BOT)]
    assert await flows() == [*known, (None, *deduced[2]), (BOT, *deduced[2])]
    await logged(desk, pool, start + 7 * MINUTE)
    assert await flows() == known, "each once, and the loss is one"
    (own,) = await pool.fetch(
        "SELECT equity - own_equity AS moved FROM trading.equity_history"
        " WHERE bot_id = $1 ORDER BY timestamp DESC, id DESC LIMIT 1",
        BOT,
    )
    assert own["moved"] == 150
    await desk.recorder.write_balances()
    assert await flows() == known


async def _transfers(pool: Pool) -> list[tuple[str | None, str, int]]:
    rows = await balances(pool)
    return [
        (row["bot_id"], row["snapshot_type"], int(row["amount"]))
        for row in rows
        if row["amount"] is not None
    ]


async def test_rows_wait_while_nothing_can_be_written(desk: Desk, pool: Pool) -> None:
    told(desk, D(10_000), START_MS)
    await pool.execute("ALTER TABLE trading.account_balance RENAME TO elsewhere")
    await pool.execute("ALTER TABLE trading.signals RENAME TO signals_elsewhere")
    desk.lease._renewed_at = None  # not held
    await desk.recorder.write_balances()
    await desk.recorder.settle()
    await desk.recorder.write_portfolio()
    await pool.execute("ALTER TABLE trading.elsewhere RENAME TO account_balance")
    await pool.execute("ALTER TABLE trading.signals_elsewhere RENAME TO signals")
    assert await balances(pool) == []
    await desk.lease.acquire(take_over=True)
    await desk.recorder.write_balances()
    assert [row["timestamp"] for row in await balances(pool)] == [START_MS, desk.venue.now_ms()]


async def test_signals_are_settled_at_an_end_that_cancels_it(
    desk: Desk, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The duty is cancelled in the middle; the last words come after it."""
    await enter(desk.life)
    await hear(desk.life)
    await leave(desk.life)
    await hear(desk.life)
    await desk.life.stored()

    async def cancelled(*arguments: object) -> int:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch, pytest.raises(asyncio.CancelledError):
        patch.setattr(recording, "settle_signals", cancelled)
        await desk.recorder.settle()
    await desk.recorder.end("a signal")
    outcomes = "SELECT DISTINCT outcome FROM trading.signals WHERE executed"
    assert [row["outcome"] for row in await pool.fetch(outcomes)] == ["loser"], "two fees"


async def test_the_picture_of_everything_adds_up(desk: Desk, pool: Pool) -> None:
    await desk.recorder.write_portfolio()
    told(desk, D(10_000), START_MS)
    await enter(desk.life)
    await hear(desk.life)
    await desk.life.stored()
    desk.at(START_MS + 6 * MINUTE)
    await desk.recorder.write_portfolio()
    await desk.recorder.write_portfolio()
    rows = await pool.fetch("SELECT * FROM analytics.portfolio_snapshots ORDER BY id")
    row = rows[-1]
    assert len(rows) <= 2, "one in five minutes"
    held = await pool.fetchrow("SELECT * FROM trading.positions")
    assert held is not None
    assert (
        row["portfolio_exposure"]
        == row["net_exposure"]
        == held["size"] * desk.life.exchange.price(BTC)
    )
    assert row["total_equity"] == row["total_balance"] + row["total_unrealized_pnl"]
    assert row["portfolio_leverage"] == round(row["portfolio_exposure"] / row["total_equity"], 8)
    assert (row["active_bots"], row["bots_in_trade"], row["total_open_positions"]) == (1, 1, 1)
    assert (row["daily_pnl"], row["portfolio_var_95"]) == (0, None)

    await leave(desk.life)
    await hear(desk.life)
    await desk.life.stored()
    desk.at(START_MS + 12 * MINUTE)
    await desk.recorder.write_portfolio()
    last = await pool.fetchrow(
        "SELECT * FROM analytics.portfolio_snapshots ORDER BY id DESC LIMIT 1"
    )
    assert last is not None
    net = await pool.fetchval("SELECT sum(net_pnl) FROM trading.completed_trades")
    assert round(net, 8) == last["daily_pnl"] == last["weekly_pnl"] == last["monthly_pnl"]
    assert last["total_realized_pnl"] == last["daily_pnl"]
    assert (last["portfolio_exposure"], last["bots_in_trade"]) == (0, 0)


async def test_the_picture_of_everything_has_what_is_no_bots(desk: Desk, pool: Pool) -> None:
    exchange, account = desk.life.exchange, desk.life.account
    await exchange.trade(ETH, "Sell", D(2), START_MS + MINUTE)
    await hear(desk.life)
    await exchange.tick(ETH, exchange.price(ETH) + 5, START_MS + 2 * MINUTE)
    for event in await desk.life.service.rest.positions():
        account.receive_position(event)
    told(desk, D(10_000), START_MS + 2 * MINUTE)
    desk.at(START_MS + 6 * MINUTE)
    await desk.recorder.write_portfolio()
    row = await pool.fetchrow("SELECT * FROM analytics.portfolio_snapshots ORDER BY id DESC")
    assert row is not None
    held, mark = account.positions("manual")[ETH], exchange.price(ETH)
    assert held.avg_price is not None and held.signed_qty == -2
    assert row["total_unrealized_pnl"] == round(-2 * (mark - held.avg_price), 8) < -8
    assert row["total_equity"] == row["total_balance"] + row["total_unrealized_pnl"]
    assert (row["portfolio_exposure"], row["net_exposure"]) == (2 * mark, -2 * mark)
    assert (row["bots_in_trade"], row["total_open_positions"]) == (0, 1)


def test_days_weeks_and_months_begin_at_midnight_utc() -> None:
    sunday = 1_764_547_199_999  # 2025-11-30T23:59:59.999Z
    day, week, month = periods(sunday)
    assert (day, week, month) == (1_764_460_800_000, 1_763_942_400_000, 1_761_955_200_000)
    assert periods(sunday + 1) == (sunday + 1, sunday + 1, sunday + 1), "a Monday, the first"


async def test_settings_are_versions_and_hold_no_secret(desk: Desk, pool: Pool) -> None:
    config = Config(bots={"beat": BotSettings(bot_id=BOT, account=ACCOUNT)})
    first: Mapping[str, object] = {"wait": "3", "feed": {"api_key": "hidden-1", "depth": 2}}
    second = {**first, "wait": "4"}
    async with pool.acquire() as connection:
        begun = await record_settings(connection, config, {"beat": first})
        same = await record_settings(connection, config, {"beat": first})
        (changed,) = await record_settings(connection, config, {"beat": second})
        (back,) = await record_settings(connection, config, {"beat": first})
    assert [one.keys for one in begun] == [None, None, None]
    assert same == []
    assert (changed.key, changed.version, changed.keys) == ("settings", 2, ["wait"])
    assert (back.version, back.keys) == (3, ["wait"])
    rows = await pool.fetch(
        "SELECT * FROM config.bot_configurations WHERE config_key = 'settings' ORDER BY version"
    )
    assert [row["is_active"] for row in rows] == [False, False, True]
    assert rows[0]["effective_until"] is not None
    assert rows[0]["checksum"] == rows[2]["checksum"] != rows[1]["checksum"]
    assert all("hidden-1" not in row["config_value"] for row in rows)


async def test_the_registry_knows_the_user_of_an_account(desk: Desk, pool: Pool) -> None:
    desk.life.exchange.away = True
    await desk.recorder.write_users()
    known = "SELECT uid FROM trading.accounts WHERE account = $1"
    assert await pool.fetchval(known, ACCOUNT) is None
    desk.life.exchange.away = False
    await desk.recorder.write_users()
    number = desk.life.exchange.engine.exchange.state.accounts[KEY].number
    assert await pool.fetchval(known, ACCOUNT) == str(number)


async def test_what_happens_to_bots_and_accounts_is_written_down(desk: Desk, pool: Pool) -> None:
    desk.life.handle.pause("stopped by the operator")
    desk.life.handle.start()
    desk.life.account.become(AccountStatus.STALE, "the stream was lost")
    desk.live.account_changed(ACCOUNT)
    desk.life.account.become(AccountStatus.LIVE)
    desk.live.account_changed(ACCOUNT)
    await desk.recorder.end("SIGTERM")
    found = await events(pool)
    assert found[:2] == [("SYSTEM_START", None), ("MIGRATION", None)]
    assert ("BOT_STOP", BOT) in found and ("BOT_START", BOT) in found
    components = await pool.fetch("SELECT DISTINCT component FROM audit.system_events")
    assert {row["component"] for row in components} >= {"daemon", "ledger", "bots"}
    assert None not in {row["component"] for row in components}
    assert ("GAP", None) not in found, "it was never live for this recorder"
    assert ("ACCOUNT_LIVE", None) in found
    assert found[-2:] == [("BOT_STOP", BOT), ("SYSTEM_STOP", None)]
    assert desk.journal.waiting == 0


async def test_old_rows_give_way(pool: Pool) -> None:
    row = BalanceRow(ACCOUNT, BOT, "periodic", D(1), D(1), "books", 0)
    old = [replace(row, at_ms=at) for at in (1, 10, 20, HOUR + 1, HOUR + 2)]
    kept = [
        replace(row, kind="trade_open", position_id="p", at_ms=5),
        replace(row, kind="deposit", amount=D(1), at_ms=6),
        replace(row, at_ms=10 * HOUR),
        replace(row, at_ms=10 * HOUR + 1),
    ]
    async with pool.acquire() as connection:
        await save_balances(connection, [*old, *kept])
        assert await thin_balances(connection, 9 * HOUR) == 2
        rows = await connection.fetch("SELECT timestamp FROM trading.account_balance ORDER BY 1")
        times = [one["timestamp"] for one in rows]
        assert times == [1, 5, 6, 20, HOUR + 2, 10 * HOUR, 10 * HOUR + 1], "the initial one stays"
        await connection.execute(
            "INSERT INTO audit.system_events (event_type, event_level, message, event_time)"
            " SELECT 'INFO', 'INFO', 'x', clock_timestamp() - d * interval '1 day'"
            " FROM generate_series(179, 182) d"
        )
        assert await forget_events(connection, 180) == 3
