"""Rows as Bybit writes them: the same fact differs between socket and REST.

Numbers are plain decimal strings. Socket rows: `avgPrice` "0" and `leavesQty` "0" where REST
says "", `extraFees` a list where REST says "", `entryPrice` where REST says `avgPrice`
(websocket/private/{order,execution,position,wallet} and the endpoints of the same names).
"""

from __future__ import annotations

from decimal import Decimal

from alpha.sim.model import Execution, Order, PositionView, Transfer, WalletView

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
WireRow = dict[str, Json]

RISK_LIMIT = "300000"


def text(value: Decimal | None, absent: str = "") -> str:
    """A decimal without exponent and trailing zeros."""
    if value is None:
        return absent
    shown = format(value, "f")
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return "0" if shown in ("-0", "") else shown


def average(value: Decimal, qty: Decimal, absent: str) -> str:
    return absent if qty == 0 else text(round(value / qty, 8))


def execution_row(row: Execution) -> WireRow:
    """A row of the execution topic."""
    return {
        "category": "linear",
        **_execution(row),
        "isLeverage": "0",
        "execPnl": text(row.pnl),
        "extraFees": [],
    }


def fast_row(row: Execution) -> WireRow:
    """A row of the execution.fast topic: no fee, no type, and no link id of a maker's fill."""
    return {
        "category": "linear",
        "symbol": row.symbol,
        "execId": row.exec_id,
        "execPrice": text(row.price),
        "execQty": text(row.qty),
        "orderId": row.order_id,
        "isMaker": row.is_maker,
        "orderLinkId": "" if row.is_maker else row.link_id,
        "side": row.side,
        "execTime": str(row.exec_ms),
        "seq": row.seq,
    }


def execution_rest_row(row: Execution) -> WireRow:
    """A row of /v5/execution/list."""
    return {**_execution(row), "execFeeV2": text(row.fee), "extraFees": ""}


def _execution(row: Execution) -> WireRow:
    return {
        "symbol": row.symbol,
        "closedSize": text(row.closed_size),
        "execFee": text(row.fee),
        "execId": row.exec_id,
        "execPrice": text(row.price),
        "execQty": text(row.qty),
        "execType": row.exec_type,
        "execValue": text(row.value),
        "feeRate": text(row.fee_rate),
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "markPrice": text(row.mark_price),
        "indexPrice": "",
        "underlyingPrice": "",
        "leavesQty": text(row.leaves_qty),
        "orderId": row.order_id,
        "orderLinkId": row.link_id,
        "orderPrice": text(row.order_price),
        "orderQty": text(row.order_qty),
        "orderType": row.order_type,
        "stopOrderType": row.stop_type or "UNKNOWN",
        "side": row.side,
        "execTime": str(row.exec_ms),
        "isMaker": row.is_maker,
        "seq": row.seq,
        "marketUnit": "",
        "createType": row.create_type,
        "feeCurrency": "USDT",
    }


def order_row(order: Order) -> WireRow:
    """A row of the order topic."""
    leaves = order.leaves if order.open else Decimal(0)
    return {
        "category": "linear",
        **_order(order),
        "avgPrice": average(order.cum_value, order.cum_qty, "0"),
        "leavesQty": text(leaves),
        "leavesValue": text(leaves * order.price),
        "tpslMode": order.tpsl_mode or "UNKNOWN",
        "feeCurrency": "",
        "closedPnl": text(order.closed_pnl),
        "slippageTolerance": text(order.slippage),
        "slippageToleranceType": order.slippage_type,
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
    }


def order_rest_row(order: Order) -> WireRow:
    """A row of /v5/order/realtime and /v5/order/history."""
    return {
        **_order(order),
        "avgPrice": average(order.cum_value, order.cum_qty, ""),
        "leavesQty": text(order.leaves) if order.open else "",
        "leavesValue": text(order.leaves * order.price) if order.open else "",
        "tpslMode": order.tpsl_mode,
    }


def _order(order: Order) -> WireRow:
    fees: WireRow = {"USDT": text(order.cum_fee)} if order.cum_qty > 0 else {}
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderLinkId": order.link_id,
        "blockTradeId": "",
        "side": order.side,
        "positionIdx": 0,
        "orderStatus": order.status,
        "cancelType": order.cancel_type,
        "rejectReason": order.reject_reason,
        "timeInForce": order.time_in_force,
        "isLeverage": "",
        "price": text(order.price),
        "qty": text(order.qty),
        "cumExecQty": text(order.cum_qty),
        "cumExecValue": text(order.cum_value),
        "cumExecFee": text(order.cum_fee),
        "orderType": order.order_type,
        "stopOrderType": order.stop_type,
        "orderIv": "",
        "triggerPrice": text(order.trigger_price),
        "takeProfit": text(order.take_profit),
        "stopLoss": text(order.stop_loss),
        "triggerBy": order.trigger_by,
        "tpTriggerBy": order.tp_trigger_by,
        "slTriggerBy": order.sl_trigger_by,
        "triggerDirection": order.trigger_direction,
        "placeType": "",
        "lastPriceOnCreated": text(order.last_price_on_created),
        "closeOnTrigger": order.close_on_trigger,
        "reduceOnly": order.reduce_only,
        "smpGroup": 0,
        "smpType": order.smp_type,
        "smpOrderId": order.smp_order_id,
        "slLimitPrice": text(order.sl_limit, "0"),
        "tpLimitPrice": text(order.tp_limit, "0"),
        "createType": order.create_type,
        "marketUnit": "",
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
        "parentOrderLinkId": order.parent_link_id,
        "cumFeeDetail": fees,
    }


