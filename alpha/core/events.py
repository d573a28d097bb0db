"""What has happened, in the domain's own words: the decoded, exchange-neutral events.

Every time is Unix milliseconds on the exchange's clock, every amount a Decimal. Rows are frozen:
state is derived from them (`alpha.core.book`), never written into them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec

Side = Literal["Buy", "Sell"]
PositionSide = Literal["long", "short"]

#: Execution types that move cash only (Bybit V5, enum execType).
CASH_ONLY: frozenset[str] = frozenset({"Funding"})
#: A difference to the exchange that a person has accepted: no execution of the exchange's, but a
#: row of the ledger with a place in its order, always of `manual`.
ADJUSTMENT = "Adjustment"
#: Execution types that change a position.
POSITION_CHANGING: frozenset[str] = frozenset(
    {
        "Trade",
        "BustTrade",
        "AdlTrade",
        "Settle",
        "Delivery",
        "BlockTrade",
        "MovePosition",
        "FutureSpread",
        "CorporateAction",
        ADJUSTMENT,
    }
)

#: Ledger order: (exec_time, seq, order_id, -leaves_qty, exec_id), ascending.
LedgerKey = tuple[int, int, str, Decimal, str]


@dataclass(frozen=True, slots=True)
class Execution:
    """One row of the exchange's execution list, of any execType. Unique on
    (account, symbol, exec_id); the stream's and the REST row of it decode to equal values
    except for `source`, `received_ms` and the fields marked (stream)."""

    account: str
    symbol: str
    exec_id: str
    order_id: str
    order_link_id: str  # "" for funding, liquidation, ADL, stop children, manual orders
    side: Side  # of the order; for Funding the side of the position
    exec_type: str
    price: Decimal
    qty: Decimal  # > 0; for Funding the size of the position
    value: Decimal
    fee: Decimal  # > 0 paid, < 0 received
    fee_currency: str  # "USDT" where the row names none
    fee_rate: Decimal | None
    leaves_qty: Decimal
    closed_size: Decimal | None
    is_maker: bool
    create_type: str  # "" where the row names none
    order_type: str
    stop_order_type: str  # "" for plain orders ("UNKNOWN" on the wire)
    exec_time: int
    seq: int
    exec_pnl: Decimal | None = None  # (stream)
    mark_price: Decimal | None = None
    source: Literal["stream", "rest", "paper", "import"] = "stream"
    received_ms: int = 0  # wall clock of the socket read or the answer

    @property
    def key(self) -> tuple[str, str]:
        """What makes it unique within its account."""
        return (self.symbol, self.exec_id)

    @property
    def ledger_key(self) -> LedgerKey:
        return (self.exec_time, self.seq, self.order_id, -self.leaves_qty, self.exec_id)

    @property
    def signed_qty(self) -> Decimal:
        """Effect on the account's position: + for Buy, - for Sell, 0 for cash-only rows."""
        if self.exec_type in CASH_ONLY:
            return Decimal(0)
        return self.qty if self.side == "Buy" else -self.qty


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One row of the order stream or of the order endpoints."""

    account: str
    symbol: str
    order_id: str
    order_link_id: str
    parent_link_id: str
    side: Side
    order_type: str
    status: str  # the exchange's word: New, PartiallyFilled, Untriggered, Triggered, Filled, ...
    qty: Decimal
    cum_exec_qty: Decimal
    avg_price: Decimal | None
    price: Decimal | None
    trigger_price: Decimal | None
    stop_order_type: str
    create_type: str
    cancel_type: str
    reject_reason: str
    reduce_only: bool
    position_idx: int
    created_ms: int
    updated_ms: int
    source: Literal["stream", "rest"] = "stream"


@dataclass(frozen=True, slots=True)
class PositionEvent:
    """The exchange's own view of the net position of one symbol of one account."""

    account: str
    symbol: str
    signed_size: Decimal  # 0 when flat
    entry_price: Decimal | None
    mark_price: Decimal | None
    leverage: Decimal | None
    liq_price: Decimal | None
    unrealised_pnl: Decimal | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    trailing_stop: Decimal | None
    position_idx: int
    seq: int
    updated_ms: int
    source: Literal["stream", "rest"] = "stream"


@dataclass(frozen=True, slots=True)
class WalletEvent:
    """USDT side of a unified account. `wallet` is realised cash, `equity` adds open PnL."""

    account: str
    wallet: Decimal
    equity: Decimal
    available: Decimal | None
    at_ms: int
    source: Literal["stream", "rest"] = "stream"


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One candle. `closed` bars only reach strategies; prices are floats on purpose: they feed
    indicators. Money that is booked comes from executions. A struct, as a backtest makes one for
    each row of its data."""

    symbol: str
    interval_ms: int
    start_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float  # base coin
    turnover: float
    closed: bool = True

    @property
    def close_ms(self) -> int:
        """When the bar is decided: the end of its interval."""
        return self.start_ms + self.interval_ms


@dataclass(frozen=True, slots=True)
class Ticker:
    symbol: str
    last: Decimal | None
    mark: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    at_ms: int
