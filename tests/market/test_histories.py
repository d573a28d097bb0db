"""Shared histories are what each bot would have been told alone."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251  seeded

from alpha.clock import SystemClock
from alpha.market.histories import Histories
from tests.market.test_rounds import SYMBOLS, floor_of, venue
from tests.market.venue import MINUTE, T0, Venue

__all__ = ["venue"]


async def test_every_range_is_answered_as_alone(venue: Venue) -> None:
    """Earlier, later, within, across, apart, and of moments between two bars; more close meanwhile;
    and whoever gives up keeps nobody waiting."""
    dice, symbol = random.Random(7), SYMBOLS[0]
    async with floor_of(venue) as floor:
        shared = Histories(floor.market)
        for turn in range(80):
            if turn % 8 == 0:
                await venue.close_bar(SYMBOLS)
            now_ms = T0 + venue.closed * MINUTE
            first_ms, until_ms = sorted(dice.randint(T0 - 2 * MINUTE, now_ms) for _ in range(2))
            if dice.random() < 0.3:
                first_ms -= first_ms % MINUTE
                until_ms = now_ms
            asked = symbol, MINUTE, first_ms, until_ms
            gone = asyncio.create_task(shared.get(*asked, venue_ms=now_ms))
            for _ in range(dice.randint(1, 4)):
                await SystemClock().sleep(0)
            gone.cancel()
            found = await shared.get(*asked, venue_ms=now_ms)
            assert found == await floor.market.history(*asked, venue_ms=now_ms), asked
            if dice.random() < 0.1:
                shared.clear()
            await asyncio.gather(gone, return_exceptions=True)
