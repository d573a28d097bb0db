"""What is away or refuses in the middle of a run, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from alpha.clock import SystemClock
from alpha.errors import NeedsOperator, RetryLater
from alpha.trading import recovery
from alpha.trading.account import AccountStatus
from tests.trading.exchange import START_MS, HandExchange
from tests.trading.life import ACCOUNT, BOT, Life
from tests.trading.test_faults import BTC, ETH, EVEN, enter, hear, is_whole, leave
from tests.until import until

D = Decimal
WALL = SystemClock()
REFUSED = (10003, "API key is invalid.")
EXECUTIONS = "/v5/execution/list"


@asynccontextmanager
async def recovering(life: Life) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(life.service.recovery.run(), name="recovery")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# -- a key that is refused ------------------------------------------------------------------------


async def test_a_key_refused_in_the_middle_of_a_run_halts_its_account_until_it_is_taken_again(
    life: Life, postgres_dsn: str
) -> None:
    await enter(life)
    life.exchange.refuse[EXECUTIONS] = REFUSED
    async with recovering(life) as task:
        life.service.recovery.gap("something")
        await until(lambda: life.account.status is AccountStatus.HALTED, "the account is halted")
        assert "API key is invalid" in life.account.why
        assert not task.done(), "the daemon goes on"
        before = life.clock.monotonic()
        life.exchange.refuse.clear()
        await until(lambda: life.account.live, "the account is live once its key is taken")
        assert life.clock.monotonic() - before <= 10.0
        assert life.account.why == ""
    await hear(life)
    await is_whole(life, postgres_dsn)


async def test_a_refused_key_is_not_asked_for_in_a_storm(life: Life) -> None:
    life.exchange.refuse[EXECUTIONS] = REFUSED
    async with recovering(life):
        life.service.recovery.gap("something")
        await until(lambda: life.account.status is AccountStatus.HALTED, "the account is halted")
        began, asked = life.clock.monotonic(), life.exchange.asked.count(EXECUTIONS)
        await until(lambda: life.exchange.asked.count(EXECUTIONS) >= asked + 5, "five more")
        passed = life.clock.monotonic() - began
        assert passed >= 4 * recovery.REFUSED_RETRY_S


async def test_a_poisoned_ledger_stays_halted_whatever_the_key_does(life: Life) -> None:
    life.writer.poisoned[ACCOUNT] = NeedsOperator("refused by a guard")
    life.service.recovery.watch_ledger()
    assert life.account.status is AccountStatus.HALTED
    await life.service.recovery.close_gap()
    assert life.account.status is AccountStatus.HALTED
    assert life.account.why == "refused by a guard"


# -- what the stream never brings -----------------------------------------------------------------


async def test_an_execution_missed_while_rest_was_away_is_found(
    life: Life, postgres_dsn: str
) -> None:
    await enter(life)
    life.exchange.take_frames()  # none of them arrives
    life.exchange.away = True
    async with recovering(life) as task:
        life.service.recovery.gap("a sweep that fails")
        await WALL.sleep(0.3)
        assert life.account.position(BOT, BTC).signed_qty == 0
        life.exchange.away = False
        await until(lambda: life.account.position(BOT, BTC).signed_qty > 0, "it is found")
        assert not task.done()
    assert life.account.position(BOT, BTC).signed_qty == life.exchange.position(BTC)
    await is_whole(life, postgres_dsn)


async def test_a_socket_that_brings_no_executions_is_made_anew(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(life.service.recovery, "_reconnect", asked.append)
    life.exchange.market_clock.set(START_MS + 1_000, START_MS + 1_000)
    life.disconnect()
    life.connect()
    await life.sweep()
    await enter(life)
    frames = life.exchange.take_frames()
    await life.sweep()  # the periodic one
    assert life.account.position(BOT, BTC).signed_qty == life.exchange.position(BTC) > 0
    life.service.recovery.watch_stream()
    assert asked == [], "the stream may be a moment later"
    await life.clock.sleep(recovery.STREAM_OWES_S)
    for frame in frames:
        life.hear(frame)
    life.service.recovery.watch_stream()
    assert asked == [], "it was"
    await leave(life)
    life.exchange.take_frames()
    await life.sweep()
    await life.clock.sleep(recovery.STREAM_OWES_S)
    life.service.recovery.watch_stream()
    (why,) = asked
    assert "did not show" in why


async def test_what_rest_shows_late_is_asked_for_until_it_comes(
    life: Life, postgres_dsn: str
) -> None:
    """The stream brings the position and loses the executions; REST does not show them yet."""
    await enter(life)
    for frame in life.exchange.take_frames():
        if b'"topic":"execution' not in frame:
            life.hear(frame)
    life.exchange.lags = True
    comparison = life.service.recovery.comparison
    async with recovering(life):
        for _ in range(8):
            comparison.compare()
            await life.clock.sleep(1)
            await WALL.sleep(0.02)
        assert life.account.blocked[BTC].startswith("position differs")
        assert life.account.gaps == 1, "one difference is one gap"
        life.exchange.lags = False
        shown = life.clock.monotonic()
        while BTC in life.account.blocked and life.clock.monotonic() - shown < 20:
            comparison.compare()
            await life.clock.sleep(1)
            await WALL.sleep(0.1)  # for PostgreSQL, whose time is not that of the clock
        assert life.clock.monotonic() - shown <= 10.0
    assert life.account.position(BOT, BTC).signed_qty == life.exchange.position(BTC) > 0
    await is_whole(life, postgres_dsn)


async def test_an_account_is_not_live_before_late_executions_had_a_chance_to_show(
    life: Life,
) -> None:
    await enter(life)
    for frame in life.exchange.take_frames():
        if b'"topic":"order' in frame:
            life.hear(frame)
    life.disconnect()
    life.connect()
    life.exchange.lags = True
    for _ in range(recovery.SETTLE_SWEEPS):
        with pytest.raises(RetryLater, match="BTCUSDT"):
            await life.service.recovery.close_gap()
        assert not life.account.live
    await life.service.recovery.close_gap()
    assert life.account.live
    assert BTC in life.account.blocked, "a difference that stays blocks its symbol"


# -- days offline ---------------------------------------------------------------------------------


async def test_twenty_days_offline_are_caught_up_page_by_page_and_window_by_window(
    life: Life, exchange: HandExchange, postgres_dsn: str
) -> None:
    await enter(life)
    await hear(life)
    await is_whole(life, postgres_dsn)
    await life.kill()
    day = 86_400_000
    for n in range(20):
        at_ms = START_MS + n * day + day // 2
        await exchange.fund(BTC, D("0.0001"), at_ms)
        for trade in range(12):
            side = "Buy" if trade % 2 == 0 else "Sell"
            await exchange.trade(ETH, side, D("0.3"), at_ms + 1_000 * trade)
    exchange.market_clock.set(START_MS + 20 * day, START_MS + 20 * day)
    exchange.take_frames()
    truth = await exchange.truth()
    assert len(truth) > 240
    again = Life(exchange, life.pool, life.clock)
    await again.start({0: EVEN})
    assert again.account.live
    assert exchange.asked.count(EXECUTIONS) >= 5
    await is_whole(again, postgres_dsn)
    payments = await life.pool.fetchval("SELECT count(*) FROM trading.funding_payments")
    assert payments == 20
    await again.kill()


# -- limits and clocks ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"), [(10006, "Too many visits!"), (10002, "invalid request, check timestamp")]
)
async def test_refusals_for_now_are_tried_again_without_a_storm(
    life: Life, code: int, words: str
) -> None:
    life.exchange.refuse[EXECUTIONS] = (code, words)
    life.disconnect()
    life.connect()
    async with recovering(life) as task:
        await WALL.sleep(3)
        asked = life.exchange.asked.count(EXECUTIONS)
        assert 2 <= asked <= 40, asked
        assert not task.done()
        life.exchange.refuse.clear()
        await until(lambda: life.account.live, "the account is live again", within_s=10)
