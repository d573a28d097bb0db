"""Tasks that fail, wait, end the daemon, or do not want to end."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from alpha.clock import ManualClock
from alpha.errors import NeedsOperator, RetryLater
from alpha.ledger.lease import LeaseLost
from alpha.supervision import ESCALATE_AFTER, Supervisor
from tests.until import until


class Faulty:
    """A task that raises the same error at each start, up to the `starts`-th, then stays."""

    def __init__(self, error: Exception, starts: int) -> None:
        self.started = 0
        self._error = error
        self._starts = starts

    async def run(self) -> None:
        self.started += 1
        if self.started <= self._starts:
            raise self._error
        await asyncio.Event().wait()

    def runs(self) -> bool:
        return self.started > self._starts


async def test_failures_in_a_row_stop_the_daemon() -> None:
    supervisor, error = Supervisor(ManualClock()), ValueError("broken")
    faulty = Faulty(error, starts=100)
    supervisor.keep("faulty", faulty.run)
    assert await asyncio.wait_for(asyncio.shield(supervisor.failed), 5) is error
    assert faulty.started == ESCALATE_AFTER
    await supervisor.cancel()


async def test_what_trading_does_not_need_never_stops_the_daemon() -> None:
    supervisor = Supervisor(ManualClock())
    faulty = Faulty(ValueError("broken"), starts=3 * ESCALATE_AFTER)
    supervisor.keep("terminal", faulty.run, vital=False)
    await until(faulty.runs, "it to run at last")
    assert not supervisor.failed.done()
    await supervisor.cancel()


async def test_what_cannot_be_taken_up_again_stops_the_daemon_at_once() -> None:
    supervisor, error = Supervisor(ManualClock()), RetryLater("even this")
    faulty = Faulty(error, starts=100)
    supervisor.keep("ledger", faulty.run, restart=False)
    assert await asyncio.wait_for(asyncio.shield(supervisor.failed), 5) is error
    assert faulty.started == 1
    await supervisor.cancel()


@pytest.mark.parametrize("error", [NeedsOperator("a person"), LeaseLost("another daemon")])
async def test_no_second_attempt_where_a_person_or_another_daemon_is_next(
    error: Exception,
) -> None:
    supervisor = Supervisor(ManualClock())
    faulty = Faulty(error, starts=100)
    supervisor.keep("lease", faulty.run)
    assert await asyncio.wait_for(asyncio.shield(supervisor.failed), 5) is error
    assert faulty.started == 1
    await supervisor.cancel()


async def test_something_outside_being_away_is_waited_out() -> None:
    supervisor = Supervisor(ManualClock(), passing=(LookupError,))
    for error in (RetryLater("busy"), ConnectionResetError("gone"), KeyError("passing")):
        faulty = Faulty(error, starts=3 * ESCALATE_AFTER)
        supervisor.keep(type(error).__name__, faulty.run)
        await until(faulty.runs, "it to run at last")
    assert not supervisor.failed.done()
    await supervisor.cancel()


async def test_a_task_that_does_not_want_to_end_is_named_and_left() -> None:
    supervisor = Supervisor(ManualClock())
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        begun.set()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    task = supervisor.keep("stubborn", stubborn)
    await begun.wait()
    with capture_logs() as logs:
        await asyncio.wait_for(supervisor.cancel(), 10)
    assert [(line["event"], line["task"]) for line in logs] == [("task_does_not_end", "stubborn")]
    let_go.set()
    await task


async def test_tasks_that_are_kept_to_the_end_go_on() -> None:
    supervisor = Supervisor(ManualClock())
    ledger = supervisor.keep("ledger", Faulty(ValueError(), starts=0).run, restart=False)
    market = supervisor.keep("market", Faulty(ValueError(), starts=0).run)
    await supervisor.cancel(but=("ledger",))
    assert market.cancelled() and not ledger.done()
    await supervisor.cancel()
    assert ledger.cancelled()


async def test_tasks_can_be_ended_by_name_and_what_they_began_goes_on() -> None:
    supervisor = Supervisor(ManualClock())
    ledger = supervisor.keep("ledger", Faulty(ValueError(), starts=0).run, restart=False)
    market = supervisor.keep("market", Faulty(ValueError(), starts=0).run)
    sent = asyncio.Event()

    async def order() -> None:
        await sent.wait()

    under_way = supervisor.spawn(order(), "order")
    await supervisor.end("market", "a name nobody has")
    assert market.cancelled() and not ledger.done() and not under_way.done()
    sent.set()
    await supervisor.settle(1.0)
    assert under_way.done() and not under_way.cancelled()
    await supervisor.cancel()
