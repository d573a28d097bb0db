"""The REST client over a real socket: the server signs what it received, byte for byte."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

import aiohttp
import pytest
import pytest_asyncio
import stamina
from aiohttp import web

from alpha.bybit.account_rows import AccountInfo, FeeRate, KeyInfo
from alpha.bybit.codes import ClockRefused, DuplicateOrder, OrderGone
from alpha.bybit.endpoints import Endpoints, endpoints_for
from alpha.bybit.fields import MalformedFrame
from alpha.bybit.limiter import Limiter
from alpha.bybit.messages import decode_private
from alpha.bybit.requests import FALL, AmendOrder, CreateOrder, OrderTarget, TradingStop
from alpha.bybit.rest import WINDOW_MS, Rest
from alpha.bybit.signing import Credentials
from alpha.clock import SystemClock
from alpha.core.events import Bar, Execution, OrderEvent, PositionEvent, WalletEvent
from alpha.errors import AuthRejected, ConfigError, OutcomeUnknown, RetryLater, VenueRejected
from tests.bybit.recorded import FUNDING_ANSWER, FUNDING_FRAME, vector

D = Decimal
MARKET_TIME = b'{"retCode":0,"retMsg":"OK","result":{"timeSecond":"1700000000",\
"timeNano":"1700000000123456789"},"time":1}'
OK = b'{"retCode":0,"retMsg":"OK","result":{},"retExtInfo":{},"time":1}'


def refusal(code: int, message: str) -> bytes:
    body = {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": 1}
    return json.dumps(body).encode()


@dataclass
class Got:
    """One request as it arrived, before any library took it apart."""

    method: str
    path: str
    query: str
    body: bytes
    headers: dict[str, str]

    def fields(self) -> dict[str, str | int | bool]:
        found: dict[str, str | int | bool] = json.loads(self.body)
        return found


#: The connection goes away after the request has arrived.
HANG_UP = b"hang up"

Answer = bytes | web.Response | Callable[[Got], bytes | web.Response]


@dataclass
class Exchange:
    """Checks signatures as the exchange does; answers per path, each answer once, the last
    one for ever."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    got: list[Got] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        got = Got(request.method, path, query, await request.read(), headers)
        self.got.append(got)
        if "x-bapi-sign" in headers:
            payload = got.body if got.method == "POST" else query.encode()
            stamp, window = headers["x-bapi-timestamp"], headers["x-bapi-recv-window"]
            signed = f"{stamp}demo-key{window}".encode() + payload
            if (
                hmac.new(b"demo-secret", signed, hashlib.sha256).hexdigest()
                != (headers["x-bapi-sign"])
            ):
                text = f"error sign! origin_string[{signed.decode()}]"
                return web.Response(body=refusal(10004, text))
        planned = self.answers[path]
        answer = planned.pop(0) if len(planned) > 1 else planned[0]
        if answer == HANG_UP and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if callable(answer):
            answer = answer(got)
        return web.Response(body=answer) if isinstance(answer, bytes) else answer

    def queries(self, path: str) -> list[str]:
        return [got.query for got in self.got if got.path == path]


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[Exchange]:
    served = Exchange()
    served.answers["/v5/market/time"] = [MARKET_TIME]
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", served.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    served.url = f"http://{host}:{port}"
    yield served
    await runner.cleanup()


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    """Retries of reads keep their number and lose their pauses."""
    with stamina.set_testing(True, attempts=4):
        yield


def client(url: str, session: aiohttp.ClientSession, secret: str = "demo-secret") -> Rest:
    clock = SystemClock()
    return Rest(
        Endpoints(url, "", "", ""),
        Credentials("demo-key", secret),
        account="main",
        clock=clock,
        limiter=Limiter(clock),
        session=session,
    )


@pytest_asyncio.fixture
async def rest(exchange: Exchange, session: aiohttp.ClientSession) -> Rest:
    return client(exchange.url, session)


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
    assert await rest.key_info() == KeyInfo(unified=True, read_only=True, may_trade=False)
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


# -- orders ------------------------------------------------------------------------------------

PLACED = b'{"retCode":0,"retMsg":"OK","result":{"orderId":"o-1","orderLinkId":"ss1-e-lf9pm51c"}}'
ENTRY = CreateOrder("BTCUSDT", "Sell", D("0.010"), "ss1-e-lf9pm51c", stop_loss=D("66000"))


