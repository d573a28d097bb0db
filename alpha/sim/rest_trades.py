"""Public endpoints beside candles and tickers: recent trades, risk limits, price limits."""

from __future__ import annotations

from alpha.sim.board import RECENT_TRADES, Board
from alpha.sim.engine import Engine
from alpha.sim.feeds.base import InstrumentSpec
from alpha.sim.model import Refusal, truncated
from alpha.sim.pages import counted_page
from alpha.sim.params import Params
from alpha.sim.publicdata import recent_row
from alpha.sim.rest import Call, Endpoint, Result, Routes
from alpha.sim.rows import RISK_LIMIT, Json, text

RISK_PAGE = 15


class TradesApi:
    """What has traded, and what may be traded at which risk and price."""

    def __init__(self, engine: Engine, board: Board, specs: tuple[InstrumentSpec, ...]) -> None:
        self._engine = engine
        self._board = board
        self._specs = {spec.symbol: spec for spec in specs}

    def routes(self) -> Routes:
        return {
            ("GET", "/v5/market/recent-trade"): Endpoint(self.recent, 0),
            ("GET", "/v5/market/risk-limit"): Endpoint(self.risk_limit, 0),
            ("GET", "/v5/market/price-limit"): Endpoint(self.price_limit, 0),
        }

    def _spec(self, params: Params) -> InstrumentSpec:
        symbol = params.needed("symbol")
        if symbol not in self._specs:
            raise Refusal(10001, f"params error: symbol invalid {symbol}")
        return self._specs[symbol]

    async def recent(self, call: Call) -> Result:
        """The last trades, newest first: those that publicTrade has told."""
        params = call.params
        params.linear()
        symbol = self._spec(params).symbol
        limit = params.limit(500, RECENT_TRADES)
        found = await self._engine.read(lambda ms: self._board.recent(symbol, limit))
        listed: list[Json] = [recent_row(told) for told in found]
        return {"category": "linear", "list": listed}

    async def risk_limit(self, call: Call) -> Result:
        """One tier for each symbol, fifteen symbols on a page."""
        params = call.params
        params.linear()
        specs = [self._spec(params)] if params.text("symbol") else list(self._specs.values())
        page, following = counted_page(params, specs, RISK_PAGE)
        return {
            "category": "linear",
            "list": [risk_row(spec) for spec in page],
            "nextPageCursor": following,
        }

    async def price_limit(self, call: Call) -> Result:
        """The highest price at which one may buy, the lowest at which one may sell."""
        params = call.params
        if params.text("category"):
            params.linear()
        symbol = self._spec(params).symbol

        def read(ms: int) -> Result:
            lowest, highest = self._engine.exchange.state.books[symbol].band
            return {
                "symbol": symbol,
                "buyLmt": text(highest),
                "sellLmt": text(lowest),
                "ts": str(ms),
            }

        return await self._engine.read(read)


def risk_row(spec: InstrumentSpec) -> Json:
    return {
        "id": 1,
        "symbol": spec.symbol,
        "riskLimitValue": RISK_LIMIT,
        "maintenanceMargin": text(spec.maintenance_rate),
        "initialMargin": text(truncated(1 / spec.max_leverage)),
        "isLowestRisk": 1,
        "maxLeverage": text(spec.max_leverage),
        "mmDeduction": "",
    }
