"""What limits and people have said, written down: what is in force before everything else."""

from __future__ import annotations

import asyncio
import json

from structlog.testing import capture_logs

from alpha.clock import SystemClock
from alpha.core.risk import Action, Kind
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Pool
from tests.trading.limited import ONE, Start, rule


async def test_a_halt_is_written_although_its_event_cannot_be(limited: Start, pool: Pool) -> None:
    crew = await limited()
    trip = crew.risk.order(crew.scope("overall"), Action.HALT, "root", "news")
    crew.risk.tell(crew.scope("overall"), trip, "action", notes="a\0b")
    with capture_logs() as logs:
        task = asyncio.create_task(crew.journal.run())
        before = crew.clock.now_ms()
        assert not await crew.journal.settle(0.5)
        task.cancel()
        await asyncio.wait([task])
        assert len(logs) == 1 and crew.clock.now_ms() > before + 250, "tried again, said once"
        await crew.journal.finish(5.0)
    rows = await pool.fetch("SELECT limit_name, in_force FROM trading.risk_state")
    assert [tuple(row) for row in rows] == [("halt", True)]
    assert [(row["event"], row["log_level"]) for row in logs] == [
        ("risk_not_written", "warning"),
        ("risk_not_written", "warning"),
    ]


async def test_a_halt_of_everything_ends_for_the_accounts_of_this_daemon_only(
    limited: Start, pool: Pool
) -> None:
    crew = await limited()
    crew.risk.order(crew.scope("overall"), Action.HALT, "root", "news")
    await crew.journal.flush()
    for subject, accounts in (("main+other", ["main", "other"]), ("", ["main"])):
        await pool.execute(
            "INSERT INTO trading.risk_state SELECT (jsonb_populate_record(s, $1::jsonb)).* "
            "FROM trading.risk_state AS s WHERE subject = 'main'",
            json.dumps({"subject": subject, "accounts": accounts}),
        )
    await crew.restart()
    assert await crew.enter(ONE) == 0
    crew.risk.resume(crew.risk.scopes, "root")
    await crew.journal.flush()
    rows = await pool.fetch(
        "SELECT subject, in_force, accounts FROM trading.risk_state ORDER BY subject"
    )
    assert [tuple(row) for row in rows] == [
        ("", False, ["main"]),
        ("main", False, ["main"]),
        ("main+other", True, ["other"]),
    ]


async def test_what_waits_at_the_end_of_a_run_is_written_as_far_as_it_can_be(
    limited: Start, pool: Pool
) -> None:
    crew = await limited(account=(rule(Kind.DRAWDOWN, "0.5"),))
    crew.risk.assess()
    crew.risk.order(crew.scope("overall"), Action.HALT, "root", "news")
    await crew.journal.finish(5.0)
    assert not crew.journal.waiting
    assert await pool.fetchval("SELECT count(*) FROM trading.risk_anchors") == 1
    crew.risk.resume(crew.risk.scopes, "root")
    other = Lease(pool, ["main"], "another", installation="another", clock=SystemClock())
    await crew.lease.release()
    await other.acquire()
    await crew.journal.finish(5.0)
    assert crew.journal.waiting