async def test_create_order(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/order/create"] = [PLACED]
    sent: list[int] = []
    ack = await rest.create_order(ENTRY, timestamp_ms=1234567890123, on_sent=sent.append)
    assert (ack.order_id, ack.order_link_id) == ("o-1", "ss1-e-lf9pm51c")
    assert sent == [ack.sent_ns] and ack.sent_ns < ack.answered_ns
    (got,) = exchange.got
    assert got.fields() == {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Sell",
        "orderType": "Market",
        "qty": "0.010",
        "positionIdx": 0,
        "orderLinkId": "ss1-e-lf9pm51c",
        "stopLoss": "66000",
        "slTriggerBy": "LastPrice",
        "tpslMode": "Full",
    }
    assert got.headers["x-bapi-timestamp"] == "1234567890123"
    assert got.headers["x-bapi-recv-window"] == "2500"
    assert got.headers["content-type"] == "application/json"


def test_conditional_bodies() -> None:
    stop = CreateOrder(
        "BTCUSDT", "Buy", D("1E+1"), "ss1-sl-lf9pm51c", reduce_only=True,
        trigger_price=D("70000.5"), trigger_direction=FALL,
    )  # fmt: skip
    assert json.loads(stop.body()) == {
        "category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market",
        "qty": "10", "positionIdx": 0, "orderLinkId": "ss1-sl-lf9pm51c", "reduceOnly": True,
        "triggerPrice": "70000.5", "triggerDirection": 2, "triggerBy": "LastPrice",
    }  # fmt: skip
    with pytest.raises(ValueError, match="expected a trigger direction"):
        CreateOrder("X", "Buy", D(1), "a", trigger_price=D(1)).body()


@pytest.mark.parametrize("link_id", ["", "a" * 37, "ss1:entry:1", "ss1.e", "ß", "a\n"])
def test_link_ids_that_the_documentation_forbids(link_id: str) -> None:
    with pytest.raises(ValueError, match="expected an orderLinkId"):
        CreateOrder("X", "Buy", D(1), link_id).body()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refusal(110007, "CheckMarginRatio fail! InsufficientAB"), VenueRejected),
        (refusal(110072, "OrderLinkedID is duplicate"), DuplicateOrder),
        (refusal(10006, "Too many visits!"), RetryLater),
        (refusal(10000, "Server Timeout"), OutcomeUnknown),
        (refusal(10016, "Internal error"), OutcomeUnknown),
        (refusal(424242, "who knows"), OutcomeUnknown),
        (refusal(10004, "error sign!"), AuthRejected),
        (b"<html>gateway</html>", OutcomeUnknown),
    ],
)
async def test_create_is_sent_once_whatever_the_answer(
    exchange: Exchange, rest: Rest, answer: bytes, expected: type[Exception]
) -> None:
    exchange.answers["/v5/order/create"] = [answer]
    with pytest.raises(expected) as caught:
        await rest.create_order(ENTRY)
    assert type(caught.value) is expected
    assert len(exchange.got) == 1


async def test_a_stamp_of_the_callers_is_never_renewed(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/order/create"] = [refusal(10002, "timestamp"), PLACED]
    with pytest.raises(ClockRefused):
        await rest.create_order(ENTRY, timestamp_ms=1)
    assert len(exchange.got) == 1
    exchange.answers["/v5/order/create"] = [refusal(10002, "timestamp"), PLACED]
    assert (await rest.create_order(ENTRY)).order_id == "o-1"
    assert len(exchange.got) == 3


async def test_a_dropped_answer_leaves_the_outcome_unknown(exchange: Exchange, rest: Rest) -> None:
    def cut(got: Got) -> web.Response:
        # The answer breaks off: what came is no complete body.
        return web.Response(body=PLACED[:20], headers={"Content-Encoding": "gzip"})

    for answer in (HANG_UP, cut):
        exchange.answers["/v5/order/create"] = [answer]
        with pytest.raises(OutcomeUnknown, match="ask by id"):
            await rest.create_order(ENTRY)
    assert len(exchange.got) == 2


async def test_nobody_listening_means_nothing_happened(session: aiohttp.ClientSession) -> None:
    rest = client("http://127.0.0.1:1", session)
    with pytest.raises(RetryLater, match="try again"):
        await rest.create_order(ENTRY)


async def test_cancel_and_amend(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/order/cancel"] = [PLACED, refusal(110001, "too late to cancel")]
    exchange.answers["/v5/order/amend"] = [PLACED, refusal(110001, "too late to replace")]
    target = OrderTarget("BTCUSDT", order_link_id="ss1-e-lf9pm51c")
    change = AmendOrder(target, trigger_price=D("65000"))
    assert (await rest.cancel_order(target)).order_id == "o-1"
    assert (await rest.amend_order(change)).order_id == "o-1"
    for call in (rest.cancel_order(target), rest.amend_order(change)):
        with pytest.raises(OrderGone):
            await call
    assert exchange.got[0].fields() == {
        "category": "linear", "symbol": "BTCUSDT", "orderLinkId": "ss1-e-lf9pm51c",
    }  # fmt: skip
    assert exchange.got[1].fields()["triggerPrice"] == "65000"


async def test_settings_that_hold_already_are_fine(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/position/set-leverage"] = [OK, refusal(110043, "not modified")]
    exchange.answers["/v5/position/trading-stop"] = [OK, refusal(34040, "not modified")]
    assert await rest.set_leverage("BTCUSDT", D(10)) is True
    assert await rest.set_leverage("BTCUSDT", D(10)) is False
    stop = TradingStop("BTCUSDT", trailing_stop=D("12.5"), active_price=D("60000"))
    assert await rest.trading_stop(stop) is True
    assert await rest.trading_stop(stop) is False
    assert exchange.got[0].fields() == {
        "category": "linear", "symbol": "BTCUSDT", "buyLeverage": "10", "sellLeverage": "10",
    }  # fmt: skip
    assert exchange.got[2].fields() == {
        "category": "linear", "symbol": "BTCUSDT", "tpslMode": "Full", "positionIdx": 0,
        "trailingStop": "12.5", "activePrice": "60000",
    }  # fmt: skip


# -- addresses ---------------------------------------------------------------------------------


def test_endpoints_by_mode() -> None:
    assert endpoints_for("live").rest == "https://api.bybit.com"
    assert endpoints_for("testnet").private_ws == "wss://stream-testnet.bybit.com/v5/private"
    demo = endpoints_for("demo")
    assert demo.public_ws == "wss://stream.bybit.com/v5/public/linear"
    assert (demo.private_ws, demo.trade_ws) == ("wss://stream-demo.bybit.com/v5/private", "")
    with pytest.raises(ConfigError, match="expected explicit exchange addresses"):
        endpoints_for("paper")
