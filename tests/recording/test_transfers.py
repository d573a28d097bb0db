"""Money from outside is neither gain nor loss, whenever it comes and whatever dies meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal

import pytest
from asyncpg.transaction import Transaction

from alpha.config import Config
from alpha.core.events import WalletEvent
from alpha.ledger.pool import Pool
from tests.recording.conftest import Desk, logged, recorder_beside
from tests.trading.exchange import START_MS
from tests.trading.life import ACCOUNT, BOT, MINUTE
from tests.trading.test_faults import enter, hear

D = Decimal
SECOND = 1_000


async def told(desk: Desk, wallet: str, at_ms: int, seen_ms: int) -> None:
    """The exchange's word on the wallet, and a turn of the recorder so long after it."""
    event = WalletEvent(ACCOUNT, D(wallet), D(wallet), D(wallet), at_ms)
    desk.life.account.balance.tell(event)
    desk.at(at_ms + seen_ms)
    await desk.recorder.write_balances()


async def amounts(pool: Pool, bot_id: str | None) -> list[Decimal]:
    rows = await pool.fetch(
        "SELECT amount FROM trading.account_balance"
        " WHERE amount IS NOT NULL AND bot_id IS NOT DISTINCT FROM $1 ORDER BY id",
        bot_id,
    )
    return [row["amount"] for row in rows]


async def own(pool: Pool) -> set[Decimal]:
    """Every equity that was written down, of bot and account, less what came from outside."""
    rows = await pool.fetch("SELECT own_equity FROM trading.equity_history")
    return {row["own_equity"] for row in rows}


@pytest.mark.parametrize("early_ms", [-2 * SECOND, 2 * SECOND])
@pytest.mark.parametrize("written", [True, False])
async def test_a_deposit_right_before_an_end_is_counted_once(
    desk: Desk, pool: Pool, written: bool, early_ms: int
) -> None:
    """Whether its wallet was written down or not, and whichever clock is ahead."""
    await desk.life.stored()
    await told(desk, "10000", START_MS, 31 * SECOND)
    row_ms = START_MS + 6 * MINUTE  # a row anyway
    await told(desk, "10000", row_ms, SECOND)
    deposit_ms = row_ms + 70 * SECOND if written else row_ms + 5 * SECOND
    if written:
        await told(desk, "10250", deposit_ms, SECOND)
        assert (
            await pool.fetchval("SELECT max(total_balance) FROM trading.account_balance") == 10250
        )
    assert await amounts(pool, BOT) == []

    desk.life.account.balance.told = None  # a new process has heard of none
    again = recorder_beside(desk.life, desk.clock, desk.lease, Config())
    start_ms = deposit_ms + 20 * SECOND
    await told(again, "10250", start_ms, SECOND)
    await told(again, "10250", start_ms + 20 * SECOND, SECOND)  # a sweep asks again
    await told(again, "10250", start_ms + 20 * SECOND, 31 * SECOND)
    for owner in (None, BOT):
        assert await amounts(pool, owner) == [D(250)]
    await logged(again, pool, start_ms + 5 * MINUTE, ("250", deposit_ms + early_ms))
    for owner in (None, BOT):
        assert await amounts(pool, owner) == [D(250)]

    third = recorder_beside(desk.life, desk.clock, desk.lease, Config())
    await told(third, "10250", start_ms + 10 * MINUTE, SECOND)
    await told(third, "10250", start_ms + 10 * MINUTE, 31 * SECOND)
    await logged(third, pool, start_ms + 15 * MINUTE)
    for owner in (None, BOT):
        assert await amounts(pool, owner) == [D(250)]
    assert await own(pool) == {D(10_000)}, "equity from before the end is cleared of it, too"


