"""Trading rules follow the exchange: every four hours, and when an order was refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

import aiohttp
import pytest

from alpha.bybit.codes import doubts_rules
from alpha.bybit.endpoints import Endpoints
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.clock import SystemClock
from alpha.core.instruments import Instrument
from alpha.market import instruments
from alpha.market.instruments import Instruments
from tests.market.venue import Venue, open_http
from tests.until import until


def row(symbol: str, step: str = "0.001", tick: str = "0.1") -> dict[str, object]:
    return {
        "symbol": symbol,
        "status": "Trading",
        "contractType": "LinearPerpetual",
        "baseCoin": symbol.removesuffix("USDT"),
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "fundingInterval": 480,
        "priceFilter": {"tickSize": tick},
        "lotSizeFilter": {
            "qtyStep": step,
            "minOrderQty": step,
            "maxOrderQty": "1000",
            "maxMktOrderQty": "100",
            "minNotionalValue": "5",
        },
        "leverageFilter": {"maxLeverage": "100"},
    }


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    venue = Venue(instruments=[row("AAAUSDT"), row("BBBUSDT")])
    runner = await open_http(venue)
    yield venue
    await runner.cleanup()


class Told:
    """What the listener was told; `refuses` times it fails first, as a database that is away."""

    def __init__(self, refuses: int = 0) -> None:
        self.news: list[list[str]] = []
        self.refuses = refuses

    async def changed(self, news: Mapping[str, Instrument]) -> None:
        if self.refuses:
            self.refuses -= 1
            raise OSError("away")
        self.news.append(sorted(news))


@asynccontextmanager
async def following(venue: Venue, told: Told) -> AsyncIterator[Instruments]:
    clock = SystemClock()
    endpoints = Endpoints(venue.rest_url, "", "", "")
    async with aiohttp.ClientSession() as http:
        rest = Rest(endpoints, None, account="", clock=clock, limiter=Limiter(clock), session=http)
        rules = Instruments(rest, await rest.instruments(), clock=clock, changed=told.changed)
        task = asyncio.create_task(rules.run())
        yield rules
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_doubt_brings_the_rules_of_now_into_the_shared_mapping(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruments, "DOUBT_PAUSE_S", 0.05)
    told = Told()
    async with following(venue, told) as rules:
        shared = rules.listed
        venue.instruments = [row("AAAUSDT", step="0.01"), row("CCCUSDT")]
        rules.doubt("AAAUSDT")
        await until(lambda: told.news != [], "the change is told")
        assert told.news == [["AAAUSDT", "BBBUSDT", "CCCUSDT"]]
        assert shared["AAAUSDT"].qty_step == Decimal("0.01")
        assert shared["CCCUSDT"].status == "Trading"
        # What is gone stays for exits, and takes no entries.
        assert (shared["BBBUSDT"].status, shared["BBBUSDT"].qty_step) == (
            "Closed",
            Decimal("0.001"),
        )
        rules.doubt("AAAUSDT")
        await until(lambda: rules.refreshes == 2, "asked again")
        assert len(told.news) == 1, "nothing new"
        venue.instruments.append(row("BBBUSDT"))
        rules.doubt("BBBUSDT")
        await until(lambda: len(told.news) == 2, "listed once more")
        assert told.news[1] == ["BBBUSDT"] and shared["BBBUSDT"].status == "Trading"


async def test_rules_are_read_again_from_time_to_time(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert instruments.EVERY_S == 4 * 3600
    monkeypatch.setattr(instruments, "EVERY_S", 0.05)
    monkeypatch.setattr(instruments, "DOUBT_PAUSE_S", 0.01)
    async with following(venue, Told()) as rules:
        await until(lambda: rules.refreshes >= 3, "three rounds without a doubt")


async def test_many_refusals_are_one_question(venue: Venue) -> None:
    async with following(venue, Told()) as rules:
        for _ in range(50):
            rules.doubt("AAAUSDT")
            await SystemClock().sleep(0)
        await until(lambda: rules.refreshes == 1, "asked")
        rules.doubt("AAAUSDT")
        await SystemClock().sleep(0.2)
        assert rules.refreshes == 1, "the next one waits"


async def test_news_are_told_until_somebody_has_taken_them(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruments, "RETRY_S", 0.05)
    told = Told(refuses=2)
    async with following(venue, told) as rules:
        venue.instruments = [row("AAAUSDT", step="0.01"), row("BBBUSDT")]
        rules.doubt("AAAUSDT")
        await until(lambda: told.news == [["AAAUSDT"]], "told in the end")


async def test_an_exchange_that_lists_nothing_closes_nothing(venue: Venue) -> None:
    told = Told()
    async with following(venue, told) as rules:
        venue.instruments = []
        await rules.refresh()
        assert {one.status for one in rules.listed.values()} == {"Trading"} and told.news == []


@pytest.mark.parametrize(
    ("code", "message", "doubt"),
    [
        (10001, "Qty invalid", True),
        (10001, "params error: price invalid", True),
        (110094, "Order does not meet minimum order value 5USDT", True),
        (110074, "This contract is not live", True),
        (10001, "params error: symbol invalid", False),
        (110017, "current position is zero, cannot fix reduce-only order qty", False),
        (110007, "CheckMarginRatio fail! InsufficientAB", False),
    ],
)
def test_which_refusals_doubt_the_rules(code: int, message: str, doubt: bool) -> None:
    assert doubts_rules(code, message) is doubt
