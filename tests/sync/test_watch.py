"""An account that has not been synced for too long says so in the status."""

from __future__ import annotations

import aiohttp
import pytest

from alpha import pictures
from alpha.clock import SystemClock
from alpha.control.text import syncs
from alpha.ledger.pool import Pool
from alpha.sync.status import sync_rows
from alpha.syncing import trouble
from tests.sync.conftest import ACCOUNT, Site
from tests.trading.conftest import clock, exchange, life, pool
from tests.trading.life import Life

__all__ = ["clock", "exchange", "life", "pool"]

HOUR_MS = 3_600_000


@pytest.mark.parametrize(("hours", "says"), [(0, ""), (26, ""), (27, "27 h"), (300, "300 h")])
def test_old_successes_are_told(hours: int, says: str) -> None:
    words = trouble(hours * HOUR_MS)
    assert says in words and bool(words) is bool(says)


async def test_the_status_of_the_account_shows_it(life: Life, pool: Pool) -> None:
    assert pictures.account_status(life.service, ())["degraded"] == []
    life.service.sync_trouble = trouble(30 * HOUR_MS)
    (words,) = pictures.account_status(life.service, ())["degraded"]
    assert words == "no trade sync has succeeded for 30 h: see `alpha sync status`"


async def test_a_failed_run_is_shown_with_its_reason_and_without_secrets(
    site: Site, http: aiohttp.ClientSession
) -> None:
    await site.venue.plain(
        "/sim/faults",
        {"faults": [{"kind": "ret_code", "path": "/v5/position/closed-pnl", "code": 10003}]},
    )
    async with site.sync() as sync:
        run = await sync.sync("hourly")
    assert (run.status, run.windows_done) == ("partial", 1)
    (row,) = await sync_rows(site.pool, ACCOUNT, SystemClock().now_ms())
    assert (row["last_success"], row["success_age_s"], row["running"]) == (None, None, False)
    shown = syncs([row])
    assert "newest success none yet" in shown and "hourly partial" in shown
    assert "10003" in shown
    assert site.venue.secret not in shown and site.venue.key not in shown
