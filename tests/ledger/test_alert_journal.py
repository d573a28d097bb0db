"""Alerts in the database: each once, in order, whatever the server does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from alpha.alerts import Alert
from alpha.clock import SystemClock
from alpha.ledger.alert_journal import MAX_WAITING, AlertJournal
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from tests.proxied import behind_proxy
from tests.until import until

ALERT = Alert(
    kind="position_mismatch",
    level="CRITICAL",
    message="expected 1, was 2: see `alpha reconcile`",
    at_ms=1_762_000_000_123,
    account="main",
    bot_id="beta_001",
    symbol="BTCUSDT",
    details={"ledger": "1", "exchange": "2", "count": 3, "sure": True},
)


@asynccontextmanager
async def writing(pool: Pool) -> AsyncIterator[AlertJournal]:
    journal = AlertJournal(pool, SystemClock())
    task = asyncio.create_task(journal.run())
    try:
        yield journal
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_alert_reads_as_it_was_told(pool: Pool) -> None:
    later = replace(ALERT, at_ms=ALERT.at_ms + 1, repeated=7, bot_id=None, level="ERROR")
    async with writing(pool) as journal:
        journal.put(ALERT)
        journal.put(later)
        await until(lambda: not journal.waiting, "the journal")
        journal.put(ALERT)  # as after an answer that was lost
        await until(lambda: not journal.waiting, "the journal")
    reader = LedgerReader(pool)
    assert await reader.alerts(10) == [ALERT, later]
    assert await reader.alerts(1) == [later]


async def test_what_is_told_while_postgres_is_away_is_written_when_it_is_back(
    pool: Pool, postgres_dsn: str
) -> None:
    told = [replace(ALERT, at_ms=ALERT.at_ms + number) for number in range(5)]
    async with behind_proxy(postgres_dsn) as (proxy, distant), writing(distant) as journal:
        proxy.cut()
        for alert in told:
            journal.put(alert)
        await SystemClock().sleep(0.5)
        assert journal.waiting == 5
        proxy.heal()
        await until(lambda: not journal.waiting, "the journal", within_s=20)
        assert journal.dropped == 0
    assert await LedgerReader(pool).alerts(10) == told


async def test_one_that_the_database_refuses_holds_up_nobody(pool: Pool) -> None:
    odd = replace(ALERT, message="a \0 and a \ud800 from outside")
    async with writing(pool) as journal:
        journal.put(replace(ALERT, symbol="BTC\0USDT"))
        journal.put(odd)
        await until(lambda: not journal.waiting, "the journal")
        assert journal.dropped == 1
    (stored,) = await LedgerReader(pool).alerts(10)
    assert (
        stored.message == "a \N{REPLACEMENT CHARACTER} and a \N{REPLACEMENT CHARACTER} from outside"
    )


async def test_the_oldest_gives_way_in_a_full_queue(pool: Pool) -> None:
    journal = AlertJournal(pool, SystemClock())
    for number in range(MAX_WAITING + 3):
        journal.put(replace(ALERT, at_ms=ALERT.at_ms + number))
    assert (journal.waiting, journal.dropped) == (MAX_WAITING, 3)
