"""Clocks, waiting and a REST server for the tests of the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import pytest
import pytest_asyncio
import stamina
from aiohttp import web

from alpha.bybit.rest import Rest
from alpha.clock import SystemClock
from tests.bybit.rest_server import MARKET_TIME, Exchange, client

_REAL = SystemClock()


class FastClock:
    """The machine's clock with time running `factor` times as fast: timers of seconds take
    milliseconds, in the right order and proportion."""

    def __init__(self, factor: float = 20.0) -> None:
        self._factor = factor
        self._started = _REAL.monotonic()
        self._epoch_ms = _REAL.now_ms()

    def now_ms(self) -> int:
        return self._epoch_ms + round(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return (_REAL.monotonic() - self._started) * self._factor

    def perf_ns(self) -> int:
        return _REAL.perf_ns()

    async def sleep(self, seconds: float) -> None:
        await _REAL.sleep(seconds / self._factor)


async def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    """Waits until `condition()` holds; fails when it does not within `within_s` real seconds."""
    deadline = _REAL.monotonic() + within_s
    while not condition():
        assert _REAL.monotonic() < deadline, "expected the condition to hold in time"
        await _REAL.sleep(0.002)


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[Exchange]:
    served = Exchange()
    served.answers["/v5/market/time"] = [MARKET_TIME]
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", served.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    served.url = f"http://{host}:{port}"
    yield served
    await runner.cleanup()


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """Retries of reads keep their number and lose their pauses."""
    with stamina.set_testing(True, attempts=4):
        yield


@pytest_asyncio.fixture
async def rest(exchange: Exchange, session: aiohttp.ClientSession, no_pauses: None) -> Rest:
    return client(exchange.url, session)