def position_row(view: PositionView) -> WireRow:
    """A row of the position topic."""
    return {"category": "linear", **_position(view), "entryPrice": text(view.avg_price)}


def position_rest_row(view: PositionView) -> WireRow:
    """A row of /v5/position/list; a symbol that was never traded is all empty strings."""
    if view.position.seq < 0 and view.position.size == 0:
        return _untouched(view)
    return {**_position(view), "avgPrice": text(view.avg_price), "netDeltaRatio": ""}


def _position(view: PositionView) -> WireRow:
    held = view.position
    open_ms: int = held.open_ms if held.size > 0 else 0
    return {
        "symbol": held.symbol,
        "leverage": text(held.leverage),
        "breakEvenPrice": text(view.break_even),
        "autoAddMargin": 0,
        "liqPrice": text(view.liquidation_price),
        "riskLimitValue": RISK_LIMIT,
        "takeProfit": text(held.take_profit),
        "positionValue": text(view.value),
        "isReduceOnly": False,
        "positionIMByMp": text(view.initial_margin),
        "tpslMode": "Full",
        "riskId": 1,
        "trailingStop": text(held.trailing, "0"),
        "unrealisedPnl": text(view.unrealised),
        "markPrice": text(view.mark),
        "adlRankIndicator": 2 if held.size > 0 else 0,
        "cumRealisedPnl": text(held.cum_realised),
        "positionMM": text(view.maintenance_margin),
        "createdTime": str(held.created_ms) if held.created_ms else "",
        "positionIdx": 0,
        "openTime": open_ms,
        "positionIM": text(view.initial_margin),
        "positionMMByMp": text(view.maintenance_margin),
        "seq": held.seq,
        "updatedTime": str(held.updated_ms) if held.updated_ms else "",
        "side": held.side,
        "bustPrice": "",
        "positionBalance": "0",
        "leverageSysUpdatedTime": "",
        "curRealisedPnl": text(held.realised),
        "size": text(held.size),
        "positionStatus": held.status,
        "mmrSysUpdatedTime": "",
        "stopLoss": text(held.stop_loss),
        "tradeMode": 0,
        "sessionAvgPrice": "",
    }


def _untouched(view: PositionView) -> WireRow:
    empty = dict.fromkeys(
        (
            *("avgPrice", "liqPrice", "takeProfit", "positionValue", "tpslMode"),
            *("trailingStop", "unrealisedPnl", "markPrice", "cumRealisedPnl", "positionMM"),
            *("createdTime", "updatedTime", "side", "bustPrice", "positionBalance"),
            *("positionIM", "leverageSysUpdatedTime", "curRealisedPnl", "positionStatus"),
            *("mmrSysUpdatedTime", "stopLoss", "sessionAvgPrice", "breakEvenPrice"),
        ),
        "",
    )
    return {
        **empty,
        "symbol": view.position.symbol,
        "leverage": text(view.position.leverage),
        "autoAddMargin": 0,
        "riskLimitValue": RISK_LIMIT,
        "isReduceOnly": False,
        "riskId": 1,
        "adlRankIndicator": 0,
        "positionIdx": 0,
        "seq": -1,
        "size": "0",
        "tradeMode": 0,
    }


