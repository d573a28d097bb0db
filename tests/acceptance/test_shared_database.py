"""Several daemons on one database and one Redis: of different accounts, and through a pooler."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import partial

import asyncpg
import pytest

from tests.acceptance.daemons import Installation
from tests.acceptance.pairs import Site
from tests.acceptance.pooler import pgbouncer
from tests.acceptance.test_standby import assert_all_is_right, standing_by, taking_over
from tests.until import until


async def emptied(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for schema in ("trading", "analytics", "config", "audit"):
            await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    finally:
        await connection.close()


def has_traded(home: Installation, bot_id: str) -> bool:
    found = home.json("fills", "--limit", "1000")["fills"]
    assert isinstance(found, list)
    return sum(1 for row in found if row["bot_id"] == bot_id) >= 10


async def test_daemons_of_different_accounts_share_database_and_redis(site: Site) -> None:
    """Both start at once on an empty database, both trade, one stops, the other goes on."""
    await emptied(site.postgres)
    one, two = ("a", "main", "first", 0), ("b", "second", "other", 1)
    with site.daemons(one, two) as (a, b):
        running = [home.start() for home in (a, b)]
        for home in (a, b):
            await home.ready()
        for home, bot_id in ((a, "first_001"), (b, "other_001")):
            traded = partial(has_traded, home, bot_id)
            await until(traded, f"10 fills of {bot_id}", within_s=40)
        daemons = a.json("status")["daemons"]
        assert isinstance(daemons, list)
        assert sorted((one["role"], *one["accounts"]) for one in daemons) == [
            ("active", "main"),
            ("active", "second"),
        ]
        assert a.stop(running[0]) == 0
        more = len(b.truth("Trade")) + 10
        await b.trades(more)
        assert b.stop(running[1]) == 0
        for home in (a, b):
            verified = home.json("ledger", "verify")
            assert verified["problems"] == []
            rewritten = re.findall(r"event='redis_rewritten'", home.log)
            # Redis may be slow once; daemons that fight write it again at every beat.
            assert len(rewritten) <= 1, "the daemons write over each other in Redis"


@pytest.mark.alone
async def test_lease_ledger_and_migrations_work_through_pgbouncer(site: Site) -> None:
    await emptied(site.postgres)
    async with pgbouncer(site.folder, site.postgres) as pooler:
        with dataclasses.replace(site, pooler=pooler).pair() as (a, b):
            first = a.start()
            await a.ready()
            second = b.start()
            await standing_by(b)
            await a.trades(20)
            async with taking_over(b):
                first.kill()
                first.wait()
            await assert_all_is_right(b, second)
            assert "not exist" not in a.log + b.log  # prepared statements of another session
            assert json.dumps(a.json("db", "status"))
