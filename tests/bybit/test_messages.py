"""Frames decode to the values that stand in them: every expectation is written by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.bybit.fields import MalformedFrame
from alpha.bybit.market_rows import OrderBook, Trade
from alpha.bybit.messages import Ack, Ignored, Pong, decode_private, decode_public
from alpha.bybit.rows import FastExecution
from alpha.core.events import Bar, Execution, OrderEvent, PositionEvent, Ticker, WalletEvent
from tests.bybit.recorded import FUNDING_FRAME, ORDER_FRAME, TRADE_FRAME, vector

D = Decimal

TRADE = Execution(
    account="main",
    symbol="ETHUSDT",
    exec_id="85406bdb-e365-5031-b5f0-5d60da7ebaf6",
    order_id="65d1cc50-3b63-4c52-8f31-60cf5bb82f5e",
    order_link_id="rec-stop-down",
    side="Sell",
    exec_type="Trade",
    price=D("2739.59"),
    qty=D("0.01"),
    value=D("27.3959"),
    fee=D("0.01095836"),
    fee_currency="USDT",
    fee_rate=D("0.0004"),
    leaves_qty=D("0"),
    closed_size=D("0"),
    is_maker=False,
    create_type="CreateByStopOrder",
    order_type="Market",
    stop_order_type="Stop",
    exec_time=1791270948650,
    seq=12078223981,
    exec_pnl=D("0"),
    mark_price=D("2739.62"),
    source="stream",
    received_ms=7,
)


def test_recorded_trade() -> None:
    assert decode_private(TRADE_FRAME, "main", 7) == (TRADE,)
    assert decode_private(TRADE_FRAME.encode(), "main", 7) == (TRADE,)


def test_recorded_funding_is_an_execution_of_its_own_type() -> None:
    (event,) = decode_private(FUNDING_FRAME, "main", 7)
    assert event == Execution(
        account="main",
        symbol="BTCUSDT",
        exec_id="e7a7a67a-1c62-42d9-aae4-5e06a9692f06",
        order_id="e426053a-7800-47b8-8f03-f4f1d81bc385",
        order_link_id="",
        side="Buy",
        exec_type="Funding",
        price=D("85906.96"),
        qty=D("0.001"),
        value=D("85.90696"),
        fee=D("0.0085907"),
        fee_currency="USDT",
        fee_rate=D("0.0001"),
        leaves_qty=D("0"),
        closed_size=D("0"),
        is_maker=False,
        create_type="",
        order_type="UNKNOWN",
        stop_order_type="",
        exec_time=1791273600000,
        seq=9688594499,
        exec_pnl=D("0"),
        mark_price=D("85903.58"),
        source="stream",
        received_ms=7,
    )


def test_recorded_order_with_the_group_id_as_text() -> None:
    (event,) = decode_private(ORDER_FRAME, "main", 7)
    assert event == OrderEvent(
        account="main",
        symbol="BTCUSDT",
        order_id="39bbc94a-2310-4324-9996-707881007fd5",
        order_link_id="rec-rest-1",
        parent_link_id="",
        side="Buy",
        order_type="Limit",
        status="New",
        qty=D("0.001"),
        cum_exec_qty=D("0"),
        avg_price=None,
        price=D("77392.3"),
        trigger_price=None,
        stop_order_type="",
        create_type="CreateByUser",
        cancel_type="",
        reject_reason="",
        reduce_only=False,
        position_idx=0,
        created_ms=1791270738610,
        updated_ms=1791270738615,
    )


def test_bare_and_categorised_topics_mean_the_same() -> None:
    bare = TRADE_FRAME.replace('"execution.linear"', '"execution"')
    assert decode_private(bare, "main", 7) == (TRADE,)
    bare = ORDER_FRAME.replace('"order.linear"', '"order"')
    assert decode_private(bare, "main", 7) == decode_private(ORDER_FRAME, "main", 7)


def test_a_frame_may_hold_many_rows_and_other_products() -> None:
    frame = json.loads(TRADE_FRAME)
    row = frame["data"][0]
    second = row | {"execId": "second", "leavesQty": "0.5"}
    spot = row | {"execId": "third", "category": "spot"}
    frame["data"] = [row, spot, second]
    events = decode_private(json.dumps(frame), "main", 7)
    assert events == (TRADE, replace(TRADE, exec_id="second", leaves_qty=D("0.5")))


def test_rows_may_lack_or_empty_whatever_is_not_needed() -> None:
    bare = {
        "symbol": "ETHUSDT", "execId": "e-1", "orderId": "o-1", "side": "Buy",
        "execType": "AdlTrade", "execPrice": "2000.5", "execQty": "2",
        "execTime": "1791270948650", "seq": 5,
    }  # fmt: skip
    empty = bare | dict.fromkeys(
        ("orderLinkId", "execValue", "execFee", "feeCurrency", "feeRate", "leavesQty", "closedSize",
         "createType", "orderType", "stopOrderType", "execPnl", "markPrice", "category"), "",
    ) | {"extraFees": "", "newField": {"deep": [1, 2]}, "isMaker": None}  # fmt: skip
    nulls = {key: value or None for key, value in empty.items()}
    expected = Execution(
        "main", "ETHUSDT", "e-1", "o-1", "", "Buy", "AdlTrade", D("2000.5"), D(2), D(4001), D(0),
        "USDT", None, D(0), None, False, "", "", "", 1791270948650, 5, received_ms=7,
    )  # fmt: skip
    for row in (bare, empty, nulls):
        frame = {"topic": "execution", "data": [row]}
        assert decode_private(json.dumps(frame), "main", 7) == (expected,)


def test_execution_vector_without_fee_currency() -> None:
    (event,) = decode_private(vector("ws_account_execution.json"), "main", 1)
    assert isinstance(event, Execution)
    assert (event.symbol, event.side, event.exec_type) == ("BTCUSDT", "Sell", "Trade")
    assert event.exec_id == "0ab1bdf7-4219-438b-b30a-32ec863018f7"
    assert event.order_id == "9aac161b-8ed6-450d-9cab-c5cc67c21784"
    assert event.order_link_id == "test-order-link-001"
    assert (event.price, event.qty, event.value) == (D("95900.1"), D("0.5"), D("47950.05"))
    assert (event.fee, event.fee_currency, event.fee_rate) == (D("26.3725275"), "USDT", D("5.5e-4"))
    assert (event.closed_size, event.leaves_qty) == (D("0.5"), D("0"))
    assert (event.stop_order_type, event.create_type, event.is_maker) == ("", "", False)
    assert (event.exec_time, event.seq) == (1746270400353, 140612148849382)
    assert (event.mark_price, event.exec_pnl) == (D("95901.48"), None)


def test_fast_execution_is_an_early_sign_only() -> None:
    assert decode_private(vector("ws_account_execution_fast.json"), "main", 1) == (
        FastExecution(
            account="main",
            symbol="ICPUSDT",
            exec_id="3510f361-0add-5c7b-a2e7-9679810944fc",
            order_id="443d63fa-b4c3-4297-b7b1-23bca88b04dc",
            order_link_id="test-order-link-001",
            side="Sell",
            price=D("12.015"),
            qty=D("3000"),
            is_maker=False,
            exec_time=1716800399334,
            seq=34771365464,
        ),
    )


# name: order id, link id, side, type, status, qty, filled, average, price, trigger, stop type,
# reduce only
ORDER_VECTORS: dict[
    str,
    tuple[str, str, str, str, str, str, str, str | None, str | None, str | None, str, bool],
] = {
    "ws_account_order": (
        "abcdef123456", "client-1", "Buy", "Limit", "Cancelled",
        "0.01", "0", None, "30000", None, "StopLoss", False,
    ),
    "ws_account_order_filled": (
        "5cf98598-39a7-459e-97bf-76ca765ee020", "test-client-order-001", "Buy", "Limit", "Filled",
        "0.1", "0.1", "30000.5", "30000.5", "29500", "Stop", False,
    ),
    "ws_account_order_buy_stop_market": (
        "test-buy-stop-market-001", "test-client-buy-stop-market-001", "Buy", "Market",
        "Untriggered", "0.1", "0", None, None, "55000", "Stop", False,
    ),
    "ws_account_order_market_if_touched": (
        "test-mit-001", "test-client-mit-001", "Buy", "Market", "Untriggered",
        "0.1", "0", None, None, "55000", "Stop", False,
    ),
    "ws_account_order_stop_limit": (
        "test-stop-limit-001", "test-client-stop-limit-001", "Sell", "Limit", "Untriggered",
        "0.1", "0", None, "44500", "45000", "Stop", False,
    ),
    "ws_account_order_stop_loss": (
        "test-stop-loss-001", "test-client-sl-001", "Sell", "Market", "Untriggered",
        "0.5", "0", None, None, "48000", "StopLoss", True,
    ),
    "ws_account_order_stop_market": (
        "test-stop-market-001", "test-client-stop-market-001", "Sell", "Market", "Untriggered",
        "0.1", "0", None, None, "45000", "Stop", False,
    ),
    "ws_account_order_take_profit": (
        "test-take-profit-001", "test-client-tp-001", "Sell", "Market", "Untriggered",
        "0.5", "0", None, None, "55000", "TakeProfit", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ORDER_VECTORS))
def test_order_vectors(name: str) -> None:
    (event,) = decode_private(vector(f"{name}.json"), "main", 1)
    assert isinstance(event, OrderEvent)
    order_id, link, side, kind, status, qty, filled, average, price, trigger, stop, reduce = (
        ORDER_VECTORS[name]
    )
    assert (event.order_id, event.order_link_id, event.symbol) == (order_id, link, "BTCUSDT")
    assert (event.side, event.order_type, event.status) == (side, kind, status)
    assert (event.qty, event.cum_exec_qty) == (D(qty), D(filled))
    assert event.avg_price == (None if average is None else D(average))
    assert event.price == (None if price is None else D(price))
    assert event.trigger_price == (None if trigger is None else D(trigger))
    assert (event.stop_order_type, event.reduce_only) == (stop, reduce)
    assert (event.create_type, event.position_idx, event.source) == ("CreateByUser", 0, "stream")


def test_order_vector_times_and_cancel_type() -> None:
    (event,) = decode_private(vector("ws_account_order.json"), "main", 1)
    assert isinstance(event, OrderEvent)
    assert (event.created_ms, event.updated_ms) == (1700000000000, 1700000005000)
    assert (event.cancel_type, event.reject_reason) == ("CancelByUser", "")


@pytest.mark.parametrize("name", ["ws_account_position", "ws_account_position_short"])
def test_position_vectors(name: str) -> None:
    assert decode_private(vector(f"{name}.json"), "main", 1) == (
        PositionEvent(
            account="main",
            symbol="ETHUSDT",
            signed_size=D("-0.01"),
            entry_price=D("3641.075"),
            mark_price=D("3641.33"),
            leverage=D("30"),
            liq_price=D("51764.83003276"),
            unrealised_pnl=D("-0.00255"),
            stop_loss=None,
            take_profit=None,
            trailing_stop=None,
            position_idx=0,
            seq=325852190774,
            updated_ms=1762199125472,
        ),
    )


def test_flat_position_with_empty_strings() -> None:
    frame = {
        "topic": "position.linear",
        "creationTime": 1,
        "data": [{"symbol": "ETHUSDT", "side": "", "size": "0", "positionIdx": 0, "seq": -1,
                  "entryPrice": "0", "liqPrice": "", "leverage": "", "markPrice": "",
                  "unrealisedPnl": "", "stopLoss": "", "takeProfit": "", "trailingStop": "",
                  "updatedTime": ""}],
    }  # fmt: skip
    assert decode_private(json.dumps(frame), "main", 1) == (
        PositionEvent(
            "main", "ETHUSDT", D(0), None, None, None, None, None, None, None, None, 0, -1, 0
        ),
    )


def test_wallet_vector() -> None:
    assert decode_private(vector("ws_account_wallet.json"), "main", 1) == (
        WalletEvent(
            account="main",
            wallet=D("9647.75537647"),
            equity=D("10226.20575506"),
            available=D("9556.6056555"),
            at_ms=1700034722104,
        ),
    )


def test_wallet_in_isolated_margin_and_of_other_coins() -> None:
    usdt = {"coin": "USDT", "walletBalance": "100", "equity": "103", "locked": "1", "bonus": "2",
            "totalOrderIM": "10", "totalPositionIM": "20", "availableToWithdraw": ""}  # fmt: skip
    frame = {"topic": "wallet", "creationTime": 5,
             "data": [{"totalAvailableBalance": "", "coin": [usdt]}]}  # fmt: skip
    assert decode_private(json.dumps(frame), "a", 1) == (
        WalletEvent("a", D(100), D(103), D(67), 5),
    )
    frame["data"] = [{"coin": [{"coin": "BTC", "walletBalance": "1"}]}]
    assert decode_private(json.dumps(frame), "a", 1) == ()


def test_control_vectors() -> None:
    assert decode_private(vector("ws_auth_success.json"), "a", 1) == (Ack("auth", True, 0, "", ""),)
    assert decode_private(vector("ws_auth_failure.json"), "a", 1) == (
        Ack("auth", False, 10003, "Invalid apikey", ""),
    )
    assert decode_private(vector("ws_subscription_ack.json"), "a", 1) == (
        Ack("subscribe", True, None, "", "sub-orderbook-1"),
    )
    assert decode_public(vector("ws_subscription_failure.json")) == (
        Ack("subscribe", False, None, "Invalid topic: invalid.topic.BTCUSDT", ""),
    )
    assert decode_private(vector("ws_order_response.json"), "a", 1) == (
        Ack(
            "order.create", True, 0, "OK", "order-req-001", "1726025498520715008", "client-order-1"
        ),
    )


@pytest.mark.parametrize(
    "raw",
    [
        '{"req_id":"7","op":"pong","args":["1700000000000"],"conn_id":"c"}',
        '{"reqId":"7","retCode":0,"retMsg":"OK","op":"pong","data":["1700000000000"]}',
        '{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"7","op":"ping"}',
        '{"success":true,"ret_msg":"pong","conn_id":"c","req_id":7,"op":"ping"}',
    ],
)
def test_three_dialects_of_pong(raw: str) -> None:
    assert decode_private(raw, "a", 1) == (Pong("7"),)
    assert decode_public(raw) == (Pong("7"),)


def test_public_vectors() -> None:
    assert decode_public(vector("ws_kline.json")) == (
        Bar("BTCUSDT", 300_000, 1672324800000, 16649.5, 16677.0, 16608.0, 16677.0, 2.081,
            34666.4005, closed=False),
    )  # fmt: skip
    assert decode_public(vector("ws_ticker_linear.json")) == (
        Ticker("BTCUSDT", D("17216"), D("17217.33"), D("17215.5"), D("17216"), 1673272861686),
    )
    assert decode_public(vector("ws_orderbook_snapshot.json")) == (
        OrderBook(
            "BTCUSDT",
            ((D("27450"), D("0.5")), (D("27449.5"), D("1"))),
            ((D("27451"), D("0.75")), (D("27451.5"), D("0.9"))),
            123456789,
            True,
            1709891679000,
        ),
    )
    # The vector carries a topic name that Bybit does not use.
    raw = vector("ws_public_trade.json")
    assert decode_public(raw) == (Ignored("trade.linear.BTCUSDT"),)
    assert decode_public(raw.replace(b"trade.linear.", b"publicTrade.")) == (
        Trade("BTCUSDT", "9dc75fca-4bdd-4773-9f78-6f5d7ab2a110", "Buy", D("27451"), D("0.01"),
              1709891679000),
    )  # fmt: skip


def test_ticker_delta_holds_changed_fields_only() -> None:
    raw = '{"topic":"tickers.X","type":"delta","ts":9,"data":{"symbol":"X","markPrice":"1.5"}}'
    assert decode_public(raw) == (Ticker("X", None, D("1.5"), None, None, 9),)


def test_unknown_topics_are_ignored() -> None:
    assert decode_private('{"topic":"dcp.future","data":[]}', "a", 1) == (Ignored("dcp.future"),)
    assert decode_public('{"topic":"adlAlert.USDT","data":[]}') == (Ignored("adlAlert.USDT"),)
    assert decode_public('{"topic":"kline.M.X","data":[]}') == (Ignored("kline.M.X"),)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("execPrice", "2739,59", "execPrice: expected a decimal number, was '2739,59'"),
        ("execPrice", "", "execPrice: expected a number, was ''"),
        ("execQty", "NaN", "execQty: expected a decimal number, was 'NaN'"),
        ("execFee", "1e999", "execFee: expected a decimal number, was '1e999'"),
        ("execFee", "1_000", "execFee: expected a decimal number, was '1_000'"),
        ("seq", "12.5", "seq: expected a whole number, was '12.5'"),
        ("execTime", "", "execTime: expected a whole number, was ''"),
        ("side", "Long", "side: expected Buy or Sell, was 'Long'"),
        ("execId", "", "execId: expected an id, was ''"),
        ("execQty", 0.01, "Expected `int | str | null`, got `float` - at `$[0].execQty`"),
        ("isMaker", "false", "Expected `bool | null`, got `str` - at `$[0].isMaker`"),
    ],
)
def test_a_bad_value_names_its_field(field: str, value: object, said: str) -> None:
    frame = json.loads(TRADE_FRAME)
    frame["data"][0][field] = value
    with pytest.raises(MalformedFrame) as caught:
        decode_private(json.dumps(frame), "main", 1)
    assert caught.value.problem == said
    assert "85406bdb" in caught.value.raw or field == "execId"


def test_a_malformed_frame_keeps_no_secrets() -> None:
    raw = (
        '{"apiKey":"KKKK","secret":"SSSS","retMsg":"error sign! origin_string[17KKKK5000x]",'
        '"op":"auth","args":["KKKK",1,"SIG"],'
    )
    with pytest.raises(MalformedFrame) as caught:
        decode_private(raw, "main", 1)
    for kept in (caught.value.raw, str(caught.value)):
        assert not any(secret in kept for secret in ("KKKK", "SSSS", "SIG"))
    with pytest.raises(MalformedFrame) as caught:
        decode_private("[" * 50_000, "main", 1)
    assert len(caught.value.raw) < 2100
