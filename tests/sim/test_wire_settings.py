"""What an account may set or ask about its trading: protections, limits, margin, link ids."""

from __future__ import annotations

from decimal import Decimal

from alpha.clock import SystemClock
from tests.sim.conftest import Start
from tests.sim.wire import Json, Venue

D = Decimal
COIN = "BTCUSDT"


async def resting(venue: Venue, **more: object) -> str:
    """A limit order a little below the market; its id."""
    limits = await venue.result("/v5/market/price-limit", symbol=COIN)
    made = await venue.create(
        symbol=COIN, side="Buy", orderType="Limit", qty="0.001", price=limits["sellLmt"], **more
    )
    order_id: str = made["orderId"]
    return order_id


async def order(venue: Venue, order_id: str) -> Json:
    found = await venue.result("/v5/order/realtime", symbol=COIN, orderId=order_id)
    row: Json = found["list"][0]
    return row


# -- disconnect protection ----------------------------------------------------------------


async def test_a_window_of_disconnection_is_set_and_shown(venue: Venue) -> None:
    path, shown = "/v5/order/disconnected-cancel-all", "/v5/account/query-dcp-info"
    assert (await venue.result(shown))["dcpInfos"] == []
    assert (await venue.result("/v5/account/info"))["dcpStatus"] == "OFF"
    for wrong in ({}, {"timeWindow": 301}, {"timeWindow": 9, "product": "X"}):
        assert (await venue.post(path, **wrong))["retCode"] == 10001
    # Without a product the window is that of options, of which there are none here.
    assert (await venue.post(path, timeWindow=40))["retCode"] == 0
    assert (await venue.result(shown))["dcpInfos"] == []
    assert (await venue.post(path, product="DERIVATIVES", timeWindow=40))["retCode"] == 0
    told = [{"product": "DERIVATIVES", "dcpStatus": "ON", "timeWindow": "40"}]
    assert (await venue.result(shown))["dcpInfos"] == told
    info = await venue.result("/v5/account/info")
    assert (info["dcpStatus"], info["timeWindow"]) == ("ON", 40)


async def test_orders_go_when_the_last_socket_stays_away(start: Start) -> None:
    venue = await start(speed=1.0)
    path = "/v5/order/disconnected-cancel-all"
    await venue.post(path, product="DERIVATIVES", timeWindow=3)
    async with venue.private("order") as listener:
        async with venue.private("dcp.future"):
            order_id = await resting(venue)
            last = (await venue.result("/v5/market/tickers", symbol=COIN))["list"][0]["lastPrice"]
            stop = await venue.create(
                symbol=COIN,
                side="Sell",
                orderType="Market",
                qty="0.001",
                triggerPrice=str((D(last) * D("0.9")).quantize(D("0.1"))),
                triggerDirection=2,
            )
        # Back within the window: nothing happens when it ends.
        async with venue.private("dcp.future"):
            await SystemClock().sleep(3.3)
            assert (await order(venue, order_id))["orderStatus"] == "New"
        await listener.hear(
            lambda m: any(row["orderStatus"] == "Cancelled" for row in m.get("data", []))
        )
    gone = await order(venue, order_id)
    assert (gone["orderStatus"], gone["cancelType"]) == ("Cancelled", "CancelByDCP")
    assert (await order(venue, stop["orderId"]))["orderStatus"] == "Untriggered"


async def test_without_the_topic_or_the_window_orders_stay(start: Start) -> None:
    venue = await start(speed=1.0)
    order_id = await resting(venue)
    async with venue.private("dcp.future"):
        pass
    await venue.post("/v5/order/disconnected-cancel-all", product="DERIVATIVES", timeWindow=3)
    async with venue.private("order"):
        pass
    await SystemClock().sleep(3.3)
    assert (await order(venue, order_id))["orderStatus"] == "New"


# -- prices out of the band ---------------------------------------------------------------


