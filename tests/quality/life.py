"""A bot that has traded, over the simulated exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alpha.ledger.pool import Pool
from tests.trading.exchange import hand_exchange
from tests.trading.life import Life, manual_clock, register_beat
from tests.trading.test_faults import enter, hear, leave


@asynccontextmanager
async def lived(folder: Path, pool: Pool) -> AsyncIterator[int]:
    """Enters, leaves and enters again; the number of its signals."""
    clock = manual_clock()
    await register_beat(pool)
    async with hand_exchange(folder / "exchange", clock) as exchange:
        life = Life(exchange, pool, clock)
        await life.start()
        try:
            for act in (enter, leave, enter):
                await act(life)
                await hear(life)
                await life.stored()
            yield await pool.fetchval("SELECT count(*) FROM trading.signals")
        finally:
            await life.kill()
