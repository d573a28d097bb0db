"""What has become different while nobody could tell a bot, it is told at its next start: once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from alpha.clock import SystemClock
from alpha.core.records import BotPosition, Override
from alpha.ledger.assign import assign_stored, find_execution
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.verify import verify
from tests.trading.exchange import START_MS
from tests.trading.life import ACCOUNT, MINUTE, Life
from tests.trading.test_faults import BTC, EVEN, after, enter, hear

D = Decimal
PAST = {0: EVEN}


async def give_away(pool: Pool, exec_id: str, owner: str) -> None:
    """As `alpha fills assign` without a daemon."""
    _, symbol, exec_time = await find_execution(LedgerReader(pool), exec_id, ACCOUNT)
    override = Override(ACCOUNT, symbol, exec_id, owner, "root", "operator", "", exec_time)
    await assign_stored(pool, override, exec_time, installation="here", clock=SystemClock())


def held(life: Life) -> BotPosition:
    return life.session.account.position(life.handle.bot_id, BTC)


async def test_a_bot_is_told_what_it_was_told_already_only_once(life: Life) -> None:
    await enter(life)
    await hear(life)
    again = await after(life, PAST)
    assert (held(again), again.beat.corrections) == (held(life), [])
    assert held(again).signed_qty
    await again.kill()


async def test_what_was_given_away_without_a_daemon_is_told_at_the_next_start(
    life: Life, pool: Pool, postgres_dsn: str
) -> None:
    await enter(life)
    await hear(life)
    before = held(life)
    await life.stored()
    await life.kill()
    exec_id = await pool.fetchval("SELECT exec_id FROM trading.executions ORDER BY exec_id LIMIT 1")
    await give_away(pool, exec_id, "manual")
    second = await after(life, PAST)
    now = held(second)
    assert now.signed_qty < before.signed_qty
    assert second.beat.corrections == [(before, now)]
    third = await after(second, PAST)
    assert (held(third), third.beat.corrections) == (now, [])
    await third.stored()
    assert (await verify(postgres_dsn)).problems == ()
    await third.kill()


async def test_a_correction_that_a_crash_has_swallowed_is_told_again(
    life: Life, pool: Pool
) -> None:
    """The books are committed with the late row, the bot's decision after it is not."""
    await enter(life)
    frames = life.exchange.take_frames()
    late = next(f for f in frames if b'"topic":"execution' in f)
    for frame in frames:
        life.hear(frame)
    await life.stored()
    assert life.beat.fills and late
    before = held(life)
    order = life.account.books[BTC].rows[-1]
    early = replace(
        order,
        exec_id="early",
        order_id="a person's",
        order_link_id="",
        side="Sell",
        qty=D("0.5"),
        exec_time=order.exec_time + 1,
        create_type="CreateByUser",
        seq=order.seq + 1,
    )
    life.account.receive((early,))
    await life.stored()
    assert life.beat.corrections == []
    assert held(life).signed_qty == before.signed_qty - D("0.5")
    between = replace(early, exec_id="between", exec_time=order.exec_time, seq=order.seq)
    life.account.receive((between,))
    told = held(life)
    assert [now for _, now in life.beat.corrections] == [told]
    await life.kill(commits=1)
    again = await after_crash(life)
    assert [now for _, now in again.beat.corrections] == [told]
    await again.kill()


async def after_crash(life: Life) -> Life:
    life.exchange.take_frames()
    again = Life(life.exchange, life.pool, life.clock)
    await again.start(PAST)
    return again


async def test_a_late_row_that_the_start_brings_is_told(life: Life) -> None:
    """A person has closed a part before the bot's newest fill; no sweep was until now."""
    await enter(life)
    frames = life.exchange.take_frames()
    await life.exchange.trade(BTC, "Sell", D("0.5"), START_MS + MINUTE + 1)
    life.exchange.take_frames()  # nobody hears of it
    for frame in frames:
        life.hear(frame)
    life.service.close(life.handle.bot_id, BTC, "risk_limit", D(1))
    await life.quiet()
    await hear(life)
    before = held(life)
    again = await after(life, PAST)
    now = held(again)
    assert now.signed_qty == before.signed_qty - D("0.5")
    assert again.beat.corrections == [(before, now)]
    await again.kill()
