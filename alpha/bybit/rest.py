"""The REST side of Bybit V5 as the rest of Alpha calls it: typed questions and orders.

Reads retry on busy answers. Writes are sent once; what their exceptions say about the outcome is
in `alpha.errors`: RetryLater (nothing happened), VenueRejected (definitely refused),
OutcomeUnknown (ask by id).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import aiohttp
import msgspec
import stamina
import structlog

from alpha.bybit import account_rows, rows
from alpha.bybit.account_rows import AccountInfo, FeeRate, KeyInfo, Transaction
from alpha.bybit.endpoints import Endpoints
from alpha.bybit.fields import BadField, MalformedFrame, decimal, integer
from alpha.bybit.http import AiohttpTransport, Call, HttpClient, Reply, SentHook, Transport
from alpha.bybit.limiter import Limiter, Priority
from alpha.bybit.market_rows import (
    INTERVAL_NAMES,
    FundingRow,
    KlineColumns,
    TurnoverRow,
    bar_of_columns,
    funding_rate,
)
from alpha.bybit.requests import AmendOrder, CreateOrder, OrderAck, OrderTarget, TradingStop, plain
from alpha.bybit.rows import LINEAR, SETTLE_COIN
from alpha.bybit.signing import Credentials
from alpha.clock import Clock
from alpha.core.events import Bar, Execution, OrderEvent, PositionEvent, WalletEvent
from alpha.core.instruments import Instrument
from alpha.errors import RetryLater

log = structlog.get_logger(__name__)

#: Get Trade History refuses longer windows.
WINDOW_MS = 7 * 86_400_000

_PAGE = {
    "executions": 100,
    "funding": 200,
    "instruments": 1000,
    "orders": 50,
    "positions": 200,
    "transactions": 50,
}
_READ_ATTEMPTS = 4
_READ_TIMEOUT_S = 20.0
_CURSOR = re.compile(r"[A-Za-z0-9._~%,:=+/\-]+")


class _ListPage(msgspec.Struct):
    list: msgspec.Raw
    nextPageCursor: str | None = None


class _Time(msgspec.Struct):
    timeNano: str


class _Placed(msgspec.Struct):
    orderId: str | None = None
    orderLinkId: str | None = None


_LIST_PAGE = msgspec.json.Decoder(_ListPage)
_TIME = msgspec.json.Decoder(_Time)
_PLACED = msgspec.json.Decoder(_Placed)
_ANY_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_EXECUTIONS = msgspec.json.Decoder(list[rows.ExecutionRow])
_ORDERS = msgspec.json.Decoder(list[rows.OrderRow])
_POSITIONS = msgspec.json.Decoder(list[rows.PositionRow])
_WALLETS = msgspec.json.Decoder(list[rows.WalletRow])
_KLINES = msgspec.json.Decoder(list[KlineColumns])
_FUNDING = msgspec.json.Decoder(list[FundingRow])
_TURNOVERS = msgspec.json.Decoder(list[TurnoverRow])
_INSTRUMENTS = msgspec.json.Decoder(list[account_rows.InstrumentRow])
_TRANSACTIONS = msgspec.json.Decoder(list[account_rows.TransactionRow])
_FEE_RATES = msgspec.json.Decoder(list[account_rows.FeeRateRow])
_ACCOUNT_INFO = msgspec.json.Decoder(account_rows.AccountInfoRow)
_KEY_INFO = msgspec.json.Decoder(account_rows.KeyInfoRow)


def _again(error: Exception) -> bool:
    # A pause of minutes (an address ban) is not waited out inside a call.
    return isinstance(error, RetryLater) and error.after_s <= _READ_TIMEOUT_S


@contextmanager
def reading(reply: Reply) -> Iterator[None]:
    """What is found wrong inside is said about the whole answer."""
    try:
        yield
    except (msgspec.MsgspecError, BadField, ArithmeticError, UnicodeError, RecursionError) as e:
        raise MalformedFrame(str(e), reply.raw) from e


class Rest:
    """One account's view of the exchange. Give it an aiohttp session, or a transport of your
    own; it owns neither."""

    def __init__(
        self,
        endpoints: Endpoints,
        credentials: Credentials | None,
        *,
        account: str,
        clock: Clock,
        limiter: Limiter,
        session: aiohttp.ClientSession | None = None,
        transport: Transport | None = None,
        recv_window_ms: int = 5000,
        may_write: Callable[[], bool] | None = None,
    ) -> None:
        if transport is None:
            if session is None:
                raise ValueError("expected an aiohttp session or a transport, was neither")
            transport = AiohttpTransport(session)
        self.account = account
        self._clock = clock
        self._http = HttpClient(
            endpoints.rest,
            credentials,
            clock=clock,
            limiter=limiter,
            transport=transport,
            recv_window_ms=recv_window_ms,
            may_write=may_write,
        )
        self._retrying = stamina.AsyncRetryingCaller(
            attempts=_READ_ATTEMPTS,
            timeout=_READ_TIMEOUT_S,
            wait_initial=0.2,
            wait_max=2.0,
            wait_jitter=0.2,
        ).on(_again)

    # -- market -------------------------------------------------------------------------------

    async def server_time(self) -> int:
        """Market time in ms (Get Bybit Server Time). Not the wall clock on a simulator."""
        reply = await self._public("/v5/market/time", "")

        with reading(reply):
            nanoseconds = _TIME.decode(reply.result).timeNano
            return integer("timeNano", nanoseconds[:-6])

    async def instruments(self, symbol: str | None = None) -> list[Instrument]:
        """USDT perpetuals (Get Instruments Info). Without `symbol`: every one that trades."""
        query = f"category={LINEAR}&limit={_PAGE['instruments']}"
        if symbol is not None:
            query += f"&symbol={symbol}"
        found: list[Instrument] = []
        async for reply, raw in self.pages("/v5/market/instruments-info", query, signed=False):
            with reading(reply):
                for row in _INSTRUMENTS.decode(raw):
                    if row.tradable_kind:
                        found += self._instrument(row, only=symbol is not None)
        return found

    async def turnovers(self) -> dict[str, Decimal]:
        """Turnover of the last 24 hours in USDT of everything that trades (Get Tickers), by
        symbol; contracts that settle in something else are among them."""
        reply = await self._public("/v5/market/tickers", f"category={LINEAR}")
        with reading(reply):
            found = _TURNOVERS.decode(_LIST_PAGE.decode(reply.result).list)
            return {row.symbol: decimal("turnover24h", row.turnover_24h or "0") for row in found}

    def _instrument(self, row: account_rows.InstrumentRow, *, only: bool) -> tuple[Instrument, ...]:
        """One odd contract among hundreds must not hide the others: it is left out, and thus
        not traded, unless it is the one that was asked for."""
        try:
            return (account_rows.instrument(row),)
        except BadField as e:
            if only:
                raise
            log.warning("instrument left out", symbol=row.symbol, problem=str(e))
            return ()

    async def klines(
        self,
        symbol: str,
        interval_ms: int,
        start_ms: int,
        end_ms: int,
        limit: int = 1000,
        *,
        venue_ms: int | None = None,
    ) -> list[Bar]:
        """Closed candles that lie wholly in [start_ms, end_ms), ascending (Get Kline).

        `venue_ms` is the exchange's time: a candle that it has not closed yet is left out. When
        None it is asked for first. `limit` (at most 1000) is the page size; pages are followed."""
        name = INTERVAL_NAMES.get(interval_ms)
        if name is None:
            raise ValueError(f"expected one of {sorted(INTERVAL_NAMES)} ms, was {interval_ms}")
        if venue_ms is None:
            venue_ms = await self.server_time()
        until_ms = min(end_ms, venue_ms)
        first_ms = -(-start_ms // interval_ms) * interval_ms
        bars: dict[int, Bar] = {}
        while first_ms + interval_ms <= until_ms:
            # Windows of at most one page: which end a longer one is cut at is not documented.
            last_ms = min(first_ms + (limit - 1) * interval_ms, until_ms - interval_ms)
            for found in await self._kline_page(symbol, name, interval_ms, first_ms, last_ms):
                if first_ms <= found.start_ms and found.close_ms <= until_ms:
                    bars[found.start_ms] = found
            first_ms = last_ms // interval_ms * interval_ms + interval_ms
        return [bars[start] for start in sorted(bars)]

    async def _kline_page(
        self, symbol: str, name: str, interval_ms: int, first_ms: int, last_ms: int
    ) -> list[Bar]:
        count = (last_ms - first_ms) // interval_ms + 1
        query = (
            f"category={LINEAR}&symbol={symbol}&interval={name}"
            f"&start={first_ms}&end={last_ms}&limit={count}"
        )
        reply = await self._public("/v5/market/kline", query)
        with reading(reply):
            columns = _KLINES.decode(_LIST_PAGE.decode(reply.result).list)
            return [bar_of_columns(row, symbol, interval_ms) for row in columns]

    async def funding_rates(self, symbol: str, start_ms: int, end_ms: int) -> dict[int, Decimal]:
        """Rate by time of every funding in [start_ms, end_ms] (Get Funding Rate History)."""
        found: dict[int, Decimal] = {}
        while start_ms <= end_ms:
            query = (
                f"category={LINEAR}&symbol={symbol}&startTime={start_ms}&endTime={end_ms}"
                f"&limit={_PAGE['funding']}"
            )
            reply = await self._public("/v5/market/funding/history", query)
            with reading(reply):
                page = dict(
                    map(funding_rate, _FUNDING.decode(_LIST_PAGE.decode(reply.result).list))
                )
            found |= page
            if len(page) < _PAGE["funding"]:
                break
            end_ms = min(end_ms, *page) - 1
        return found

    # -- account ------------------------------------------------------------------------------

    async def executions(
        self,
        start_ms: int,
        end_ms: int,
        *,
        settle_coin: str = SETTLE_COIN,
        symbol: str | None = None,
        order_id: str | None = None,
        order_link_id: str | None = None,
    ) -> AsyncIterator[list[Execution]]:
        """Executions of every execType in [start_ms, end_ms], page by page, newest first within
        a window (Get Trade History). The sweep is complete only when the iteration ends without
        an error. With an order's id the times are not used: the exchange ignores them then."""
        base = f"category={LINEAR}&limit={_PAGE['executions']}"
        if order_id or order_link_id:
            key = f"orderId={order_id}" if order_id else f"orderLinkId={order_link_id}"
            queries = [f"{base}&{key}"]
        else:
            scope = f"symbol={symbol}" if symbol else f"settleCoin={settle_coin}"
            queries = [
                f"{base}&{scope}&startTime={first}&endTime={min(first + WINDOW_MS, end_ms)}"
                for first in range(start_ms, max(end_ms, start_ms + 1), WINDOW_MS)
            ]
        for query in queries:
            async for reply, raw in self.pages("/v5/execution/list", query):
                received_ms = self._clock.now_ms()
                with reading(reply):
                    decoded = _EXECUTIONS.decode(raw)
                    page = rows.executions(decoded, self.account, received_ms, "rest")
                yield list(page)

    async def open_orders(self, symbol: str | None = None) -> list[OrderEvent]:
        """Every open order, conditional ones and stops included (Get Open & Closed Orders)."""
        scope = f"symbol={symbol}" if symbol else f"settleCoin={SETTLE_COIN}"
        query = f"category={LINEAR}&{scope}&openOnly=0&limit={_PAGE['orders']}"
        found: list[OrderEvent] = []
        async for reply, raw in self.pages("/v5/order/realtime", query):
            with reading(reply):
                found += self._orders(raw)
        return found

    async def order(
        self, symbol: str, order_link_id: str | None = None, order_id: str | None = None
    ) -> OrderEvent | None:
        """One order by id: open or recently closed (order/realtime), else from the history.
        None: the exchange does not know it, at the moment."""
        if not (order_id or order_link_id):
            raise ValueError("expected an orderLinkId or an orderId, was neither")
        key = f"orderId={order_id}" if order_id else f"orderLinkId={order_link_id}"
        query = f"category={LINEAR}&symbol={symbol}&{key}"
        for path in ("/v5/order/realtime", "/v5/order/history"):
            reply = await self._private(path, query)
            with reading(reply):
                found = self._orders(_LIST_PAGE.decode(reply.result).list)
            if found:
                return found[0]
        return None

    async def ended_orders(self, start_ms: int, end_ms: int) -> list[OrderEvent]:
        """Orders created in a window of at most seven days that are over (Get Order History).
        Those without a fill are kept for a day, and the newest may be missing yet."""
        query = (
            f"category={LINEAR}&settleCoin={SETTLE_COIN}"
            f"&startTime={start_ms}&endTime={end_ms}&limit={_PAGE['orders']}"
        )
        found: list[OrderEvent] = []
        async for reply, raw in self.pages("/v5/order/history", query):
            with reading(reply):
                found += self._orders(raw)
        return found

    async def positions(self, symbol: str | None = None) -> list[PositionEvent]:
        """Positions (Get Position Info): all that are open, or the one of `symbol`, flat too."""
        scope = f"symbol={symbol}" if symbol else f"settleCoin={SETTLE_COIN}"
        query = f"category={LINEAR}&{scope}&limit={_PAGE['positions']}"
        found: list[PositionEvent] = []
        async for reply, raw in self.pages("/v5/position/list", query):
            with reading(reply):
                found += [rows.position(r, self.account, "rest") for r in _POSITIONS.decode(raw)]
        return found

    async def wallet(self) -> WalletEvent:
        """The USDT side of the unified account (Get Wallet Balance). Its stamp is market time
        asked for just before: the balance is at least as new."""
        at_ms = await self.server_time()
        reply = await self._private(
            "/v5/account/wallet-balance", f"accountType=UNIFIED&coin={SETTLE_COIN}"
        )

        with reading(reply):
            for row in _WALLETS.decode(_LIST_PAGE.decode(reply.result).list):
                event = rows.wallet(row, self.account, at_ms, "rest")
                if event is not None:
                    return event
        # Coins without a balance are left out.
        zero = Decimal(0)
        return WalletEvent(self.account, zero, zero, zero, at_ms, "rest")

    async def transactions(self, start_ms: int, end_ms: int) -> list[Transaction]:
        """Every change of the USDT balance, of whatever product, in a window of at most seven
        days, newest first (Get Transaction Log)."""
        query = (
            f"accountType=UNIFIED&currency={SETTLE_COIN}"
            f"&startTime={start_ms}&endTime={end_ms}&limit={_PAGE['transactions']}"
        )
        found: list[Transaction] = []
        async for reply, raw in self.pages("/v5/account/transaction-log", query):
            with reading(reply):
                found += [account_rows.transaction(row) for row in _TRANSACTIONS.decode(raw)]
        return found

    async def account_info(self) -> AccountInfo:
        """Margin mode and kind of account (Get Account Info)."""
        reply = await self._private("/v5/account/info", "")
        with reading(reply):
            return account_rows.account_info(_ACCOUNT_INFO.decode(reply.result))

    async def key_info(self) -> KeyInfo:
        """What the key may do (Get API Key Information). Not available on demo accounts."""
        reply = await self._private("/v5/user/query-api", "")
        with reading(reply):
            return account_rows.key_info(_KEY_INFO.decode(reply.result))

    async def fee_rate(self, symbol: str) -> FeeRate | None:
        """The account's fees on `symbol` (Get Fee Rate). Not available on demo accounts."""
        reply = await self._private("/v5/account/fee-rate", f"category={LINEAR}&symbol={symbol}")

        with reading(reply):
            for row in _FEE_RATES.decode(_LIST_PAGE.decode(reply.result).list):
                if row.symbol == symbol:
                    return account_rows.fee_rate(row)
        return None

    # -- orders -------------------------------------------------------------------------------

    async def create_order(
        self,
        request: CreateOrder,
        *,
        on_sent: SentHook | None = None,
        refusal: Callable[[], str | None] | None = None,
    ) -> OrderAck:
        """Places an order (Place Order). The ack means accepted by the gateway, no more.

        `on_sent` gets perf_ns as the bytes leave; `refusal` is asked right before whether they
        still may, and RetryLater says why not. Raises DuplicateOrder for an id used before."""
        urgent = request.urgent or request.reduce_only
        call = Call(
            "POST",
            "/v5/order/create",
            request.body(),
            priority=Priority.EXIT if urgent else Priority.ENTRY,
            on_sent=on_sent,
            refusal=refusal,
        )
        return self._acked(await self._http.send(call), "", request.order_link_id)

    async def cancel_order(self, target: OrderTarget) -> OrderAck:
        """Cancels an order (Cancel Order). Raises OrderGone when it is finished: read its final
        state, it may have filled."""
        return await self._change("/v5/order/cancel", target.body(), target)

    async def amend_order(self, request: AmendOrder) -> OrderAck:
        """Changes an open order (Amend Order). Raises OrderGone when it is finished."""
        return await self._change("/v5/order/amend", request.body(), request.target)

    async def set_leverage(self, symbol: str, leverage: Decimal) -> bool:
        """Sets both sides' leverage (Set Leverage). False: it was so already."""
        body = msgspec.json.encode(
            {
                "category": LINEAR,
                "symbol": symbol,
                "buyLeverage": plain(leverage),
                "sellLeverage": plain(leverage),
            }
        )
        reply = await self._http.send(Call("POST", "/v5/position/set-leverage", body))
        return reply.changed

    async def trading_stop(self, request: TradingStop) -> bool:
        """Sets the position's stops (Set Trading Stop). False: they were so already."""
        call = Call(
            "POST",
            "/v5/position/trading-stop",
            request.body(),
            priority=Priority.EXIT,
        )
        return (await self._http.send(call)).changed

    # -- the way there ------------------------------------------------------------------------

    async def _change(self, path: str, body: bytes, target: OrderTarget) -> OrderAck:
        call = Call("POST", path, body, priority=Priority.EXIT)
        reply = await self._http.send(call)
        return self._acked(reply, target.order_id or "", target.order_link_id or "")

    def _acked(self, reply: Reply, order_id: str, order_link_id: str) -> OrderAck:
        try:
            placed = _PLACED.decode(reply.result)
        except msgspec.MsgspecError:
            # Accepted all the same; the stream brings the ids.
            placed = _Placed()
        return OrderAck(
            order_id=placed.orderId or order_id,
            order_link_id=placed.orderLinkId or order_link_id,
            sent_ns=reply.sent_ns,
            answered_ns=reply.answered_ns,
        )

    async def _public(self, path: str, query: str) -> Reply:
        call = Call("GET", path, query.encode("ascii"), signed=False)
        return await self._retrying(self._http.send, call)

    async def _private(self, path: str, query: str) -> Reply:
        return await self._retrying(self._http.send, Call("GET", path, query.encode("ascii")))

    def _orders(self, raw: msgspec.Raw) -> list[OrderEvent]:
        return [rows.order(row, self.account, "rest") for row in _ORDERS.decode(raw)]

    async def pages(
        self, path: str, query: str, *, signed: bool = True
    ) -> AsyncIterator[tuple[Reply, msgspec.Raw]]:
        """Pages with at least one row. A cursor comes back already percent-encoded and is sent
        as it came. It may come with the last page too, so only an empty page, no cursor or one
        that was used before (after a page that was not full) ends the walk."""
        used: set[str] = set()
        address = query
        limit = int(query.partition("limit=")[2].partition("&")[0])
        while True:
            ask = self._private if signed else self._public
            reply = await ask(path, address)
            with reading(reply):
                page = _LIST_PAGE.decode(reply.result)
                count = len(_ANY_ROWS.decode(page.list))
            if count == 0:
                return
            yield reply, page.list
            cursor = page.nextPageCursor or ""
            if not cursor or (cursor in used and count < limit):
                return
            if cursor in used or not _CURSOR.fullmatch(cursor):
                raise MalformedFrame(f"{path}: expected a new page cursor, was {cursor!r}", b"")
            used.add(cursor)
            address = f"{query}&cursor={cursor}"
