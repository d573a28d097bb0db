"""What the simulated exchange keeps and tells: orders, positions, accounts, executions.

All times are Unix milliseconds of market time, all amounts `Decimal`. Structures that the
exchange changes are mutable and belong to it alone; whatever leaves it is a copy or frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Literal

import msgspec

Side = Literal["Buy", "Sell"]
Kind = Literal["order", "execution", "position", "wallet"]

ZERO = Decimal(0)
PLACES = Decimal("0.00000001")

OPEN_STATES = frozenset({"New", "PartiallyFilled", "Untriggered"})
CHILD_TYPES = frozenset({"StopLoss", "TakeProfit", "TrailingStop"})
PARTIAL_TYPES = frozenset({"PartialStopLoss", "PartialTakeProfit"})


def truncated(value: Decimal) -> Decimal:
    """Eight decimals, cut off: how the recorded position rows round."""
    return value.quantize(PLACES, rounding=ROUND_DOWN)


def opposite(side: Side) -> Side:
    return "Sell" if side == "Buy" else "Buy"


class Refusal(Exception):
    """A request that the exchange answers with a retCode other than 0.

    `reasons`: pairs of code and words that a few endpoints list in their result.
    """

    def __init__(self, code: int, message: str, *reasons: tuple[str, str]) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.reasons = reasons


class Order(msgspec.Struct, kw_only=True):
    """One order from acceptance to its end; `price` of a market order is its protection price.

    `queued` is its turn among those that rest: one that a trigger has made waits behind the others.

    System children of a position (stop loss, take profit, trailing stop) are orders too: they
    have no link id, close what is there, and name the parent order that brought them. A `child`
    stands for the whole position; `system` orders are those and the partial ones, of which
    `pair_id` ends when this one fires.
    """

    order_id: str
    account: str
    symbol: str
    side: Side
    order_type: str
    qty: Decimal
    price: Decimal
    time_in_force: str
    link_id: str
    parent_link_id: str = ""
    reduce_only: bool = False
    close_on_trigger: bool = False
    status: str = "New"
    create_type: str = "CreateByUser"
    stop_type: str = ""
    cancel_type: str = "UNKNOWN"
    reject_reason: str = "EC_NoError"
    trigger_price: Decimal | None = None
    trigger_direction: int = 0
    trigger_by: str = ""
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    tp_trigger_by: str = ""
    sl_trigger_by: str = ""
    cum_qty: Decimal = ZERO
    cum_value: Decimal = ZERO
    cum_fee: Decimal = ZERO
    closed_pnl: Decimal = ZERO
    last_price_on_created: Decimal = ZERO
    created_ms: int
    updated_ms: int
    distance: Decimal | None = None
    extreme: Decimal | None = None
    armed: bool = False
    tpsl_mode: str = ""
    tp_limit: Decimal | None = None
    sl_limit: Decimal | None = None
    pair_id: str = ""
    slippage_type: str = "UNKNOWN"
    slippage: Decimal = ZERO
    smp_type: str = "None"
    smp_order_id: str = ""
    queued: int = 0

    @property
    def leaves(self) -> Decimal:
        return self.qty - self.cum_qty

    @property
    def open(self) -> bool:
        return self.status in OPEN_STATES

    @property
    def child(self) -> bool:
        return self.stop_type in CHILD_TYPES

    @property
    def system(self) -> bool:
        return self.child or self.stop_type in PARTIAL_TYPES

    @property
    def conditional(self) -> bool:
        return self.status == "Untriggered"


class Position(msgspec.Struct, kw_only=True):
    """The account's net position in one symbol; `cost` is the exact entry value of `size`.

    `open_fee` is what opening `size` has cost; a reduction takes its part along.
    """

    account: str
    symbol: str
    side: Literal["", "Buy", "Sell"] = ""
    size: Decimal = ZERO
    cost: Decimal = ZERO
    leverage: Decimal = Decimal(10)
    realised: Decimal = ZERO
    cum_realised: Decimal = ZERO
    created_ms: int = 0
    updated_ms: int = 0
    open_ms: int = 0
    seq: int = -1
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    trailing: Decimal | None = None
    status: Literal["Normal", "Liq", "Adl"] = "Normal"
    open_fee: Decimal = ZERO

    @property
    def signed(self) -> Decimal:
        return -self.size if self.side == "Sell" else self.size


class Account(msgspec.Struct, kw_only=True):
    """One unified account holding USDT; `number` is its user id on the wire.

    `refuses_far`: limit prices outside the band are refused, not moved to its edge.
    `dcp_s`: seconds without any listening socket after which its orders go, 0 for never.
    """

    key: str
    number: int
    balance: Decimal
    cum_realised: Decimal = ZERO
    refuses_far: bool = False
    dcp_s: int = 0


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the execution stream: a fill, or a funding payment (`exec_type` Funding).

    `open_fee` is the part of the position's opening fees that belongs to `closed_size`.
    """

    account: str
    symbol: str
    exec_id: str
    exec_type: str
    order_id: str
    link_id: str
    side: Side
    order_type: str
    stop_type: str
    create_type: str
    order_price: Decimal
    order_qty: Decimal
    leaves_qty: Decimal
    price: Decimal
    qty: Decimal
    value: Decimal
    fee: Decimal
    fee_rate: Decimal
    pnl: Decimal
    closed_size: Decimal
    is_maker: bool
    mark_price: Decimal
    exec_ms: int
    seq: int
    balance_after: Decimal
    position_after: Decimal
    open_fee: Decimal = ZERO


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """Cash that has come from another account of the owner, or gone there (`change` < 0)."""

    account: str
    transfer_id: str
    change: Decimal
    balance_after: Decimal
    at_ms: int


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """A position with everything the wire shows of it at one moment and mark price."""

    position: Position
    mark: Decimal
    avg_price: Decimal
    value: Decimal
    unrealised: Decimal
    break_even: Decimal | None
    initial_margin: Decimal
    maintenance_margin: Decimal
    liquidation_price: Decimal | None


