"""Orders over real sockets: what Bybit's streams and lists say of them."""

from __future__ import annotations

from decimal import Decimal

from tests.sim.conftest import Start
from tests.sim.wire import Json, Venue

D = Decimal


async def last_price(venue: Venue, symbol: str) -> Decimal:
    found = await venue.result("/v5/market/tickers", symbol=symbol)
    return D(found["list"][0]["lastPrice"])


def final(message: Json) -> bool:
    return message.get("topic", "").startswith("order") and any(
        row["orderStatus"] in ("Filled", "Cancelled") for row in message["data"]
    )


async def test_market_order_fills_in_several_rows_that_share_a_seq_per_frame(
    venue: Venue,
) -> None:
    async with venue.private("execution", "order", "position", "wallet") as socket:
        made = await venue.create(
            symbol="ETHUSDT", side="Buy", orderType="Market", qty="3", orderLinkId="bot-en-1"
        )
        await socket.hear(lambda m: m.get("topic") == "wallet")
        if not socket.rows("order"):
            await socket.hear(final)
        while sum(D(r["execQty"]) for r in socket.rows("execution")) < 3:
            await socket.hear(lambda m: m.get("topic") == "execution")
    fills = socket.rows("execution")
    assert len(fills) > 1
    for message in socket.heard:
        if message.get("topic") == "execution":
            assert len({row["seq"] for row in message["data"]}) == 1
            assert message["id"] and isinstance(message["creationTime"], int)
    order = socket.rows("order")[-1]
    value = sum((D(r["execValue"]) for r in fills), D(0))
    assert order["orderId"] == made["orderId"] == fills[0]["orderId"]
    assert {r["orderLinkId"] for r in fills} == {"bot-en-1"}
    assert D(order["cumExecQty"]) == 3 and D(order["cumExecValue"]) == value
    assert D(order["cumExecFee"]) == sum((D(r["execFee"]) for r in fills), D(0))
    for row in fills:
        assert D(row["execFee"]) == round(D(row["execValue"]) * D(row["feeRate"]), 8)
        assert row["feeCurrency"] == "USDT" and row["extraFees"] == []
        assert row["isMaker"] is False and isinstance(row["seq"], int)
    listed = (await venue.result("/v5/execution/list", symbol="ETHUSDT"))["list"]
    assert {r["execId"] for r in listed} == {r["execId"] for r in fills}
    position = (await venue.result("/v5/position/list", settleCoin="USDT"))["list"][0]
    assert abs(D(position["avgPrice"]) - value / 3) < D("1e-7")
    assert position["seq"] == max(r["seq"] for r in fills)
    assert D(position["curRealisedPnl"]) == -D(order["cumExecFee"])
    wallet = (await venue.result("/v5/account/wallet-balance", accountType="UNIFIED"))["list"][0]
    assert D(wallet["coin"][0]["walletBalance"]) == 10_000 - D(order["cumExecFee"])


async def test_pages_of_executions_cover_everything_once(venue: Venue) -> None:
    for number in range(4):
        side = "Buy" if number % 2 == 0 else "Sell"
        await venue.create(symbol="ETHUSDT", side=side, orderType="Market", qty="2")
    whole = (await venue.result("/v5/execution/list", limit=100))["list"]
    assert len(whole) > 8
    paged: list[Json] = []
    cursor = ""
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = await venue.result("/v5/execution/list", limit=3, **more)
        if not page["list"]:
            break
        paged += page["list"]
        cursor = page["nextPageCursor"]
        assert "%3A" in cursor and ":" not in cursor
    assert paged == whole
    truth = await venue.raw("GET", "/sim/executions", f"account={venue.key}", {})
    assert [r["execId"] for r in truth["list"]] == [r["execId"] for r in reversed(whole)]
    by_id = await venue.result("/v5/execution/list", orderId=whole[0]["orderId"], symbol="NOPE")
    assert {r["orderId"] for r in by_id["list"]} == {whole[0]["orderId"]}
    now = int(whole[0]["execTime"])
    wide = await venue.get("/v5/execution/list", startTime=now - 8 * 86_400_000, endTime=now)
    assert wide["retCode"] == 10001


async def test_life_of_a_resting_order(venue: Venue) -> None:
    price = str((await last_price(venue, "BTCUSDT") * D("0.995")).quantize(D("0.1")))
    order = {"symbol": "BTCUSDT", "orderLinkId": "rest-1"}
    async with venue.private("order.linear", "position.linear") as socket:
        await venue.create(**order, side="Buy", orderType="Limit", qty="0.01", price=price)
        row = (await socket.hear(lambda m: m.get("topic") == "order.linear"))["data"][0]
        assert (row["orderStatus"], row["avgPrice"], row["leavesQty"]) == ("New", "0", "0.01")
        assert row["cancelType"] == "UNKNOWN" and row["smpGroup"] == 0
        opened = await venue.result("/v5/order/realtime", settleCoin="USDT")
        assert opened["list"][0]["orderLinkId"] == "rest-1"
        assert opened["list"][0]["avgPrice"] == "" and opened["nextPageCursor"]
        amended = await venue.post("/v5/order/amend", **order, qty="0.02")
        assert amended["retCode"] == 0
        row = (await socket.hear(lambda m: m.get("topic") == "order.linear"))["data"][0]
        assert row["qty"] == "0.02"
        assert (await venue.post("/v5/order/cancel", **order))["retCode"] == 0
        row = (await socket.hear(lambda m: m.get("topic") == "order.linear"))["data"][0]
        gone = (row["orderStatus"], row["cancelType"], row["rejectReason"], row["leavesQty"])
        assert gone == ("Cancelled", "CancelByUser", "EC_PerCancelRequest", "0")
    late = await venue.post("/v5/order/cancel", **order)
    assert (late["retCode"], late["retMsg"]) == (
        110001,
        "order not exists or too late to cancel",
    )
    again = await venue.post(
        "/v5/order/create", **order, side="Buy", orderType="Limit", qty="0.01", price=price
    )
    assert (again["retCode"], again["retMsg"]) == (110072, "OrderLinkedID is duplicate")
    assert (await venue.result("/v5/order/realtime", settleCoin="USDT"))["list"] == []
    for path in ("/v5/order/realtime", "/v5/order/history"):
        found = (await venue.result(path, **order))["list"][0]
        assert (found["orderStatus"], found["leavesQty"]) == ("Cancelled", "")
    unknown = await venue.result("/v5/order/realtime", symbol="BTCUSDT", orderLinkId="never")
    assert unknown["list"] == [] and unknown["nextPageCursor"] == ""


