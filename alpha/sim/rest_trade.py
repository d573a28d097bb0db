"""Order entry: create, amend, cancel, trading stop, leverage (V5 "Trade" and "Position").

The same calls serve REST and the trade socket. An acknowledgement may leave before or after
the frames that the request causes, as it happens on the real wire; which, is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from alpha.sim.draw import Draw
from alpha.sim.engine import Engine
from alpha.sim.model import Amendment, Order, OrderRequest, Refusal, StopRequest
from alpha.sim.params import Params
from alpha.sim.rest import Call, Endpoint, Reply, Result, Routes
from alpha.sim.rows import Json

ACK_FIRST_PERCENT = 50
TRIGGERS = ("LastPrice", "MarkPrice", "IndexPrice")


class TradeApi:
    """Requests that change an account."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Routes:
        return {
            ("POST", "/v5/order/create"): Endpoint(self.create, 10),
            ("POST", "/v5/order/amend"): Endpoint(self.amend, 10),
            ("POST", "/v5/order/cancel"): Endpoint(self.cancel, 10),
            ("POST", "/v5/order/cancel-all"): Endpoint(self.cancel_all, 10),
            ("POST", "/v5/position/trading-stop"): Endpoint(self.trading_stop, 10),
            ("POST", "/v5/position/set-leverage"): Endpoint(self.set_leverage, 10),
            ("POST", "/v5/position/switch-mode"): Endpoint(self.switch_mode, 10),
            ("POST", "/v5/account/set-margin-mode"): Endpoint(self.set_margin_mode, 5),
        }

    async def create(self, call: Call) -> Result:
        call.params.linear()
        request = order_request(call.params)
        exchange = self._engine.exchange
        return await self._order(lambda ms: exchange.create(call.account, request, ms), call.reply)

    async def amend(self, call: Call) -> Result:
        params = call.params
        params.linear()
        symbol, order_id, link_id = order_ids(params)
        new = amendment(params)
        exchange = self._engine.exchange
        return await self._order(
            lambda ms: exchange.amend(call.account, symbol, order_id, link_id, new, ms),
            call.reply,
        )

    async def cancel(self, call: Call) -> Result:
        call.params.linear()
        symbol, order_id, link_id = order_ids(call.params)
        exchange = self._engine.exchange
        return await self._order(
            lambda ms: exchange.cancel(call.account, symbol, order_id, link_id, ms), call.reply
        )

    async def _order(self, work: Callable[[int], Order], reply: Reply) -> Result:
        async def answer(order: Order) -> None:
            if Draw("ack", order.order_id, order.status).chance(ACK_FIRST_PERCENT):
                await reply(ids(order))

        return ids(await self._engine.perform(work, answer))

    async def cancel_all(self, call: Call) -> Result:
        params = call.params
        params.linear()
        symbol = params.text("symbol") or None
        base, settle = params.text("baseCoin"), params.text("settleCoin")
        if symbol is None and not base and not settle:
            raise Refusal(10001, "params error: symbol, baseCoin or settleCoin is required")
        if symbol is None and base:
            symbol = f"{base}USDT"
        which, stop_type = params.text("orderFilter"), params.text("stopOrderType")
        exchange = self._engine.exchange
        if symbol is None and settle != "USDT":
            return {"list": [], "success": "1"}
        gone = await self._engine.perform(
            lambda ms: exchange.cancel_all(call.account, symbol, which, stop_type, ms)
        )
        listed: list[Json] = [ids(order) for order in gone]
        return {"list": listed, "success": "1"}

    async def trading_stop(self, call: Call) -> Result:
        params = call.params
        params.linear()
        if params.integer("positionIdx", 0) != 0:
            raise Refusal(10001, "position idx not match position mode")
        sizes = {params.decimal("tpSize"), params.decimal("slSize")} - {None}
        if len(sizes) > 1:
            raise Refusal(10001, "params error: tpSize and slSize must be equal")
        request = StopRequest(
            symbol=params.needed("symbol"),
            take_profit=params.decimal("takeProfit"),
            stop_loss=params.decimal("stopLoss"),
            trailing=params.decimal("trailingStop"),
            active_price=params.decimal("activePrice"),
            tp_trigger_by=trigger_by(params, "tpTriggerBy"),
            sl_trigger_by=trigger_by(params, "slTriggerBy"),
            tpsl_mode=tpsl_mode(params),
            size=next(iter(sizes), None),
            tp_limit=limit_leg(params, "tp"),
            sl_limit=limit_leg(params, "sl"),
        )
        exchange = self._engine.exchange
        await self._engine.perform(lambda ms: exchange.trading_stop(call.account, request, ms))
        return {}

    async def set_leverage(self, call: Call) -> Result:
        params = call.params
        params.linear()
        symbol = params.needed("symbol")
        buy, sell = params.decimal("buyLeverage"), params.decimal("sellLeverage")
        if buy is None or buy != sell:
            raise Refusal(10001, "params error: buy leverage not equal sell leverage")
        leverage = buy
        exchange = self._engine.exchange
        await self._engine.perform(
            lambda ms: exchange.set_leverage(call.account, symbol, leverage, ms)
        )
        return {}

    async def switch_mode(self, call: Call) -> Result:
        call.params.linear()
        if call.params.integer("mode", -1) == 0:
            raise Refusal(110025, "Position mode is not modified")
        raise Refusal(110029, "Hedge mode is not supported")

    async def set_margin_mode(self, call: Call) -> Result:
        """Cross margin is what there is; the other modes are refused as Bybit refuses them."""
        mode = call.params.text("setMarginMode")
        if mode == "REGULAR_MARGIN":
            raise Refusal(110026, "Margin mode is not modified")
        if mode not in ("ISOLATED_MARGIN", "PORTFOLIO_MARGIN"):
            raise Refusal(10001, "params error: setMarginMode invalid")
        why = ("3400000", f"this market margins positions across the account, not by {mode}")
        raise Refusal(3400045, "Set margin mode failed", why)


