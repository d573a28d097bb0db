from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alpha.clock import ManualClock
from alpha.core.risk import Rule
from alpha.ledger.pool import Pool, open_pool
from tests.trading.exchange import START_MS, HandExchange, hand_exchange
from tests.trading.life import MINUTE, Life, manual_clock, register_beat
from tests.trading.limited import ONE, TWO, Limited, Start


@pytest.fixture
def clock() -> ManualClock:
    return manual_clock()


@pytest.fixture
async def exchange(tmp_path: Path, clock: ManualClock) -> AsyncIterator[HandExchange]:
    async with hand_exchange(tmp_path / "exchange", clock) as exchange:
        yield exchange


@pytest.fixture
async def pool(postgres_dsn: str, clock: ManualClock) -> AsyncIterator[Pool]:
    pool = await open_pool(postgres_dsn, clock=clock, max_size=4)
    await register_beat(pool)
    yield pool
    pool.terminate()


@pytest.fixture
async def life(exchange: HandExchange, pool: Pool, clock: ManualClock) -> AsyncIterator[Life]:
    """A first life, started; whichever a test starts after it, it kills itself."""
    life = Life(exchange, pool, clock)
    await life.start()
    yield life
    await life.kill()


@pytest.fixture
async def limited(exchange: HandExchange, pool: Pool, clock: ManualClock) -> AsyncIterator[Start]:
    """Starts bots under the limits that it is given."""
    await register_beat(pool, ONE, TWO)
    exchange.market_clock.set(START_MS + MINUTE, START_MS + MINUTE)
    started: list[Limited] = []

    async def start(*, netting: bool = False, **rules: tuple[Rule, ...]) -> Limited:
        found = Limited(exchange, pool, clock, rules, netting=netting)
        await found.start()
        started.append(found)
        return found

    yield start
    for one in started:
        await one.life.kill()
