"""pybit, unmodified, trades on the simulator: REST, the private, public and trade sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pybit._websocket_trading as websocket_trading
import pybit.unified_trading as pybit
import pytest
from pybit.exceptions import InvalidRequestError

from tests.peers.conftest import SYMBOL, Account, Addresses, until
from tests.peers.distance import distance_to

Json = dict[str, Any]


class Heard:
    """What the callbacks of one socket were given, in order. Filled by pybit's own thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: list[Json] = []

    def __call__(self, message: Json) -> None:
        with self._lock:
            self._messages.append(message)

    @property
    def messages(self) -> list[Json]:
        with self._lock:
            return list(self._messages)

    @property
    def rows(self) -> list[Json]:
        return [row for message in self.messages for row in message["data"]]

    def row(self, what: str, wanted: Callable[[Json], bool]) -> Json:
        """The first row that is wanted, waiting for it."""
        return until(lambda: next(filter(wanted, self.rows), None), what)


class Client:
    """pybit's three faces for one account."""

    def __init__(self, addresses: Addresses, account: Account) -> None:
        keys = {"api_key": account.key, "api_secret": account.secret}
        self.http: Any = pybit.HTTP(**keys)
        self.http.endpoint = addresses.rest
        self._keys = keys
        self._open: list[Any] = []

    def private(self) -> Any:
        socket = pybit.WebSocket(testnet=False, channel_type="private", **self._keys)
        return self._kept(socket)

    def public(self) -> Any:
        return self._kept(pybit.WebSocket(testnet=False, channel_type="linear"))

    def trading(self) -> Any:
        socket = self._kept(pybit.WebSocketTrading(testnet=False, **self._keys))
        until(lambda: socket.auth, "the trade socket's auth")
        return socket

    def _kept(self, socket: Any) -> Any:
        self._open.append(socket)
        return socket

    def close(self) -> None:
        for socket in self._open:
            socket.exit()
        self.http.client.close()

    # -- shortcuts ------------------------------------------------------------------------------

    def last_price(self) -> Decimal:
        answer = self.http.get_tickers(category="linear", symbol=SYMBOL)
        return Decimal(answer["result"]["list"][0]["lastPrice"])

    def price(self, factor: str) -> str:
        """The last price times `factor`, on the tick."""
        return str((self.last_price() * Decimal(factor)).quantize(Decimal("0.1")))

    def place(self, side: str, kind: str = "Market", qty: str = "0.01", **more: Any) -> str:
        answer = self.http.place_order(
            category="linear", symbol=SYMBOL, side=side, orderType=kind, qty=qty, **more
        )
        order_id: str = answer["result"]["orderId"]
        return order_id

    def breakout(self, side: str, factor: str, direction: int) -> str:
        """A stop near the market; again where the market has passed it meanwhile."""
        while True:
            try:
                return self.place(
                    side,
                    triggerPrice=self.price(factor),
                    triggerDirection=direction,
                    triggerBy="LastPrice",
                )
            except InvalidRequestError as error:
                assert error.status_code in (110092, 110093), error

    def order(self, order_id: str) -> Json:
        answer = self.http.get_open_orders(category="linear", symbol=SYMBOL, orderId=order_id)
        found: list[Json] = answer["result"]["list"]
        assert len(found) == 1, answer
        return found[0]

    def until_status(self, order_id: str, status: str) -> Json:
        return until(
            lambda: order if (order := self.order(order_id))["orderStatus"] == status else None,
            f"order {order_id} to be {status}",
        )

    def position(self) -> Json:
        answer = self.http.get_positions(category="linear", symbol=SYMBOL)
        found: Json = answer["result"]["list"][0]
        return found

    def executions(self, order_id: str) -> list[Json]:
        answer = self.http.get_executions(category="linear", orderId=order_id)
        found: list[Json] = answer["result"]["list"]
        return found


@pytest.fixture(scope="module")
def sockets(simulator: Addresses) -> Iterator[str]:
    host, _, port = simulator.sockets.removeprefix("ws://").partition(":")
    with distance_to(host, int(port)) as near:
        yield f"ws://127.0.0.1:{near}"


