"""Batches over REST and the trade socket: one verdict for each order."""

from __future__ import annotations

from decimal import Decimal as D

from tests.sim.wire import Json, Venue, now_ms


async def resting(venue: Venue, count: int) -> list[Json]:
    """Limit orders far enough below the market to rest."""
    ticker = (await venue.result("/v5/market/tickers", symbol="BTCUSDT"))["list"][0]
    price = str((D(ticker["lastPrice"]) * D("0.992")).quantize(D("0.1")))
    return [
        {
            "symbol": "BTCUSDT",
            "side": "Buy",
            "orderType": "Limit",
            "qty": "0.01",
            "price": price,
            "orderLinkId": f"batch-{number}",
        }
        for number in range(count)
    ]


async def test_the_good_part_of_a_batch_goes_through(venue: Venue) -> None:
    orders = await resting(venue, 4)
    orders[1]["qty"] = "0.0001"
    orders[2]["orderLinkId"] = "batch-0"
    answer = await venue.post("/v5/order/create-batch", request=orders)
    assert (answer["retCode"], answer["retMsg"]) == (0, "OK")
    verdicts = answer["retExtInfo"]["list"]
    assert [v["code"] for v in verdicts] == [0, 10001, 110072, 0]
    assert verdicts[1]["msg"] == "Qty invalid"
    listed = answer["result"]["list"]
    assert [bool(row["orderId"]) for row in listed] == [True, False, False, True]
    assert all(row["category"] == "linear" for row in listed)
    assert listed[0]["createAt"] and not listed[1]["createAt"]
    found = await venue.result("/v5/order/realtime", symbol="BTCUSDT")
    assert {r["orderLinkId"] for r in found["list"]} == {"batch-0", "batch-3"}

    amended = await venue.post(
        "/v5/order/amend-batch",
        request=[
            {"symbol": "BTCUSDT", "orderLinkId": "batch-3", "qty": "0.02"},
            {"symbol": "BTCUSDT", "orderLinkId": "batch-1", "qty": "0.02"},
        ],
    )
    assert amended["retExtInfo"]["list"] == [
        {"code": 0, "msg": "OK"},
        {"code": 110001, "msg": "order not exists or too late to replace"},
    ]
    gone = await venue.post(
        "/v5/order/cancel-batch",
        request=[
            {"symbol": "BTCUSDT", "orderId": listed[0]["orderId"]},
            {"symbol": "BTCUSDT", "orderLinkId": "batch-3"},
            {"symbol": "BTCUSDT"},
        ],
    )
    assert [v["code"] for v in gone["retExtInfo"]["list"]] == [0, 0, 10001]
    assert (await venue.result("/v5/order/realtime", symbol="BTCUSDT"))["list"] == []
    history = await venue.result("/v5/order/history", orderLinkId="batch-3")
    assert (history["list"][0]["orderStatus"], history["list"][0]["qty"]) == ("Cancelled", "0.02")


async def test_the_part_of_a_batch_over_the_limit_fails(venue: Venue) -> None:
    orders = await resting(venue, 12)
    answer = await venue.post("/v5/order/create-batch", request=orders)
    assert [v["code"] for v in answer["retExtInfo"]["list"]] == [0] * 10 + [10006] * 2
    assert venue.headers["X-Bapi-Limit"] == "10" and venue.headers["X-Bapi-Limit-Status"] == "0"
    # Nothing is left of the bucket, but single orders have one of their own.
    again = await venue.post("/v5/order/create-batch", request=orders[10:])
    assert (again["retCode"], again["retMsg"]) == (10006, "Too many visits!")
    await venue.create(**orders[10])
    listed = await venue.result("/v5/order/realtime", symbol="BTCUSDT", limit=50)
    assert len(listed["list"]) == 11


async def test_batches_that_are_refused_whole(venue: Venue) -> None:
    orders = await resting(venue, 21)
    for request in (orders, [], "orders"):
        answer = await venue.post("/v5/order/cancel-batch", request=request)
        assert (answer["retCode"], answer["result"]) == (10001, {})


async def test_batches_over_the_trade_socket(venue: Venue) -> None:
    orders = await resting(venue, 3)
    orders[1]["symbol"] = "NOPEUSDT"
    async with venue.trade() as socket:
        await socket.ask({**venue.auth(), "reqId": "auth"})
        answer = await socket.ask(
            {
                "reqId": "b-1",
                "header": {"X-BAPI-TIMESTAMP": str(now_ms())},
                "op": "order.create-batch",
                "args": [{"category": "linear", "request": orders}],
            }
        )
    assert (answer["retCode"], answer["op"]) == (0, "order.create-batch")
    assert [v["code"] for v in answer["retExtInfo"]["list"]] == [0, 10001, 0]
    assert [bool(r["orderId"]) for r in answer["data"]["list"]] == [True, False, True]
    assert answer["header"]["X-Bapi-Limit-Status"] == "7"
