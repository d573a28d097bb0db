"""Rows derived from executions by the fold: projections. All of them can be thrown away and
computed again; none is ever an input to the fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from alpha.core.events import Execution, PositionSide, Side
from alpha.core.reasons import BUILTIN, ReasonBook

Effect = Literal["entry", "exit"]
Attribution = Literal[
    "override", "id", "order", "parent", "sole_bot", "open_lot", "symbol", "manual", "share"
]
ReasonSource = Literal["id", "exchange", "effect"]

#: The owner of what nobody else owns; one row per account.
MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Fill:
    """What one execution means to one bot: all of it, a share, or one half of a flip.

    Unique on (account, symbol, exec_id, bot_id, leg); leg 0 closes, leg 1 opens."""

    account: str
    symbol: str
    exec_id: str
    bot_id: str
    leg: int
    order_id: str
    order_link_id: str
    side: Side
    exec_type: str
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_currency: str
    effect: Effect
    reason: str
    reason_source: ReasonSource
    attribution: Attribution
    realised: Decimal  # gross, FIFO, of the quantity closed; 0 for entries
    position_after: Decimal  # the bot's signed position
    is_maker: bool
    exec_time: int
    seq: int


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """A bot's share of one funding execution. `amount` is cash: > 0 received, < 0 paid."""

    account: str
    symbol: str
    exec_id: str
    bot_id: str
    position: Decimal  # the bot's signed position at that ledger position
    rate: Decimal | None
    amount: Decimal
    currency: str
    exec_time: int
    seq: int


@dataclass(frozen=True, slots=True)
class Lot:
    """An entry fill, or what is left of it. Unique on (account, symbol, exec_id, bot_id)."""

    account: str
    symbol: str
    exec_id: str
    bot_id: str
    side: PositionSide
    entry_price: Decimal
    original_qty: Decimal
    remaining_qty: Decimal
    entry_fee: Decimal  # of the original quantity
    entry_fee_left: Decimal
    funding_left: Decimal  # accrued and not yet booked to a round trip
    entry_reason: str
    order_id: str
    order_link_id: str
    entry_time: int


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A piece of a lot closed by a piece of an exit fill, FIFO.

    Unique on (account, symbol, entry_exec_id, exit_exec_id, bot_id)."""

    account: str
    symbol: str
    bot_id: str
    side: PositionSide
    entry_exec_id: str
    exit_exec_id: str
    qty: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entry_time: int
    exit_time: int
    entry_reason: str
    exit_reason: str
    gross_pnl: Decimal
    entry_fee: Decimal
    exit_fee: Decimal
    funding: Decimal  # cash: > 0 received
    entry_order_id: str
    exit_order_id: str
    entry_link_id: str
    exit_link_id: str

    @property
    def net_pnl(self) -> Decimal:
        return self.gross_pnl - self.entry_fee - self.exit_fee + self.funding


@dataclass(frozen=True, slots=True)
class PositionCycle:
    """One bot's position in one symbol from flat to flat.

    Unique on (account, symbol, bot_id, opened_by): the execution that opened it."""

    account: str
    symbol: str
    bot_id: str
    opened_by: str
    side: PositionSide
    size: Decimal  # 0 when closed
    max_size: Decimal
    avg_entry_price: Decimal
    realised_pnl: Decimal  # gross of the closed part
    fees: Decimal
    funding: Decimal
    entry_reason: str
    exit_reason: str | None
    opened_at: int
    closed_at: int | None


@dataclass(frozen=True, slots=True)
class BotPosition:
    """A bot's position in one symbol as strategies and readers see it."""

    symbol: str
    signed_qty: Decimal
    avg_price: Decimal | None
    opened_ms: int | None  # exec_time of the execution that opened the cycle
    entry_reason: str | None

    @classmethod
    def flat(cls, symbol: str) -> BotPosition:
        return cls(symbol, Decimal(0), None, None, None)


@dataclass(frozen=True, slots=True)
class Correction:
    """A late or re-attributed row changed what a bot was told."""

    bot_id: str
    before: BotPosition
    after: BotPosition


@dataclass(frozen=True, slots=True)
class Tally:
    """What a step of the fold has added to a bot's sums; negative where it took something back.
    `cash` is what has moved its money: realised PnL less fees, plus funding. `realised` is the
    net result of round trips."""

    bot_id: str
    fills: int
    cash: Decimal
    realised: Decimal


