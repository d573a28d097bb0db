"""Faults of sockets and their frames, seen by a client that knows none of the simulator's code."""

from __future__ import annotations

import asyncio

import pytest
import websockets

from tests.sim.switches import (
    CLOCK,
    MARGIN_S,
    SYMBOL,
    Switches,
    buy,
    gone,
    link_ids,
    listen,
    resting,
)
from tests.sim.wire import Socket, Venue

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
