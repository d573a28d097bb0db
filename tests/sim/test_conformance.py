"""What every client of Bybit meets, point by point: one test for each thing to get right."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal as D
from pathlib import Path
from urllib.parse import unquote

import pytest
import websockets
from aiohttp.test_utils import make_mocked_request

from alpha.clock import SystemClock
from alpha.sim.params import Params
from alpha.sim.rest import Answer, Call, Result
from alpha.sim.rest_account import AccountApi
from alpha.sim.sockets import idle_limit
from tests.sim.conftest import Start
from tests.sim.pure import Bench
from tests.sim.wire import Json, Socket, Venue, now_ms, signature
from tests.trading.exchange import KEY, SPECS, SYMBOLS, hand_exchange

DAY_MS = 86_400_000


async def last_price(venue: Venue, symbol: str) -> D:
    return D((await venue.result("/v5/market/tickers", symbol=symbol))["list"][0]["lastPrice"])


async def below(venue: Venue, symbol: str, share: str = "0.99") -> str:
    return str((await last_price(venue, symbol) * D(share)).quantize(D("0.1")))


async def resting(venue: Venue, link_id: str) -> Json:
    order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01"}
    price = await below(venue, "BTCUSDT")
    return await venue.create(**order, price=price, orderLinkId=link_id)


# -- 1: signatures ------------------------------------------------------------------------


async def test_1_signatures_cover_the_raw_query_and_headers_alone_log_in(venue: Venue) -> None:
    query = "category=linear&settleCoin=USDT&cursor=132766%3A2%2C132766%3A2"
    good = venue.signed(query)
    right = await venue.raw("GET", "/v5/order/realtime", query, good)
    assert right["retCode"] == 0
    wrong = venue.signed(unquote(query))
    answer = await venue.raw("GET", "/v5/order/realtime", query, wrong)
    stamp = wrong["X-BAPI-TIMESTAMP"]
    assert answer["retCode"] == 10004 and (answer["result"], answer["retExtInfo"]) == ({}, {})
    assert answer["retMsg"] == f"error sign! origin_string[{stamp}{venue.key}5000{query}]"
    ahead = await venue.raw(
        "GET", "/v5/order/realtime", query, venue.signed(query, now_ms() + 2000, "60000")
    )
    assert ahead["retCode"] == 10002
    assert re.search(r"req_timestamp\[\d+\],server_timestamp\[\d+\],recv", ahead["retMsg"])
    bare = venue.signed("", window="")
    del bare["X-BAPI-RECV-WINDOW"]
    assert (await venue.raw("GET", "/v5/user/query-api", "", bare))["retCode"] == 0


# -- 2: socket dialects -------------------------------------------------------------------


async def test_2_sockets_take_every_clients_dialect(venue: Venue) -> None:
    async with websockets.connect(venue.urls["private_ws"]) as connection:
        socket = Socket(connection)
        expires = now_ms() + 9000
        # The expiry as a string, the id as a number, and a subscription that does not wait.
        proof = signature(venue.secret, f"GET/realtime{expires}")
        await socket.say({"req_id": 1, "op": "auth", "args": [venue.key, str(expires), proof]})
        await socket.say({"req_id": 2, "op": "subscribe", "args": ["order", "execution"]})
        acks = [await socket.hear(lambda m: "req_id" in m) for _ in range(2)]
        assert [(a["req_id"], a["success"]) for a in acks] == [(1, True), (2, True)]
        twice = await socket.ask({"req_id": "3", "op": "subscribe", "args": ["order"]})
        assert twice["ret_msg"] == "error:already subscribed,topic:order"
        mixed = await socket.ask({"req_id": "4", "op": "subscribe", "args": ["order.linear"]})
        assert mixed["ret_msg"] == "error:subscription conflict,topic:order.linear"
        await socket.say({"op": "ping", "args": [1]})
        assert (await socket.hear(lambda m: m.get("op") == "pong"))["args"][0].isdigit()
    async with venue.public() as socket:
        await socket.say({"op": "ping", "args": 1})
        pong = await socket.hear(lambda m: True)
        assert (pong["op"], pong["ret_msg"], pong["req_id"]) == ("ping", "pong", "")
        piped = ["publicTrade.BTCUSDT|ETHUSDT"]
        assert (await socket.ask({"op": "subscribe", "args": piped}))["success"] is True
        topics = ["tickers.BTCUSDT", "orderbook.500.BTCUSDT"]
        bad = await socket.ask({"req_id": "s", "op": "subscribe", "args": topics})
        assert bad["success"] is False
        assert bad["ret_msg"] == "error:handler not found,topic:orderbook.500.BTCUSDT"
        good = await socket.ask({"req_id": "t", "op": "subscribe", "args": topics[:1]})
        assert good["success"] is True
    async with venue.trade() as socket:
        await socket.say({"op": "ping"})
        pong = await socket.hear(lambda m: True)
        assert (pong["op"], pong["retCode"], pong["retMsg"]) == ("pong", 0, "OK")
        assert pong["data"][0].isdigit() and pong["connId"]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("", 600),
        ("?max_active_time=30s", 30),
        ("?max_active_time=2m", 120),
        ("?max_active_time=1s", 30),
        ("?max_active_time=60m", 600),
        ("?max_active_time=x", 600),
    ],
)
def test_2_silent_sockets_are_cut_after_ten_minutes_or_what_they_asked_for(
    asked: str, seconds: int
) -> None:
    assert idle_limit(make_mocked_request("GET", f"/v5/private{asked}")) == seconds


# -- 3: envelopes -------------------------------------------------------------------------


async def test_3_no_snapshots_and_whole_envelopes_under_the_subscribed_name(venue: Venue) -> None:
    await venue.create(symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
    topics = ("order.linear", "execution.linear", "position.linear", "wallet")
    async with venue.private(*topics) as socket:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await socket.hear(lambda m: "topic" in m)
        await venue.create(symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
        await socket.hear(lambda m: {x.get("topic") for x in socket.heard} >= set(topics))
    for frame in socket.heard:
        if "topic" in frame:
            assert frame["id"] and isinstance(frame["creationTime"], int)
    for row in socket.rows("execution.linear"):
        assert (row["feeCurrency"], row["extraFees"]) == ("USDT", [])
        assert type(row["seq"]) is int
    assert {type(row["smpGroup"]) for row in socket.rows("order.linear")} == {int}


# -- 4: fills, frames and ends ------------------------------------------------------------


def test_4_fills_share_frames_and_frames_come_in_any_order() -> None:
    orders: set[str] = set()
    most = 0
    for salt in range(24):
        bench = Bench(salt=str(salt))
        _, changes = bench.create("Buy", "3")
        kinds = [e.kind for e in changes.emissions]
        orders.add("order first" if kinds.index("order") < kinds.index("execution") else "fill")
        for emission in changes.emissions:
            if emission.kind == "execution":
                rows = [row for row in changes.executions if row in emission.rows]
                assert len({row.seq for row in rows}) == 1
                most = max(most, len(rows))
    assert orders == {"order first", "fill"} and most > 2


# -- 5: order ids -------------------------------------------------------------------------


async def test_5_link_ids_are_strict_and_used_once_for_ever(venue: Venue) -> None:
    order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.001"}
    for bad in ("a:b", "a" * 37, "a b", "ä"):
        answer = await venue.post("/v5/order/create", **order, orderLinkId=bad)
        assert answer["retCode"] == 10001, bad
    await venue.create(**order, orderLinkId="A-z_9" * 7)
    first = await resting(venue, "once")
    await venue.post("/v5/order/cancel", symbol="BTCUSDT", orderId=first["orderId"])
    again = await venue.post("/v5/order/create", **order, orderLinkId="once")
    assert (again["retCode"], again["retMsg"]) == (110072, "OrderLinkedID is duplicate")
    assert (again["result"], again["retExtInfo"]) == ({}, {})
    # A create that was refused has not used its id.
    refused = await venue.post("/v5/order/create", **{**order, "qty": "0"}, orderLinkId="twice")
    assert refused["retCode"] == 10001
    await venue.create(**order, orderLinkId="twice")


# -- 6: acknowledgements ------------------------------------------------------------------


async def test_6_acknowledgements_come_before_and_after_the_first_frame(venue: Venue) -> None:
    async with venue.private("order") as private, venue.trade() as trade:
        await trade.ask({**venue.auth(), "reqId": "auth"})
        firsts: set[str] = set()
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def note(socket: Socket, name: str) -> None:
            while True:
                await socket.hear(lambda m: "topic" in m or "reqId" in m)
                heard.put_nowait(name)

        tasks = [asyncio.create_task(note(s, n)) for s, n in ((private, "f"), (trade, "a"))]
        for number in range(40):
            body = {"category": "linear", "symbol": "ETHUSDT", "side": "Buy", "qty": "0.01"}
            args = [{**body, "orderType": "Market"}]
            header = {"X-BAPI-TIMESTAMP": str(now_ms())}
            await trade.say(
                {"reqId": f"r{number}", "op": "order.create", "header": header, "args": args}
            )
            async with asyncio.timeout(5):
                firsts.add(await heard.get())
                await heard.get()
            if firsts == {"f", "a"}:
                break
            await SystemClock().sleep(0.12)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert firsts == {"f", "a"}


# -- 7: lists -----------------------------------------------------------------------------


async def test_7_lists_page_by_opaque_cursors_within_windows(venue: Venue) -> None:
    for number in range(3):
        await resting(venue, f"page-{number}")
    page = await venue.result("/v5/order/realtime", symbol="BTCUSDT", limit=2)
    assert [r["orderLinkId"] for r in page["list"]] == ["page-2", "page-1"]
    last = await venue.result(
        "/v5/order/realtime", symbol="BTCUSDT", limit=2, cursor=page["nextPageCursor"]
    )
    assert [r["orderLinkId"] for r in last["list"]] == ["page-0"]
    # A cursor on the last page too: it leads to an empty list.
    assert "%3A" in last["nextPageCursor"] and ":" not in last["nextPageCursor"]
    none = await venue.result("/v5/order/realtime", symbol="BTCUSDT", cursor=last["nextPageCursor"])
    assert (none["list"], none["nextPageCursor"]) == ([], "")
    now = int(page["list"][0]["createdTime"])
    window = {"startTime": now - 8 * DAY_MS, "endTime": now}
    for path in ("execution/list", "order/history", "position/closed-pnl"):
        assert (await venue.get(f"/v5/{path}", **window))["retCode"] == 10001
    assert (await venue.get("/v5/account/transaction-log", **window))["retCode"] == 10001
    for path, most in (("execution/list", 100), ("order/history", 50)):
        assert (await venue.get(f"/v5/{path}", limit=most + 1))["retCode"] == 10001
        assert (await venue.get(f"/v5/{path}", limit=most))["retCode"] == 0
    unknown = await venue.get("/v5/order/realtime", symbol="BTCUSDT", orderLinkId="never")
    assert (unknown["retCode"], unknown["result"]["list"]) == (0, [])


async def test_7_cancelled_orders_are_forgotten_after_a_day_and_filled_ones_are_not(
    tmp_path: Path,
) -> None:
    symbol = SYMBOLS[0]

    async def silent(result: Result | Answer) -> None:
        pass

    async with hand_exchange(tmp_path, SystemClock()) as hand:
        api = AccountApi(hand.engine, tuple(SPECS)).routes()

        async def listed(path: str, **query: object) -> list[str]:
            params = Params({"category": "linear", "symbol": symbol, **query})
            answer = await api["GET", path].handler(Call(KEY, params, silent))
            found = answer.result if isinstance(answer, Answer) else answer
            rows = found["list"]
            assert isinstance(rows, list)
            return [str(r["orderLinkId"]) for r in rows if isinstance(r, dict)]

        start = hand.now_ms
        order = {"category": "linear", "symbol": symbol, "side": "Buy", "qty": "1"}
        create = {**order, "orderType": "Limit", "price": "99.5", "orderLinkId": "cancelled"}
        await hand._answer("POST", "/v5/order/create", create)
        gone = {"category": "linear", "symbol": symbol, "orderLinkId": "cancelled"}
        await hand._answer("POST", "/v5/order/cancel", gone)
        market = {**order, "orderType": "Market", "orderLinkId": "filled"}
        await hand._answer("POST", "/v5/order/create", market)
        assert await listed("/v5/order/history") == ["filled", "cancelled"]
        hand.market_clock.set(start + DAY_MS + 1000, start + DAY_MS + 1000)
        assert await listed("/v5/order/history") == ["filled"]
        assert await listed("/v5/order/history", orderLinkId="cancelled") == []
        # What is still among the last 500 closed orders is found by its id.
        assert await listed("/v5/order/realtime", orderLinkId="cancelled") == ["cancelled"]
        exchange = hand.engine.exchange
        for number in range(500):
            create["orderLinkId"] = gone["orderLinkId"] = f"more-{number}"
            await hand._answer("POST", "/v5/order/create", create)
            await hand._answer("POST", "/v5/order/cancel", gone)
        assert await listed("/v5/order/realtime", orderLinkId="cancelled") == []
        assert await listed("/v5/order/realtime", orderLinkId="more-0") == ["more-0"]
        assert list(exchange.state.open_orders(KEY)) == []


# -- 8: funding ---------------------------------------------------------------------------


async def test_8_funding_at_its_hours_with_opposite_signs(start: Start) -> None:
    venue = await start(speed=1200.0)
    async with venue.private("execution") as socket:
        await venue.create(symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
        frame = await socket.hear(
            lambda m: any(r.get("execType") == "Funding" for r in m.get("data", []))
        )
    row = frame["data"][0]
    assert int(row["execTime"]) % (8 * 3_600_000) == 0 and row["orderLinkId"] == ""
    rest = (await venue.result("/v5/execution/list", execType="Funding"))["list"][0]
    log = (await venue.result("/v5/account/transaction-log", type="SETTLEMENT"))["list"][0]
    assert row["execId"] == rest["execId"] == log["tradeId"]
    assert D(log["funding"]) == -D(row["execFee"]) != 0
    history = (await venue.result("/v5/market/funding/history", symbol="BTCUSDT"))["list"][0]
    assert history["fundingRateTimestamp"] == row["execTime"]
    assert D(history["fundingRate"]) == D(row["feeRate"])


# -- 9: absent values ---------------------------------------------------------------------


async def test_9_absent_values_differ_between_socket_and_rest(venue: Venue) -> None:
    flat = (await venue.result("/v5/position/list", symbol="ARBUSDT"))["list"][0]
    assert (flat["avgPrice"], flat["liqPrice"], flat["size"], flat["seq"]) == ("", "", "0", -1)
    async with venue.private("order", "position", "execution") as socket:
        made = await resting(venue, "absent")
        await venue.post("/v5/order/cancel", symbol="BTCUSDT", orderId=made["orderId"])
        await socket.hear(
            lambda m: socket.rows("order")[-1:] != [] and len(socket.rows("order")) > 1
        )
        await venue.create(symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")
        await socket.hear(lambda m: any(r["size"] != "0" for r in socket.rows("position")))
    told = next(r for r in socket.rows("order") if r["orderStatus"] == "Cancelled")
    listed = (await venue.result("/v5/order/history", orderLinkId="absent"))["list"][0]
    assert (told["avgPrice"], told["leavesQty"], told["tpslMode"]) == ("0", "0", "UNKNOWN")
    assert (listed["avgPrice"], listed["leavesQty"], listed["tpslMode"]) == ("", "", "")
    rest = (await venue.result("/v5/position/list", symbol="BTCUSDT"))["list"][0]
    wire = next(r for r in socket.rows("position") if r["size"] != "0")
    assert rest["avgPrice"] == wire["entryPrice"]
    assert "entryPrice" not in rest and "avgPrice" not in wire


# -- 10: limits ---------------------------------------------------------------------------


async def test_10_limits_of_an_account_and_of_an_address(start: Start) -> None:
    venue = await start(address_limit=30, ban_s=0.5)
    body = {"symbol": "BTCUSDT", "orderId": "none"}
    codes = [(await venue.post("/v5/order/cancel", **body))["retCode"] for _ in range(11)]
    assert codes == [110001] * 10 + [10006]
    assert venue.headers["X-Bapi-Limit"] == "10" and venue.headers["X-Bapi-Limit-Status"] == "0"
    assert int(venue.headers["X-Bapi-Limit-Reset-Timestamp"]) > now_ms() - 1000
    statuses = [await venue.status("/v5/market/time") for _ in range(20)]
    assert statuses == [200] * 19 + [403]
    # The ban holds for every endpoint of the exchange, not for the simulator's own.
    assert await venue.status("/v5/market/tickers?category=linear") == 403
    assert await venue.status("/sim/state") == 200
    await SystemClock().sleep(0.6)
    assert await venue.status("/v5/market/time") == 200


# -- recorded words, and the fast topic ---------------------------------------------------


async def test_errors_are_worded_as_recorded(venue: Venue) -> None:
    last = await last_price(venue, "BTCUSDT")
    order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.001"}
    low = str((last * D("0.9")).quantize(D("0.1")))
    wanted: list[tuple[Json, int, str]] = [
        ({"qty": "90"}, 110007, "CheckMarginRatio fail! InsufficientAB"),
        ({"qty": "0.0015"}, 10001, "Qty invalid"),
        ({"symbol": "NOPEUSDT"}, 10001, "params error: symbol invalid NOPEUSDT"),
        ({"positionIdx": 1}, 10001, "position idx not match position mode"),
        ({"orderType": "Limit", "price": "0.01"}, 110003, "price is invalid"),
    ]
    for change, code, words in wanted:
        answer = await venue.post("/v5/order/create", **{**order, **change})
        assert (answer["retCode"], answer["retMsg"]) == (code, words)
        assert (answer["result"], answer["retExtInfo"]) == ({}, {})
    rising = {"triggerPrice": low, "triggerDirection": 1}
    answer = await venue.post("/v5/order/create", **order, **rising)
    pattern = r"expect Rising, but trigger_price\[(\d+)\] <= current\[\d+\]\?\?LastPrice"
    found = re.fullmatch(pattern, answer["retMsg"])
    assert answer["retCode"] == 110092 and found and int(found[1]) == D(low) * 10_000
    for path, word in (("cancel", "cancel"), ("amend", "replace")):
        body = {"symbol": "BTCUSDT", "orderId": "none", "qty": "0.002"}
        answer = await venue.post(f"/v5/order/{path}", **body)
        words = f"order not exists or too late to {word}"
        assert (answer["retCode"], answer["retMsg"]) == (110001, words)


async def test_the_fast_topic_brings_trades_alone_and_less_of_them(venue: Venue) -> None:
    async with venue.private("execution.fast", "execution") as socket:
        order = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "0.01"}
        await venue.create(**order, orderLinkId="fast")
        await socket.hear(lambda m: m.get("topic") == "execution")
        await venue.plain(
            "/sim/provoke", {"event": "funding", "symbol": "BTCUSDT", "rate": "0.001"}
        )
        await socket.hear(lambda m: socket.rows("execution")[-1]["execType"] == "Funding")
    fast, slow = socket.rows("execution.fast"), socket.rows("execution")
    trades = [r for r in slow if r["execType"] == "Trade"]
    assert [r["execId"] for r in fast] == [r["execId"] for r in trades]
    assert set(fast[0]) == {
        *("category", "symbol", "orderId", "isMaker", "orderLinkId", "execId"),
        *("execPrice", "execQty", "side", "execTime", "seq"),
    }
    assert fast[0]["orderLinkId"] == "fast"
