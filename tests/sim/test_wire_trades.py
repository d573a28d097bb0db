"""Recent trades, risk and price limits, candles of mark, index and premium."""

from __future__ import annotations

from decimal import Decimal

from tests.sim.conftest import Start
from tests.sim.wire import Json, Venue

D = Decimal
COIN = "ETHUSDT"
FIELDS = {
    *("execId", "symbol", "price", "size", "side", "time"),
    *("isBlockTrade", "isRPITrade", "seq"),
}


async def test_recent_trades_are_those_that_the_topic_has_told(start: Start) -> None:
    venue = await start(speed=600.0)
    async with venue.public() as socket:
        await socket.ask({"op": "subscribe", "args": [f"publicTrade.{COIN}"], "req_id": "t"})
        told: list[Json] = []

        def thirty(message: Json) -> bool:
            if message.get("topic") == f"publicTrade.{COIN}":
                told.extend(message["data"])
            return len(told) >= 30

        await socket.hear(thirty)
    found = await venue.result("/v5/market/recent-trade", symbol=COIN, limit=1000)
    listed = found["list"]
    assert set(listed[0]) == FIELDS
    stamps = [int(row["time"]) for row in listed]
    assert stamps == sorted(stamps, reverse=True) and len(listed) == len({*map(str, listed)})
    by_id = {row["execId"]: row for row in listed}
    for row in told:
        same = by_id[row["i"]]
        assert (same["price"], same["size"], same["side"]) == (row["p"], row["v"], row["S"])
        assert (same["time"], same["seq"]) == (str(row["T"]), str(row["seq"]))


async def test_recent_trades_know_the_bar_before_the_start_and_their_limit(start: Start) -> None:
    venue = await start(speed=1.0)
    found = await venue.result("/v5/market/recent-trade", symbol=COIN)
    # The bar before the opening has ten trades; the first of the opening may have come.
    assert 10 <= len(found["list"]) <= 13
    assert len({row["execId"] for row in found["list"]}) == len(found["list"])
    short = await venue.result("/v5/market/recent-trade", symbol=COIN, limit=3)
    assert len(short["list"]) == 3
    for wrong in ({"symbol": "NOPE"}, {}, {"symbol": COIN, "category": "spot"}):
        assert (await venue.get("/v5/market/recent-trade", **wrong))["retCode"] == 10001


async def test_risk_limits_come_fifteen_symbols_a_page(venue: Venue) -> None:
    page = await venue.result("/v5/market/risk-limit")
    assert len(page["list"]) == 15 and page["nextPageCursor"] == ""
    assert len({row["symbol"] for row in page["list"]}) == 15
    one = await venue.result("/v5/market/risk-limit", symbol=COIN)
    row = one["list"][0]
    assert (row["id"], row["symbol"], row["isLowestRisk"]) == (1, COIN, 1)
    assert abs(D(row["initialMargin"]) * D(row["maxLeverage"]) - 1) < D("0.0001")
    assert 0 < D(row["maintenanceMargin"]) < D(row["initialMargin"])
    held = await venue.result("/v5/position/list", symbol=COIN)
    assert row["riskLimitValue"] == held["list"][0]["riskLimitValue"]
    assert (await venue.get("/v5/market/risk-limit", cursor="-1"))["retCode"] == 10001
    assert (await venue.result("/v5/market/risk-limit", cursor="15"))["list"] == []


async def test_mark_and_index_candles_are_the_last_price_s_without_volume(venue: Venue) -> None:
    now = int((await venue.result("/v5/market/time"))["timeSecond"]) * 1000
    end = now // 300_000 * 300_000 - 1
    asked: Json = {"symbol": COIN, "interval": "5", "end": end, "limit": 20}
    last = await venue.result("/v5/market/kline", **asked)
    assert len(last["list"]) == 20
    for name in ("mark-price-kline", "index-price-kline"):
        found = await venue.result(f"/v5/market/{name}", **asked)
        assert found["list"] == [row[:5] for row in last["list"]]
        assert (found["symbol"], found["category"]) == (COIN, "linear")
    premium = await venue.result("/v5/market/premium-index-price-kline", **asked)
    assert premium["list"] == [[row[0], "0", "0", "0", "0"] for row in last["list"]]
    wrong = await venue.get("/v5/market/mark-price-kline", symbol=COIN, interval="7")
    assert wrong["retCode"] == 10001


async def test_instruments_come_in_pages(venue: Venue) -> None:
    path = "/v5/market/instruments-info"
    every = (await venue.result(path))["list"]
    found: list[Json] = []
    cursor = ""
    for size in (7, 7, 1):
        page = await venue.result(path, limit=7, cursor=cursor)
        assert len(page["list"]) == size
        found += page["list"]
        cursor = page["nextPageCursor"]
    assert cursor == "" and found == every
    assert (await venue.get(path, limit=1001))["retCode"] == 10001
