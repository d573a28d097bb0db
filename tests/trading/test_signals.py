"""Every intent of a bot is a row: what was asked for, who refused it, and how it has ended."""

from __future__ import annotations

from decimal import Decimal

import asyncpg
import pytest

from alpha.core.intents import Enter, Exit, MoveStop
from alpha.ledger.pool import Pool
from alpha.ledger.recording import reopen_signals, settle_signals
from tests.trading.exchange import START_MS
from tests.trading.life import ACCOUNT, BOT, MINUTE, Life
from tests.trading.test_faults import BTC, ETH, EVEN, enter, hear, leave

D = Decimal


async def signals(life: Life) -> list[asyncpg.Record]:
    """All of them, settled with what the database holds."""
    await life.stored()
    async with life.pool.acquire() as connection:
        await settle_signals(connection, [ACCOUNT])
    return await life.pool.fetch("SELECT * FROM trading.signals ORDER BY ordinal, place")


async def test_a_round_trip_gives_both_its_signals_the_result(life: Life, pool: Pool) -> None:
    await enter(life)
    await hear(life)
    (entry,) = await signals(life)
    assert (entry["signal_type"], entry["reason"], entry["origin"]) == ("long", "entry", "strategy")
    assert entry["event_key"] == f"close:{MINUTE}:{START_MS + MINUTE}"
    assert (entry["price"], entry["suggested_position_size"]) == (100, 450)
    assert (entry["suggested_stop_loss"], entry["suggested_take_profit"]) == (95, 120)
    assert entry["executed"] and not entry["rejected"]
    assert (entry["outcome"], entry["settled"]) == (None, False), "it is still open"
    assert entry["decided_at"] <= entry["sent_at"] <= entry["acked_at"]
    order = await pool.fetchrow("SELECT * FROM trading.orders WHERE purpose = 'entry'")
    assert order is not None
    assert entry["client_order_id"] == order["client_order_id"]
    assert entry["acked_ms"] == entry["acked_at"] - entry["decided_at"]

    await life.exchange.tick(BTC, D(110), START_MS + 90_000)
    await hear(life)
    await leave(life)
    await hear(life)
    entry, leaving = await signals(life)
    net = await pool.fetchval("SELECT sum(net_pnl) FROM trading.completed_trades")
    assert net > 0
    assert (entry["outcome"], entry["outcome_pnl"]) == ("winner", net)
    assert (leaving["outcome"], leaving["outcome_pnl"]) == ("winner", net)
    assert (leaving["signal_type"], leaving["origin"]) == ("close_long", "host")
    assert entry["settled"] and leaving["settled"]
    joined = await pool.fetch(
        "SELECT s.signal_id, t.pnl_usd FROM trading.trades t"
        " JOIN trading.signals s USING (account, order_link_id)"
    )
    assert [tuple(row) for row in joined] == [(entry["signal_id"], net)], "only of its entry"


async def test_who_refuses_an_intent_stands_in_its_row(life: Life) -> None:
    life.handle.pause("stopped by the operator")
    await enter(life)  # the bot is paused: the host drops it
    life.handle.start()
    life.account.blocked[BTC] = "position differs"
    await _next(life, 1)  # the gateway refuses it
    rows = {row["rejected_by"]: row for row in await signals(life)}
    assert rows["bot_state"]["rejection_reason"].startswith("the bot is paused")
    assert rows["symbol_blocked"]["rejection_reason"] == "position differs"
    for row in rows.values():
        assert row["rejected"] and row["settled"] and not row["executed"]
        assert (row["outcome"], row["order_link_id"]) == ("not_executed", None)
    assert life.exchange.creates == []


async def test_what_the_exchange_refuses_is_told_apart_from_what_never_left(life: Life) -> None:
    path = "/v5/order/create"
    life.exchange.refuse[path] = (110007, "ab not enough for new order")
    await enter(life)
    await hear(life)
    del life.exchange.refuse[path]
    await _next(life, 1, then=lambda: setattr(life.fence, "entries", False))
    life.fence.entries = True
    life.exchange.faults.append("refused")  # the connection
    await _next(life, 2)
    refused, held_back, unheard = await signals(life)
    assert [row["rejected_by"] for row in (refused, held_back, unheard)] == [
        *("exchange", "ledger", "connection")
    ]
    for row in (refused, held_back, unheard):
        assert (row["outcome"], row["rejected"], row["settled"]) == ("not_executed", True, True)
        assert row["order_link_id"]
    assert "ab not enough" in refused["rejection_reason"]
    assert refused["sent_at"] and not held_back["sent_at"]


