"""Public data: candles that agree between REST and stream, tickers, book, trades, clocks."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from decimal import Decimal

import pytest
import websockets

from alpha.errors import ConfigError
from alpha.sim.server import check_speed
from tests.sim.conftest import Start
from tests.sim.wire import Json, Venue, now_ms

D = Decimal


def confirmed(topic: str, after: int = 0) -> object:
    return lambda m: (
        m.get("topic") == topic and m["data"][0]["confirm"] and m["data"][0]["start"] > after
    )


async def test_confirmed_candles_come_without_holes_and_equal_the_history(start: Start) -> None:
    venue = await start(speed=1200.0)
    topics = ["kline.1.ETHUSDT", "kline.5.ETHUSDT"]
    async with venue.public() as socket:
        assert (await socket.ask({"op": "subscribe", "args": topics, "req_id": "k"}))["success"]
        starts: list[int] = []

        def fourteen(message: Json) -> bool:
            if message.get("topic") == topics[0] and message["data"][0]["confirm"]:
                starts.append(message["data"][0]["start"])
            return len(starts) == 14

        await socket.hear(fourteen)
    assert [b - a for a, b in itertools.pairwise(starts)] == [60_000] * 13
    for topic, interval in zip(topics, ("1", "5"), strict=True):
        told = [
            m["data"][0]
            for m in socket.heard
            if m.get("topic") == topic and m["data"][0]["confirm"]
        ]
        assert told
        found = await venue.result(
            "/v5/market/kline",
            symbol="ETHUSDT",
            interval=interval,
            start=told[0]["start"],
            end=told[-1]["start"],
        )
        names = ("start", "open", "high", "low", "close", "volume", "turnover")
        assert found["list"] == [[str(c[n]) for n in names] for c in reversed(told)]
    for message in socket.heard:
        if str(message.get("topic", "")).startswith("kline") and message["data"][0]["confirm"]:
            candle = message["data"][0]
            assert message["ts"] == candle["end"] + 1 == candle["timestamp"]


async def test_kline_lists_newest_first_and_hides_the_future(venue: Venue) -> None:
    now = int((await venue.result("/v5/market/time"))["timeNano"]) // 1_000_000
    for interval, length in (("1", 60_000), ("240", 14_400_000), ("D", 86_400_000)):
        found = await venue.result(
            "/v5/market/kline", symbol="BTCUSDT", interval=interval, limit=30
        )
        stamps = [int(row[0]) for row in found["list"]]
        assert stamps == sorted(stamps, reverse=True) and len(stamps) == 30
        later = int((await venue.result("/v5/market/time"))["timeNano"]) // 1_000_000
        assert now // length <= stamps[0] // length <= later // length
        for _, opened, high, low, close, *_ in found["list"]:
            assert D(low) <= min(D(opened), D(close)) <= max(D(opened), D(close)) <= D(high)
    future = await venue.result(
        "/v5/market/kline", symbol="BTCUSDT", interval="1", start=now + 3_600_000
    )
    assert future["list"] == []
    first = stamps[10]
    page = await venue.result(
        "/v5/market/kline", symbol="BTCUSDT", interval="D", start=first, limit=3
    )
    assert [int(row[0]) for row in page["list"]] == [first + n * 86_400_000 for n in (2, 1, 0)]


async def test_ticker_starts_with_a_snapshot_and_goes_on_with_changes(venue: Venue) -> None:
    async with venue.public() as socket:
        await socket.say({"op": "subscribe", "args": ["tickers.SOLUSDT"]})
        first = await socket.hear(lambda m: "topic" in m)
        assert first["type"] == "snapshot" and isinstance(first["data"], dict)
        merged = dict(first["data"])
        for _ in range(3):
            delta = await socket.hear(lambda m: m.get("type") == "delta")
            changed = set(delta["data"]) - {"symbol"}
            assert changed and changed < set(merged)
            merged |= delta["data"]
    assert D(merged["bid1Price"]) < D(merged["ask1Price"])
    assert D(merged["lowPrice24h"]) <= D(merged["lastPrice"]) <= D(merged["highPrice24h"])
    assert merged["lastPrice"] in (merged["bid1Price"], merged["ask1Price"])


async def test_book_and_trades(venue: Venue) -> None:
    async with venue.public() as socket:
        topics = ["orderbook.1.XRPUSDT", "publicTrade.XRPUSDT"]
        await socket.say({"op": "subscribe", "args": topics})
        trades = await socket.hear(lambda m: m.get("topic") == topics[1])
        book = await socket.hear(lambda m: m.get("topic") == topics[0])
    row = trades["data"][0]
    assert row["s"] == "XRPUSDT" and row["S"] in ("Buy", "Sell") and D(row["v"]) > 0
    assert isinstance(row["T"], int) and row["T"] <= trades["ts"]
    assert book["type"] == "snapshot" and len(book["data"]["b"]) == len(book["data"]["a"]) == 1
    deep = await venue.result("/v5/market/orderbook", symbol="XRPUSDT", limit=5)
    bids = [D(price) for price, _ in deep["b"]]
    assert bids == sorted(bids, reverse=True) and D(deep["a"][0][0]) > bids[0]


async def test_a_deep_book_is_a_snapshot_and_changes_that_lead_to_the_book(venue: Venue) -> None:
    topic = "orderbook.50.XRPUSDT"
    async with venue.public() as first, venue.public() as second:
        book: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        updates: list[int] = []

        def apply(message: Json) -> bool:
            if message.get("topic") != topic:
                return False
            data = message["data"]
            if message["type"] == "snapshot":
                assert not updates and len(data["b"]) == 50
            else:
                assert data["u"] == updates[-1] + 1
            updates.append(data["u"])
            for side, levels in book.items():
                for price, qty in data[side]:
                    levels.pop(price, None)
                    if qty != "0":
                        levels[price] = qty
            return True

        await first.ask({"req_id": "1", "op": "subscribe", "args": [topic]})
        while len(updates) < 4:
            await first.hear(apply)
        # One who comes later gets a snapshot of his own; both see the same book from then on.
        await second.ask({"req_id": "2", "op": "subscribe", "args": [topic]})
        told = await second.hear(lambda m: m.get("topic") == topic)
        assert told["type"] == "snapshot"
        while updates[-1] < told["data"]["u"]:
            await first.hear(apply)
        if updates[-1] == told["data"]["u"]:
            for side in ("b", "a"):
                assert book[side] == dict(told["data"][side])
        best = (max(D(p) for p in book["b"]), min(D(p) for p in book["a"]))
        assert best[0] < best[1] and len(book["a"]) == len(book["b"]) == 50


async def test_one_bad_topic_refuses_the_whole_request(venue: Venue) -> None:
    async with venue.public() as socket:
        args = ["tickers.BTCUSDT", "orderbook.500.BTCUSDT"]
        answer = await socket.ask({"op": "subscribe", "args": args, "req_id": "s"})
        assert answer["success"] is False
        assert answer["ret_msg"] == "error:handler not found,topic:orderbook.500.BTCUSDT"
        piped = {"op": "subscribe", "args": ["tickers.BTCUSDT|ETHUSDT"], "req_id": "t"}
        assert (await socket.ask(piped))["success"] is True


async def test_two_clocks(venue: Venue) -> None:
    answer = await venue.get("/v5/market/time")
    market = int(answer["result"]["timeNano"]) // 1_000_000
    assert abs(answer["time"] - now_ms()) < 5000
    assert abs(market - now_ms()) > 86_400_000
    seen = [int((await venue.result("/v5/market/time"))["timeNano"]) for _ in range(20)]
    assert seen == sorted(seen)


async def test_instruments_and_funding_history(venue: Venue) -> None:
    found = (await venue.result("/v5/market/instruments-info"))["list"]
    assert len(found) == 15 and {row["status"] for row in found} == {"Trading"}
    assert all(D(row["priceFilter"]["tickSize"]) > 0 for row in found)
    rates = (await venue.result("/v5/market/funding/history", symbol="BTCUSDT", limit=5))["list"]
    stamps = [int(row["fundingRateTimestamp"]) for row in rates]
    assert [a - b for a, b in itertools.pairwise(stamps)] == [8 * 3_600_000] * 4
    unknown = await venue.get("/v5/market/instruments-info", symbol="NOPEUSDT")
    assert unknown["retMsg"] == "params error: symbol invalid NOPEUSDT"


def test_a_speed_that_would_lose_candles_names_the_highest_that_works() -> None:
    check_speed(1200, 60_000)
    check_speed(6000, 300_000)
    with pytest.raises(ConfigError, match=r"up to 1200 .* was 1201"):
        check_speed(1201, 60_000)


async def test_a_client_that_does_not_read_is_cut_and_holds_nobody_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alpha.sim.hub.STUCK_S", 0.3)
    venue = await start(speed=1200.0)
    symbols = [r["symbol"] for r in (await venue.result("/v5/market/instruments-info"))["list"]]
    kinds = ("orderbook.1", "publicTrade", "tickers", "kline.1", "kline.5", "kline.60")
    topics = [f"{kind}.{symbol}" for kind in kinds for symbol in symbols]
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    host, port = venue.urls["rest"].removeprefix("http://").split(":")
    await asyncio.get_running_loop().sock_connect(deaf, (host, int(port)))
    connection = await websockets.connect(
        venue.urls["public_ws"], sock=deaf, max_queue=1, compression=None
    )
    await connection.send(json.dumps({"op": "subscribe", "args": topics}))
    starts: list[int] = []
    async with venue.public() as good:
        await good.ask({"op": "subscribe", "args": ["kline.1.BTCUSDT"], "req_id": "g"})

        def long_after_the_cut(message: Json) -> bool:
            if "topic" in message and message["data"][0]["confirm"]:
                starts.append(message["data"][0]["start"])
            return len(starts) >= 100

        await good.hear(long_after_the_cut)
    assert [b - a for a, b in itertools.pairwise(starts)] == [60_000] * (len(starts) - 1)
    with pytest.raises(websockets.ConnectionClosedError):
        async with asyncio.timeout(10):
            while True:
                await connection.recv()
