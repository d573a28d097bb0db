"""Public endpoints under /v5/market, and what this simulator tells of itself under /sim."""

from __future__ import annotations

from collections.abc import Callable

from alpha.sim import intervals, rows
from alpha.sim.board import Board
from alpha.sim.engine import Engine
from alpha.sim.feeds.base import Candle, InstrumentSpec
from alpha.sim.market import Market
from alpha.sim.model import Refusal
from alpha.sim.pages import counted_page
from alpha.sim.params import Params
from alpha.sim.publicdata import turnover
from alpha.sim.reader import FeedReader
from alpha.sim.rest import Call, Endpoint, Result, Routes
from alpha.sim.rows import Json, text

BOOK_DEPTH = 50


class MarketApi:
    """Time, candles, instruments, tickers, funding and the order book."""

    def __init__(self, engine: Engine, board: Board, reader: FeedReader, market: Market) -> None:
        self._engine = engine
        self._board = board
        self._reader = reader
        self._market = market
        self._specs = {spec.symbol: spec for spec in reader.feed.instruments}

    def routes(self) -> Routes:
        return {
            ("GET", "/v5/market/time"): Endpoint(self.time, 0),
            ("GET", "/v5/market/kline"): Endpoint(self.kline, 0),
            ("GET", "/v5/market/mark-price-kline"): Endpoint(self.price_kline, 0),
            ("GET", "/v5/market/index-price-kline"): Endpoint(self.price_kline, 0),
            ("GET", "/v5/market/premium-index-price-kline"): Endpoint(self.premium_kline, 0),
            ("GET", "/v5/market/instruments-info"): Endpoint(self.instruments, 0),
            ("GET", "/v5/account/instruments-info"): Endpoint(self.instruments, 10),
            ("GET", "/v5/market/tickers"): Endpoint(self.tickers, 0),
            ("GET", "/v5/market/funding/history"): Endpoint(self.funding, 0),
            ("GET", "/v5/market/orderbook"): Endpoint(self.orderbook, 0),
            ("GET", "/sim/state"): Endpoint(self.state, 0, bare=True),
            ("GET", "/sim/executions"): Endpoint(self.executions, 0, bare=True),
        }

    def _symbol(self, params: Params) -> str:
        symbol = params.needed("symbol")
        if symbol not in self._specs:
            raise Refusal(10001, f"params error: symbol invalid {symbol}")
        return symbol

    async def time(self, call: Call) -> Result:
        now = self._engine.now_ms()
        return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}

    async def kline(self, call: Call) -> Result:
        """Candles newest first; the one that has not ended yet comes first."""
        return klines(await self._candles(call.params), kline_row)

    async def price_kline(self, call: Call) -> Result:
        """Mark and index price are the last price here, so their candles are its candles."""
        return klines(await self._candles(call.params), lambda candle: kline_row(candle)[:5])

    async def premium_kline(self, call: Call) -> Result:
        """The last price never stands above or below its index."""
        found = await self._candles(call.params)
        return klines(found, lambda candle: [str(candle.start_ms), *["0"] * 4])

    async def _candles(self, params: Params) -> tuple[str, list[Candle]]:
        """The symbol and the candles that a kline request asks for, oldest first."""
        params.linear()
        symbol = self._symbol(params)
        name = params.needed("interval")
        if name not in self._board.intervals:
            raise Refusal(10001, f"params error: interval invalid {name}")
        limit = params.limit(200, 1000)
        bar_ms = self._board.bar_start_ms
        running = await self._board.open_candle(symbol, name)
        first_ms, _ = intervals.bucket(name, bar_ms)
        start, end = self._window(params, name, limit, first_ms)
        if running is None and params.integer("start", -1) < 0:
            # Between two bars no candle is open: the newest `limit` reach one further back.
            start, _ = intervals.bucket(name, start - 1)
        upper = intervals.bucket(name, end)[1]
        found = await self._reader.candles(symbol, name, start, min(upper, first_ms))
        if running is not None and start <= running.start_ms <= end:
            found.append(running)
        if params.integer("start", -1) >= 0 and params.integer("end", -1) < 0:
            found = found[:limit]
        return symbol, found[-limit:]

    def _window(self, params: Params, name: str, limit: int, last_ms: int) -> tuple[int, int]:
        """First candle start and last moment to look at; never more than `limit` candles."""
        start = params.integer("start", -1)
        end = params.integer("end", -1)
        length = intervals.FIXED_MS.get(name, 31 * intervals.DAY_MS)
        if start < 0:
            end = last_ms if end < 0 else min(end, last_ms)
            return intervals.bucket(name, max(end - (limit - 1) * length, 0))[0], end
        begin = intervals.bucket(name, start)[0]
        if begin < start:
            begin = intervals.bucket(name, start)[1]
        if end < 0:
            return begin, min(begin + (limit - 1) * length, last_ms)
        end = min(end, last_ms)
        return max(begin, intervals.bucket(name, max(end - (limit - 1) * length, 0))[0]), end

    async def instruments(self, call: Call) -> Result:
        params = call.params
        params.linear()
        symbol = params.text("symbol")
        if symbol:
            self._symbol(params)
        status = "Closed" if self._market.ended else "Trading"
        wanted = params.text("status") or ("" if symbol else "Trading")
        base = params.text("baseCoin")
        every: list[Json] = [
            instrument_row(spec, status, number)
            for number, spec in enumerate(self._specs.values(), start=1)
            if symbol in ("", spec.symbol)
            and base in ("", spec.base_coin)
            and wanted in ("", status)
        ]
        listed, following = counted_page(params, every, params.limit(500, 1000))
        return {"category": "linear", "list": listed, "nextPageCursor": following}

    async def tickers(self, call: Call) -> Result:
        params = call.params
        params.linear()
        symbol = self._symbol(params) if params.text("symbol") else ""
        wanted = [symbol] if symbol else list(self._specs)
        listed: list[Json] = []
        async with self._engine.lock:
            for name in wanted:
                if self._engine.exchange.state.books[name].priced:
                    listed.append({**await self._board.ticker(name), **NO_DELIVERY})
        return {"category": "linear", "list": listed}

    async def funding(self, call: Call) -> Result:
        params = call.params
        params.linear()
        symbol = self._symbol(params)
        limit = params.limit(200, 200)
        start = params.integer("startTime", -1)
        end = params.integer("endTime", -1)
        if start >= 0 and end < 0:
            raise Refusal(10001, "params error: startTime needs endTime")
        now = self._engine.now_ms()
        length = self._specs[symbol].funding_interval_min * intervals.MINUTE_MS
        last = (min(end, now) if end >= 0 else now) // length * length
        moments = [last - n * length for n in range(limit)]
        moments = [moment for moment in moments if moment >= max(start, 0)]
        rates = await self._reader.funding(symbol, [moment - 1 for moment in moments])
        listed: list[Json] = [
            {"symbol": symbol, "fundingRate": text(rate), "fundingRateTimestamp": str(moment)}
            for moment, rate in zip(moments, rates, strict=True)
        ]
        return {"category": "linear", "list": listed}

    async def orderbook(self, call: Call) -> Result:
        params = call.params
        params.linear()
        symbol = self._symbol(params)
        depth = min(params.limit(25, 1000), BOOK_DEPTH)

        def read(ms: int) -> Result:
            state = self._engine.exchange.state
            book = state.books[symbol]
            seq = state.sequences[symbol]
            bids: list[Json] = [[text(p), text(q)] for p, q in book.levels("Sell", depth) if q > 0]
            asks: list[Json] = [[text(p), text(q)] for p, q in book.levels("Buy", depth) if q > 0]
            return {"s": symbol, "b": bids, "a": asks, "ts": ms, "u": ms, "seq": seq, "cts": ms}

        return await self._engine.read(read)

    # -- about the simulator --------------------------------------------------------------

    async def state(self, call: Call) -> Result:
        return {
            "status": "ended" if self._market.ended else "running",
            "market_ms": self._engine.now_ms(),
            "speed": self._engine.clock.speed,
            "feed": self._reader.feed.name,
        }

    async def executions(self, call: Call) -> Result:
        """Every execution of an account, oldest first, read from the store alone."""
        account = call.params.needed("account")
        if account not in self._engine.exchange.state.accounts:
            raise Refusal(10003, "API key is invalid.")
        found = await self._engine.store.all_executions(account)
        listed: list[Json] = [rows.execution_row(row) for row in found]
        return {"account": account, "list": listed}