@pytest.fixture
def client(
    simulator: Addresses, sockets: str, account: Account, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    monkeypatch.setattr(pybit, "PRIVATE_WSS", sockets + "/v5/private")
    monkeypatch.setattr(pybit, "PUBLIC_WSS", sockets + "/v5/public/{CHANNEL_TYPE}")
    monkeypatch.setattr(websocket_trading, "TRADE_WSS", sockets + "/v5/trade")
    client = Client(simulator, account)
    yield client
    client.close()


# -- REST -----------------------------------------------------------------------------------------


def test_a_market_order_fills_and_moves_the_position(client: Client) -> None:
    order_id = client.place("Buy", qty="0.02", orderLinkId="peer-1")
    order = client.until_status(order_id, "Filled")
    assert order["orderLinkId"] == "peer-1"
    fills = client.executions(order_id)
    assert sum(Decimal(row["execQty"]) for row in fills) == Decimal("0.02")
    assert {row["execType"] for row in fills} == {"Trade"}
    assert all(Decimal(row["execFee"]) > 0 for row in fills)
    assert len({row["execId"] for row in fills}) == len(fills)
    position = client.position()
    assert (position["side"], Decimal(position["size"])) == ("Buy", Decimal("0.02"))
    value = sum(Decimal(row["execQty"]) * Decimal(row["execPrice"]) for row in fills)
    assert abs(Decimal(position["avgPrice"]) - value / Decimal("0.02")) < Decimal("0.1")

    closing = client.place("Sell", qty="0.02", reduceOnly=True)
    client.until_status(closing, "Filled")
    assert Decimal(client.position()["size"]) == 0


def test_a_limit_order_rests_is_amended_and_cancelled(client: Client) -> None:
    order_id = client.place("Buy", "Limit", price=client.price("0.8"), orderLinkId="peer-rest")
    assert client.order(order_id)["orderStatus"] == "New"
    price = client.price("0.7")
    client.http.amend_order(
        category="linear", symbol=SYMBOL, orderLinkId="peer-rest", qty="0.03", price=price
    )
    order = until(
        lambda: found if (found := client.order(order_id))["qty"] == "0.03" else None, "the amend"
    )
    assert (Decimal(order["price"]), order["orderStatus"]) == (Decimal(price), "New")
    client.http.cancel_order(category="linear", symbol=SYMBOL, orderId=order_id)
    client.until_status(order_id, "Cancelled")
    history = client.http.get_order_history(category="linear", orderId=order_id)["result"]["list"]
    assert [row["orderStatus"] for row in history] == ["Cancelled"]
    assert client.executions(order_id) == []


def test_a_conditional_order_waits_untriggered(client: Client) -> None:
    order_id = client.place(
        "Sell",
        triggerPrice=client.price("0.7"),
        triggerDirection=2,
        triggerBy="LastPrice",
        reduceOnly=False,
    )
    order = client.order(order_id)
    assert (order["orderStatus"], order["stopOrderType"]) == ("Untriggered", "Stop")
    client.http.cancel_order(category="linear", symbol=SYMBOL, orderId=order_id)
    client.until_status(order_id, "Deactivated")


def test_a_conditional_order_fires(client: Client) -> None:
    # One on either side of the market, which moves: whichever it reaches.
    waiting = [client.breakout("Buy", "1.0005", 1), client.breakout("Sell", "0.9995", 2)]
    order = until(
        lambda: next(
            (order for order in map(client.order, waiting) if order["orderStatus"] == "Filled"),
            None,
        ),
        "either stop to fire",
    )
    assert order["stopOrderType"] == "Stop"
    fills = client.executions(order["orderId"])
    assert fills and {row["stopOrderType"] for row in fills} == {"Stop"}


def test_cancel_all_leaves_nothing_open(client: Client) -> None:
    wanted = {
        client.place("Buy", "Limit", price=client.price(factor)) for factor in ("0.8", "0.7", "0.6")
    }
    answer = client.http.cancel_all_orders(category="linear", symbol=SYMBOL)
    assert {row["orderId"] for row in answer["result"]["list"]} == wanted
    for order_id in wanted:
        client.until_status(order_id, "Cancelled")
    assert client.http.get_open_orders(category="linear", symbol=SYMBOL)["result"]["list"] == []


def test_batches_answer_for_each_order(client: Client) -> None:
    limit = {"symbol": SYMBOL, "side": "Buy", "orderType": "Limit", "qty": "0.01"}
    low = client.price("0.8")
    answer = client.http.place_batch_order(
        category="linear",
        request=[{**limit, "price": low}, {**limit, "price": low, "qty": "0"}],
    )
    codes = [one["code"] for one in answer["retExtInfo"]["list"]]
    assert codes[0] == 0 and codes[1] != 0
    order_id = answer["result"]["list"][0]["orderId"]
    one = {"symbol": SYMBOL, "orderId": order_id}
    client.http.amend_batch_order(category="linear", request=[{**one, "qty": "0.02"}])
    until(lambda: client.order(order_id)["qty"] == "0.02", "the amend")
    client.http.cancel_batch_order(category="linear", request=[one])
    client.until_status(order_id, "Cancelled")


def test_closed_profit_and_the_transaction_log(client: Client) -> None:
    client.until_status(client.place("Buy", qty="0.02"), "Filled")
    closing = client.place("Sell", qty="0.02", reduceOnly=True)
    client.until_status(closing, "Filled")
    closed = client.http.get_closed_pnl(category="linear", symbol=SYMBOL)["result"]["list"]
    assert [(row["orderId"], Decimal(row["closedSize"])) for row in closed] == [
        (closing, Decimal("0.02"))
    ]
    log = client.http.get_transaction_log(accountType="UNIFIED", category="linear")
    fees = [Decimal(row["fee"]) for row in log["result"]["list"] if row["orderId"] == closing]
    assert sum(fees) == sum(Decimal(row["execFee"]) for row in client.executions(closing))


def test_leverage_and_trading_stop(client: Client) -> None:
    client.http.set_leverage(category="linear", symbol=SYMBOL, buyLeverage="7", sellLeverage="7")
    with pytest.raises(InvalidRequestError) as again:
        client.http.set_leverage(
            category="linear", symbol=SYMBOL, buyLeverage="7", sellLeverage="7"
        )
    assert again.value.status_code == 110043
    client.until_status(client.place("Buy"), "Filled")
    low, high = client.price("0.8"), client.price("1.2")
    client.http.set_trading_stop(
        category="linear",
        symbol=SYMBOL,
        stopLoss=low,
        takeProfit=high,
        tpslMode="Full",
        positionIdx=0,
    )
    position = client.position()
    assert Decimal(position["leverage"]) == 7
    assert Decimal(position["stopLoss"]) == Decimal(low)
    assert Decimal(position["takeProfit"]) == Decimal(high)


def test_the_account_and_its_wallet(client: Client) -> None:
    wallet = client.http.get_wallet_balance(accountType="UNIFIED")["result"]["list"][0]
    coin = next(coin for coin in wallet["coin"] if coin["coin"] == "USDT")
    assert Decimal(coin["walletBalance"]) == 100_000
    assert Decimal(wallet["totalAvailableBalance"]) > 0
    assert client.http.get_account_info()["result"]["unifiedMarginStatus"] >= 3
    fees = client.http.get_fee_rates(category="linear", symbol=SYMBOL)["result"]["list"]
    assert Decimal(fees[0]["takerFeeRate"]) > 0


def test_market_data(client: Client) -> None:
    candles = client.http.get_kline(category="linear", symbol=SYMBOL, interval=5, limit=50)
    rows = candles["result"]["list"]
    starts = [int(row[0]) for row in rows]
    assert starts == sorted(starts, reverse=True) and len(starts) == 50
    assert {later - earlier for later, earlier in pairwise(starts)} == {300_000}
    for _start, first, high, low, last, volume, turnover in rows:
        assert Decimal(low) <= min(Decimal(first), Decimal(last))
        assert Decimal(high) >= max(Decimal(first), Decimal(last))
        assert Decimal(volume) >= 0 and Decimal(turnover) >= 0
    ticker = client.http.get_tickers(category="linear", symbol=SYMBOL)["result"]["list"][0]
    assert Decimal(ticker["bid1Price"]) < Decimal(ticker["ask1Price"])
    contracts = client.http.get_instruments_info(category="linear", symbol=SYMBOL)["result"]["list"]
    assert contracts[0]["contractType"] == "LinearPerpetual"
    rates = client.http.get_funding_rate_history(category="linear", symbol=SYMBOL, limit=3)
    assert len(rates["result"]["list"]) == 3
    assert client.http.get_server_time()["retCode"] == 0


def test_refusals_carry_the_exchanges_codes(client: Client, simulator: Addresses) -> None:
    def refused(**order: Any) -> int:
        with pytest.raises(InvalidRequestError) as refusal:
            client.http.place_order(**{"category": "linear", "symbol": SYMBOL, **order})
        code: int = refusal.value.status_code
        return code

    limit = {"side": "Buy", "orderType": "Limit", "price": client.price("0.8")}
    client.http.place_order(
        category="linear", symbol=SYMBOL, qty="0.01", orderLinkId="peer-once", **limit
    )
    assert refused(qty="0.01", orderLinkId="peer-once", **limit) == 110072
    assert refused(qty="500", **limit) == 110007
    assert refused(qty="0.01", side="Sell", orderType="Market", reduceOnly=True) == 110017
    stranger = pybit.HTTP(api_key="peer0", api_secret="not-the-secret")
    stranger.endpoint = simulator.rest
    with pytest.raises(InvalidRequestError) as unsigned:
        stranger.get_positions(category="linear", symbol=SYMBOL)
    assert unsigned.value.status_code == 10004
    stranger.client.close()


# -- sockets --------------------------------------------------------------------------------------


def test_private_streams_tell_of_an_order_from_first_to_last(client: Client) -> None:
    executions, orders, positions, wallets = Heard(), Heard(), Heard(), Heard()
    socket = client.private()
    socket.execution_stream(executions)
    socket.order_stream(orders)
    socket.position_stream(positions)
    socket.wallet_stream(wallets)
    # pybit does not wait for acknowledgements: the first frame shows that it is subscribed.
    first = client.place("Buy", orderLinkId="peer-stream")
    orders.row("the order's end", lambda r: r["orderId"] == first and r["orderStatus"] == "Filled")
    fill = executions.row("a fill", lambda row: row["orderId"] == first)
    assert (fill["orderLinkId"], fill["execType"], fill["side"]) == ("peer-stream", "Trade", "Buy")
    held = positions.row("the position", lambda row: Decimal(row["size"]) == Decimal("0.01"))
    assert (held["symbol"], held["side"]) == (SYMBOL, "Buy")
    wallet = wallets.row("the wallet", lambda row: bool(row["coin"]))
    assert Decimal(wallet["coin"][0]["walletBalance"]) < 100_000

    resting = client.place("Sell", "Limit", price=client.price("1.3"))
    orders.row("it rests", lambda r: r["orderId"] == resting and r["orderStatus"] == "New")
    client.http.cancel_order(category="linear", symbol=SYMBOL, orderId=resting)
    orders.row("it is gone", lambda r: r["orderId"] == resting and r["orderStatus"] == "Cancelled")
    streamed = {row["execId"] for row in executions.rows if row["orderId"] == first}
    assert streamed == {row["execId"] for row in client.executions(first)}


def test_public_streams(client: Client) -> None:
    candles, tickers, trades, books = Heard(), Heard(), Heard(), Heard()
    socket = client.public()
    socket.kline_stream(interval=1, symbol=SYMBOL, callback=candles)
    socket.ticker_stream(symbol=SYMBOL, callback=tickers)
    socket.trade_stream(symbol=SYMBOL, callback=trades)
    socket.orderbook_stream(depth=1, symbol=SYMBOL, callback=books)
    closed = candles.row("a closed candle", lambda row: bool(row["confirm"]))
    assert int(closed["end"]) - int(closed["start"]) == 59_999
    ticker = until(lambda: tickers.messages, "a ticker")[0]["data"]
    assert ticker["symbol"] == SYMBOL and Decimal(ticker["lastPrice"]) > 0
    assert Decimal(trades.row("a public trade", lambda row: row["s"] == SYMBOL)["p"]) > 0
    book = until(lambda: books.messages, "a book")[0]["data"]
    assert Decimal(book["b"][0][0]) < Decimal(book["a"][0][0])


def test_the_trade_socket_places_amends_and_cancels(client: Client) -> None:
    socket = client.trading()
    answers = Heard()
    common = {"category": "linear", "symbol": SYMBOL}

    def answered(count: int) -> Json:
        return until(lambda: answers.messages[count - 1 : count], f"answer {count}")[0]

    socket.place_order(
        answers, **common, side="Buy", orderType="Limit", qty="0.01", price=client.price("0.8")
    )
    placed = answered(1)
    order_id = placed["data"]["orderId"]
    assert (placed["op"], client.order(order_id)["orderStatus"]) == ("order.create", "New")
    socket.amend_order(answers, **common, orderId=order_id, qty="0.02")
    assert answered(2)["op"] == "order.amend"
    until(lambda: client.order(order_id)["qty"] == "0.02", "the amend")
    socket.cancel_order(answers, **common, orderId=order_id)
    assert answered(3)["op"] == "order.cancel"
    client.until_status(order_id, "Cancelled")


def test_the_trade_socket_refuses_with_a_code(client: Client) -> None:
    refusals = Heard()
    client.trading().cancel_order(
        lambda message: pytest.fail(f"expected a refusal, was {message}"),
        error_callback=refusals,
        category="linear",
        symbol=SYMBOL,
        orderId="no-such-order",
    )
    assert until(lambda: refusals.messages, "the refusal")[0]["retCode"] == 110001