class Flow(NamedTuple):
    """What a fill or a funding payment has moved of a bot at a time: `cash` paid and received, the
    price of what was traded included, and the signed `qty` that it stands for, at `price`."""

    bot_id: str
    symbol: str
    at_ms: int
    cash: Decimal
    qty: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class BookChange:
    """What one step of the fold writes. Lists hold whole rows to upsert on their unique keys.

    When `replaced_after_ms` is set, the projections of this (account, symbol) whose own time
    (fill and funding exec_time, lot entry_time, round trip exit_time, cycle opened_at) is later
    than it are deleted first, in the same transaction."""

    account: str
    symbol: str
    executions: tuple[Execution, ...] = ()
    fills: tuple[Fill, ...] = ()
    funding: tuple[FundingPayment, ...] = ()
    lots: tuple[Lot, ...] = ()
    round_trips: tuple[RoundTrip, ...] = ()
    cycles: tuple[PositionCycle, ...] = ()
    replaced_after_ms: int | None = None
    corrections: tuple[Correction, ...] = ()
    tallies: tuple[Tally, ...] = ()
    #: Of a correction: what it has added at any time, and taken back.
    flows: tuple[Flow, ...] = ()
    #: Those of `executions` whose execType is not known: stored, and without any effect here.
    quarantined: tuple[Execution, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing of it has to be written."""
        return not (
            self.executions
            or self.fills
            or self.funding
            or self.lots
            or self.round_trips
            or self.cycles
            or self.replaced_after_ms is not None
        )


@dataclass(frozen=True, slots=True)
class OrderTag:
    """Whose order an exchange order id is, and why it was sent."""

    bot_id: str
    reason: str
    source: Literal["order", "parent"]


@dataclass(frozen=True, slots=True)
class AttributionRules:
    """What the fold may know besides executions. `bots` are the ids that may own something on
    the account, `owners` the configured owner of a symbol."""

    account: str
    bots: frozenset[str]
    owners: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, OrderTag] = field(default_factory=dict)  # by exchange order id
    overrides: Mapping[str, str] = field(default_factory=dict)  # exec_id -> bot_id, newest wins
    reasons: ReasonBook = BUILTIN  # with those of the plugins: reads the codes of order ids


OrderPurpose = Literal["entry", "exit", "stop"]


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order of ours, or a stranger's that we saw. Unique on (account, client_order_id) for
    ours; a stranger's has its exchange id there.

    `state` is Alpha's own word (`alpha.core.orders.OrderState`), `exchange_status` Bybit's."""

    account: str
    client_order_id: str  # the wire form for ours
    bot_id: str
    symbol: str
    side: Side
    purpose: OrderPurpose
    reason: str
    order_type: str
    qty: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    reduce_only: bool
    state: str
    exchange_order_id: str | None
    exchange_status: str | None
    filled_qty: Decimal
    avg_fill_price: Decimal | None
    reject_code: int | None
    reject_reason: str | None
    decided_ms: int  # event time of the decision
    sent_ms: int | None  # wall
    acked_ms: int | None  # wall
    terminal_ms: int | None  # wall
    updated_ms: int  # wall
    parent_client_order_id: str | None = None
    retries: int = 0  # times that it was sent again
    rejected_by: str | None = None  # one of core.refusals.RejectedBy


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One hook call that changed state or returned intents, as a unit: event, state, intents.

    `ordinal` counts a bot's decisions; the newest row's `state`, `last_stamp` and `cursor` are
    what a restart loads. JSON columns hold text that json.loads reads."""

    account: str
    bot_id: str
    ordinal: int
    event_key: str  # "close:300000:1759305600000", "fill:<exec_id>:<leg>", "timer:...", ...
    event_ms: int
    state_json: str
    last_stamp: int
    cursor_json: str
    intents_json: str  # "[]" when none


SignalType = Literal["long", "short", "close_long", "close_short", "close", "move_stop"]


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One intent of a decision as it was decided, whatever became of it. Unique on (bot_id,
    account, ordinal, place): the decision, and its place among the decision's intents."""

    account: str
    bot_id: str
    ordinal: int
    place: int
    event_key: str
    origin: Literal["strategy", "host"]
    symbol: str
    signal_type: SignalType
    reason: str
    price: Decimal | None
    notional: Decimal | None  # USDT
    stop_loss: Decimal | None
    take_profit: Decimal | None
    details: Mapping[str, str]  # what the strategy decided by
    replayed: bool
    event_ms: int
    decided_ms: int  # wall
    order_link_id: str | None
    rejected_by: str | None  # one of core.refusals.RejectedBy; None: it went on to become an order
    why: str | None


@dataclass(frozen=True, slots=True)
class Marks:
    """How far an account's ledger is known: newest execution seen, and swept by REST."""

    account: str
    seen_ms: int
    verified_ms: int


@dataclass(frozen=True, slots=True)
class Override:
    """Whose an execution is, decided by a person or by a bot's policy; the newest one counts."""

    account: str
    symbol: str
    exec_id: str
    bot_id: str
    operator: str  # who: "root", "telegram:1234", the bot whose policy it is
    source: Literal["operator", "policy"]
    note: str
    decided_ms: int  # wall


@dataclass(frozen=True, slots=True)
class Commit:
    """One unit for the ledger writer: all of it is committed together or not at all."""

    account: str
    change: BookChange | None = None
    orders: tuple[OrderRow, ...] = ()
    decisions: tuple[DecisionRow, ...] = ()
    signals: tuple[SignalRow, ...] = ()  # of the decisions
    overrides: tuple[Override, ...] = ()
    marks: Marks | None = None
    frame_ns: int | None = None  # perf_ns at the socket read, for the latency figures
