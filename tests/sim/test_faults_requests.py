"""Faults of requests, seen by a client that knows none of the simulator's code."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import aiohttp
import pytest
import websockets

from tests.sim.switches import (
    CLOCK,
    MARGIN_S,
    SYMBOL,
    Switches,
    buy,
    gone,
    known,
    link_ids,
    order,
)
from tests.sim.wire import Socket, Venue, now_ms

BROKEN = (aiohttp.ClientConnectionError, ConnectionError)


async def fails(request: Awaitable[object]) -> None:
    """Fails unless the connection breaks without an answer."""
    with pytest.raises(BROKEN):
        await request


async def test_lose_reply_carries_the_order_out(venue: Venue, switches: Switches) -> None:
    ids = await switches.add(
        {"kind": "lose_reply", "path": "/v5/order/create", "count": 4, "key": venue.key}
    )
    for n in range(4):  # an acknowledgement that leaves early is lost as well
        link_id = f"carried-{n}"
        await fails(buy(venue, link_id))
        assert await known(venue, link_id)
    assert await switches.hits(ids[0]) == 4
    await buy(venue, "answered")


async def test_refuse_carries_nothing_out(venue: Venue, switches: Switches) -> None:
    (id,) = await switches.add({"kind": "refuse", "path": "/v5/order/create", "count": 1})
    await fails(buy(venue, "never"))
    assert not await known(venue, "never")
    assert await switches.hits(id) == 1
    await buy(venue, "never")


@pytest.mark.parametrize(
    ("code", "text"), [(10006, "Too many visits!"), (10016, "Server error."), (10000, "Server Ti")]
)
async def test_ret_code_before_and_after(
    venue: Venue, switches: Switches, code: int, text: str
) -> None:
    for kind, done in (("ret_code", False), ("ret_code_after", True)):
        await switches.add({"kind": kind, "path": "/v5/order/create", "code": code, "count": 1})
        answer = await venue.post("/v5/order/create", **order(kind))
        assert answer["retCode"] == code and text in answer["retMsg"]
        if code == 10006:
            assert venue.headers["X-Bapi-Limit-Status"] == "0"
            assert int(venue.headers["X-Bapi-Limit-Reset-Timestamp"]) > now_ms()
        assert await known(venue, kind) is done


@pytest.mark.parametrize("code", [500, 502, 503, 403])
async def test_http_status_carries_nothing_out(
    venue: Venue, switches: Switches, http: aiohttp.ClientSession, code: int
) -> None:
    await switches.add({"kind": "http_status", "path": "/v5/order", "code": code, "count": 1})
    url = f"{venue.urls['rest']}/v5/order/create"
    async with http.post(url, data=b"{}", headers=venue.signed("{}")) as answer:
        assert answer.status == code
    async with http.post(url, data=b"{}", headers=venue.signed("{}")) as answer:
        assert answer.status == 200


async def test_slow_acts_at_once_and_answers_late(venue: Venue, switches: Switches) -> None:
    await switches.add({"kind": "slow", "path": "/v5/order/create", "seconds": 0.8})
    async with venue.private("order") as private:
        begun = CLOCK.monotonic()
        asked = asyncio.create_task(buy(venue, "slow"))
        await private.hear(lambda m: "slow" in link_ids(private, "order"))
        assert not asked.done()
        await asked
        assert CLOCK.monotonic() - begun >= 0.8


async def test_a_fault_of_one_key_spares_the_public(venue: Venue, switches: Switches) -> None:
    await switches.add({"kind": "ret_code", "code": 10016, "key": venue.key})
    assert (await venue.get("/v5/order/realtime", symbol=SYMBOL))["retCode"] == 10016
    rest = venue.urls["rest"]
    async with switches.http.get(f"{rest}/v5/market/time") as answer:
        assert (await answer.json())["retCode"] == 0


async def test_history_lag_shows_what_is_old_enough(venue: Venue, switches: Switches) -> None:
    async def seen(path: str) -> set[str]:
        found = await venue.result(path, symbol=SYMBOL)
        return {row["orderLinkId"] for row in found["list"]}

    executions, history = "/v5/execution/list", "/v5/order/history"
    await buy(venue, "old")
    await CLOCK.sleep(1.2)
    await buy(venue, "new")
    (id,) = await switches.add({"kind": "history_lag", "seconds": 1.0})
    for path in (executions, history):
        assert await seen(path) == {"old"}
    assert await known(venue, "new")  # the order itself may be asked for
    assert await switches.hits(id) == 2
    await CLOCK.sleep(1.0)
    for path in (executions, history):
        assert await seen(path) == {"old", "new"}
    await switches.clear()
    await switches.add({"kind": "history_lag", "seconds": 1.0, "path": "/v5/order"})
    await buy(venue, "newest")
    assert not await known(venue, "newest")
    assert "newest" not in await seen(history)
    assert "newest" in await seen(executions)


async def test_history_lag_fills_its_pages(venue: Venue, switches: Switches) -> None:
    for n in range(3):
        await buy(venue, f"old{n}")
    await CLOCK.sleep(1.0)
    for n in range(3):
        await buy(venue, f"new{n}")
    await switches.add({"kind": "history_lag", "seconds": 0.9})
    found = await venue.result("/v5/order/history", symbol=SYMBOL, limit=2)
    assert [row["orderLinkId"] for row in found["list"]] == ["old2", "old1"]
    cursor = found["nextPageCursor"]
    found = await venue.result("/v5/order/history", symbol=SYMBOL, limit=2, cursor=cursor)
    assert [row["orderLinkId"] for row in found["list"]] == ["old0"]


async def test_clock_skew_moves_the_stamp_check_and_the_envelope(
    venue: Venue, switches: Switches
) -> None:
    await switches.add({"kind": "clock_skew", "ms": 20_000, "for_s": 1.0})
    answer = await venue.get("/v5/order/realtime", symbol=SYMBOL)
    assert answer["retCode"] == 10002
    assert 19_000 <= answer["time"] - now_ms() <= 20_000
    async with websockets.connect(venue.urls["private_ws"]) as connection:
        assert (await Socket(connection).ask(venue.auth()))["success"] is False
    await CLOCK.sleep(1.0 + MARGIN_S)
    assert (await venue.get("/v5/order/realtime", symbol=SYMBOL))["retCode"] == 0


async def test_maintenance_closes_everything_for_its_time(
    venue: Venue, switches: Switches, http: aiohttp.ClientSession
) -> None:
    async with venue.private("order") as private, venue.public() as public:
        await switches.add({"kind": "maintenance", "for_s": 1.0})
        await gone(private)
        await gone(public)
    with pytest.raises((websockets.InvalidMessage, ConnectionError)):
        async with venue.public():
            pass
    async with http.get(f"{venue.urls['rest']}/v5/market/time") as answer:
        assert answer.status == 503
    await CLOCK.sleep(1.0 + MARGIN_S)
    async with venue.private("order"):
        await buy(venue, "after")