class WalletView(msgspec.Struct, frozen=True, kw_only=True):
    """An account's money at one moment, in USDT (its USD value is taken as one to one)."""

    account: Account
    unrealised: Decimal
    position_im: Decimal
    position_mm: Decimal
    order_im: Decimal

    @property
    def equity(self) -> Decimal:
        return self.account.balance + self.unrealised

    @property
    def available(self) -> Decimal:
        return self.equity - self.position_im - self.order_im


Row = Order | Execution | PositionView | WalletView


class Emission(msgspec.Struct, frozen=True):
    """Rows that leave together as one frame of a private topic."""

    account: str
    kind: Kind
    ms: int
    rows: Sequence[Row]


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A create request whose numbers are read but not yet judged."""

    symbol: str
    side: Side
    order_type: Literal["Market", "Limit"]
    qty: Decimal
    price: Decimal | None = None
    time_in_force: str = "GTC"
    position_idx: int = 0
    link_id: str = ""
    trigger_price: Decimal | None = None
    trigger_direction: int = 0
    trigger_by: str = "LastPrice"
    reduce_only: bool = False
    close_on_trigger: bool = False
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    tp_trigger_by: str = "LastPrice"
    sl_trigger_by: str = "LastPrice"
    create_type: str = "CreateByUser"
    tpsl_mode: str = "Full"
    tp_limit: Decimal | None = None
    sl_limit: Decimal | None = None
    slippage_type: str = ""
    slippage: Decimal | None = None
    smp_type: str = "None"
    bbo_side: str = ""
    bbo_level: int = 0


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """The values of an amend request; None leaves a value as it is, 0 removes a stop."""

    qty: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    tp_limit: Decimal | None = None
    sl_limit: Decimal | None = None
    tp_trigger_by: str = ""
    sl_trigger_by: str = ""


class StopRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The values of a trading-stop request; None leaves a leg as it is, 0 removes it.

    Partial mode adds stops of `size` instead of changing those of the whole position.
    """

    symbol: str
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    trailing: Decimal | None = None
    active_price: Decimal | None = None
    tp_trigger_by: str = "LastPrice"
    sl_trigger_by: str = "LastPrice"
    tpsl_mode: str = "Full"
    size: Decimal | None = None
    tp_limit: Decimal | None = None
    sl_limit: Decimal | None = None
