"""The switches of a simulator's faults, and what their tests do and look at."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import websockets

from alpha.clock import SystemClock
from tests.sim.wire import Json, Socket, Venue

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
