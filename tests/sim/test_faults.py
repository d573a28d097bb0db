"""Every fault over real sockets, seen by a client that knows none of the simulator's code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import websockets

from alpha.clock import SystemClock
from tests.sim.wire import Json, Socket, Venue, now_ms

CLOCK = SystemClock()
SYMBOL = "BTCUSDT"
MARGIN_S = 0.25  # what a loaded machine may be late by


class Switches:
    """`/sim/faults` of a simulator."""

    def __init__(self, http: aiohttp.ClientSession, venue: Venue) -> None:
        self.http = http
        self.url = f"{venue.urls['rest']}/sim/faults"

    async def ask(self, method: str, query: str = "", body: object = None) -> tuple[int, Json]:
        async with self.http.request(method, self.url + query, json=body) as answer:
            return answer.status, await answer.json()

    async def add(self, *faults: Json, seed: int | None = None) -> list[int]:
        status, body = await self.ask("POST", body={"faults": list(faults), "seed": seed})
        assert status == 200, body
        ids: list[int] = body["ids"]
        return ids

    async def hits(self, id: int) -> int:
        found = [fault for fault in await self.shown() if fault["id"] == id]
        return int(found[0]["hits"])

    async def shown(self) -> list[Json]:
        _, body = await self.ask("GET")
        faults: list[Json] = body["faults"]
        return faults

    async def clear(self) -> None:
        assert (await self.ask("DELETE"))[0] == 200


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def switches(http: aiohttp.ClientSession, venue: Venue) -> Switches:
    return Switches(http, venue)


def order(link_id: str, **other: object) -> Json:
    return {
        "symbol": SYMBOL,
        "side": "Buy",
        "orderType": "Market",
        "qty": "0.001",
        "orderLinkId": link_id,
        **other,
    }


async def buy(venue: Venue, link_id: str, **other: object) -> Json:
    return await venue.create(**order(link_id, **other))


async def resting(venue: Venue, link_id: str) -> Json:
    """An order far below the market."""
    found = await venue.result("/v5/market/tickers", symbol=SYMBOL)
    price = round(float(found["list"][0]["lastPrice"]) * 0.97)
    limit = {"orderType": "Limit", "price": str(price), "qty": "0.001"}
    return await buy(venue, link_id, **limit)


async def known(venue: Venue, link_id: str) -> bool:
    found = await venue.result("/v5/order/realtime", symbol=SYMBOL, orderLinkId=link_id)
    return bool(found["list"])


async def gone(connection: Socket) -> None:
    """Fails unless the connection has been broken without a farewell."""
    with pytest.raises(websockets.ConnectionClosedError) as closed:
        await connection.hear(lambda message: False)
    assert closed.value.rcvd is None


async def listen(socket: Socket, for_s: float) -> None:
    """Takes what comes for a while."""
    try:
        async with asyncio.timeout(for_s):
            await socket.hear(lambda message: False)
    except TimeoutError:
        pass


def link_ids(socket: Socket, topic: str) -> list[str]:
    """Of each frame of a topic, the first row's order; one entry a frame."""
    return [m["data"][0]["orderLinkId"] for m in socket.heard if m.get("topic") == topic]


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


# -- sockets --------------------------------------------------------------------------------


async def test_close_socket_breaks_the_matching_ones_once(venue: Venue, switches: Switches) -> None:
    async with venue.private("order") as private, venue.public() as public:
        await switches.add({"kind": "close_socket", "socket": "private", "key": "another"})
        assert (await private.ask({"req_id": "1", "op": "ping"}))["op"] == "pong"
        (id,) = await switches.add({"kind": "close_socket", "socket": "private", "key": venue.key})
        await gone(private)
        assert (await public.ask({"req_id": "2", "op": "ping"}))["ret_msg"] == "pong"
        async with venue.private("order") as again:
            assert (await again.ask({"req_id": "3", "op": "ping"}))["op"] == "pong"
        assert await switches.hits(id) == 1
        assert not (await switches.shown())[-1]["active"]


async def test_close_socket_waits_for_its_time(venue: Venue, switches: Switches) -> None:
    async with venue.public() as public:
        begun = CLOCK.monotonic()
        await switches.add({"kind": "close_socket", "after_s": 0.4})
        await gone(public)
        assert 0.4 <= CLOCK.monotonic() - begun < 0.4 + 4 * MARGIN_S


