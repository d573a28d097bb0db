from __future__ import annotations

from alpha.clock import ManualClock
from alpha.ledger.pool import Pool
from alpha.ledger.queries import load
from alpha.ledger.summaries import FINISH_DAYS_S, LOOK_EVERY_S, Summaries
from alpha.ledger.writer import LedgerWriter
from tests.ledger.samples import T0, entry_commit, execution, exit_commit, funding_commit


async def test_days_follow_closed_trades_and_nothing_else(pool: Pool, writer: LedgerWriter) -> None:
    clock = ManualClock(T0)
    summaries = Summaries(pool, clock)
    writer.on_commit(summaries.look)
    days = "SELECT trade_date::text, bot_id, trades FROM analytics.daily_performance_summary"

    assert summaries.stale, "what an earlier process left to do is not known"
    await summaries.refresh_stale_days()
    assert summaries.stale, "not in the rush of a start"
    clock.advance(round(LOOK_EVERY_S * 1000))
    await summaries.refresh_stale_days()
    assert not summaries.stale

    bought, sold = execution("e1", T0, "Buy", "3"), execution("e2", T0 + 2_000, "Sell", "3")
    writer.put(entry_commit(bought))
    writer.put(funding_commit(execution("f1", T0 + 1_000, exec_type="Funding")))
    assert await writer.drain(5)
    assert not summaries.stale, "nothing was closed"
    writer.put(exit_commit(bought, sold))
    assert await writer.drain(5)
    assert summaries.stale
    assert await pool.fetch(days) == []
    await summaries.refresh_stale_days()
    assert list(map(tuple, await pool.fetch(days))) == [("2025-10-01", "alpha_001", 1)]
    assert not summaries.stale


async def test_open_positions_stand_there_after_a_refresh(pool: Pool, writer: LedgerWriter) -> None:
    summaries = Summaries(pool, ManualClock(T0))
    held = "SELECT bot_id, symbol, side, size FROM analytics.active_positions_summary"
    writer.put(entry_commit(execution("e1", T0, "Buy", "3")))
    assert await writer.drain(5)
    assert await pool.fetch(held) == []
    await summaries.refresh_positions()
    assert list(map(tuple, await pool.fetch(held))) == [("alpha_001", "BTCUSDT", "long", 3)]


async def test_a_refresh_that_fails_is_done_again(pool: Pool) -> None:
    clock = ManualClock(T0)
    summaries = Summaries(pool, clock)
    clock.advance(round(LOOK_EVERY_S * 1000))
    async with pool.acquire() as other, other.transaction():
        # Another daemon of the same database is at it.
        await other.execute(load("summaries.sql")["refresh_days"])
        await summaries.refresh_stale_days()
        assert summaries.stale
    await summaries.refresh_stale_days()
    assert not summaries.stale


class SlowClock(ManualClock):
    """Everything takes as long as it may at a stop, and a little more."""

    def monotonic(self) -> float:
        self.advance(round(FINISH_DAYS_S * 1000) + 1)
        return super().monotonic()


async def test_days_that_take_long_are_left_to_the_next_start(pool: Pool) -> None:
    quick, slow = Summaries(pool, ManualClock(T0)), Summaries(pool, SlowClock(T0))
    for summaries in (quick, slow):
        await summaries.refresh_days()
        summaries.stale = True
        await summaries.finish()
    assert not quick.stale
    assert slow.stale
