"""A bot alone on its account sizes by the wallet, whose topic may come behind the executions."""

from __future__ import annotations

import msgspec
import pytest

from alpha.clock import ManualClock
from tests.trading.exchange import KEY, START_MS, HandExchange
from tests.trading.life import MINUTE, Life
from tests.trading.test_faults import BTC, EVEN, enter, hear, leave


def topic_of(frame: bytes) -> str:
    return str(msgspec.json.decode(frame)["topic"])


async def hear_all_but_the_wallet(life: Life) -> list[bytes]:
    """The frames of the wallet, which are still to come."""
    held: list[bytes] = []
    while frames := life.exchange.take_frames():
        for frame in frames:
            if topic_of(frame) == "wallet":
                held.append(frame)
            else:
                life.hear(frame)
        await life.quiet()
    return held


def truth(exchange: HandExchange) -> str:
    return f"{exchange.engine.exchange.state.accounts[KEY].balance:f}"


def known(life: Life) -> str:
    return f"{life.session.money()[0]:f}"


@pytest.fixture
def later(life: Life, clock: ManualClock) -> Life:
    """The wallet of the start is older than everything that follows."""
    life.exchange.market_clock.set(START_MS + MINUTE, START_MS + MINUTE)
    return life


async def test_what_executions_have_cost_counts_before_the_wallet_tells(later: Life) -> None:
    life = later
    before = truth(life.exchange)
    await enter(life)
    held = await hear_all_but_the_wallet(life)
    assert held and truth(life.exchange) != before
    assert known(life) == truth(life.exchange)
    for frame in held:
        life.hear(frame)
    assert known(life) == truth(life.exchange)


async def test_a_closed_position_leaves_its_result_before_the_wallet_tells(later: Life) -> None:
    life = later
    await enter(life)
    await hear(life)
    at_ms = START_MS + 2 * MINUTE
    await life.exchange.tick(BTC, EVEN[BTC] + 3, at_ms)
    await hear(life)
    await leave(life)
    held = await hear_all_but_the_wallet(life)
    assert held and life.account.position("beat_001", BTC).signed_qty == 0
    assert known(life) == truth(life.exchange)
    wallet, equity = life.session.money()
    assert wallet == equity
    for frame in (*held, *held):
        life.hear(frame)
    assert known(life) == truth(life.exchange)


async def test_executions_that_come_twice_or_late_count_once(later: Life) -> None:
    life = later
    await enter(life)
    frames = life.exchange.take_frames()
    executions = [frame for frame in frames if topic_of(frame) == "execution"]
    assert executions
    for frame in (*reversed(executions), *executions):
        life.hear(frame)
    assert known(life) == truth(life.exchange)