@pytest.mark.parametrize("end", [ConnectionResetError, asyncio.CancelledError])
async def test_a_commit_whose_answer_was_lost_counts_no_deposit_twice(
    desk: Desk, pool: Pool, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    """Also where a daemon that stops did not wait for it: its last words follow."""
    await desk.life.stored()
    await told(desk, "10000", START_MS, 31 * SECOND)
    real = Transaction.__aexit__

    async def unanswered(self: Transaction, *raised: object) -> None:
        await real(self, *raised)
        raise end

    with monkeypatch.context() as patch, suppress(asyncio.CancelledError):
        patch.setattr(Transaction, "__aexit__", unanswered)
        await told(desk, "10250", START_MS + MINUTE, 31 * SECOND)
    assert await amounts(pool, BOT) == [D(250)]
    await desk.recorder.write_balances()
    for owner in (None, BOT):
        assert await amounts(pool, owner) == [D(250)]


async def test_a_wallet_that_is_asked_for_all_the_time_stands_still(desk: Desk, pool: Pool) -> None:
    """As limits do whose data have to be fresh: a word that says the same is no movement."""
    await desk.life.stored()
    for turn in range(4):
        await told(desk, "10000", START_MS + turn * 15 * SECOND, SECOND)
    since_ms = START_MS + MINUTE
    for turn in range(4):
        await told(desk, "10250", since_ms + turn * 15 * SECOND, SECOND)
    assert await amounts(pool, BOT) == [D(250)]
    await logged(desk, pool, since_ms + 2 * MINUTE, ("250", since_ms - 2 * SECOND))
    for turn in range(4, 8):
        await told(desk, "10250", since_ms + turn * 15 * SECOND, SECOND)
    assert await amounts(pool, BOT) == [D(250)]
    await told(desk, "10260", since_ms + 3 * MINUTE, 31 * SECOND)
    await logged(desk, pool, since_ms + 9 * MINUTE, ("10", since_ms + 3 * MINUTE))
    for owner in (None, BOT):
        assert await amounts(pool, owner) == [D(250), D(10)]
    assert await own(pool) == {D(10_000)}


async def test_a_deposit_into_a_new_account_is_no_gain(desk: Desk, pool: Pool) -> None:
    await desk.life.stored()
    await told(desk, "10000", START_MS, SECOND)
    deposit_ms = START_MS + 5 * SECOND
    await told(desk, "10250", deposit_ms, 31 * SECOND)
    assert await amounts(pool, BOT) == [D(250)]
    # By the log's clock it may as well have been in the first wallet: that decides.
    await logged(desk, pool, START_MS + 5 * MINUTE, ("250", deposit_ms))
    assert await amounts(pool, BOT) == [D(250)]
    assert await own(pool) == {D(10_000)}


@pytest.mark.parametrize("deposit", [0, 250])
async def test_a_first_wallet_that_knew_of_a_trade_makes_no_deposit_of_it(
    desk: Desk, pool: Pool, deposit: int
) -> None:
    """Asked for over REST: stamped before it was read. Then only the log knows what else came."""
    await told(desk, "10000", START_MS, 0)
    await enter(desk.life)
    await hear(desk.life)
    await desk.life.stored()
    assert await pool.fetchval("SELECT max(commission) FROM trading.fills") > D("0.01")
    wallet = 10_000 + deposit
    await told(desk, str(wallet), START_MS + 2 * MINUTE, 31 * SECOND)
    for owner in (None, BOT):
        assert await amounts(pool, owner) == [0]
    moved = [(str(deposit), START_MS + MINUTE)] if deposit else []
    await logged(desk, pool, START_MS + 3 * MINUTE, *moved)
    found = [D(deposit)] if deposit else []
    for owner in (None, BOT):
        assert await amounts(pool, owner) == found
    # From then on it is known what a wallet holds.
    await told(desk, str(wallet + 100), START_MS + 4 * MINUTE, 31 * SECOND)
    assert await amounts(pool, BOT) == [*found, D(100)]


async def test_a_first_wallet_that_stands_still_with_a_trade_behind_it(
    desk: Desk, pool: Pool
) -> None:
    await told(desk, "10000", START_MS, 0)
    first = desk.life.account.balance.told
    await enter(desk.life)
    await hear(desk.life)
    await desk.life.stored()
    desk.life.account.balance.told = first  # no word has come with the trade
    desk.at(START_MS + 2 * MINUTE)
    await desk.recorder.write_balances()
    settled = "SELECT stood_still FROM trading.settled_wallets"
    assert await pool.fetchval(settled) is True
    assert await amounts(pool, BOT) == []


async def test_no_equity_shows_money_before_it_came(desk: Desk, pool: Pool) -> None:
    """Our idea of the exchange's time is a little behind it, in paper mode by whole bars."""
    await desk.life.stored()
    await told(desk, "10000", START_MS, 31 * SECOND)
    deposit_ms = START_MS + 6 * MINUTE
    await told(desk, "10250", deposit_ms, -40)
    assert await pool.fetchval("SELECT max(equity) FROM trading.equity_history") == 10_250
    await told(desk, "10250", deposit_ms, 31 * SECOND)
    for owner in (None, BOT):
        assert await amounts(pool, owner) == [D(250)]
    assert await own(pool) == {D(10_000)}


async def test_equity_is_cleared_of_it_from_the_moment_it_shows(desk: Desk, pool: Pool) -> None:
    """A wallet that is told again, unchanged, moves no deposit behind equity that has it."""
    await desk.life.stored()
    await told(desk, "10000", START_MS, 31 * SECOND)
    deposit_ms = START_MS + 3 * MINUTE
    await told(desk, "10250", deposit_ms, SECOND)
    sweep_ms = deposit_ms + 15 * SECOND
    await told(desk, "10250", sweep_ms, SECOND)
    second_ms = sweep_ms + 20 * SECOND
    await told(desk, "10260", second_ms, 31 * SECOND)
    assert await amounts(pool, BOT) == [D(260)]
    equity = await pool.fetch(
        "SELECT equity, own_equity FROM trading.equity_history WHERE bot_id = $1"
        " ORDER BY timestamp, id",
        BOT,
    )
    assert max(row["own_equity"] for row in equity) == 10_000, "no peak of somebody else's money"
    # Both belong to the one sum, though the second lies more than ten seconds behind its moment.
    await logged(desk, pool, second_ms + MINUTE, ("250.5", deposit_ms + SECOND), ("10", second_ms))
    assert await amounts(pool, BOT) == [D("260.5")]


@pytest.mark.parametrize("early_ms", [-2 * SECOND, 0, 2 * SECOND])
@pytest.mark.parametrize("step_s", [5, 17, 3_600])
async def test_what_has_cancelled_out_is_what_the_log_says(
    desk: Desk, pool: Pool, step_s: int, early_ms: int
) -> None:
    """However often the log is read, by a clock that is ahead or behind: each of it once."""
    await desk.life.stored()
    await told(desk, "10000", START_MS, 31 * SECOND)
    begun = START_MS + 3 * MINUTE
    course = [("10250", 0, 250), ("10000", 20, -250), ("10100", 80, 100), ("10070", 140, -30)]
    course += [("9570", 200, -500), ("10070", 215, 500)]
    for wallet, after_s, _ in course:
        await told(desk, wallet, begun + after_s * SECOND, SECOND)
        if after_s in (20, 80, 140, 215):
            desk.at(begun + (after_s + 31) * SECOND)
            await desk.recorder.write_balances()
    assert await amounts(pool, BOT) == [D(100), D(-30)], "of the others a wallet shows nothing"
    equity = "SELECT max(equity - own_equity), max(own_equity) FROM trading.equity_history"
    assert tuple(await pool.fetchrow(f"{equity} WHERE bot_id IS NULL") or ()) == (100, 10_250)

    moved = [(str(amount), begun + at_s * SECOND + early_ms) for _, at_s, amount in course]
    await logged(desk, pool, START_MS, *moved)
    end_ms = begun + 10 * MINUTE
    for up_to_ms in range(START_MS, end_ms + 1, step_s * SECOND):
        await logged(desk, pool, up_to_ms)
    await logged(desk, pool, end_ms)
    await logged(recorder_beside(desk.life, desk.clock, desk.lease, Config()), pool, end_ms)
    for owner in (None, BOT):
        found = await amounts(pool, owner)
        assert sorted(found) == [D(-500), D(-250), D(-30), D(100), D(250), D(500)], found
    if early_ms <= 0:
        assert await own(pool) == {D(10_000)}, "no peak of somebody else's money"
