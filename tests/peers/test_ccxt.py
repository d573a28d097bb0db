"""ccxt, unmodified, trades on the simulator: its unified calls over REST and its sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from typing import Any

import ccxt.pro
import pytest

from tests.peers.conftest import DEADLINE_S, Account, Addresses

Json = dict[str, Any]
SYMBOL = "BTC/USDT:USDT"


@pytest.fixture
async def client(simulator: Addresses, account: Account) -> AsyncIterator[Any]:
    exchange: Any = ccxt.pro.bybit(
        {
            "apiKey": account.key,
            "secret": account.secret,
            "options": {
                "fetchMarkets": {"types": ["linear"]},
                "defaultType": "swap",
                "defaultSettle": "USDT",
            },
        }
    )
    exchange.has["fetchCurrencies"] = False  # an endpoint of the wallet's side, not of trading
    for name in ("spot", "futures", "v2", "public", "private"):
        exchange.urls["api"][name] = simulator.rest
    private = simulator.sockets + "/v5/private"
    sockets = exchange.urls["api"]["ws"]
    for kind in ("spot", "inverse", "linear", "option"):
        sockets["public"][kind] = f"{simulator.sockets}/v5/public/{kind}"
    sockets["private"].update(
        contract=private,
        usdc=private,
        trade=simulator.sockets + "/v5/trade",
        spot={"unified": private, "nonUnified": private},
    )
    await exchange.load_markets()
    yield exchange
    await exchange.close()


async def price(client: Any, factor: float) -> float:
    """The last price times `factor`."""
    last: float = (await client.fetch_ticker(SYMBOL))["last"]
    return last * factor


async def until(ask: Callable[[], Awaitable[Json]], wanted: Callable[[Json], bool]) -> Json:
    """The first answer that is wanted."""
    async with asyncio.timeout(DEADLINE_S):
        while not wanted(answer := await ask()):
            pass  # ccxt paces its own requests
    return answer


async def until_status(client: Any, order_id: str, status: str) -> Json:
    async def order() -> Json:
        found: Json = await client.fetch_order(order_id, SYMBOL, {"acknowledged": True})
        return found

    return await until(order, lambda found: found["status"] == status)


class Watch:
    """Everything that one of ccxt's endless watches delivers, from its subscription on."""

    def __init__(self, watch: Callable[[], Awaitable[Any]]) -> None:
        self.rows: list[Json] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._run(watch))

    async def _run(self, watch: Callable[[], Awaitable[Any]]) -> None:
        while True:
            found = await watch()
            self.rows += found if isinstance(found, list) else [found]
            self._changed.set()

    async def row(self, wanted: Callable[[Json], bool]) -> Json:
        """The first row that is wanted, waiting for it."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                self._changed.clear()
                for row in self.rows:
                    if wanted(row):
                        return row
                changed = asyncio.create_task(self._changed.wait())
                await asyncio.wait({changed, self._task}, return_when=asyncio.FIRST_COMPLETED)
                if self._task.done():
                    changed.cancel()
                    self._task.result()

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


@pytest.fixture
async def watch() -> AsyncIterator[Callable[[Callable[[], Awaitable[Any]]], Watch]]:
    """Starts watches; each ends with the test."""
    begun: list[Watch] = []

    def start(what: Callable[[], Awaitable[Any]]) -> Watch:
        begun.append(Watch(what))
        return begun[-1]

    yield start
    for one in begun:
        await one.end()


Start = Callable[[Callable[[], Awaitable[Any]]], Watch]


# -- REST -----------------------------------------------------------------------------------------


async def test_markets_and_candles(client: Any) -> None:
    market = client.market(SYMBOL)
    assert (market["type"], market["settle"], market["linear"]) == ("swap", "USDT", True)
    assert market["precision"]["amount"] > 0 and market["precision"]["price"] > 0
    candles = await client.fetch_ohlcv(SYMBOL, "5m", limit=20)
    starts = [row[0] for row in candles]
    assert len(candles) == 20
    assert {later - earlier for earlier, later in pairwise(starts)} == {300_000}
    assert all(low <= min(first, last) <= high for _, first, high, low, last, _ in candles)
    book = await client.fetch_order_book(SYMBOL)
    assert book["bids"][0][0] < book["asks"][0][0]
    rates = await client.fetch_funding_rate_history(SYMBOL, limit=2)
    assert len(rates) == 2


async def test_a_market_order_fills_and_moves_the_position(client: Any) -> None:
    placed = await client.create_order(
        SYMBOL, "market", "buy", 0.02, None, {"clientOrderId": "ccxt-1"}
    )
    order = await until_status(client, placed["id"], "closed")
    assert (order["clientOrderId"], order["filled"], order["remaining"]) == ("ccxt-1", 0.02, 0)
    trades = [
        trade for trade in await client.fetch_my_trades(SYMBOL) if trade["order"] == placed["id"]
    ]
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.02)
    assert {(trade["side"], trade["fee"]["currency"]) for trade in trades} == {("buy", "USDT")}
    positions = await client.fetch_positions([SYMBOL])
    assert [(p["side"], p["contracts"]) for p in positions] == [("long", 0.02)]
    closing = await client.create_order(SYMBOL, "market", "sell", 0.02, None, {"reduceOnly": True})
    await until_status(client, closing["id"], "closed")
    left = [p for p in await client.fetch_positions([SYMBOL]) if p["contracts"]]
    assert left == []


async def test_a_limit_order_rests_is_edited_and_cancelled(client: Any) -> None:
    low = await price(client, 0.8)
    placed = await client.create_order(SYMBOL, "limit", "buy", 0.01, low)
    opened = await client.fetch_open_orders(SYMBOL)
    assert [(order["id"], order["status"]) for order in opened] == [(placed["id"], "open")]
    await client.edit_order(placed["id"], SYMBOL, "limit", "buy", 0.03, low * 0.9)
    edited = (await client.fetch_open_orders(SYMBOL))[0]
    assert edited["amount"] == 0.03 and edited["price"] < low
    await client.cancel_order(placed["id"], SYMBOL)
    await until_status(client, placed["id"], "canceled")
    assert await client.fetch_open_orders(SYMBOL) == []


async def test_orders_in_one_request(client: Any) -> None:
    low = await price(client, 0.8)
    order = {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.01, "price": low}
    placed = await client.create_orders([order, {**order, "amount": 0.02}])
    opened = await client.fetch_open_orders(SYMBOL)
    assert {one["id"] for one in opened} == {one["id"] for one in placed}
    assert {one["amount"] for one in opened} == {0.01, 0.02}
    await client.cancel_orders([one["id"] for one in placed], SYMBOL)
    assert await client.fetch_open_orders(SYMBOL) == []


async def test_conditional_orders_and_cancel_all(client: Any) -> None:
    low = await price(client, 0.7)
    stop = await client.create_order(
        SYMBOL,
        "market",
        "sell",
        0.01,
        None,
        {"triggerPrice": low, "triggerDirection": "descending"},
    )
    resting = await client.create_order(SYMBOL, "limit", "buy", 0.01, low)
    waiting = await client.fetch_open_orders(SYMBOL, params={"orderFilter": "StopOrder"})
    assert [order["id"] for order in waiting] == [stop["id"]]
    assert waiting[0]["triggerPrice"] == pytest.approx(low, rel=1e-4)
    gone = await client.cancel_all_orders(SYMBOL)
    assert resting["id"] in {order["id"] for order in gone}
    await client.cancel_all_orders(SYMBOL, {"orderFilter": "StopOrder"})
    assert await client.fetch_open_orders(SYMBOL) == []


async def test_leverage_stops_and_balance(client: Any) -> None:
    await client.set_leverage(6, SYMBOL)
    assert (await client.fetch_leverage(SYMBOL))["longLeverage"] == 6
    low, high = await price(client, 0.8), await price(client, 1.2)
    placed = await client.create_order(
        SYMBOL,
        "market",
        "buy",
        0.01,
        None,
        {"stopLoss": {"triggerPrice": low}, "takeProfit": {"triggerPrice": high}},
    )
    await until_status(client, placed["id"], "closed")
    position = await client.fetch_position(SYMBOL)
    assert position["stopLossPrice"] == pytest.approx(low, rel=1e-4)
    assert position["takeProfitPrice"] == pytest.approx(high, rel=1e-4)
    assert position["leverage"] == 6
    balance = await client.fetch_balance()
    assert 99_000 < balance["USDT"]["total"] < 100_000


async def test_refusals_become_its_own_exceptions(client: Any) -> None:
    with pytest.raises(ccxt.pro.InsufficientFunds):
        await client.create_order(SYMBOL, "limit", "buy", 500, await price(client, 0.8))
    with pytest.raises(ccxt.pro.OrderNotFound):
        await client.cancel_order("6b9e1f4a-0000-0000-0000-000000000000", SYMBOL)
    client.secret = "not-the-secret"
    with pytest.raises(ccxt.pro.AuthenticationError):
        await client.fetch_positions([SYMBOL])


# -- sockets --------------------------------------------------------------------------------------


async def test_it_watches_its_orders_trades_positions_and_balance(
    client: Any, watch: Start
) -> None:
    orders = watch(lambda: client.watch_orders(SYMBOL))
    trades = watch(lambda: client.watch_my_trades(SYMBOL))
    positions = watch(lambda: client.watch_positions([SYMBOL]))
    balances = watch(client.watch_balance)
    # The watches say nothing until something happens: a resting order shows that they listen.
    resting = await client.create_order(SYMBOL, "limit", "buy", 0.01, await price(client, 0.8))
    placed = await client.create_order(SYMBOL, "market", "sell", 0.02)
    done = await orders.row(lambda row: row["id"] == placed["id"] and row["status"] == "closed")
    assert (done["filled"], done["side"]) == (0.02, "sell")
    trade = await trades.row(lambda row: row["order"] == placed["id"])
    assert trade["side"] == "sell" and trade["fee"]["cost"] > 0
    held = await positions.row(lambda row: row["contracts"] == 0.02)
    assert (held["symbol"], held["side"]) == (SYMBOL, "short")
    await balances.row(lambda row: 0 < row["USDT"]["total"] < 100_000)
    await client.cancel_order(resting["id"], SYMBOL)
    await orders.row(lambda row: row["id"] == resting["id"] and row["status"] == "canceled")
    fetched = {row["id"] for row in await client.fetch_my_trades(SYMBOL)}
    watched = {row["id"] for row in trades.rows if row["order"] == placed["id"]}
    assert watched and watched <= fetched


async def test_it_watches_the_market(client: Any, watch: Start) -> None:
    tickers = watch(lambda: client.watch_ticker(SYMBOL))
    trades = watch(lambda: client.watch_trades(SYMBOL))
    books = watch(lambda: client.watch_order_book(SYMBOL, 1))
    candles = watch(lambda: client.watch_ohlcv(SYMBOL, "1m"))
    assert (await tickers.row(lambda row: bool(row["last"])))["symbol"] == SYMBOL
    assert (await trades.row(lambda row: row["price"] > 0))["symbol"] == SYMBOL
    book = await books.row(lambda row: bool(row["bids"]))
    assert book["bids"][0][0] < book["asks"][0][0]
    _, first, high, low, last, _ = await candles.row(lambda row: bool(row))
    assert low <= min(first, last) <= max(first, last) <= high


async def test_the_trade_socket_places_edits_and_cancels(client: Any) -> None:
    low = await price(client, 0.8)
    placed = await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, low)
    assert [order["id"] for order in await client.fetch_open_orders(SYMBOL)] == [placed["id"]]
    await client.edit_order_ws(placed["id"], SYMBOL, "limit", "buy", 0.02, low)
    assert (await client.fetch_open_orders(SYMBOL))[0]["amount"] == 0.02
    await client.cancel_order_ws(placed["id"], SYMBOL)
    await until_status(client, placed["id"], "canceled")
