"""Bots that choose their symbols, over a real REST endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import aiohttp
import pytest
from structlog.testing import capture_logs

from alpha.bots.host import BotHandle
from alpha.bots.opening import open_bot
from alpha.bybit.endpoints import Endpoints
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.clock import SystemClock, VenueClock
from alpha.universe import Universe
from plugins.lxalgo import plugin
from tests.market.venue import Venue, open_http
from tests.plugins.desk import INSTRUMENTS

BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"


def bot(**settings: object) -> BotHandle:
    return open_bot(plugin, name="lxalgo", bot_id="lxalgo_001", account="main", settings=settings)


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    venue = Venue(turnovers={BTC: "9e9", ETH: "8000000.5", SOL: "20000000", "ODDPERP": "1e9"})
    runner = await open_http(venue)
    yield venue
    await runner.cleanup()


@asynccontextmanager
async def universe_of(venue: Venue) -> AsyncIterator[Universe]:
    clock = SystemClock()
    market = VenueClock(clock)
    market.observe(venue.now_ms)
    endpoints = Endpoints(venue.rest_url, "ws://127.0.0.1:1", "ws://127.0.0.1:1", "")
    async with aiohttp.ClientSession() as http:
        rest = Rest(endpoints, None, account="", clock=clock, limiter=Limiter(clock), session=http)
        yield Universe(rest, INSTRUMENTS, clock=clock, venue=market, check=lambda: None)


async def test_what_trades_is_shown_with_its_turnover(venue: Venue) -> None:
    """ODDPERP is no instrument that could be traded, ETH has too little turnover."""
    handle = bot()
    async with universe_of(venue) as universe:
        await universe.open([handle])
    assert [one.symbol for one in handle.subscriptions] == [BTC, SOL]


async def test_configured_symbols_that_do_not_trade_are_told(venue: Venue) -> None:
    """A warning: lists of symbols are longer than what any one exchange has."""
    del venue.turnovers[ETH]
    handle = bot(symbols=[ETH, SOL])
    async with universe_of(venue) as universe:
        with capture_logs() as logs:
            await universe.open([handle])
    assert [one.symbol for one in handle.subscriptions] == [SOL]
    told = [one for one in logs if one["log_level"] == "warning"]
    assert [(one["event"], one["symbols"]) for one in told] == [("symbols_not_listed", [ETH])]


async def test_an_exchange_that_does_not_answer_is_waited_for(venue: Venue) -> None:
    venue.rest_broken = True
    handle = bot()
    async with universe_of(venue) as universe:
        opening = asyncio.create_task(universe.open([handle]))
        await SystemClock().sleep(0.2)
        assert not opening.done()
        venue.rest_broken = False
        await opening
    assert len(handle.subscriptions) == 2


async def test_turnovers_are_money(venue: Venue) -> None:
    clock = SystemClock()
    endpoints = Endpoints(venue.rest_url, "", "", "")
    async with aiohttp.ClientSession() as http:
        rest = Rest(endpoints, None, account="", clock=clock, limiter=Limiter(clock), session=http)
        assert (await rest.turnovers())[ETH] == Decimal("8000000.5")