def wallet_row(view: WalletView) -> WireRow:
    """A row of the wallet topic and of /v5/account/wallet-balance."""
    account = view.account
    equity = view.equity
    im = view.position_im + view.order_im
    ratio_im = text(round(im / equity, 4)) if equity > 0 else "0"
    ratio_mm = text(round(view.position_mm / equity, 4)) if equity > 0 else "0"
    return {
        "accountType": "UNIFIED",
        "accountIMRate": ratio_im,
        "accountMMRate": ratio_mm,
        "accountIMRateByMp": ratio_im,
        "accountMMRateByMp": ratio_mm,
        "accountLTV": "0",
        "totalEquity": text(equity),
        "totalWalletBalance": text(account.balance),
        "totalMarginBalance": text(equity),
        "totalAvailableBalance": text(max(view.available, Decimal(0))),
        "totalPerpUPL": text(view.unrealised),
        "totalInitialMargin": text(im),
        "totalInitialMarginByMp": text(im),
        "totalMaintenanceMargin": text(view.position_mm),
        "totalMaintenanceMarginByMp": text(view.position_mm),
        "coin": [
            {
                "coin": "USDT",
                "equity": text(equity),
                "usdValue": text(equity),
                "walletBalance": text(account.balance),
                "locked": "0",
                "spotHedgingQty": "0",
                "borrowAmount": "0",
                "accruedInterest": "0",
                "totalOrderIM": text(view.order_im),
                "totalPositionIM": text(view.position_im),
                "totalPositionMM": text(view.position_mm),
                "unrealisedPnl": text(view.unrealised),
                "cumRealisedPnl": text(account.cum_realised),
                "bonus": "0",
                "collateralSwitch": True,
                "marginCollateral": True,
                "colRes": "-1",
                "spotBorrow": "0",
                "availableToBorrow": "",
                "availableToWithdraw": "",
                "free": "",
            }
        ],
    }


def closed_row(fills: list[Execution], leverage: Decimal) -> WireRow:
    """A row of /v5/position/closed-pnl out of all fills of one closing order.

    `closedPnl` has the fees of opening and closing in it, `execPnl` of an execution has neither.
    """
    last = fills[-1]
    closing = [row for row in fills if row.closed_size > 0]
    size = sum((row.closed_size for row in closing), Decimal(0))
    exit_value = sum((row.price * row.closed_size for row in closing), Decimal(0))
    gain = sum((row.pnl for row in closing), Decimal(0))
    entry_value = exit_value - gain if last.side == "Sell" else exit_value + gain
    open_fee = sum((row.open_fee for row in closing), Decimal(0))
    close_fee = sum((round(r.fee * r.closed_size / r.qty, 8) for r in closing), Decimal(0))
    return {
        "symbol": last.symbol,
        "orderId": last.order_id,
        "side": last.side,
        "qty": text(last.order_qty),
        "orderPrice": text(last.order_price),
        "orderType": last.order_type,
        "execType": last.exec_type,
        "closedSize": text(size),
        "cumEntryValue": text(entry_value),
        "avgEntryPrice": text(round(entry_value / size, 8)),
        "cumExitValue": text(exit_value),
        "avgExitPrice": text(round(exit_value / size, 8)),
        "closedPnl": text(gain - open_fee - close_fee),
        "fillCount": str(len(closing)),
        "leverage": text(leverage),
        "openFee": text(open_fee),
        "closeFee": text(close_fee),
        "createdTime": str(fills[0].exec_ms),
        "updatedTime": str(last.exec_ms),
    }


LEDGER_TYPES = {
    "Trade": "TRADE",
    "Funding": "SETTLEMENT",
    "BustTrade": "LIQUIDATION",
    "AdlTrade": "ADL",
    "Settle": "DELIVERY",
}
TRANSFER_TYPES = ("TRANSFER_IN", "TRANSFER_OUT")


def ledger_row(row: Execution) -> WireRow:
    """A row of /v5/account/transaction-log; funding has the sign opposite to `execFee`."""
    funding = row.exec_type == "Funding"
    paid = Decimal(0) if funding else row.fee
    received = -row.fee if funding else Decimal(0)
    return {
        "id": f"{row.symbol}_{row.seq}",
        "symbol": row.symbol,
        "category": "linear",
        "side": row.side,
        "transactionTime": str(row.exec_ms),
        "type": LEDGER_TYPES[row.exec_type],
        "transSubType": "",
        "qty": text(row.qty),
        "size": text(row.position_after),
        "currency": "USDT",
        "tradePrice": text(row.price),
        "funding": text(received) if funding else "",
        "fee": text(paid),
        "cashFlow": text(row.pnl),
        "change": text(row.pnl + received - paid),
        "cashBalance": text(row.balance_after),
        "feeRate": text(row.fee_rate),
        "bonusChange": "",
        "tradeId": row.exec_id,
        "orderId": row.order_id,
        "orderLinkId": row.link_id,
        "extraFees": "",
    }


def transfer_row(row: Transfer) -> WireRow:
    """The same for cash from, or to, another account of the owner."""
    nothing = ("symbol", "category", "transSubType", "tradePrice", "funding", "feeRate", "tradeId")
    more = ("orderId", "orderLinkId", "bonusChange", "extraFees")
    return {
        **dict.fromkeys((*nothing, *more), ""),
        "id": row.transfer_id,
        "side": "None",
        "transactionTime": str(row.at_ms),
        "type": transfer_type(row),
        "qty": text(abs(row.change)),
        "size": "0",
        "currency": "USDT",
        "fee": "0",
        "cashFlow": text(row.change),
        "change": text(row.change),
        "cashBalance": text(row.balance_after),
    }


def transfer_type(row: Transfer) -> str:
    return TRANSFER_TYPES[row.change < 0]
