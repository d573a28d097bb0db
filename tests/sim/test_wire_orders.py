"""Orders over real sockets: what Bybit's streams and lists say of them."""

from __future__ import annotations

from decimal import Decimal

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
        for kind in ("wallet",):
            await socket.hear(lambda m, kind=kind: m.get("topic") == kind)
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
    value = sum(D(r["execValue"]) for r in fills)
    assert order["orderId"] == made["orderId"] == fills[0]["orderId"]
    assert {r["orderLinkId"] for r in fills} == {"bot-en-1"}
    assert D(order["cumExecQty"]) == 3 and D(order["cumExecValue"]) == value
    assert D(order["cumExecFee"]) == sum(D(r["execFee"]) for r in fills)
    for row in fills:
        rounding = abs(D(row["execFee"]) - D(row["execValue"]) * D(row["feeRate"]))
        assert rounding <= D("1e-8")
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
