"""Closed profit and loss, the transaction log, and settings that read like Bybit's."""

from __future__ import annotations

from decimal import Decimal as D

from tests.sim.wire import Json, Venue


async def trade(venue: Venue, side: str, qty: str) -> str:
    made = await venue.create(symbol="ETHUSDT", side=side, orderType="Market", qty=qty)
    return str(made["orderId"])


async def executions(venue: Venue) -> list[Json]:
    found: list[Json] = (await venue.result("/v5/execution/list", limit=100))["list"]
    return found


async def test_closed_pnl_has_one_row_for_each_closing_order(venue: Venue) -> None:
    await trade(venue, "Buy", "3")
    part = await trade(venue, "Sell", "1")
    flip = await trade(venue, "Sell", "4")
    end = await trade(venue, "Buy", "2")
    listed = (await venue.result("/v5/position/closed-pnl", symbol="ETHUSDT"))["list"]
    assert [row["orderId"] for row in listed] == [end, flip, part]
    assert [row["closedSize"] for row in listed] == ["2", "2", "1"]
    assert [row["side"] for row in listed] == ["Buy", "Sell", "Sell"]
    assert [row["qty"] for row in listed] == ["2", "4", "1"]
    rows = await executions(venue)
    for row in listed:
        assert D(row["cumEntryValue"]) > 0 and row["execType"] == "Trade"
        gain = D(row["cumExitValue"]) - D(row["cumEntryValue"])
        gain = gain if row["side"] == "Sell" else -gain
        assert D(row["closedPnl"]) == gain - D(row["openFee"]) - D(row["closeFee"])
        fills = [r for r in rows if r["orderId"] == row["orderId"] and r["closedSize"] != "0"]
        assert row["fillCount"] == str(len(fills))
    # Flat again: all fees have been given to one closing or the other.
    fees = sum((D(r["execFee"]) for r in rows), D(0))
    assert abs(sum(D(r["openFee"]) + D(r["closeFee"]) for r in listed) - fees) < D("1e-6")
    wallet = (await venue.result("/v5/account/wallet-balance", accountType="UNIFIED"))["list"][0]
    total = sum(D(row["closedPnl"]) for row in listed)
    assert abs(D(wallet["totalWalletBalance"]) - 10_000 - total) < D("1e-6")
    first = await venue.result("/v5/position/closed-pnl", limit=1)
    rest = await venue.result("/v5/position/closed-pnl", limit=5, cursor=first["nextPageCursor"])
    assert [r["orderId"] for r in first["list"] + rest["list"]] == [end, flip, part]


async def test_transaction_log_adds_up_to_the_balance(venue: Venue) -> None:
    own = {"key": venue.key, "symbol": "ETHUSDT"}
    await trade(venue, "Buy", "4")
    await venue.plain("/sim/provoke", {"event": "funding", "symbol": "ETHUSDT", "rate": "0.0003"})
    await venue.plain("/sim/provoke", {"event": "adl", "qty": "1", **own})
    await venue.plain("/sim/provoke", {"event": "liquidation", **own})
    await trade(venue, "Sell", "1")
    await venue.plain("/sim/provoke", {"event": "settlement", **own})
    rows = {r["execId"]: r for r in await executions(venue)}
    log = (await venue.result("/v5/account/transaction-log", limit=50))["list"]
    kinds = {"Trade": "TRADE", "Funding": "SETTLEMENT", "BustTrade": "LIQUIDATION"}
    kinds |= {"AdlTrade": "ADL", "Settle": "DELIVERY"}
    assert {r["type"] for r in log} == set(kinds.values())
    balance = D(10_000)
    for row in reversed(log):
        source = rows.pop(row["tradeId"])
        assert row["type"] == kinds[source["execType"]]
        funding = D(row["funding"] or 0)
        assert D(row["change"]) == D(row["cashFlow"]) + funding - D(row["fee"])
        if row["type"] == "SETTLEMENT":
            assert funding == -D(source["execFee"]) != 0
        balance += D(row["change"])
        assert D(row["cashBalance"]) == balance
    assert rows == {}
    for name in kinds.values():
        one = (await venue.result("/v5/account/transaction-log", type=name))["list"]
        assert one and {r["type"] for r in one} == {name}
    assert (await venue.result("/v5/account/transaction-log", type="INTEREST"))["list"] == []


async def test_modes_that_this_market_has_and_has_not(venue: Venue) -> None:
    hedge = await venue.post("/v5/position/switch-mode", coin="USDT", mode=3)
    assert hedge["retCode"] == 110029
    cross = await venue.post("/v5/account/set-margin-mode", setMarginMode="REGULAR_MARGIN")
    assert cross["retCode"] == 110026
    isolated = await venue.post("/v5/account/set-margin-mode", setMarginMode="ISOLATED_MARGIN")
    assert isolated["retCode"] == 3400045
    assert isolated["result"]["reasons"][0]["reasonCode"]
    settings = await venue.result("/v5/account/user-setting-config")
    assert settings["fmsef"] is False
