"""What needs a person reaches a person: a daemon as a user has it, a phone, and a subscriber."""

from __future__ import annotations

import asyncio
import json
import re
from html import unescape
from pathlib import Path

import aiohttp
from redis.asyncio.client import PubSub

from alpha.clock import SystemClock
from alpha.config import load
from alpha.config.rules import paper_account
from alpha.control.databases import database_pool
from alpha.embedded.place import find_place
from alpha.embedded.valkey import url
from alpha.state import keys
from tests.acceptance.daemons import Installation, Json, installation
from tests.state.live import reader
from tests.telegram.stand_in import TOKEN, StandIn
from tests.until import until

ADMIN = 42
CONFIG = """
mode = "paper"
data_dir = "{folder}/data"
[telegram]
token = "{token}"
admin_ids = [{admin}]
base_url = "{telegram}"
[bots.shortseller]
enabled = true
bot_id = "shortseller_001"
"""


async def buy_by_hand(home: Installation) -> None:
    """As in the exchange's own app."""
    place = json.loads((home.folder / "data" / "sim" / "ready.json").read_text())
    order = {
        "event": "manual_order",
        "key": paper_account("main").api_key.get_secret_value(),
        "symbol": "BTCUSDT",
        "side": "Buy",
        "qty": "0.01",
    }
    address = f"{place['rest']}/sim/provoke"
    async with aiohttp.ClientSession() as session, session.post(address, json=order) as answer:
        assert answer.status == 200, await answer.text()


async def next_alert(listening: PubSub) -> Json:
    async with asyncio.timeout(30):
        while True:
            message = await listening.get_message(ignore_subscribe_messages=True, timeout=1)
            if message is not None:
                found: Json = json.loads(message["data"])
                if found["event"] == "alert":
                    return found


async def test_a_trade_by_hand_is_told_everywhere(server_folder: Path) -> None:
    telegram = StandIn()
    await telegram.start()
    settings = CONFIG.format(folder=server_folder, token=TOKEN, admin=ADMIN, telegram=telegram.url)
    try:
        with installation(server_folder, settings=settings) as home:
            daemon = home.start()
            await home.ready()
            place = await asyncio.to_thread(find_place, home.folder / "data")
            async with reader(url(place, "paper")) as redis, redis.pubsub() as listening:
                await listening.subscribe(keys.EVENTS)
                await buy_by_hand(home)
                told = await next_alert(listening)
            assert (told["kind"], told["symbol"], told["bot_id"]) == (
                "manual_trade", "BTCUSDT", "manual",
            )  # fmt: skip
            (sent,) = await telegram.until_sent(1)
            assert sent.chat == ADMIN and str(told["message"]) in unescape(sent.text)
            live = await asyncio.to_thread(home.alerts)
            assert live["manual_trade"]["message"] == told["message"]
            await telegram.say(ADMIN, "/alerts", at_s=SystemClock().now_ms() / 1000)
            asked = (await telegram.until_sent(2))[1]
            assert str(told["message"]) in unescape(asked.text)
            assert await asyncio.to_thread(home.stop, daemon) == 0
            stored = await asyncio.to_thread(home.json, "alerts", "--limit", "1")
            assert stored["source"] == "database"
            assert stored["alerts"] == [live["manual_trade"]]
            assert TOKEN not in home.log
    finally:
        await telegram.stop()


async def test_a_daemon_that_fails_says_so_before_it_ends(server_folder: Path) -> None:
    with installation(server_folder) as home:
        daemon = home.start()
        await home.ready()
        config = load(home.config, {}, {})
        async with database_pool(config, SystemClock()) as pool:
            await pool.execute(
                "UPDATE config.leases SET epoch = epoch + 1, holder = 'somebody else'"
            )
            await until(lambda: daemon.poll() is not None, "the daemon to end", within_s=30)
        assert daemon.poll() == 1
        told = await asyncio.to_thread(home.alerts)
        # The renewal or a write of the ledger, whichever comes first.
        assert re.search(
            "not the owner any more|taken over by another process",
            str(told["daemon_failed"]["message"]),
        ), told
