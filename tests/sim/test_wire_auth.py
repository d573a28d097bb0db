"""Keys, signatures, clocks, limits and the words of the sockets' control messages."""

from __future__ import annotations

import asyncio

import pytest

from alpha.clock import ManualClock
from alpha.sim.auth import Keyring, sign
from alpha.sim.model import Refusal
from tests.sim.wire import Json, Socket, Venue, now_ms, signature

GOLDEN = [
    (
        "1658384314791demo-key5000category=linear&settleCoin=USDT&limit=100"
        "&cursor=132766%3A2%2C132766%3A2",
        "0632df3c43c07ff56cc8b7af9311e93f70e37e225a57af352193e0744c5bafd7",
    ),
    (
        "1658384314791demo-key5000category=linear&settleCoin=USDT&limit=100"
        "&cursor=132766:2,132766:2",
        "c474557c1c09c6c46df3a4b2470f39bb3b709092db3883fc8f44f9ec14428dce",
    ),
    (
        '1658385579423demo-key5000{"category":"linear","symbol":"BTCUSDT","side":"Buy",'
        '"orderType":"Market","qty":"0.001","orderLinkId":"ss1-ts-l8x2k0-0001"}',
        "06af69c7c34e6a27a3e98ee0cd6d9488c9864583ff23559ea990638d463f2963",
    ),
    (
        "GET/realtime1662350400000",
        "527dd30dfa1fcb23158358f744fef2f1a83228db537a1f5177138f1ee67bd8cc",
    ),
]


@pytest.mark.parametrize(("text", "expected"), GOLDEN)
def test_golden_signatures(text: str, expected: str) -> None:
    assert sign("demo-secret", text) == expected


@pytest.mark.parametrize(
    ("stamp", "window", "accepted"),
    [
        (100_000 - 5000, 5000, True),
        (100_000 - 5001, 5000, False),
        (100_000 + 999, 5000, True),
        (100_000 + 1000, 5000, False),
        (100_000 + 1000, 60_000, False),
        (100_000 - 2501, 2500, False),
    ],
)
def test_timestamp_rule(stamp: int, window: int, accepted: bool) -> None:
    keyring = Keyring({"demo-key": "demo-secret"}, ManualClock(100_000))
    if accepted:
        keyring.check_time(str(stamp), str(window))
    else:
        with pytest.raises(Refusal, match="10002") as refused:
            keyring.check_time(str(stamp), str(window))
        assert f"req_timestamp[{stamp}],server_timestamp[100000]" in refused.value.message


async def test_refused_signatures_echo_what_was_signed(venue: Venue) -> None:
    query = "accountType=UNIFIED&coin=USDT%2CBTC"
    headers = venue.signed(query)
    answer = await venue.raw("GET", "/v5/account/wallet-balance", query, headers)
    assert answer["retCode"] == 0
    bad = {**headers, "X-BAPI-SIGN": "0" * 64}
    answer = await venue.raw("GET", "/v5/account/wallet-balance", query, bad)
    stamp = headers["X-BAPI-TIMESTAMP"]
    assert answer["retCode"] == 10004
    assert answer["retMsg"] == f"error sign! origin_string[{stamp}demo-key5000{query}]"
    assert answer["result"] == {} and answer["retExtInfo"] == {}
    late = venue.signed(query, stamp=now_ms() - 6000)
    answer = await venue.raw("GET", "/v5/account/wallet-balance", query, late)
    assert answer["retCode"] == 10002
    unknown = {**headers, "X-BAPI-API-KEY": "nobody"}
    answer = await venue.raw("GET", "/v5/account/wallet-balance", query, unknown)
    assert answer["retCode"] == 10003


async def test_order_entry_is_limited_to_ten_a_second(venue: Venue) -> None:
    answers = await asyncio.gather(
        *(
            venue.post("/v5/order/cancel", symbol="BTCUSDT", orderLinkId=f"none-{n}")
            for n in range(12)
        )
    )
    codes = sorted(answer["retCode"] for answer in answers)
    assert codes == [10006] * 2 + [110001] * 10
    assert venue.headers["X-Bapi-Limit"] == "10"
    assert int(venue.headers["X-Bapi-Limit-Status"]) < 10
    # Another endpoint has a bucket of its own.
    listed = await venue.get("/v5/order/realtime", settleCoin="USDT")
    assert listed["retCode"] == 0 and venue.headers["X-Bapi-Limit"] == "50"


