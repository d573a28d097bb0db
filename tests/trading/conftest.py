from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alpha.clock import ManualClock
from alpha.ledger.pool import Pool, open_pool
from tests.trading.exchange import HandExchange, hand_exchange
from tests.trading.life import Life, manual_clock, register_beat


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
