"""What is away or refuses in the middle of a run, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from alpha.errors import AuthRejected, NeedsOperator
from alpha.trading import recovery
from alpha.trading.account import AccountStatus
from tests.trading.life import ACCOUNT, Life
from tests.trading.test_faults import enter, hear, is_whole
from tests.until import until

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


async def test_a_key_that_was_never_good_ends_the_run(life: Life) -> None:
    life.service.recovery.starting = True
    life.disconnect()
    life.exchange.refuse[EXECUTIONS] = REFUSED
    async with recovering(life) as task:
        life.connect()
        with pytest.raises(AuthRejected, match="API key is invalid"):
            await asyncio.wait_for(asyncio.shield(task), 10)


async def test_a_poisoned_ledger_stays_halted_whatever_the_key_does(life: Life) -> None:
    life.writer.poisoned[ACCOUNT] = NeedsOperator("refused by a guard")
    life.service.recovery.watch_ledger()
    assert life.account.status is AccountStatus.HALTED
    await life.service.recovery.close_gap()
    assert life.account.status is AccountStatus.HALTED
    assert life.account.why == "refused by a guard"