async def test_private_socket_control_messages(venue: Venue) -> None:
    async with venue.private() as socket:
        number = await socket.ask({"req_id": 7, "op": "subscribe", "args": ["order.linear"]})
        assert number == {
            "success": True,
            "ret_msg": "",
            "conn_id": number["conn_id"],
            "req_id": 7,
            "op": "subscribe",
        }
        again = await socket.ask({"req_id": "b", "op": "subscribe", "args": ["order.linear"]})
        assert again["ret_msg"] == "error:already subscribed,topic:order.linear"
        bad = await socket.ask(
            {"req_id": "c", "op": "subscribe", "args": ["wallet", "position.nope"]}
        )
        assert bad["success"] is False
        assert bad["ret_msg"] == "error:handler not found,topic:position.nope"
        # The whole request was refused: its good topic can still be subscribed.
        good = await socket.ask({"req_id": "d", "op": "subscribe", "args": ["wallet"]})
        assert good["success"] is True
        pong = await socket.ask({"req_id": "p", "op": "ping"})
        assert pong["op"] == "pong" and abs(int(pong["args"][0]) - now_ms()) < 5000
        bare = await socket.ask({"op": "ping", "args": 123})
        assert bare["op"] == "pong" and "req_id" not in bare


async def test_private_socket_refuses_wrong_auth_and_closes(venue: Venue) -> None:
    import websockets

    async with websockets.connect(venue.urls["private_ws"]) as connection:
        socket = Socket(connection)
        answer = await socket.ask({"op": "auth", "args": ["demo-key", now_ms() + 9000, "00"]})
        assert answer["success"] is False
        with pytest.raises(websockets.ConnectionClosed):
            await socket.hear(lambda m: False)


async def test_auth_takes_the_expiry_as_a_string_too(venue: Venue) -> None:
    import websockets

    async with websockets.connect(venue.urls["private_ws"]) as connection:
        expires = str(now_ms() + 9000)
        proof = signature(venue.secret, f"GET/realtime{expires}")
        answer = await Socket(connection).ask(
            {"op": "auth", "args": [venue.key, expires, proof], "req_id": 1}
        )
        assert answer["success"] is True and answer["req_id"] == 1


async def test_public_pong_has_its_own_shape(venue: Venue) -> None:
    async with venue.public() as socket:
        pong = await socket.ask({"req_id": "x", "op": "ping"})
        assert pong == {
            "success": True,
            "ret_msg": "pong",
            "conn_id": pong["conn_id"],
            "req_id": "x",
            "op": "ping",
        }


async def test_trade_socket_orders_and_correlates(venue: Venue) -> None:
    async with venue.trade() as socket:
        args: list[Json] = [
            {"category": "linear", "symbol": "ETHUSDT", "side": "Buy", "orderType": "Market"}
        ]
        header = {"X-BAPI-TIMESTAMP": now_ms()}
        order = {"reqId": "r0", "op": "order.create", "header": header, "args": args}
        assert (await socket.ask(order))["retCode"] == 10005
        auth = await socket.ask({**venue.auth(), "reqId": "a"})
        assert (auth["retCode"], auth["retMsg"], auth["reqId"]) == (0, "OK", "a")
        args[0] |= {"qty": "0.1", "orderLinkId": "by-socket"}
        made = await socket.ask({**order, "reqId": "r1"})
        assert made["retCode"] == 0 and made["data"]["orderLinkId"] == "by-socket"
        assert made["header"]["X-Bapi-Limit"] == "10" and made["header"]["Timenow"]
        assert (await socket.ask({**order, "reqId": "r1"}))["retCode"] == 20006
        twice = await socket.ask({**order, "reqId": "r2"})
        assert (twice["retCode"], twice["data"]) == (110072, {})
        late = {"X-BAPI-TIMESTAMP": str(now_ms() - 9000)}
        assert (await socket.ask({**order, "reqId": "r3", "header": late}))["retCode"] == 10002
        strange = await socket.ask({"reqId": "r4", "op": "order.dance", "args": []})
        assert strange["retCode"] == 10404
        pong = await socket.ask({"op": "ping"})
        assert pong["op"] == "pong" and pong["retCode"] == 0