def order_request(params: Params) -> OrderRequest:
    """The body of a create call; refuses what does not parse or is not offered."""
    qty = params.decimal("qty")
    if qty is None:
        raise Refusal(10001, "params error: qty is required")
    order_type = params.order_type()
    bbo_side, bbo_level = bbo(params) if order_type == "Limit" else ("", 0)
    return OrderRequest(
        symbol=params.needed("symbol"),
        side=params.side(),
        order_type=order_type,
        qty=qty,
        price=params.decimal("price") if order_type == "Limit" else None,
        time_in_force=params.text("timeInForce", "GTC"),
        position_idx=params.integer("positionIdx", 0),
        link_id=params.text("orderLinkId"),
        trigger_price=params.decimal("triggerPrice"),
        trigger_direction=params.integer("triggerDirection", 0),
        trigger_by=trigger_by(params, "triggerBy"),
        reduce_only=params.flag("reduceOnly"),
        close_on_trigger=params.flag("closeOnTrigger"),
        take_profit=params.decimal("takeProfit"),
        stop_loss=params.decimal("stopLoss"),
        tp_trigger_by=trigger_by(params, "tpTriggerBy"),
        sl_trigger_by=trigger_by(params, "slTriggerBy"),
        tpsl_mode=tpsl_mode(params),
        tp_limit=limit_leg(params, "tp"),
        sl_limit=limit_leg(params, "sl"),
        slippage_type=params.text("slippageToleranceType"),
        slippage=params.decimal("slippageTolerance"),
        smp_type=params.text("smpType", "None"),
        bbo_side=bbo_side,
        bbo_level=bbo_level,
    )


def tpsl_mode(params: Params) -> str:
    mode = params.text("tpslMode", "Full")
    if mode not in ("Full", "Partial"):
        raise Refusal(10001, "params error: tpslMode invalid")
    return mode


def limit_leg(params: Params, leg: str) -> Decimal | None:
    """The limit price of a take profit (`tp`) or stop loss (`sl`) that is a limit order."""
    if params.text(f"{leg}OrderType", "Market") != "Limit":
        return None
    price = params.decimal(f"{leg}LimitPrice")
    if price is None:
        raise Refusal(10001, f"params error: {leg}LimitPrice is required")
    return price


def bbo(params: Params) -> tuple[str, int]:
    """Which side of the book, and which of its five levels, gives a limit order its price."""
    side = params.text("bboSideType")
    if not side:
        return "", 0
    level = params.integer("bboLevel", 0)
    if side not in ("Queue", "Counterparty") or not 1 <= level <= 5:
        raise Refusal(10001, "params error: bboSideType or bboLevel invalid")
    return side, level


def amendment(params: Params) -> Amendment:
    """The body of an amend call."""
    return Amendment(
        qty=params.decimal("qty"),
        price=params.decimal("price"),
        trigger_price=params.decimal("triggerPrice"),
        take_profit=params.decimal("takeProfit"),
        stop_loss=params.decimal("stopLoss"),
        tp_limit=params.decimal("tpLimitPrice"),
        sl_limit=params.decimal("slLimitPrice"),
        tp_trigger_by=trigger_by(params, "tpTriggerBy", ""),
        sl_trigger_by=trigger_by(params, "slTriggerBy", ""),
    )


def trigger_by(params: Params, name: str, default: str = "LastPrice") -> str:
    by = params.text(name, default)
    if by != default and by not in TRIGGERS:
        raise Refusal(10001, f"params error: {name} invalid")
    return by


def order_ids(params: Params) -> tuple[str, str, str]:
    symbol = params.needed("symbol")
    order_id, link_id = params.text("orderId"), params.text("orderLinkId")
    if not order_id and not link_id:
        raise Refusal(10001, "params error: orderId or orderLinkId is required")
    return symbol, order_id, link_id


def ids(order: Order) -> dict[str, Json]:
    return {"orderId": order.order_id, "orderLinkId": order.link_id}
