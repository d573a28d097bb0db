"""A daemon that trades tells subscribers of Redis: the fills that its ledger holds, its orders,
and the positions that its keys show."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from redis.asyncio.client import PubSub

from alpha.embedded.place import find_place
from alpha.embedded.valkey import url
from alpha.errors import ConfigError
from alpha.state import keys
from tests.acceptance.daemons import installation
from tests.state.live import SHORT, reader
from tests.until import until

FILLS = 5
Messages = dict[str, list[dict[str, str]]]


async def listen(listening: PubSub, said: Messages, fills: int) -> None:
    """Keeps messages by channel until there are so many fills and an order has ended."""
    async with asyncio.timeout(60):
        while len(said["fills"]) < fills or not any(o["state"] == "filled" for o in said["orders"]):
            message = await listening.get_message(ignore_subscribe_messages=True, timeout=1)
            if message is not None:
                kind = str(message["channel"]).split(":")[1]
                said[kind].append(json.loads(message["data"]))


async def test_fills_orders_and_positions_are_told(server_folder: Path) -> None:
    said: Messages = defaultdict(list)
    with installation(server_folder) as home:
        daemon = home.start()
        await home.ready()
        place = await asyncio.to_thread(find_place, home.folder / "data")
        address = url(place, "paper")
        async with reader(address) as redis, redis.pubsub() as listening:
            await listening.psubscribe("alpha:*")
            await listen(listening, said, FILLS)
        assert home.stop(daemon) == 0
        ledger = {str(row["exec_id"]): row for row in await home.ledger()}
    for fill in said["fills"]:
        row = ledger[fill["exec_id"]]
        assert fill["bot_id"] == SHORT
        assert Decimal(fill["exec_price"]) == row["price"]
        assert Decimal(fill["exec_qty"]) <= Decimal(str(row["qty"]))
        assert fill["client_order_id"] == row["order_link_id"]
    # A position follows each fill, and says what the fill has left.
    assert len(said["positions"]) >= len(said["fills"]) - 1
    for position in said["positions"]:
        assert abs(Decimal(position["signed_size"])) == Decimal(position["size"])
    states = {order["state"] for order in said["orders"]}
    assert "filled" in states
    assert {order["bot_id"] for order in said["orders"]} == {SHORT}


async def test_the_keys_show_what_the_ledger_holds_when_it_has_stopped(
    server_folder: Path,
) -> None:
    with installation(server_folder) as home:
        daemon = home.start()
        await home.ready()
        await home.trades(10)
        assert home.stop(daemon) == 0
        verified = home.json("ledger", "verify")
        assert (verified["ok"], verified["redis"]) == (True, "ok")


async def test_without_redis_nothing_is_opened(
    server_folder: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHA__REDIS__URL", f"redis://127.0.0.1:{unused_tcp_port}")
    with installation(server_folder) as home:
        daemon = home.start()
        await until(lambda: "intent_refused" in home.log, "a refusal", within_s=60)
        assert home.json("status")["redis"] == "away"
        assert home.truth() == [] and home.own_orders() == []
        assert home.stop(daemon) == 0


async def test_a_daemon_does_not_start_on_another_modes_redis(
    server_folder: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHA__REDIS__URL", redis_url)
    async with reader(redis_url) as redis:
        await redis.set(keys.MODE, "live")
        with installation(server_folder) as home:
            daemon = home.start("--bots", "none")
            await until(lambda: daemon.poll() is not None, "it ends", within_s=60)
            assert daemon.returncode == ConfigError.exit_code
            assert "expected a Redis of mode paper, was one of mode live" in home.log
        assert await redis.keys("*") == [keys.MODE]