async def test_refuse_socket_refuses_new_ones_while_active(
    venue: Venue, switches: Switches
) -> None:
    async with venue.private() as private:
        (id,) = await switches.add({"kind": "refuse_socket", "socket": "private", "for_s": 0.6})
        for _ in range(2):
            with pytest.raises((websockets.InvalidMessage, ConnectionError)):
                async with venue.private():
                    pass
        async with venue.public() as public:
            assert (await public.ask({"req_id": "1", "op": "ping"}))["ret_msg"] == "pong"
        assert (await private.ask({"req_id": "2", "op": "ping"}))["op"] == "pong"
        assert await switches.hits(id) == 2
        await CLOCK.sleep(0.6 + MARGIN_S)
        async with venue.private() as again:
            assert (await again.ask({"req_id": "3", "op": "ping"}))["op"] == "pong"


async def test_refuse_socket_of_one_key_ends_the_login(venue: Venue, switches: Switches) -> None:
    await switches.add({"kind": "refuse_socket", "key": venue.key, "count": 1})
    async with websockets.connect(venue.urls["private_ws"]) as connection:
        socket = Socket(connection)
        await socket.say(venue.auth())
        await gone(socket)
    async with venue.private("order") as private:
        assert private.heard


async def test_freeze_socket_is_silent_until_it_ends(venue: Venue, switches: Switches) -> None:
    async with venue.private("order") as frozen:
        await switches.add({"kind": "freeze_socket", "socket": "private", "for_s": 7.0})
        await buy(venue, "unheard")
        await frozen.say({"req_id": "ping", "op": "ping"})
        pinged = await frozen.ping()
        # Longer than the time after which a socket that takes nothing is cut.
        await listen(frozen, 5.5)
        assert len(frozen.heard) == 2 and not pinged.done()
        async with venue.private("order") as other:  # a new one is well
            await buy(venue, "heard")
            await other.hear(lambda m: "heard" in link_ids(other, "order"))
        both = {"unheard", "heard"}
        await frozen.hear(
            lambda _: (
                both <= set(link_ids(frozen, "order"))
                and any(m.get("op") == "pong" for m in frozen.heard)
            )
        )
        await asyncio.wait_for(pinged, 5)


async def test_clear_ends_a_freeze(venue: Venue, switches: Switches) -> None:
    async with venue.public() as public:
        await switches.add({"kind": "freeze_socket"})
        await public.say({"req_id": "1", "op": "ping"})
        await listen(public, 0.3)
        assert public.heard == []
        await switches.clear()
        await public.hear(lambda m: m.get("ret_msg") == "pong")


# -- frames ---------------------------------------------------------------------------------


async def test_lose_frames_loses_data_of_its_topic_and_no_answer(
    venue: Venue, switches: Switches
) -> None:
    async with venue.private("order", "execution") as private:
        (id,) = await switches.add({"kind": "lose_frames", "topic": "execution", "count": 1})
        await buy(venue, "lost")
        await buy(venue, "told")
        await private.hear(lambda m: "told" in link_ids(private, "execution"))
        assert "lost" in link_ids(private, "order")
        executions = await venue.result("/v5/execution/list", symbol=SYMBOL)
        lost = [row for row in executions["list"] if row["orderLinkId"] == "lost"]
        heard = [row for row in private.rows("execution") if row["orderLinkId"] == "lost"]
        assert lost and len(heard) < len(lost)
        assert await switches.hits(id) == 1
        await switches.add({"kind": "lose_frames", "socket": "private"})
        assert (await private.ask({"req_id": "p", "op": "ping"}))["op"] == "pong"


async def test_lose_frames_of_public_data(venue: Venue, switches: Switches) -> None:
    async with venue.public() as public:
        kline, ticker = f"kline.1.{SYMBOL}", f"tickers.{SYMBOL}"
        await switches.add({"kind": "lose_frames", "topic": "kline"})
        ack = await public.ask({"req_id": "s", "op": "subscribe", "args": [kline, ticker]})
        assert ack["success"] is True
        await public.hear(lambda m: m.get("topic") == ticker)
        await listen(public, 0.5)
        assert all(m.get("topic") != kline for m in public.heard)
        await switches.clear()
        await public.hear(lambda m: m.get("topic") == kline)


