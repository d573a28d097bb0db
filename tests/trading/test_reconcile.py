"""Differences between ledger and exchange: shown point by point, and brought to agree on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.bybit.http import HttpAnswer
from alpha.bybit.requests import RISE, CreateOrder
from alpha.errors import RetryLater
from alpha.ledger.pool import Pool
from alpha.ledger.verify import verify
from alpha.trading.differences import Difference
from alpha.trading.recovery import SETTLE_SWEEPS
from tests.trading.exchange import KEY, START_MS, HandExchange
from tests.trading.life import ACCOUNT, BOT, MINUTE, Life
from tests.trading.test_faults import BTC, ETH, enter, hear, leave

D = Decimal
DAY_MS = 86_400_000


@asynccontextmanager
async def recovering(life: Life) -> AsyncIterator[None]:
    task = asyncio.create_task(life.service.recovery.run(), name="recovery")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def points(found: tuple[Difference, ...] | list[Difference]) -> list[tuple[str, str, str, str]]:
    return [(one.kind, one.symbol, one.ledger, one.exchange) for one in found]


async def is_verified(life: Life, dsn: str) -> None:
    assert await life.writer.drain(20)
    found = await verify(dsn, account=ACCOUNT)
    assert found.problems == ()


async def misplace(life: Life, symbol: str, qty: Decimal) -> None:
    """The exchange holds more than its executions say, as after a transfer between accounts."""
    exchange = life.exchange.engine.exchange
    held = exchange.state.position(KEY, symbol)
    held.size = abs(held.signed + qty)
    held.side = "Buy" if held.signed + qty > 0 else "Sell"


async def test_accounts_that_agree_show_no_difference(life: Life) -> None:
    await enter(life)
    await hear(life)
    await life.stored()
    assert await life.service.reconciler.differences() == []
    await leave(life)
    await hear(life)
    await life.stored()
    assert await life.service.reconciler.differences() == []


@asynccontextmanager
async def trading_all_the_time(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[str]]:
    """Something is traded, and heard of, before each answer of the exchange; gives the paths."""
    answer, asked = life.exchange._arrived, list[str]()

    async def busy(method: str, path: str, values: Mapping[str, object]) -> HttpAnswer:
        asked.append(path)
        at_ms = START_MS + MINUTE + 1_000 * len(asked)
        life.exchange.market_clock.set(at_ms, at_ms)
        await life.exchange.trade(ETH, "Buy", D("0.1"), at_ms)
        for frame in life.exchange.take_frames():
            life.hear(frame)
        return await answer(method, path, values)

    with monkeypatch.context() as patch:
        patch.setattr(life.exchange, "_arrived", busy)
        yield asked


async def test_what_moves_while_it_is_looked_at_is_no_difference(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enter(life)
    await hear(life)
    async with trading_all_the_time(life, monkeypatch) as asked:
        found = await life.service.reconciler.differences()
    assert "/v5/account/transaction-log" in asked
    assert points(found) == []


async def test_a_symbol_that_moves_is_not_adjusted(
    life: Life, monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    """A difference found is of a moment: what has changed since is not accepted unseen."""
    await enter(life)
    await hear(life)
    await life.stored()
    await misplace(life, ETH, D("0.5"))
    reconciler = life.service.reconciler
    found = await reconciler.differences()
    assert [(one.kind, one.symbol) for one in found] == [("position", ETH)]
    async with trading_all_the_time(life, monkeypatch):
        assert await reconciler._adjust(found, "root") == ()
    assert await pool.fetchval("SELECT count(*) FROM trading.adjustments") == 0


async def test_what_the_stream_lost_is_shown_and_brought_in(
    life: Life, pool: Pool, postgres_dsn: str
) -> None:
    await enter(life)
    life.exchange.take_frames()  # lost
    reconciler = life.service.reconciler
    before = await pool.fetchval("SELECT count(*) FROM trading.executions")
    found = await reconciler.differences()
    (position,) = [one for one in found if one.kind == "position"]
    assert (position.symbol, D(position.ledger)) == (BTC, D(0))
    assert D(position.exchange) == life.exchange.position(BTC) > 0
    truth = {row.exec_id for row in await life.exchange.truth()}
    assert {one.subject for one in found if one.kind == "execution"} == truth
    assert await pool.fetchval("SELECT count(*) FROM trading.executions") == before, "only shown"
    async with recovering(life):
        done = await reconciler.apply("root")
    assert done.brought == len(truth)
    assert done.adjusted == ()
    assert done.left == ()
    assert life.account.position(BOT, BTC).signed_qty == life.exchange.position(BTC)
    assert await pool.fetchval("SELECT count(*) FROM trading.adjustments") == 0
    await is_verified(life, postgres_dsn)


async def test_executions_of_months_ago_are_brought_in(
    exchange: HandExchange, pool: Pool, life: Life, postgres_dsn: str
) -> None:
    """A position that was opened long before the ledger began is explained, not adjusted."""
    await life.kill()
    await exchange.trade(ETH, "Buy", D("0.7"), START_MS + DAY_MS)
    now_ms = START_MS + 60 * DAY_MS
    exchange.market_clock.set(now_ms, now_ms)
    exchange.take_frames()
    await pool.execute("UPDATE config.marks SET verified = $1", now_ms)
    late = Life(exchange, pool, life.clock)
    await late.start()
    assert late.account.blocked[ETH].startswith("position differs")
    async with recovering(late):
        done = await late.service.reconciler.apply("root")
    assert done.brought > 0
    assert done.adjusted == ()
    assert done.left == ()
    assert ETH not in late.account.blocked, "the symbol takes entries again"
    assert late.account.position("manual", ETH).signed_qty == D("0.7")
    await is_verified(late, postgres_dsn)
    await late.kill()


async def test_what_no_execution_explains_is_adjusted_by_an_operator_alone(
    life: Life, pool: Pool, postgres_dsn: str
) -> None:
    await enter(life)
    await hear(life)
    await life.stored()
    bots = life.account.position(BOT, BTC)
    await misplace(life, BTC, D("0.5"))
    life.disconnect()
    life.connect()
    for _ in range(SETTLE_SWEEPS):
        with pytest.raises(RetryLater):
            await life.service.recovery.close_gap()
    await life.service.recovery.close_gap()
    assert life.account.blocked[BTC].startswith("position differs")
    reconciler = life.service.reconciler
    ((kind, symbol, ledger, shown),) = points(await reconciler.differences())
    assert (kind, symbol) == ("position", BTC)
    assert D(shown) - D(ledger) == D("0.5")
    assert await pool.fetchval("SELECT count(*) FROM trading.adjustments") == 0, "only shown"
    async with recovering(life):
        done = await reconciler.apply("telegram:7")
    assert done.adjusted == (BTC,)
    assert done.left == ()
    assert life.account.net(BTC) == life.exchange.position(BTC)
    assert life.account.position(BOT, BTC) == bots, "no bot's position changes"
    assert BTC not in life.account.blocked
    row = await pool.fetchrow("SELECT bot_id, qty, operator FROM trading.adjustments")
    assert row is not None
    assert (row["bot_id"], row["qty"], row["operator"]) == ("manual", D("0.5"), "telegram:7")
    await is_verified(life, postgres_dsn)
    again = Life(life.exchange, pool, life.clock)
    await life.kill()
    await again.start()
    assert again.account.net(BTC) == life.exchange.position(BTC), "it is kept"
    await again.kill()


async def test_a_stop_of_ours_without_a_position_is_an_orphan_and_cancelled(life: Life) -> None:
    await life.service.rest.create_order(
        replace(
            CreateOrder(
                symbol=BTC,
                side="Buy",
                qty=D("0.5"),
                order_link_id=f"{BOT}-sl-0k2j1aaa",
            ),
            trigger_price=D(200),
            trigger_direction=RISE,
        )
    )
    await hear(life)
    (found,) = await life.service.reconciler.differences()
    assert found.kind == "orphan"
    assert BOT in found.note
    async with recovering(life):
        done = await life.service.reconciler.apply("root")
    assert done.cancelled == (found.subject,)
    assert life.exchange.open_orders(BTC) == []
    assert done.left == ()


async def test_an_account_that_is_not_live_is_not_changed(life: Life) -> None:
    life.disconnect()
    with pytest.raises(RetryLater, match="to be live"):
        await life.service.reconciler.apply("root")


async def test_fees_and_funding_are_compared_with_the_transaction_log(
    life: Life, pool: Pool
) -> None:
    await enter(life)
    await hear(life)
    await life.exchange.fund(BTC, D("0.0003"), START_MS + 120_000)
    await hear(life)
    await life.stored()
    reconciler = life.service.reconciler
    assert await reconciler.differences() == [], "what was charged is what is stored"
    row = next(row for row in await life.exchange.truth() if row.exec_type == "Trade")
    await pool.execute("ALTER TABLE trading.executions DISABLE TRIGGER ALL")
    await pool.execute(
        "UPDATE trading.executions SET fee = fee + 1 WHERE exec_id = $1", row.exec_id
    )
    await pool.execute("ALTER TABLE trading.executions ENABLE TRIGGER ALL")
    (found,) = await reconciler.differences()
    assert (found.kind, found.subject) == ("cash", row.exec_id)
    assert D(found.ledger) - D(found.exchange) == 1


async def test_a_wallet_that_no_transaction_explains_is_shown(life: Life) -> None:
    await enter(life)
    await hear(life)
    await life.stored()
    life.exchange.engine.exchange.state.accounts[KEY].balance += 5
    (found,) = await life.service.reconciler.differences()
    assert (found.kind, found.subject) == ("cash", "wallet")
    assert D(found.exchange) - D(found.ledger) == 5
