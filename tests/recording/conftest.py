from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from alpha.alerts import Alerts
from alpha.clock import ManualClock, VenueClock
from alpha.config import Config
from alpha.core.reasons import BUILTIN
from alpha.crew import Crew
from alpha.ledger.alert_journal import AlertJournal
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Pool
from alpha.live import Live
from alpha.recording.recorder import Recorder
from alpha.stores import Stores
from alpha.trading.latency import Latencies
from tests.trading.conftest import clock, exchange, pool
from tests.trading.exchange import HandExchange
from tests.trading.life import ACCOUNT, Life

__all__ = ["clock", "exchange", "pool"]


@dataclass
class Desk:
    """A life with a recorder beside it."""

    life: Life
    live: Live
    recorder: Recorder
    venue: VenueClock
    clock: ManualClock
    lease: Lease
    journal: AlertJournal

    def at(self, ms: int) -> None:
        """The exchange's time, on both sides."""
        self.life.exchange.market_clock.set(ms, ms)
        self.venue.observe(ms)


def recorder_beside(life: Life, clock: ManualClock, lease: Lease, config: Config) -> Desk:
    latencies = Latencies()
    stores = Stores(life.pool, life.reader, life.writer, lease, "", latencies, None, ("0001_x",))
    handles = {life.handle.name: life.handle}
    crew = Crew(handles, BUILTIN, {name: {"wait": "3"} for name in config.bots})
    live = Live(config, clock, stores, crew, Alerts(clock), started=0.0)
    live.services[ACCOUNT] = life.service
    live.sessions.update(life.sessions)
    venue = VenueClock(clock)
    venue.observe(life.exchange.now_ms)
    journal = AlertJournal(life.pool, clock)
    recorder = Recorder(config, stores, live, journal, clock, venue)
    return Desk(life, live, recorder, venue, clock, lease, journal)


@pytest.fixture
async def desk(exchange: HandExchange, pool: Pool, clock: ManualClock) -> AsyncIterator[Desk]:
    life = Life(exchange, pool, clock)
    await life.start()
    lease = Lease(pool, [ACCOUNT], "here", installation="here", clock=clock)
    await lease.acquire()
    yield recorder_beside(life, clock, lease, Config())
    await life.kill()


async def logged(desk: Desk, pool: Pool, up_to_ms: int, *moved: tuple[str, int]) -> None:
    """The trade sync has read the transaction log."""
    for change, at_ms in moved:
        await pool.execute(
            "INSERT INTO trading.cash_movements (account, id, kind, change, moved_at)"
            " VALUES ($1, $2, 'TRANSFER_IN', $3, $4)",
            *(ACCOUNT, f"m{at_ms}", Decimal(change), at_ms),
        )
    await pool.execute(
        "INSERT INTO trading.sync_watermarks (account, endpoint, high_water)"
        " VALUES ($1, 'transactions', $2)"
        " ON CONFLICT (account, endpoint) DO UPDATE SET high_water = excluded.high_water",
        *(ACCOUNT, up_to_ms),
    )
    await desk.recorder.write_balances()