async def test_delay_frames_comes_late_and_in_order(venue: Venue, switches: Switches) -> None:
    async with venue.private("order") as private:
        await switches.add({"kind": "delay_frames", "topic": "order", "seconds": 0.6})
        begun = CLOCK.monotonic()
        for n in range(3):
            await resting(venue, f"n{n}")
        await private.hear(lambda m: m.get("topic") == "order")
        assert CLOCK.monotonic() - begun >= 0.6
        await private.hear(lambda m: len(link_ids(private, "order")) >= 3)
        assert link_ids(private, "order") == ["n0", "n1", "n2"]


async def test_duplicate_frames_come_twice(venue: Venue, switches: Switches) -> None:
    async with venue.private("order") as private:
        await switches.add({"kind": "duplicate_frames", "topic": "order", "count": 1})
        await resting(venue, "twice")
        await resting(venue, "once")
        await private.hear(lambda m: "once" in link_ids(private, "order"))
        assert link_ids(private, "order") == ["twice", "twice", "once"]
        first, second = [m for m in private.heard if "topic" in m][:2]
        assert first == second


async def test_reorder_frames_swaps_with_the_next_and_never_waits_for_ever(
    venue: Venue, switches: Switches
) -> None:
    async with venue.private("order") as private:
        await switches.add({"kind": "reorder_frames", "topic": "order", "seconds": 2, "count": 1})
        await resting(venue, "first")
        await resting(venue, "second")
        await private.hear(lambda m: len(link_ids(private, "order")) == 2)
        assert link_ids(private, "order") == ["second", "first"]
        await switches.add({"kind": "reorder_frames", "topic": "order", "seconds": 0.3})
        begun = CLOCK.monotonic()
        await resting(venue, "alone")
        await private.hear(lambda m: "alone" in link_ids(private, "order"))
        assert CLOCK.monotonic() - begun >= 0.3


async def test_the_same_seed_strikes_the_same_frames(venue: Venue, switches: Switches) -> None:
    async def lost(seed: int, name: str) -> list[int]:
        async with venue.private("order") as private:
            await switches.add({"kind": "lose_frames", "probability": 0.5}, seed=seed)
            for n in range(9):
                await resting(venue, f"{name}{n}")
            await switches.clear()
            await resting(venue, f"{name}-end")
            await private.hear(lambda m: f"{name}-end" in link_ids(private, "order"))
            heard = link_ids(private, "order")
            for n in range(9):
                await venue.post("/v5/order/cancel", symbol=SYMBOL, orderLinkId=f"{name}{n}")
            await CLOCK.sleep(1.0)  # as many orders as a second takes
            return [n for n in range(9) if f"{name}{n}" not in heard]

    first = await lost(7, "a")
    assert 0 < len(first) < 9
    assert await lost(7, "b") == first
    others = [await lost(seed, f"c{seed}-") for seed in (8, 9)]
    assert any(other != first for other in others)


# -- requests -------------------------------------------------------------------------------

Broken = (aiohttp.ClientConnectionError, ConnectionError)


async def fails(request: Callable[[], Awaitable[object]]) -> None:
    """Fails unless the connection breaks without an answer."""
    with pytest.raises(Broken):
        await request()


async def test_lose_reply_carries_the_order_out(venue: Venue, switches: Switches) -> None:
    ids = await switches.add(
        {"kind": "lose_reply", "path": "/v5/order/create", "count": 4, "key": venue.key}
    )
    for n in range(4):  # an acknowledgement that leaves early is lost as well
        link_id = f"carried-{n}"
        await fails(lambda name=link_id: buy(venue, name))  # type: ignore[misc]
        assert await known(venue, link_id)
    assert await switches.hits(ids[0]) == 4
    await buy(venue, "answered")


async def test_refuse_carries_nothing_out(venue: Venue, switches: Switches) -> None:
    (id,) = await switches.add({"kind": "refuse", "path": "/v5/order/create", "count": 1})
    await fails(lambda: buy(venue, "never"))
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


# -- time and count -------------------------------------------------------------------------


async def test_after_and_for_bound_a_fault_in_time(venue: Venue, switches: Switches) -> None:
    fault = {"kind": "ret_code", "code": 10016, "after_s": 0.5, "for_s": 0.5}
    (id,) = await switches.add(fault)
    begun = CLOCK.monotonic()
    struck: list[float] = []
    while (at := CLOCK.monotonic() - begun) < 1.5:
        if (await venue.get("/v5/account/info"))["retCode"] == 10016:
            struck.append(at)
        await CLOCK.sleep(0.05)
    assert struck and min(struck) >= 0.4 and max(struck) <= 1.0 + MARGIN_S
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
