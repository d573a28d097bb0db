"""Rows about the account and the contracts (Bybit V5: Get Account Info, Get Fee Rate, Get API Key
Information, Get Funding Rate History, Get Instruments Info)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from alpha.bybit.fields import Number, decimal, decimal_or_none, integer, integer_or, positive
from alpha.bybit.rows import SETTLE_COIN
from alpha.core.instruments import Instrument

Text = str | None


class AccountInfoRow(msgspec.Struct, rename="camel"):
    margin_mode: Text = None
    unified_margin_status: Number = None


class FeeRateRow(msgspec.Struct, rename="camel"):
    symbol: str
    taker_fee_rate: Number
    maker_fee_rate: Number


class KeyInfoRow(msgspec.Struct, rename="camel"):
    uta: Number = None
    read_only: Number = None
    permissions: dict[str, list[str]] | None = None
    user_id: Number = msgspec.field(default=None, name="userID")


class TransactionRow(msgspec.Struct, rename="camel"):
    type: str
    transaction_time: Number
    id: Text = None
    category: Text = None
    currency: Text = None
    symbol: Text = None
    trade_id: Text = None
    change: Number = None
    cash_flow: Number = None
    fee: Number = None
    funding: Number = None
    cash_balance: Number = None


class FundingRateRow(msgspec.Struct, rename="camel"):
    symbol: str
    funding_rate: Number
    funding_rate_timestamp: Number


class _Leverage(msgspec.Struct, rename="camel"):
    max_leverage: Number


class _Price(msgspec.Struct, rename="camel"):
    tick_size: Number


class _Lot(msgspec.Struct, rename="camel"):
    qty_step: Number
    min_order_qty: Number
    max_order_qty: Number
    max_mkt_order_qty: Number
    min_notional_value: Number = None


class InstrumentRow(msgspec.Struct, rename="camel"):
    symbol: str
    status: str
    base_coin: str
    leverage_filter: _Leverage
    price_filter: _Price
    lot_size_filter: _Lot
    contract_type: Text = None
    settle_coin: Text = None
    funding_interval: Number = None

    @property
    def tradable_kind(self) -> bool:
        """USDT perpetuals; dated futures and USDC contracts are other products."""
        return self.contract_type == "LinearPerpetual" and self.settle_coin == SETTLE_COIN


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """`margin_mode` is ISOLATED_MARGIN, REGULAR_MARGIN or PORTFOLIO_MARGIN."""

    margin_mode: str
    unified_margin_status: int

    @property
    def unified(self) -> bool:
        """Status 1 is a classic account; 3 and above are unified (5 and 6: UTA 2.0)."""
        return self.unified_margin_status >= 3


@dataclass(frozen=True, slots=True)
class FeeRate:
    symbol: str
    taker: Decimal
    maker: Decimal


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What the API key may do, and whose it is: `uid` is empty where that is not told."""

    unified: bool
    read_only: bool
    may_trade: bool
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One change of the balance. `trade_id` is the execution's id, "" for transfers, bonuses and
    the like; `paid` is what it cost: the fee less the funding received. `realised` is what a
    position has won or lost by it. `entry_id` alone is not unique, with kind and trade_id it is."""

    entry_id: str
    kind: str  # TRADE, SETTLEMENT (funding), LIQUIDATION, ADL, TRANSFER_IN, BONUS, ...
    category: str  # linear, spot, option, ...; "" for what belongs to no product
    symbol: str
    trade_id: str
    paid: Decimal
    realised: Decimal
    change: Decimal
    balance: Decimal | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class FundingRate:
    symbol: str
    rate: Decimal
    at_ms: int


def account_info(row: AccountInfoRow) -> AccountInfo:
    return AccountInfo(
        margin_mode=row.margin_mode or "",
        unified_margin_status=integer_or("unifiedMarginStatus", row.unified_margin_status, 0),
    )


def fee_rate(row: FeeRateRow) -> FeeRate:
    return FeeRate(
        symbol=row.symbol,
        taker=decimal("takerFeeRate", row.taker_fee_rate),
        maker=decimal("makerFeeRate", row.maker_fee_rate),
    )


def key_info(row: KeyInfoRow) -> KeyInfo:
    read_only = integer_or("readOnly", row.read_only, 0) == 1
    permissions = row.permissions or {}
    contract = permissions.get("ContractTrade", [])
    return KeyInfo(
        unified=integer_or("uta", row.uta, 0) == 1,
        read_only=read_only,
        may_trade=not read_only and "Order" in contract and "Position" in contract,
        uid=str(integer_or("userID", row.user_id, 0) or ""),
    )


def transaction(row: TransactionRow) -> Transaction:
    zero = Decimal(0)
    fee = decimal_or_none("fee", row.fee) or zero
    return Transaction(
        entry_id=row.id or "",
        kind=row.type,
        category=row.category or "",
        symbol=row.symbol or "",
        trade_id=row.trade_id or "",
        paid=fee - (decimal_or_none("funding", row.funding) or zero),
        realised=decimal_or_none("cashFlow", row.cash_flow) or zero,
        change=decimal_or_none("change", row.change) or zero,
        balance=decimal_or_none("cashBalance", row.cash_balance),
        at_ms=integer("transactionTime", row.transaction_time),
    )


def funding_rate(row: FundingRateRow) -> FundingRate:
    return FundingRate(
        symbol=row.symbol,
        rate=decimal("fundingRate", row.funding_rate),
        at_ms=integer("fundingRateTimestamp", row.funding_rate_timestamp),
    )


def instrument(row: InstrumentRow) -> Instrument:
    lot = row.lot_size_filter
    return Instrument(
        symbol=row.symbol,
        base_coin=row.base_coin,
        tick=positive("tickSize", row.price_filter.tick_size),
        qty_step=positive("qtyStep", lot.qty_step),
        min_qty=decimal("minOrderQty", lot.min_order_qty),
        max_qty=decimal("maxOrderQty", lot.max_order_qty),
        max_market_qty=decimal("maxMktOrderQty", lot.max_mkt_order_qty),
        min_notional=decimal_or_none("minNotionalValue", lot.min_notional_value) or Decimal(0),
        max_leverage=decimal("maxLeverage", row.leverage_filter.max_leverage),
        funding_interval_min=integer("fundingInterval", row.funding_interval),
        status=row.status,
    )
