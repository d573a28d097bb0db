"""Questions over a real socket: what is asked, and what the answers say."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web

from alpha.bybit.account_rows import AccountInfo, FeeRate, KeyInfo
from alpha.bybit.codes import ClockRefused
from alpha.bybit.endpoints import endpoints_for
from alpha.bybit.fields import MalformedFrame
from alpha.bybit.messages import decode_private
from alpha.bybit.rest import WINDOW_MS, Rest
from alpha.core.events import Bar, Execution, OrderEvent, PositionEvent, WalletEvent
from alpha.errors import AuthRejected, ConfigError, RetryLater
from tests.bybit.recorded import FUNDING_ANSWER, FUNDING_FRAME, vector
from tests.bybit.rest_server import MARKET_TIME, OK, Exchange, Got, client, refusal

D = Decimal


async def swept(rest: Rest, start_ms: int, end_ms: int) -> list[Execution]:
    return [row async for page in rest.executions(start_ms, end_ms) for row in page]


# -- signing on the wire -----------------------------------------------------------------------


async def test_a_cursor_is_signed_and_sent_as_it_came(exchange: Exchange, rest: Rest) -> None:
    empty = b'{"retCode":0,"retMsg":"","result":{"nextPageCursor":"","list":[]}}'
    exchange.answers["/v5/execution/list"] = [vector("http_get_executions.json"), empty]
    found = await swept(rest, 1_672_282_000_000, 1_672_283_000_000)
    first, second = exchange.queries("/v5/execution/list")
    assert first == (
        "category=linear&limit=100&settleCoin=USDT&startTime=1672282000000&endTime=1672283000000"
    )
    assert second == f"{first}&cursor=132766%3A2%2C132766%3A2"
    assert [row.order_link_id for row in found] == ["test-order-001", "test-order-002"]


async def test_a_wrong_secret_is_refused_without_telling_the_key(
    exchange: Exchange, session: aiohttp.ClientSession
) -> None:
    exchange.answers["/v5/account/info"] = [OK]
    with pytest.raises(AuthRejected) as caught:
        await client(exchange.url, session, "other").account_info()
    assert caught.value.code == 10004
    assert "demo-key" not in str(caught.value)
    assert len(exchange.got) == 1


async def test_public_questions_carry_no_key(exchange: Exchange, rest: Rest) -> None:
    assert await rest.server_time() == 1700000000123
    assert not any(name.startswith("x-bapi") for name in exchange.got[0].headers)


# -- reads -------------------------------------------------------------------------------------


async def test_executions_of_the_vector(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/execution/list"] = [
        vector("http_get_executions.json").replace(b"132766%3A2%2C132766%3A2", b"")
    ]
    first, second = await swept(rest, 0, 1)
    assert (first.symbol, first.side, first.exec_type) == ("BTCUSDT", "Buy", "Trade")
    assert first.exec_id == "e0cbe81d-0f18-5866-9415-cf319b5dab3b"
    assert (first.price, first.qty, first.value) == (D("50000"), D("0.1"), D("5000"))
    assert (first.fee, first.fee_rate, first.is_maker) == (D("0.015"), D("0.0003"), True)
    assert (first.leaves_qty, first.closed_size, first.seq) == (D(0), D(0), 4688002127)
    assert (first.create_type, first.exec_time) == ("CreateByUser", 1672282722429)
    assert (second.symbol, second.side, second.leaves_qty) == ("ETHUSDT", "Sell", D("0.5"))
    assert (second.fee, second.source, second.account) == (D("0.9"), "rest", "main")


async def test_stream_and_list_rows_of_one_execution_are_equal(
    exchange: Exchange, rest: Rest
) -> None:
    exchange.answers["/v5/execution/list"] = [
        FUNDING_ANSWER.encode(),
        b'{"retCode":0,"result":{"list":[],"nextPageCursor":""}}',
    ]
    (listed,) = await swept(rest, 0, 1)
    (pushed,) = decode_private(FUNDING_FRAME, "main", 7)
    assert isinstance(pushed, Execution)
    assert listed.source == "rest" and listed.received_ms > 0
    assert replace(listed, source="stream", received_ms=7, exec_pnl=D(0)) == pushed


async def test_a_long_sweep_is_cut_into_weeks(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/execution/list"] = [
        b'{"retCode":0,"result":{"list":[],"nextPageCursor":"x%3A1"}}'
    ]
    end = 2 * WINDOW_MS + 5
    assert await swept(rest, 0, end) == []
    windows = [query.partition("startTime=")[2] for query in exchange.queries("/v5/execution/list")]
    assert windows == [
        f"0&endTime={WINDOW_MS}",
        f"{WINDOW_MS}&endTime={2 * WINDOW_MS}",
        f"{2 * WINDOW_MS}&endTime={end}",
    ]


async def test_executions_of_one_order_need_no_window(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/execution/list"] = [b'{"retCode":0,"result":{"list":[]}}']
    async for _ in rest.executions(0, 10 * WINDOW_MS, order_link_id="ss1-e-lf9pm51c"):
        raise AssertionError("expected no page")
    assert exchange.queries("/v5/execution/list") == [
        "category=linear&limit=100&orderLinkId=ss1-e-lf9pm51c"
    ]


async def test_a_cursor_that_comes_back_never_loops(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/execution/list"] = [FUNDING_ANSWER.encode()]
    assert len(await swept(rest, 0, 1)) == 2
    assert len(exchange.got) == 2
    row = json.loads(FUNDING_ANSWER)
    row["result"]["list"] *= 100
    exchange.answers["/v5/execution/list"] = [json.dumps(row).encode()]
    with pytest.raises(MalformedFrame, match="expected a new page cursor"):
        await swept(rest, 0, 1)


async def test_a_bad_row_fails_the_sweep(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/execution/list"] = [FUNDING_ANSWER.replace("85906.96", "NaN").encode()]
    with pytest.raises(MalformedFrame, match="execPrice: expected a decimal number, was 'NaN'"):
        await swept(rest, 0, 1)


async def test_open_orders_of_the_vector(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/order/realtime"] = [vector("http_get_orders_realtime_tp_sl.json")]
    profit, loss = await rest.open_orders()
    assert (profit.order_id, profit.stop_order_type) == ("tp-order-001", "TakeProfit")
    assert (profit.price, profit.trigger_price, profit.reduce_only) == (None, D("55000"), True)
    assert (loss.order_id, loss.stop_order_type) == ("sl-order-001", "StopLoss")
    assert (loss.price, loss.trigger_price, loss.qty) == (D("47500"), D("48000"), D("0.5"))
    assert (loss.status, loss.avg_price, loss.source) == ("Untriggered", None, "rest")
    assert exchange.queries("/v5/order/realtime") == [
        "category=linear&settleCoin=USDT&openOnly=0&limit=50"
    ]


async def test_resting_orders_of_the_vector(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/order/realtime"] = [vector("http_get_orders_realtime.json")]
    buy, sell = await rest.open_orders("ETHUSDT")
    assert (buy.order_link_id, buy.side, buy.price) == ("client-open-1", "Buy", D("3930.41"))
    assert (sell.order_link_id, sell.side, sell.price) == ("client-open-2", "Sell", D("3940.42"))
    assert (sell.created_ms, sell.status, sell.cum_exec_qty) == (1761355905609, "New", D(0))


async def test_an_order_is_looked_up_in_the_history_too(exchange: Exchange, rest: Rest) -> None:
    none = b'{"retCode":0,"retMsg":"OK","result":{"list":[],"nextPageCursor":""}}'
    exchange.answers["/v5/order/realtime"] = [none]
    exchange.answers["/v5/order/history"] = [vector("http_get_orders_history.json"), none]
    found = await rest.order("BTCUSDT", order_link_id="client-1")
    assert isinstance(found, OrderEvent)
    assert (found.order_id, found.status, found.avg_price) == ("abcdef123456", "Cancelled", None)
    assert (found.cancel_type, found.qty, found.cum_exec_qty) == ("CancelByUser", D("0.01"), D(0))
    assert await rest.order("BTCUSDT", order_id="unknown") is None
    assert exchange.queries("/v5/order/history") == [
        "category=linear&symbol=BTCUSDT&orderLinkId=client-1",
        "category=linear&symbol=BTCUSDT&orderId=unknown",
    ]


async def test_a_rejected_order_may_have_filled(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/order/realtime"] = [
        vector("http_get_order_partially_filled_rejected.json")
    ]
    found = await rest.order("BTCUSDT", order_link_id="O-20251001-164609-APEX-000-49")
    assert found is not None
    assert (found.status, found.reject_reason) == ("Rejected", "INSUFFICIENT_MARGIN")
    assert (found.qty, found.cum_exec_qty, found.avg_price) == (D("0.01"), D("0.005"), D("30000"))


async def test_positions_of_the_vector(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/position/list"] = [vector("http_get_positions.json")]
    long, short, flat = await rest.positions()
    assert long == PositionEvent(
        "main", "BTCUSDT", D("0.5"), D("50000"), D("50500"), D(10), D("45000"), D("250"),
        D("48000"), D("55000"), None, 0, 5723621632, 1697673600012, "rest",
    )  # fmt: skip
    assert (short.symbol, short.signed_size, short.entry_price) == ("ETHUSDT", D(-5), D("3000"))
    assert (flat.symbol, flat.signed_size, flat.entry_price) == ("SOLUSDT", D(0), None)
    assert (flat.stop_loss, flat.take_profit, flat.liq_price) == (None, None, None)


async def test_wallet_of_the_vector_is_stamped_in_market_time(
    exchange: Exchange, rest: Rest
) -> None:
    exchange.answers["/v5/account/wallet-balance"] = [
        vector("http_get_wallet_balance.json"),
        b'{"retCode":0,"result":{"list":[{"coin":[]}]}}',
    ]
    assert await rest.wallet() == WalletEvent(
        "main", D("1000.5"), D("1000.5"), D("3.00326056"), 1700000000123, "rest"
    )
    assert (await rest.wallet()).wallet == 0


async def test_account_key_and_fees_of_the_vectors(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/account/info"] = [vector("http_get_account_info.json")]
    exchange.answers["/v5/user/query-api"] = [vector("http_get_user_query_api.json")]
    exchange.answers["/v5/account/fee-rate"] = [vector("http_get_fee_rate.json")]
    info = await rest.account_info()
    assert info == AccountInfo("REGULAR_MARGIN", 4) and info.unified
    assert await rest.key_info() == KeyInfo(
        unified=True, read_only=True, may_trade=False, uid="1448939"
    )
    assert await rest.fee_rate("SOLUSDT") == FeeRate("SOLUSDT", D("0.00075"), D("0.00025"))
    assert await rest.fee_rate("NONE") is None


async def test_instruments_of_the_vector(exchange: Exchange, rest: Rest) -> None:
    body = json.loads(vector("http_get_instruments_linear.json"))
    dated = body["result"]["list"][0] | {"symbol": "BTC-26DEC25", "contractType": "LinearFutures"}
    body["result"]["list"].append(dated)
    exchange.answers["/v5/market/instruments-info"] = [json.dumps(body).encode()]
    bitcoin, ether = await rest.instruments()
    assert (bitcoin.symbol, bitcoin.base_coin, bitcoin.status) == ("BTCUSDT", "BTC", "Trading")
    assert (bitcoin.tick, bitcoin.qty_step, bitcoin.min_qty) == (D("0.5"), D("0.001"), D("0.001"))
    assert (bitcoin.max_qty, bitcoin.max_market_qty) == (D("100"), D("50"))
    assert (bitcoin.min_notional, bitcoin.max_leverage) == (D("5"), D("100"))
    assert (ether.symbol, ether.tick, ether.qty_step) == ("ETHUSDT", D("0.05"), D("0.01"))
    assert exchange.queries("/v5/market/instruments-info") == ["category=linear&limit=1000"]


def kline_answers(got: Got) -> bytes:
    """Five-minute candles for whatever is asked, newest first, as the exchange sorts them."""
    asked = dict(pair.split("=") for pair in got.query.split("&"))
    starts = range(int(asked["start"]), int(asked["end"]) + 1, 300_000)
    rows = [[str(start), "1", "3", "0.5", "2", "10", "20"] for start in starts]
    newest_first = rows[::-1][: int(asked["limit"])]
    return json.dumps({"retCode": 0, "result": {"list": newest_first}}).encode()


async def test_klines_ascend_over_pages_and_end_with_the_last_closed_one(
    exchange: Exchange, rest: Rest
) -> None:
    exchange.answers["/v5/market/kline"] = [kline_answers]
    start, venue = 1_700_000_100_000, 1_700_000_100_000 + 25 * 300_000 - 1
    bars = await rest.klines("BTCUSDT", 300_000, start, venue + 9_000_000, 10, venue_ms=venue)
    assert [bar.start_ms for bar in bars] == [start + n * 300_000 for n in range(24)]
    assert bars[0] == Bar("BTCUSDT", 300_000, start, 1.0, 3.0, 0.5, 2.0, 10.0, 20.0)
    assert len(exchange.queries("/v5/market/kline")) == 3
    assert bars[-1].close_ms <= venue


async def test_klines_ask_the_market_time_when_not_told(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/market/kline"] = [kline_answers]
    start = 1_699_999_800_000  # closes 23 ms before market time says 1700000000123
    bars = await rest.klines("BTCUSDT", 60_000 * 5, start - 300_000, start + 3_000_000)
    assert [bar.start_ms for bar in bars] == [start - 300_000]


async def test_klines_of_the_vector(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/market/kline"] = [vector("http_get_klines_linear.json")]
    start = 1709891679000
    # The vector's candle starts off the minute; a window that begins there holds it.
    bars = await rest.klines("BTCUSDT", 60_000, start - 39_000, start + 60_000, venue_ms=2**41)
    assert bars == [
        Bar("BTCUSDT", 60_000, start, 27450.0, 27460.0, 27440.0, 27455.0, 123.45, 3390000.0)
    ]


async def test_a_candle_length_that_does_not_exist(rest: Rest) -> None:
    with pytest.raises(ValueError, match="was 7"):
        await rest.klines("BTCUSDT", 7, 0, 1)


# -- retries -----------------------------------------------------------------------------------


async def test_reads_are_tried_again_when_the_exchange_is_busy(
    exchange: Exchange, rest: Rest
) -> None:
    exchange.answers["/v5/market/time"] = [
        refusal(10016, "service restarting"),
        web.Response(status=502, text="<html>"),
        MARKET_TIME,
    ]
    assert await rest.server_time() == 1700000000123
    assert len(exchange.got) == 3


async def test_reads_give_up_in_the_end(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/market/time"] = [refusal(10016, "service restarting")]
    with pytest.raises(RetryLater):
        await rest.server_time()
    assert len(exchange.got) == 4


async def test_definite_refusals_of_reads_are_not_repeated(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/account/info"] = [refusal(10032, "Demo trading are not supported.")]
    with pytest.raises(AuthRejected):
        await rest.account_info()
    assert len(exchange.got) == 1


async def test_a_stale_stamp_is_renewed_once(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/account/info"] = [
        refusal(10002, "invalid request, please check your server timestamp"),
        vector("http_get_account_info.json"),
    ]
    assert (await rest.account_info()).margin_mode == "REGULAR_MARGIN"
    exchange.answers["/v5/account/info"] = [refusal(10002, "timestamp")]
    exchange.got.clear()
    with pytest.raises(ClockRefused):
        await rest.account_info()
    assert len(exchange.got) == 2


# -- addresses ---------------------------------------------------------------------------------


def test_endpoints_by_mode() -> None:
    assert endpoints_for("live").rest == "https://api.bybit.com"
    assert endpoints_for("testnet").private_ws == "wss://stream-testnet.bybit.com/v5/private"
    demo = endpoints_for("demo")
    assert demo.public_ws == "wss://stream.bybit.com/v5/public/linear"
    assert (demo.private_ws, demo.trade_ws) == ("wss://stream-demo.bybit.com/v5/private", "")
    with pytest.raises(ConfigError, match="expected explicit exchange addresses"):
        endpoints_for("paper")
