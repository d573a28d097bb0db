"""Events that no client asks for: what they leave on streams, lists and in the store."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal as D
from pathlib import Path

import pytest

from tests.sim.wire import Json, Socket, Venue

TOPICS = ("order", "execution", "position", "wallet")


async def provoke(venue: Venue, **event: object) -> Json:
    answer = await venue.plain("/sim/provoke", {"key": venue.key, "symbol": "ETHUSDT", **event})
    assert answer["ok"] is True, answer
    return answer


async def opened(venue: Venue, side: str = "Buy") -> None:
    await venue.create(symbol="ETHUSDT", side=side, orderType="Market", qty="2")


async def heard(socket: Socket, exec_type: str) -> Json:
    """The one row of that execType, once wallet and position have been told as well."""

    def complete(message: Json) -> bool:
        rows = [r for r in socket.rows("execution") if r["execType"] == exec_type]
        if not rows:
            return False
        told = [r["seq"] for r in socket.rows("position")]
        return rows[-1]["seq"] in told and message.get("topic") == "wallet"

    await socket.hear(complete)
    row: Json = next(r for r in socket.rows("execution") if r["execType"] == exec_type)
    return row


@pytest.mark.parametrize(
    ("event", "exec_type", "create_type", "status"),
    [
        ("liquidation", "BustTrade", "CreateByTakeOver_PassThrough", "Liq"),
        ("adl", "AdlTrade", "CreateByAdl_PassThrough", "Adl"),
        ("settlement", "Settle", "CreateBySettle", "Normal"),
    ],
)
async def test_forced_end_of_a_position(
    venue: Venue, event: str, exec_type: str, create_type: str, status: str
) -> None:
    await opened(venue)
    entry = D((await venue.result("/v5/position/list", symbol="ETHUSDT"))["list"][0]["avgPrice"])
    before = await wallet(venue)
    await venue.create(
        symbol="ETHUSDT",
        side="Buy",
        orderType="Limit",
        qty="1",
        price=str((entry * D("0.99")).quantize(D("0.01"))),
        orderLinkId="resting",
    )
    async with venue.private(*TOPICS) as socket:
        answer = await provoke(venue, event=event)
        row = await heard(socket, exec_type)
    assert answer["execIds"] == [row["execId"]]
    assert (row["createType"], row["orderLinkId"], row["side"]) == (create_type, "", "Sell")
    assert (row["execQty"], row["closedSize"], row["leavesQty"]) == ("2", "2", "0")
    assert abs(D(row["execPnl"]) - (D(row["execPrice"]) - entry) * 2) < D("1e-6")
    if event == "liquidation":
        # Leverage 10: the bankruptcy price lies a tenth below the entry.
        assert abs(D(row["execPrice"]) - entry * D("0.9")) <= D("0.01")
        assert D(row["execFee"]) == round(D(row["execValue"]) * D(row["feeRate"]), 8) > 0
    else:
        assert row["execFee"] == row["feeRate"] == "0"
    assert status in {r["positionStatus"] for r in socket.rows("position")}
    flat = (await venue.result("/v5/position/list", symbol="ETHUSDT"))["list"][0]
    assert (flat["size"], flat["positionStatus"], flat["seq"]) == ("0", "Normal", row["seq"])
    assert await wallet(venue) == before + D(row["execPnl"]) - D(row["execFee"])
    listed = (await venue.result("/v5/execution/list", execType=exec_type))["list"]
    assert [r["execId"] for r in listed] == [row["execId"]]
    orders = (await venue.result("/v5/order/history", orderId=row["orderId"]))["list"]
    if event == "settlement":
        assert orders == []
    else:
        assert (orders[0]["orderStatus"], orders[0]["createType"]) == ("Filled", create_type)
    gone = (await venue.result("/v5/order/history", orderLinkId="resting"))["list"][0]
    cancels = {
        "liquidation": "CancelAllBeforeLiq",
        "adl": "CancelAllBeforeAdl",
        "settlement": "CancelBySettle",
    }
    assert (gone["orderStatus"], gone["cancelType"]) == ("Cancelled", cancels[event])


async def wallet(venue: Venue) -> D:
    found = await venue.result("/v5/account/wallet-balance", accountType="UNIFIED")
    return D(found["list"][0]["coin"][0]["walletBalance"])


async def test_deleveraging_of_a_part_keeps_the_stop_at_the_rest(venue: Venue) -> None:
    await opened(venue, "Sell")
    mark = D((await venue.result("/v5/position/list", symbol="ETHUSDT"))["list"][0]["markPrice"])
    stop = str((mark * D("1.2")).quantize(D("0.01")))
    body = {"symbol": "ETHUSDT", "tpslMode": "Full", "positionIdx": 0}
    assert (await venue.post("/v5/position/trading-stop", **body, stopLoss=stop))["retCode"] == 0
    await provoke(venue, event="adl", qty="0.5")
    position = (await venue.result("/v5/position/list", symbol="ETHUSDT"))["list"][0]
    assert (position["size"], position["side"]) == ("1.5", "Sell")
    child = (await venue.result("/v5/order/realtime", symbol="ETHUSDT"))["list"][0]
    assert (child["stopOrderType"], child["qty"]) == ("StopLoss", "1.5")


async def test_orders_from_the_app_have_no_link_id(venue: Venue) -> None:
    async with venue.private(*TOPICS) as socket:
        made = await provoke(venue, event="manual_order", side="Sell", qty="0.7")
        closed = await provoke(venue, event="manual_close")
        await socket.hear(
            lambda m: sum(D(r["execQty"]) for r in socket.rows("execution")) == D("1.4")
        )
    rows = socket.rows("execution")
    by_order = {r["orderId"]: r for r in rows}
    first, last = by_order[made["orderId"]], by_order[closed["orderId"]]
    assert (first["createType"], first["orderLinkId"], first["side"]) == (
        *("CreateByUser", ""),
        "Sell",
    )
    assert (last["createType"], last["orderLinkId"], last["side"]) == (
        *("CreateByClosing", ""),
        "Buy",
    )
    assert sum(D(r["closedSize"]) for r in rows) == D("0.7")
    assert (await venue.result("/v5/position/list", settleCoin="USDT"))["list"] == []


async def test_funding_on_demand(venue: Venue) -> None:
    await opened(venue)
    async with venue.private(*TOPICS) as socket:
        answer = await venue.plain(
            "/sim/provoke", {"event": "funding", "symbol": "ETHUSDT", "rate": "0.001"}
        )
        row = await heard(socket, "Funding")
    assert answer["execIds"] == [row["execId"]]
    assert D(row["execFee"]) == round(D(row["execValue"]) * D("0.001"), 8) > 0
    log = (await venue.result("/v5/account/transaction-log", type="SETTLEMENT"))["list"][0]
    assert log["tradeId"] == row["execId"] and D(log["funding"]) == -D(row["execFee"])


async def test_the_store_holds_what_was_provoked(venue: Venue, tmp_path: Path) -> None:
    await opened(venue)
    answer = await provoke(venue, event="liquidation")
    with sqlite3.connect(f"file:{tmp_path}/sim/sim.sqlite?mode=ro", uri=True) as db:
        found = db.execute("SELECT exec_id, body FROM executions WHERE exec_type = 'BustTrade'")
        ((exec_id, body),) = found.fetchall()
        ((position,),) = db.execute("SELECT body FROM positions").fetchall()
    assert exec_id == answer["execIds"][0]
    assert D(json.loads(body)["position_after"]) == D(json.loads(position)["size"]) == 0


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"event": "liquidation"}, "open position in ETHUSDT"),
        ({"event": "manual_close"}, "open position in ETHUSDT"),
        ({"event": "adl", "symbol": "NOPEUSDT"}, "symbol invalid NOPEUSDT"),
        ({"event": "adl", "key": "nobody"}, "key of an account"),
        ({"event": "earthquake"}, "earthquake"),
        ({"event": "adl", "size": 1}, "size"),
        ({"event": "manual_order", "side": "Buy", "qty": "0.0001"}, "Qty invalid"),
    ],
)
async def test_what_cannot_happen_is_refused(venue: Venue, event: Json, why: str) -> None:
    answer = await venue.plain(
        "/sim/provoke", {"key": venue.key, "symbol": "ETHUSDT", **event}, status=400
    )
    assert answer["ok"] is False and why in answer["error"]
    assert (await venue.result("/v5/execution/list"))["list"] == []


async def test_transfers_are_in_the_log_and_in_the_wallet(venue: Venue) -> None:
    before = await wallet(venue)
    for amount in ("250.5", "-0.25"):
        moved = await venue.plain(
            "/sim/provoke", {"event": "transfer", "key": venue.key, "amount": amount}
        )
        assert moved["ok"] is True
    await opened(venue)
    linear = await venue.result("/v5/account/transaction-log")  # of that product alone
    assert {row["type"] for row in linear["list"]} == {"TRADE"}
    rows: list[Json] = []
    cursor = ""
    while True:  # of whatever product, one to a page
        page = await log_page(venue, cursor)
        if not page["list"]:
            break
        rows += page["list"]
        cursor = page["nextPageCursor"]
    kinds = [row["type"] for row in reversed(rows)]
    assert kinds[:2] == ["TRANSFER_IN", "TRANSFER_OUT"] and set(kinds[2:]) == {"TRADE"}
    balance = before
    for row in reversed(rows):
        balance += D(row["change"])
        assert D(row["cashBalance"]) == balance
    assert await wallet(venue) == balance
    refused = {"event": "transfer", "key": venue.key, "amount": "-1e9"}
    assert "leaves 0 or more" in str(await venue.plain("/sim/provoke", refused, status=400))


async def log_page(venue: Venue, cursor: str) -> Json:
    query = f"limit=1&cursor={cursor}" if cursor else "limit=1"
    answer = await venue.raw("GET", "/v5/account/transaction-log", query, venue.signed(query))
    assert answer["retCode"] == 0, answer
    found: Json = answer["result"]
    return found
