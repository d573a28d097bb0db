"""What an account may set or ask about its trading, beside leverage and modes.

Margin is shared across the account here, so what concerns isolated positions is refused as an
account in cross margin is refused.
"""

from __future__ import annotations

from alpha.sim.engine import Engine
from alpha.sim.model import Refusal
from alpha.sim.rest import Call, Endpoint, Result, Routes
from alpha.sim.rest_trade import order_request
from alpha.sim.rows import Json, text

PRODUCTS = ("SPOT", "DERIVATIVES", "OPTIONS")
CROSS = "position is in cross margin mode"


class SettingsApi:
    """Pre-check, disconnect protection, price limit behaviour, leverage, isolated margin."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Routes:
        return {
            ("POST", "/v5/order/pre-check"): Endpoint(self.pre_check, 10),
            ("POST", "/v5/order/disconnected-cancel-all"): Endpoint(self.set_dcp, 5),
            ("GET", "/v5/account/query-dcp-info"): Endpoint(self.dcp, 5),
            ("GET", "/v5/account/smp-group"): Endpoint(self.smp_group, 5),
            ("POST", "/v5/account/set-limit-px-action"): Endpoint(self.set_far_prices, 10),
            ("GET", "/v5/position/symbol-info"): Endpoint(self.leverages, 50),
            ("POST", "/v5/position/add-margin"): Endpoint(self.add_margin, 10),
            ("POST", "/v5/position/set-auto-add-margin"): Endpoint(self.auto_add_margin, 10),
        }

    def _symbol(self, symbol: str) -> None:
        if symbol not in self._engine.exchange.state.books:
            raise Refusal(10001, f"params error: symbol invalid {symbol}")

    async def pre_check(self, call: Call) -> Result:
        """Margin rates before and after an order, in ten-thousandths; nothing is placed."""
        call.params.linear()
        request = order_request(call.params)
        exchange = self._engine.exchange
        found = await self._engine.perform(lambda ms: exchange.pre_check(call.account, request, ms))
        return {
            "orderId": found.order_id,
            "orderLinkId": request.link_id,
            "preImrE4": found.pre_im,
            "preMmrE4": found.pre_mm,
            "postImrE4": found.post_im,
            "postMmrE4": found.post_mm,
        }

    async def set_dcp(self, call: Call) -> Result:
        """The window of DERIVATIVES; the other products hold nothing here."""
        product = call.params.text("product", "OPTIONS")
        seconds = call.params.integer("timeWindow", 0)
        if product not in PRODUCTS:
            raise Refusal(10001, "params error: product invalid")
        if not 3 <= seconds <= 300:
            raise Refusal(10001, "params error: timeWindow must be within 3 and 300")
        if product == "DERIVATIVES":
            exchange = self._engine.exchange
            await self._engine.perform(lambda ms: exchange.set_dcp(call.account, seconds))
        return {}

    async def dcp(self, call: Call) -> Result:
        """Products whose window has been set."""
        seconds = self._engine.exchange.state.accounts[call.account].dcp_s
        info: list[Json] = [
            {"product": "DERIVATIVES", "dcpStatus": "ON", "timeWindow": str(seconds)}
        ]
        return {"dcpInfos": info if seconds else []}

    async def smp_group(self, call: Call) -> Result:
        return {"smpGroup": 0}

    async def set_far_prices(self, call: Call) -> Result:
        """`modifyEnable` false: limit prices outside the band are refused from now on."""
        params = call.params
        category, choice = params.text("category"), params.text("modifyEnable").lower()
        if category not in ("linear", "inverse", "spot"):
            raise Refusal(10001, "params error: category invalid")
        if choice not in ("true", "false"):
            raise Refusal(10001, "params error: modifyEnable is required")
        if category != "spot":
            exchange = self._engine.exchange
            await self._engine.perform(
                lambda ms: exchange.set_far_prices(call.account, refused=choice == "false")
            )
        return {}

    async def leverages(self, call: Call) -> Result:
        """The leverage set for each symbol, or for one, also without a position."""
        params = call.params
        params.linear()
        state = self._engine.exchange.state
        asked = params.text("symbol")
        if asked:
            self._symbol(asked)

        def read(ms: int) -> list[Json]:
            return [
                {
                    "symbol": symbol,
                    "leverage": text(state.position(call.account, symbol).leverage),
                    "side": state.position(call.account, symbol).side,
                    "positionIdx": 0,
                }
                for symbol in state.books
                if asked in ("", symbol)
            ]

        return {"category": "linear", "list": await self._engine.read(read)}

    async def add_margin(self, call: Call) -> Result:
        call.params.linear()
        self._symbol(call.params.needed("symbol"))
        if call.params.decimal("margin") is None:
            raise Refusal(10001, "params error: margin is required")
        raise Refusal(10001, CROSS)

    async def auto_add_margin(self, call: Call) -> Result:
        call.params.linear()
        self._symbol(call.params.needed("symbol"))
        if call.params.integer("autoAddMargin", -1) not in (0, 1):
            raise Refusal(10001, "params error: autoAddMargin invalid")
        raise Refusal(10001, CROSS)