async def test_stops_over_the_wire(venue: Venue) -> None:
    last = await last_price(venue, "ETHUSDT")
    stop = str((last * D("0.97")).quantize(D("0.01")))
    await venue.create(
        symbol="ETHUSDT",
        side="Buy",
        orderType="Market",
        qty="1",
        stopLoss=stop,
        orderLinkId="with-stop",
    )
    child = (await venue.result("/v5/order/realtime", symbol="ETHUSDT"))["list"][0]
    assert (child["stopOrderType"], child["createType"]) == ("StopLoss", "CreateByStopLoss")
    assert (child["orderLinkId"], child["parentOrderLinkId"]) == ("", "with-stop")
    assert (child["orderStatus"], D(child["triggerPrice"])) == ("Untriggered", D(stop))
    position = (await venue.result("/v5/position/list", symbol="ETHUSDT"))["list"][0]
    assert D(position["stopLoss"]) == D(stop) and position["takeProfit"] == ""
    body = {"symbol": "ETHUSDT", "tpslMode": "Full", "positionIdx": 0}
    same = await venue.post("/v5/position/trading-stop", **body, stopLoss=stop)
    assert same["retCode"] == 34040
    trail = await venue.post("/v5/position/trading-stop", **body, trailingStop="50")
    assert trail["retCode"] == 0 and trail["result"] == {}
    async with venue.private("order") as socket:
        await venue.create(
            symbol="ETHUSDT", side="Sell", orderType="Market", qty="1", reduceOnly=True
        )

        def cleared(message: Json) -> bool:
            told = {r["cancelType"]: r["orderStatus"] for r in socket.rows("order")}
            kinds = [r for r in socket.rows("order") if r["cancelType"] == "CancelByTpSlTsClear"]
            return len(kinds) == 2 and told["CancelByTpSlTsClear"] == "Deactivated"

        await socket.hear(cleared)
    flat = (await venue.result("/v5/position/list", symbol="ETHUSDT"))["list"][0]
    assert (flat["size"], flat["side"], flat["stopLoss"]) == ("0", "", "")
    assert (await venue.result("/v5/position/list", settleCoin="USDT"))["list"] == []


async def test_untouched_position_is_all_empty_strings(venue: Venue) -> None:
    row = (await venue.result("/v5/position/list", symbol="OPUSDT"))["list"][0]
    assert (row["size"], row["seq"], row["leverage"]) == ("0", -1, "10")
    for name in ("avgPrice", "markPrice", "side", "positionIM", "createdTime", "tpslMode"):
        assert row[name] == ""


async def test_settings_that_change_and_that_do_not(venue: Venue) -> None:
    body = {"symbol": "ETHUSDT", "buyLeverage": "10", "sellLeverage": "10"}
    same = await venue.post("/v5/position/set-leverage", **body)
    assert (same["retCode"], same["retMsg"]) == (110043, "leverage not modified")
    body |= {"buyLeverage": "5", "sellLeverage": "5"}
    assert (await venue.post("/v5/position/set-leverage", **body))["retCode"] == 0
    mode = await venue.post("/v5/position/switch-mode", coin="USDT", mode=0)
    assert mode["retCode"] == 110025
    hedge = await venue.post(
        "/v5/order/create",
        symbol="ETHUSDT",
        side="Buy",
        orderType="Market",
        qty="1",
        positionIdx=1,
    )
    assert hedge["retMsg"] == "position idx not match position mode"


async def test_funding_arrives_on_the_execution_stream_and_in_the_log(start: Start) -> None:
    venue = await start(speed=1200.0)
    async with venue.private("execution.linear") as socket:
        await venue.create(symbol="BTCUSDT", side="Sell", orderType="Market", qty="0.01")
        # The default market opens at 14:15; the next funding is at 16:00, 5.25 s later.
        frame = await socket.hear(
            lambda m: m.get("topic") == "execution.linear" and m["data"][0]["execType"] == "Funding"
        )
    row = frame["data"][0]
    assert row["side"] == "Sell" and row["orderLinkId"] == "" and row["orderType"] == "UNKNOWN"
    assert int(row["execTime"]) % (8 * 3_600_000) == 0 and row["execQty"] == "0.01"
    fee = round(D(row["execValue"]) * D(row["feeRate"]), 8)
    assert D(row["execFee"]) == fee != 0
    log = (await venue.result("/v5/account/transaction-log", type="SETTLEMENT"))["list"]
    assert log[0]["tradeId"] == row["execId"] and D(log[0]["funding"]) == -fee
    listed = (await venue.result("/v5/execution/list", execType="Funding"))["list"]
    assert listed[0]["execId"] == row["execId"] and listed[0]["extraFees"] == ""