async def test_far_prices_move_to_the_edge_until_they_are_to_be_refused(start: Start) -> None:
    venue = await start(speed=1.0)
    limits = await venue.result("/v5/market/price-limit", symbol=COIN)
    lowest, highest = D(limits["sellLmt"]), D(limits["buyLmt"])
    last = D((await venue.result("/v5/market/tickers", symbol=COIN))["list"][0]["lastPrice"])
    assert lowest < last < highest and int(limits["ts"]) > 0
    far: Json = {"symbol": COIN, "orderType": "Limit", "qty": "0.001", "timeInForce": "PostOnly"}
    below, above = str(lowest / 2 // 1), str(highest * 2 // 1)
    moved = await venue.create(**far, side="Sell", price=below)
    found = await venue.result("/v5/order/history", symbol=COIN, orderId=moved["orderId"])
    assert abs(D(found["list"][0]["price"]) / lowest - 1) < D("0.01")
    asleep = await resting(venue)
    amended = await venue.post("/v5/order/amend", symbol=COIN, orderId=asleep, price=above)
    assert amended["retCode"] == 0, amended

    path = "/v5/account/set-limit-px-action"
    for wrong in ({"modifyEnable": "no"}, {"category": "option", "modifyEnable": False}):
        assert (await venue.post(path, **wrong))["retCode"] == 10001
    assert (await venue.post(path, modifyEnable=False))["retCode"] == 0
    assert (await venue.result("/v5/account/user-setting-config"))["lpaPerp"] is True
    assert (await venue.post("/v5/order/create", **far, side="Sell", price=below))[
        "retCode"
    ] == 30209
    assert (await venue.post("/v5/order/create", **far, side="Buy", price=above))[
        "retCode"
    ] == 30208
    asleep = await resting(venue)
    refused = await venue.post("/v5/order/amend", symbol=COIN, orderId=asleep, price=above)
    assert refused["retCode"] == 30208
    assert (await venue.post(path, modifyEnable="true"))["retCode"] == 0
    assert (await venue.result("/v5/account/user-setting-config"))["lpaPerp"] is False
    await venue.create(**far, side="Sell", price=below)


# -- margin -------------------------------------------------------------------------------


async def test_a_pre_check_says_what_an_order_would_bind_and_places_none(start: Start) -> None:
    venue = await start(speed=1.0)
    last = D((await venue.result("/v5/market/tickers", symbol=COIN))["list"][0]["lastPrice"])
    body: Json = {"symbol": COIN, "side": "Buy", "orderType": "Market", "qty": "0.02"}
    path = "/v5/order/pre-check"
    answer = await venue.post(path, **body, orderLinkId="checked-1")
    assert answer["retCode"] == 0, answer
    found = answer["result"]
    assert found["orderLinkId"] == "checked-1" and len(found["orderId"]) == 36
    assert (found["preImrE4"], found["preMmrE4"]) == (0, 0)
    # A tenth of the value and two fees, of 10000 USDT: ten-thousandths are whole dollars.
    assert abs(found["postImrE4"] - last * D("0.02") * D("0.1011")) <= D("0.02") * last / 100
    assert 0 < found["postMmrE4"] < found["postImrE4"]
    for openness in (0, 1):
        listed = await venue.result("/v5/order/realtime", symbol=COIN, openOnly=openness)
        assert listed["list"] == []
    # The link id is not used up, and after the order the account is as was foretold.
    await venue.create(**body, orderLinkId="checked-1")
    after = (await venue.post(path, **body))["result"]
    assert abs(after["preImrE4"] - found["postImrE4"]) <= 3 + found["postImrE4"] // 50
    assert after["postImrE4"] > after["preImrE4"]
    closing = {**body, "side": "Sell", "reduceOnly": True}
    kept = (await venue.post(path, **closing))["result"]
    assert kept["postImrE4"] == kept["preImrE4"]
    assert (await venue.post(path, **{**body, "qty": "90"}))["retCode"] == 110007
    conditional = await venue.post(path, **body, triggerPrice=str(last // 2), triggerDirection=2)
    assert conditional["retCode"] == 10001


async def test_margin_of_single_positions_is_refused_as_under_cross_margin(venue: Venue) -> None:
    add, auto = "/v5/position/add-margin", "/v5/position/set-auto-add-margin"
    for path, more in ((add, {"margin": "10"}), (auto, {"autoAddMargin": 1})):
        refused = await venue.post(path, symbol=COIN, **more)
        assert refused["retCode"] == 10001 and "cross margin" in refused["retMsg"]
        assert "symbol invalid" in (await venue.post(path, symbol="NOPEUSDT", **more))["retMsg"]
    assert "margin" in (await venue.post(add, symbol=COIN))["retMsg"]
    assert "autoAddMargin" in (await venue.post(auto, symbol=COIN, autoAddMargin=2))["retMsg"]


async def test_leverage_is_told_without_a_position(venue: Venue) -> None:
    await venue.post("/v5/position/set-leverage", symbol=COIN, buyLeverage="7", sellLeverage="7")
    found = await venue.result("/v5/position/symbol-info", symbol=COIN)
    assert found["list"] == [{"symbol": COIN, "leverage": "7", "side": "", "positionIdx": 0}]
    every = (await venue.result("/v5/position/symbol-info"))["list"]
    assert len(every) == 15 and {row["leverage"] for row in every} == {"7", "10"}
    assert (await venue.get("/v5/position/symbol-info", symbol="NOPE"))["retCode"] == 10001


async def test_the_account_has_no_group_for_its_matches_and_its_own_instruments(
    venue: Venue,
) -> None:
    assert await venue.result("/v5/account/smp-group") == {"smpGroup": 0}
    mine = await venue.result("/v5/account/instruments-info", symbol=COIN)
    assert venue.headers["X-Bapi-Limit"] == "10"
    assert mine == await venue.result("/v5/market/instruments-info", symbol=COIN)


# -- link ids -----------------------------------------------------------------------------


async def test_link_ids_have_36_characters_or_45_where_it_is_asked_for(start: Start) -> None:
    for length in (36, 45):
        venue = await start(speed=1.0, name=f"sim-{length}", link_id_length=length)
        body: Json = {"symbol": COIN, "side": "Buy", "orderType": "Market", "qty": "0.001"}
        longest = "a" * length
        await venue.create(**body, orderLinkId=longest)
        refused = await venue.post("/v5/order/create", **body, orderLinkId=longest + "a")
        assert refused["retCode"] == 10001
        assert refused["retMsg"] == f"order link id is longer than {length}"
        again = await venue.post("/v5/order/create", **body, orderLinkId=longest)
        assert again["retCode"] == 110072
        colon = await venue.post("/v5/order/create", **body, orderLinkId="a:b")
        assert colon["retCode"] == 10001
