"""Faults as they are added, shown, cleared and bounded in time, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import websockets

from tests.sim.switches import CLOCK, Switches, listen
from tests.sim.wire import Json, Socket, Venue

# -- the endpoints --------------------------------------------------------------------------


async def test_added_shown_and_cleared(switches: Switches) -> None:
    slow = {"kind": "slow", "path": "/v5/order", "seconds": 0.5}
    later = {"kind": "maintenance", "after_s": 60, "for_s": 1}
    assert await switches.add(slow, later) == [1, 2]
    first, second = await switches.shown()
    assert {name: first[name] for name in slow} == slow
    assert (first["id"], first["hits"], first["active"], first["count"]) == (1, 0, True, None)
    assert (second["active"], second["for_s"]) == (False, 1.0)
    assert (await switches.ask("DELETE", "?id=1"))[0] == 200
    assert [fault["id"] for fault in await switches.shown()] == [2]
    await switches.clear()
    assert await switches.shown() == []
    assert await switches.add(slow) == [3]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"kind": "slow", "seconds": 1, "sockets": "private"}, "unknown field `sockets`"),
        ({"kind": "explode"}, "Invalid enum value 'explode'"),
        ({"seconds": 1}, "missing required field `kind`"),
        ({"kind": "refuse", "probability": 1.5}, "expected probability from 0 to 1, was 1.5"),
        ({"kind": "refuse", "count": 0}, "expected count above 0, was 0"),
        ({"kind": "refuse", "topic": "order"}, "expected no topic, was 'order'"),
        ({"kind": "refuse", "socket": "private"}, "expected no socket, was 'private'"),
        ({"kind": "lose_frames", "path": "/v5"}, "expected no path, was '/v5'"),
        ({"kind": "ret_code"}, "expected code, a retCode above 0, was 0"),
        ({"kind": "http_status", "code": 200}, "expected code from 400 to 599, was 200"),
        ({"kind": "slow"}, "expected seconds above 0, was 0.0"),
        ({"kind": "history_lag", "seconds": 121}, "expected seconds up to 120, was 121.0"),
        ({"kind": "clock_skew"}, "expected ms other than 0, was 0"),
        ({"kind": "maintenance", "count": 1}, "expected neither count nor probability"),
        ({"kind": "refuse", "after_s": -1}, "expected after_s of 0 or more, was -1.0"),
        ({"kind": "refuse", "for_s": 0}, "expected for_s above 0, was 0.0"),
    ],
)
async def test_a_wrong_fault_is_refused_in_a_sentence(
    switches: Switches, fault: Json, sentence: str
) -> None:
    right = {"kind": "refuse"}
    status, body = await switches.ask("POST", body={"faults": [right, fault]})
    assert status == 400
    assert sentence in body["error"]
    assert await switches.shown() == []  # all or none


async def test_an_id_that_is_not_there_is_refused(switches: Switches) -> None:
    await switches.add({"kind": "refuse"})
    status, body = await switches.ask("DELETE", "?id=7")
    assert (status, body["error"]) == (400, "expected id to be one of [1], was '7'")


# -- time and count -------------------------------------------------------------------------


async def test_after_and_for_bound_a_fault_in_time(venue: Venue, switches: Switches) -> None:
    fault = {"kind": "ret_code", "code": 10016, "after_s": 0.5, "for_s": 1.0}
    before = CLOCK.monotonic()
    (id,) = await switches.add(fault)
    since = CLOCK.monotonic()  # it was added between the two
    struck: list[tuple[float, float]] = []
    while (asked := CLOCK.monotonic()) - since < 1.8:
        if (await venue.get("/v5/account/info"))["retCode"] == 10016:
            struck.append((asked, CLOCK.monotonic()))
        await CLOCK.sleep(0.05)
    assert struck and struck[0][1] - before >= 0.5 and struck[-1][0] - since <= 1.5
    assert await switches.hits(id) == len(struck)


async def test_faults_end_with_their_simulator(venue: Venue, switches: Switches) -> None:
    """A frozen socket does not keep the simulator from stopping."""
    async with frozen(venue, switches) as public:
        await listen(public, 0.1)


@asynccontextmanager
async def frozen(venue: Venue, switches: Switches) -> AsyncIterator[Socket]:
    connection = await websockets.connect(venue.urls["public_ws"])
    await switches.add({"kind": "freeze_socket"})
    try:
        yield Socket(connection)
    finally:
        connection.transport.abort()
