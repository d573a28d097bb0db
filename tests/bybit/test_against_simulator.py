"""The client against the simulator: another program, another codec, the same protocol."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from alpha.bybit.codes import DuplicateOrder, OrderGone
from alpha.bybit.endpoints import Endpoints
from alpha.bybit.limiter import Limiter
from alpha.bybit.messages import PrivateEvent, PublicEvent
from alpha.bybit.requests import CreateOrder, OrderTarget, TradingStop
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.bybit.stream import PrivateStream, PublicStream, StreamState
from alpha.clock import SystemClock
from alpha.core.events import Bar, Execution, OrderEvent
from alpha.errors import AuthRejected
from tests.bybit.conftest import eventually

D = Decimal
SYMBOL = "BTCUSDT"
KEY = Credentials("demo-key", "demo-secret")


@dataclass(frozen=True, slots=True)
class Venue:
    endpoints: Endpoints
    session: aiohttp.ClientSession

    def rest(self, credentials: Credentials = KEY) -> Rest:
        clock = SystemClock()
        limiter = Limiter(clock)
        return Rest(
            self.endpoints,
            credentials,
            account="main",
            clock=clock,
            limiter=limiter,
            session=self.session,
        )


@pytest_asyncio.fixture
async def venue(tmp_path: Path) -> AsyncIterator[Venue]:
    ready = tmp_path / "ready"
    options = ["--state", str(tmp_path / "state"), "--ready-file", str(ready), "--speed", "600"]
    keys = ["--key", KEY.api_key, "--secret", KEY.api_secret]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alpha", "sim", *options, *keys, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await eventually(lambda: ready.exists() or process.returncode is not None, within_s=30)
        addresses: dict[str, str] = json.loads(ready.read_text())
        names = ("rest", "public_ws", "private_ws", "trade_ws")
        async with aiohttp.ClientSession() as session:
            yield Venue(Endpoints(*(addresses[name] for name in names)), session)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_a_round_trip_looks_the_same_on_the_stream_and_in_the_lists(venue: Venue) -> None:
    rest = venue.rest()
    events: list[PrivateEvent] = []
    states: list[StreamState] = []
    stream = PrivateStream(venue.endpoints.private_ws, KEY, account="main", clock=SystemClock())
    task = asyncio.create_task(stream.run(lambda event, _: events.append(event), states.append))
    try:
        await eventually(lambda: bool(states) and states[-1].name == "subscribed")
        await rest.set_leverage(SYMBOL, D(7))
        assert await rest.set_leverage(SYMBOL, D(7)) is False
        entry = CreateOrder(SYMBOL, "Buy", D("0.010"), "ss1-e-lf9pm51c")
        await rest.create_order(entry)
        with pytest.raises(DuplicateOrder):
            await rest.create_order(entry)
        await eventually(lambda: filled(events, "ss1-e-lf9pm51c"))
        (position,) = await rest.positions()
        assert (position.signed_size, position.leverage) == (D("0.01"), D(7))
        assert position.entry_price is not None
        assert await rest.trading_stop(
            TradingStop(SYMBOL, stop_loss=(position.entry_price / 2).quantize(D("0.1")))
        )
        (stop,) = await rest.open_orders()
        assert (stop.stop_order_type, stop.order_link_id, stop.reduce_only) == (
            "StopLoss",
            "",
            True,
        )
        await rest.create_order(
            CreateOrder(SYMBOL, "Sell", D("0.010"), "ss1-x-lf9pm51d", reduce_only=True)
        )
        await eventually(lambda: filled(events, "ss1-x-lf9pm51d"))
        assert await rest.positions() == []
        with pytest.raises(OrderGone):
            await rest.cancel_order(OrderTarget(SYMBOL, order_link_id="ss1-x-lf9pm51d"))
        order = await rest.order(SYMBOL, order_link_id="ss1-e-lf9pm51c")
        assert order is not None and order.cum_exec_qty == D("0.01")
        market_ms = await rest.server_time()
        start_ms = market_ms - 8 * 86_400_000
        listed = [row async for page in rest.executions(start_ms, market_ms) for row in page]
        pushed = [event for event in events if isinstance(event, Execution)]
        assert comparable(listed) == comparable(pushed)
        assert sum(row.signed_qty for row in listed) == 0
        wallet = await rest.wallet()
        paid = sum(row.fee - (row.exec_pnl or 0) for row in pushed)
        assert wallet.wallet == 10000 - paid
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert not stream.odd.malformed
    assert not stream.odd.unknown


def filled(events: list[PrivateEvent], link_id: str) -> bool:
    return any(
        isinstance(event, OrderEvent)
        and event.order_link_id == link_id
        and event.status == "Filled"
        for event in events
    )


def comparable(rows: list[Execution]) -> list[Execution]:
    """Without what only one side tells."""
    plain = [
        replace(row, source="rest", received_ms=0, exec_pnl=None, mark_price=None) for row in rows
    ]
    return sorted(plain, key=lambda row: row.exec_id)


async def test_history_and_live_candles_join_without_a_hole(venue: Venue) -> None:
    rest = venue.rest()
    (instrument,) = await rest.instruments(SYMBOL)
    assert (instrument.tick, instrument.base_coin) == (D("0.1"), "BTC")
    assert len(await rest.instruments()) == 15
    events: list[PublicEvent] = []
    states: list[StreamState] = []
    topics = [f"kline.1.{SYMBOL}", "kline.1.NOSUCHUSDT"]
    stream = PublicStream(venue.endpoints.public_ws, clock=SystemClock(), topics=topics)
    task = asyncio.create_task(stream.run(lambda event, _: events.append(event), states.append))
    try:
        await eventually(lambda: bool(states) and states[-1].name == "subscribed")
        assert [state.topic for state in states if state.name == "refused"] == [topics[1]]
        await eventually(lambda: len(closed(events)) >= 5)
    finally:
        task.cancel()
        await asyncio.wait({task})
    live = closed(events)
    market_ms = await rest.server_time()
    start_ms = live[0].start_ms - 1200 * 60_000
    history = await rest.klines(SYMBOL, 60_000, start_ms, market_ms, venue_ms=market_ms)
    starts = [bar.start_ms for bar in history]
    assert starts == list(range(start_ms, starts[-1] + 1, 60_000))
    assert {bar.start_ms: bar for bar in history}.items() >= {
        bar.start_ms: bar for bar in live
    }.items()
    assert history[-1].close_ms <= market_ms


def closed(events: list[PublicEvent]) -> list[Bar]:
    return [event for event in events if isinstance(event, Bar) and event.closed]


async def test_a_wrong_key_is_refused_everywhere(venue: Venue) -> None:
    for wrong in (Credentials("demo-key", "wrong"), Credentials("stranger", "demo-secret")):
        with pytest.raises(AuthRejected):
            await venue.rest(wrong).account_info()
        stream = PrivateStream(
            venue.endpoints.private_ws, wrong, account="main", clock=SystemClock()
        )
        with pytest.raises(AuthRejected):
            await stream.run(lambda event, _: None, lambda state: None)
