"""What daemons of several tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acceptance.pairs import Site, exchange_of

SPEED = 1200


@pytest.fixture
async def site(server_folder: Path, postgres_dsn: str, redis_url: str) -> AsyncIterator[Site]:
    """PostgreSQL, Redis and an exchange with two accounts; no daemon runs there yet."""
    exchange = await exchange_of(server_folder, ("main", "second"), SPEED)
    try:
        yield Site(server_folder, postgres_dsn, redis_url, exchange.urls)
    finally:
        exchange.stop()
