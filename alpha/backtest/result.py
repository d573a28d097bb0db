"""What a backtest has found: trades, signals, what is open at the end, and how equity went."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import msgspec

from alpha.core.events import PositionSide


class Trade(msgspec.Struct, frozen=True):
    """An exit with the entries that it closed (first in, first out). `entry_ms` and `exit_ms`
    are the starts of the bars in which they filled, `fees` those of both sides, `net_pnl` is
    after fees and funding."""

    bot: str
    symbol: str
    side: PositionSide
    qty: Decimal
    entry_ms: int
    entry_price: Decimal
    entry_reason: str
    exit_ms: int
    exit_price: Decimal
    exit_reason: str
    fees: Decimal
    net_pnl: Decimal


class Signal(msgspec.Struct, frozen=True):
    """What a bot decided at the close of the bar that starts at `bar_ms`, filled or not."""

    bot: str
    symbol: str
    bar_ms: int
    kind: Literal["entry", "exit"]
    reason: str


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """What was open behind the last bar; `mark_price` is its close, fees are those paid so far."""

    bot: str
    symbol: str
    side: PositionSide
    qty: Decimal
    entry_ms: int
    entry_price: Decimal
    entry_reason: str
    mark_price: Decimal
    unrealised_pnl: Decimal
    fees: Decimal


@dataclass(frozen=True, slots=True)
class Refused:
    """A decision that became no order, and why."""

    bot: str
    symbol: str
    bar_ms: int
    why: str


@dataclass(slots=True)
class Curve:
    """Equity at every close from the first evaluated one on, and how many positions were open."""

    close_ms: array[int] = field(default_factory=lambda: array("q"))
    equity: array[float] = field(default_factory=lambda: array("d"))
    open_positions: array[int] = field(default_factory=lambda: array("i"))


@dataclass(slots=True)
class Result:
    """`balance` is what the account began with, `final_balance` its wallet at the end: realised,
    less all fees, plus funding. `bars` counts those that were read into the bots."""

    balance: Decimal
    final_balance: Decimal
    trades: list[Trade]
    signals: list[Signal]
    open_positions: list[OpenPosition]
    refused: list[Refused]
    fees: Decimal
    funding: Decimal
    curve: Curve
    bars: int
    notes: list[str]
