"""A decision: one event, the state it left behind, and the intents with their order ids."""

from __future__ import annotations

from dataclasses import dataclass

from alpha.core.intents import Enter, Exit, Intent, MoveStop
from alpha.core.records import DecisionRow


@dataclass(frozen=True, slots=True)
class Planned:
    """An intent with the wire id of the order it becomes. The same event and state give the
    same id on any machine, so a decision repeated after a crash cannot trade twice."""

    intent: Intent
    order_link_id: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """An intent that goes nowhere, and why."""

    intent: Enter | Exit | MoveStop
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`dropped` are intents that went nowhere, each with its place among all of them."""

    row: DecisionRow
    planned: tuple[Planned, ...]
    #: Entries are dropped and exits sent when the event is replayed after a restart.
    replayed: bool = False
    dropped: tuple[tuple[int, Dropped], ...] = ()
