"""Rows of the exchange and what they mean in the domain's words.

One normaliser per kind serves both the stream's rows and REST's, which differ in what they leave
out (Bybit V5: Execution, Order, Position, Wallet of "Websocket Stream / Private", and Get Trade
History, Get Open & Closed Orders, Get Position Info, Get Wallet Balance, Get Instruments Info).
Unknown fields are ignored; every field used here is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec

from alpha.bybit.fields import (
    BadField,
    Number,
    decimal,
    decimal_or_none,
    integer,
    integer_or,
    price_or_none,
    word,
)
from alpha.core.events import Execution, OrderEvent, PositionEvent, Side, WalletEvent

Source = Literal["stream", "rest"]
Text = str | None

LINEAR = "linear"
SETTLE_COIN = "USDT"


class ExecutionRow(msgspec.Struct, rename="camel", gc=False):
    symbol: str
    exec_id: str
    order_id: str
    side: str
    exec_type: str
    exec_price: Number
    exec_qty: Number
    exec_time: Number
    seq: Number
    category: Text = None
    order_link_id: Text = None
    exec_value: Number = None
    exec_fee: Number = None
    fee_currency: Text = None
    fee_rate: Number = None
    leaves_qty: Number = None
    closed_size: Number = None
    is_maker: bool | None = None
    create_type: Text = None
    order_type: Text = None
    stop_order_type: Text = None
    exec_pnl: Number = None
    mark_price: Number = None


class FastExecutionRow(msgspec.Struct, rename="camel", gc=False):
    symbol: str
    exec_id: str
    order_id: str
    side: str
    exec_price: Number
    exec_qty: Number
    exec_time: Number
    seq: Number
    category: Text = None
    order_link_id: Text = None
    is_maker: bool | None = None


class OrderRow(msgspec.Struct, rename="camel", gc=False):
    symbol: str
    order_id: str
    side: str
    order_status: str
    qty: Number
    category: Text = None
    order_link_id: Text = None
    parent_order_link_id: Text = None
    order_type: Text = None
    cum_exec_qty: Number = None
    avg_price: Number = None
    price: Number = None
    trigger_price: Number = None
    stop_order_type: Text = None
    create_type: Text = None
    cancel_type: Text = None
    reject_reason: Text = None
    reduce_only: bool | None = None
    position_idx: Number = None
    created_time: Number = None
    updated_time: Number = None


class PositionRow(msgspec.Struct, rename="camel", gc=False):
    symbol: str
    size: Number
    category: Text = None
    side: Text = None
    entry_price: Number = None  # the stream's name
    avg_price: Number = None  # REST's name for the same
    mark_price: Number = None
    leverage: Number = None
    liq_price: Number = None
    unrealised_pnl: Number = None
    stop_loss: Number = None
    take_profit: Number = None
    trailing_stop: Number = None
    position_idx: Number = None
    seq: Number = None
    updated_time: Number = None


class CoinRow(msgspec.Struct, rename="camel", gc=False):
    coin: str
    wallet_balance: Number = None
    equity: Number = None
    locked: Number = None
    bonus: Number = None
    total_order_im: Number = msgspec.field(name="totalOrderIM", default=None)
    total_position_im: Number = msgspec.field(name="totalPositionIM", default=None)


class WalletRow(msgspec.Struct, rename="camel", gc=False):
    account_type: Text = None
    total_available_balance: Number = None
    coin: list[CoinRow] | None = None


@dataclass(frozen=True, slots=True)
class FastExecution:
    """An early sign of a fill, without fee and type. Never booked: the full row follows."""

    account: str
    symbol: str
    exec_id: str
    order_id: str
    order_link_id: str
    side: Side
    price: Decimal
    qty: Decimal
    is_maker: bool
    exec_time: int
    seq: int


def is_linear(category: str | None) -> bool:
    """The all-in-one topics also carry spot, inverse and option rows; REST rows name none."""
    return category is None or category in ("", LINEAR)


def order_side(name: str, value: str) -> Side:
    if value == "Buy":
        return "Buy"
    if value == "Sell":
        return "Sell"
    raise BadField(name, "Buy or Sell", value)


def _identity(name: str, value: str) -> str:
    if not value:
        raise BadField(name, "an id", value)
    return value


def execution(row: ExecutionRow, account: str, received_ms: int, source: Source) -> Execution:
    """A row of the execution topics or of Get Trade History, of any execType."""
    price = decimal("execPrice", row.exec_price)
    qty = decimal("execQty", row.exec_qty)
    value = decimal_or_none("execValue", row.exec_value)
    return Execution(
        account=account,
        symbol=_identity("symbol", row.symbol),
        exec_id=_identity("execId", row.exec_id),
        order_id=row.order_id,
        order_link_id=row.order_link_id or "",
        side=order_side("side", row.side),
        exec_type=_identity("execType", row.exec_type),
        price=price,
        qty=qty,
        value=price * qty if value is None else value,
        fee=decimal_or_none("execFee", row.exec_fee) or Decimal(0),
        fee_currency=row.fee_currency or SETTLE_COIN,
        fee_rate=decimal_or_none("feeRate", row.fee_rate),
        leaves_qty=decimal_or_none("leavesQty", row.leaves_qty) or Decimal(0),
        closed_size=decimal_or_none("closedSize", row.closed_size),
        is_maker=row.is_maker is True,
        create_type=word(row.create_type),
        order_type=row.order_type or "",
        stop_order_type=word(row.stop_order_type),
        exec_time=integer("execTime", row.exec_time),
        seq=integer("seq", row.seq),
        exec_pnl=decimal_or_none("execPnl", row.exec_pnl),
        mark_price=price_or_none("markPrice", row.mark_price),
        source=source,
        received_ms=received_ms,
    )


def fast_execution(row: FastExecutionRow, account: str) -> FastExecution:
    return FastExecution(
        account=account,
        symbol=_identity("symbol", row.symbol),
        exec_id=_identity("execId", row.exec_id),
        order_id=row.order_id,
        order_link_id=row.order_link_id or "",
        side=order_side("side", row.side),
        price=decimal("execPrice", row.exec_price),
        qty=decimal("execQty", row.exec_qty),
        is_maker=row.is_maker is True,
        exec_time=integer("execTime", row.exec_time),
        seq=integer("seq", row.seq),
    )


def order(row: OrderRow, account: str, source: Source) -> OrderEvent:
    """A row of the order topics or of the order endpoints. leavesQty is not read: it is "0" or
    "" on cancelled orders; what remains is qty - cum_exec_qty."""
    created = integer_or("createdTime", row.created_time, 0)
    return OrderEvent(
        account=account,
        symbol=_identity("symbol", row.symbol),
        order_id=_identity("orderId", row.order_id),
        order_link_id=row.order_link_id or "",
        parent_link_id=row.parent_order_link_id or "",
        side=order_side("side", row.side),
        order_type=row.order_type or "",
        status=_identity("orderStatus", row.order_status),
        qty=decimal("qty", row.qty),
        cum_exec_qty=decimal_or_none("cumExecQty", row.cum_exec_qty) or Decimal(0),
        avg_price=price_or_none("avgPrice", row.avg_price),
        price=price_or_none("price", row.price),
        trigger_price=price_or_none("triggerPrice", row.trigger_price),
        stop_order_type=word(row.stop_order_type),
        create_type=word(row.create_type),
        cancel_type=word(row.cancel_type),
        reject_reason="" if row.reject_reason == "EC_NoError" else row.reject_reason or "",
        reduce_only=row.reduce_only is True,
        position_idx=integer_or("positionIdx", row.position_idx, 0),
        created_ms=created,
        updated_ms=integer_or("updatedTime", row.updated_time, created),
        source=source,
    )


def position(row: PositionRow, account: str, source: Source) -> PositionEvent:
    """A row of the position topics or of Get Position Info."""
    size = decimal_or_none("size", row.size) or Decimal(0)
    if size:
        size = size if order_side("side", row.side or "") == "Buy" else -size
    entry_price = row.entry_price if row.avg_price is None else row.avg_price
    return PositionEvent(
        account=account,
        symbol=_identity("symbol", row.symbol),
        signed_size=size,
        entry_price=price_or_none("entryPrice", entry_price) if size else None,
        mark_price=price_or_none("markPrice", row.mark_price),
        leverage=price_or_none("leverage", row.leverage),
        liq_price=price_or_none("liqPrice", row.liq_price),
        unrealised_pnl=decimal_or_none("unrealisedPnl", row.unrealised_pnl),
        stop_loss=price_or_none("stopLoss", row.stop_loss),
        take_profit=price_or_none("takeProfit", row.take_profit),
        trailing_stop=price_or_none("trailingStop", row.trailing_stop),
        position_idx=integer_or("positionIdx", row.position_idx, 0),
        seq=integer_or("seq", row.seq, -1),
        updated_ms=integer_or("updatedTime", row.updated_time, 0),
        source=source,
    )


def wallet(row: WalletRow, account: str, at_ms: int, source: Source) -> WalletEvent | None:
    """The USDT side of one wallet row; None when the row does not speak of USDT.

    Available: the account's own figure (USD) in cross margin; where that is "" (isolated) the
    balance less margins, locked amount and bonus."""
    for coin in row.coin or ():
        if coin.coin == SETTLE_COIN:
            break
    else:
        return None
    balance = decimal_or_none("walletBalance", coin.wallet_balance) or Decimal(0)
    equity = decimal_or_none("equity", coin.equity)
    available = decimal_or_none("totalAvailableBalance", row.total_available_balance)
    bound = [
        decimal_or_none("totalPositionIM", coin.total_position_im) or Decimal(0),
        decimal_or_none("totalOrderIM", coin.total_order_im) or Decimal(0),
        decimal_or_none("locked", coin.locked) or Decimal(0),
        decimal_or_none("bonus", coin.bonus) or Decimal(0),
    ]
    return WalletEvent(
        account=account,
        wallet=balance,
        equity=balance if equity is None else equity,
        available=balance - sum(bound) if available is None else available,
        at_ms=at_ms,
        source=source,
    )


def executions(
    rows: Sequence[ExecutionRow], account: str, received_ms: int, source: Source
) -> tuple[Execution, ...]:
    """The linear rows of one frame or page."""
    return tuple(
        execution(row, account, received_ms, source) for row in rows if is_linear(row.category)
    )
