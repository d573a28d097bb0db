"""Orders over a real socket: each is sent once, and its error says what became of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web

from alpha.bybit.codes import ClockRefused, DuplicateOrder, OrderGone, Throttled
from alpha.bybit.endpoints import Endpoints
from alpha.bybit.limiter import Limiter
from alpha.bybit.requests import FALL, AmendOrder, CreateOrder, OrderTarget, TradingStop
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.errors import AuthRejected, OutcomeUnknown, RetryLater, VenueRejected
from tests.bybit.conftest import FastClock
from tests.bybit.rest_server import HANG_UP, OK, Exchange, Got, client, refusal

D = Decimal
PLACED = b'{"retCode":0,"retMsg":"OK","result":{"orderId":"o-1","orderLinkId":"ss1-e-lf9pm51c"}}'
ENTRY = CreateOrder("BTCUSDT", "Sell", D("0.010"), "ss1-e-lf9pm51c", stop_loss=D("66000"))


async def test_create_order(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/order/create"] = [PLACED]
    sent: list[int] = []
    ack = await rest.create_order(ENTRY, on_sent=sent.append)
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
        (refusal(10006, "Too many visits!"), Throttled),
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


async def test_a_refused_stamp_is_renewed_once(exchange: Exchange, rest: Rest) -> None:
    exchange.answers["/v5/order/create"] = [refusal(10002, "timestamp"), PLACED]
    assert (await rest.create_order(ENTRY)).order_id == "o-1"
    assert len(exchange.got) == 2
    exchange.answers["/v5/order/create"] = [refusal(10002, "timestamp")]
    with pytest.raises(ClockRefused):
        await rest.create_order(ENTRY)
    assert len(exchange.got) == 4


async def test_exits_that_queue_for_longer_than_their_window_are_all_taken(
    exchange: Exchange, session: aiohttp.ClientSession
) -> None:
    """Forty at once wait up to 3 s for their turn; the exchange refuses what is 2.5 s old."""
    clock = FastClock(5)

    def judged(got: Got) -> bytes:
        age_ms = clock.now_ms() - int(got.headers["x-bapi-timestamp"])
        return PLACED if age_ms <= 2_500 else refusal(10002, "timestamp")

    exchange.answers["/v5/order/create"] = [judged]
    rest = Rest(
        Endpoints(exchange.url, "", "", ""),
        Credentials("demo-key", "demo-secret"),
        account="main",
        clock=clock,
        limiter=Limiter(clock),
        session=session,
    )
    exits = [replace(ENTRY, order_link_id=f"ss1-e-{n}", reduce_only=True) for n in range(40)]
    await asyncio.gather(*(rest.create_order(one) for one in exits))
    assert len(exchange.got) == 40


async def test_nothing_is_written_by_who_does_not_own_the_account(
    exchange: Exchange, session: aiohttp.ClientSession
) -> None:
    """Whatever the kind of write; reading goes on."""
    rest = client(exchange.url, session, may_write=lambda: False)
    target = OrderTarget("BTCUSDT", order_link_id="ss1-e-lf9pm51c")
    for write in (
        rest.create_order(ENTRY),
        rest.cancel_order(target),
        rest.amend_order(AmendOrder(target, qty=D(1))),
        rest.set_leverage("BTCUSDT", D(5)),
        rest.trading_stop(TradingStop("BTCUSDT", stop_loss=D(1))),
    ):
        with pytest.raises(RetryLater, match="expected to hold the account's lease"):
            await write
    assert exchange.got == []
    exchange.answers["/v5/market/time"] = [b'{"retCode":0,"result":{"timeNano":"1000000"}}']
    assert await rest.server_time() == 1


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
