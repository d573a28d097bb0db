"""audit.risk_events holds the words of the limits and their actions, and no others."""

from __future__ import annotations

import asyncpg
import pytest

from alpha.core.risk import Action, Kind
from alpha.ledger.pool import Pool


async def write(pool: Pool, risk_type: str, action: str) -> None:
    await pool.execute(
        "INSERT INTO audit.risk_events (event_id, event_time, event, breach_id, scope, risk_type,"
        " action_taken) VALUES (gen_random_uuid(), clock_timestamp(), 'breach', gen_random_uuid(),"
        " 'overall', $1, $2)",
        *(risk_type, action),
    )


async def test_every_limit_every_action_and_what_a_person_says_is_taken(pool: Pool) -> None:
    for name in (*Kind, "halt", "flatten"):
        for action in Action:
            await write(pool, name, action.value)
    stored = await pool.fetchval("SELECT count(*) FROM audit.risk_breaches")
    assert stored == (len(Kind) + 2) * len(Action)


@pytest.mark.parametrize(
    "words", [("day_loss", "warn"), ("", "warn"), ("daily_loss", "stop"), ("halt", "")]
)
async def test_another_word_is_refused(pool: Pool, words: tuple[str, str]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await write(pool, *words)