NO_DELIVERY: dict[str, Json] = {
    "predictedDeliveryPrice": "",
    "basisRate": "",
    "basis": "",
    "deliveryFeeRate": "",
    "deliveryTime": "0",
}


def klines(found: tuple[str, list[Candle]], row: Callable[[Candle], list[Json]]) -> Result:
    symbol, candles = found
    listed: list[Json] = [row(candle) for candle in reversed(candles)]
    return {"category": "linear", "symbol": symbol, "list": listed}


def kline_row(candle: Candle) -> list[Json]:
    return [
        str(candle.start_ms),
        text(candle.open),
        text(candle.high),
        text(candle.low),
        text(candle.close),
        text(candle.volume),
        text(turnover(candle)),
    ]


def instrument_row(spec: InstrumentSpec, status: str, number: int) -> dict[str, Json]:
    exponent = spec.tick_size.normalize().as_tuple().exponent
    scale = max(-exponent, 0) if isinstance(exponent, int) else 0
    return {
        "symbol": spec.symbol,
        "contractType": "LinearPerpetual",
        "status": status,
        "baseCoin": spec.base_coin,
        "quoteCoin": "USDT",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(scale),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": text(spec.max_leverage),
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": text(spec.tick_size),
            "maxPrice": text(spec.tick_size * 19_999_998),
            "tickSize": text(spec.tick_size),
        },
        "lotSizeFilter": {
            "maxOrderQty": text(spec.max_qty),
            "minOrderQty": text(spec.min_qty),
            "qtyStep": text(spec.qty_step),
            "postOnlyMaxOrderQty": text(spec.max_qty),
            "maxMktOrderQty": text(spec.max_market_qty),
            "minNotionalValue": text(spec.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": spec.funding_interval_min,
        "settleCoin": "USDT",
        "copyTrading": "none",
        "upperFundingRate": "0.005",
        "lowerFundingRate": "-0.005",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {
            "priceLimitRatioX": text(spec.price_limit_ratio),
            "priceLimitRatioY": text(spec.price_limit_ratio * 2),
        },
        "displayName": spec.symbol,
        "symbolType": "",
        "forbidUplWithdrawal": False,
        "symbolId": number,
        "fullName": spec.base_coin,
        "marketRegion": "",
        "underlyingTicker": "",
        "tags": [],
    }