async def test_a_moved_stop_and_one_without_a_position(life: Life) -> None:
    await enter(life)
    await hear(life)
    decision = life.handle.plan(
        [
            MoveStop(symbol=BTC, stop_loss=D(99), reason="stop_loss", details={"atr\0": "1\0"}),
            MoveStop(symbol=ETH, stop_loss=D(99), reason="stop_loss"),
            Exit(symbol=ETH, reason="time_exit"),
            Enter(
                symbol=ETH,
                side="Buy",
                notional=D("0.5"),
                price=D(10) ** 20,
                reason="entry",
                leverage=D(1),
            ),
        ],
        "host:test",
        START_MS + MINUTE,
    )
    assert decision is not None
    life.service.gateway.carry_out(decision, life.session)
    _, moved, bare, exit_, small = await signals(life)
    assert (moved["signal_type"], moved["suggested_stop_loss"]) == ("move_stop", 99)
    assert moved["settled"] and not moved["rejected"] and moved["outcome"] is None
    assert "1\N{REPLACEMENT CHARACTER}" in moved["indicators"], "the database takes no NUL"
    assert bare["rejected_by"] == exit_["rejected_by"] == "nothing_to_close"
    assert exit_["signal_type"] == "close"
    assert (small["rejected_by"], small["price"]) == ("rounding", None)
    assert [row["place"] for row in (moved, bare, exit_, small)] == [0, 1, 2, 3]


@pytest.mark.parametrize("commits", [0, 1, 2])
async def test_a_crash_neither_loses_nor_doubles_a_signal(life: Life, commits: int) -> None:
    after_close = START_MS + MINUTE + 1
    life.exchange.market_clock.set(after_close, after_close)
    life.close(0, EVEN)
    await life.quiet()
    await life.kill(commits=commits)
    life.exchange.take_frames()
    again = Life(life.exchange, life.pool, life.clock)
    await again.start({0: EVEN})
    rows = await signals(again)
    await again.kill()
    assert len(rows) == 1
    sent = life.exchange.creates
    assert [row["order_link_id"] for row in rows] == sent
    assert rows[0]["executed"] and rows[0]["rejected_by"] is None


async def test_signals_that_the_queue_did_not_hold_come_later(life: Life) -> None:
    life.writer._torn.add(ACCOUNT)
    await enter(life)
    await life.stored()
    assert await life.pool.fetchval("SELECT count(*) FROM trading.signals") == 0
    life.writer.heal(ACCOUNT)
    life.account.put_refused()
    rows = await signals(life)
    assert [row["bot_id"] for row in rows] == [BOT]


async def test_a_correction_of_the_books_corrects_the_result(life: Life, pool: Pool) -> None:
    await enter(life)
    await hear(life)
    await leave(life)
    await hear(life)
    before = (await signals(life))[0]
    assert before["outcome"] == "loser", "two fees"
    async with pool.acquire() as connection:
        await connection.execute("UPDATE trading.completed_trades SET gross_pnl = gross_pnl + 100")
        assert await settle_signals(connection, [ACCOUNT]) == 0
        assert await reopen_signals(connection, ACCOUNT, BTC, START_MS) == 2
        assert await settle_signals(connection, [ACCOUNT]) == 2
    rows = await signals(life)
    assert rows[0]["outcome"] == "winner"
    assert rows[0]["outcome_pnl"] > before["outcome_pnl"]


async def test_the_life_of_an_order_in_milliseconds(life: Life, pool: Pool) -> None:
    await enter(life)
    await life.clock.sleep(0.25)
    await hear(life)
    await leave(life, "unanswered")
    await hear(life)
    await life.stored()
    rows = await pool.fetch("SELECT * FROM trading.order_latencies ORDER BY submitted_at")
    entry, leaving = rows
    for row in rows:
        assert row["state"] == "filled"
        assert row["error_code"] is None
        for name, until in (
            ("ack_ms", "acked_at"),
            ("first_fill_ms", "first_fill_at"),
            ("terminal_ms", "terminal_at"),
        ):
            if row[until] is not None:
                assert row[name] == row[until] - row["submitted_at"], "times come as ms"
    assert entry["first_fill_ms"] >= 250
    assert entry["ack_ms"] <= entry["first_fill_ms"]
    assert leaving["purpose"] == "exit"


async def _next(life: Life, place: int, then: object = None) -> None:
    """The close at which the first coin is entered again."""
    at = START_MS + (place * 3 + 1) * MINUTE
    life.exchange.market_clock.set(at, at)
    life.close(place * 3, EVEN)
    if callable(then):
        then()
    await life.quiet()
