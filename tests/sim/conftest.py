"""A running simulator for wire tests: in this process, on a real port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from alpha.clock import SystemClock
from alpha.sim.feeds import build_feed
from alpha.sim.server import AccountOption, SimOptions, simulated
from tests.sim.switches import Switches
from tests.sim.wire import Venue

KEY, SECRET = "demo-key", "demo-secret"
Start = Callable[..., Awaitable[Venue]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts simulators; each ends with the test."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def run(
            speed: float = 20.0,
            balance: str = "10000",
            name: str = "sim",
            address_limit: int = 600,
            ban_s: float = 600.0,
            link_id_length: int = 36,
        ) -> Venue:
            options = SimOptions(
                state=tmp_path / name,
                accounts=(AccountOption(KEY, SECRET, Decimal(balance)),),
                speed=speed,
                ready_file=tmp_path / f"{name}.ready",
                address_limit=address_limit,
                ban_s=ban_s,
                link_id_length=link_id_length,
            )
            feed = build_feed("synthetic", seed=1, data=None, start_ms=None)
            simulator = await stack.enter_async_context(simulated(options, feed, SystemClock()))
            stop = asyncio.Event()
            running = asyncio.create_task(simulator.run(stop))

            async def end() -> None:
                stop.set()
                await running

            stack.push_async_callback(end)
            ready = tmp_path / f"{name}.ready"
            async with asyncio.timeout(10):
                while not ready.exists():
                    assert not running.done(), running.exception()
                    await asyncio.wait([running], timeout=0.01)
            return Venue(http, json.loads(ready.read_text()), KEY, SECRET)

        yield run


@pytest.fixture
async def venue(start: Start) -> Venue:
    return await start()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def switches(http: aiohttp.ClientSession, venue: Venue) -> Switches:
    return Switches(http, venue)
