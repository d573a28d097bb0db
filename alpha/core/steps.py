"""Quantity steps of one symbol over time: shares of a forced trade are multiples of the step that
was in force when it happened, so the same executions give the same shares for ever.

The exchange tells only today's step. What an account was told is kept with its ledger
(`config.quantity_steps`), each from the moment at which it was first seen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class QtySteps:
    """`known` holds (since, step) in the order of time, Unix ms on the exchange's clock."""

    known: tuple[tuple[int, Decimal], ...] = ()

    @classmethod
    def of(cls, known: Iterable[tuple[int, Decimal]]) -> QtySteps:
        return cls(tuple(sorted(known)))

    @classmethod
    def always(cls, step: Decimal) -> QtySteps:
        return cls(((0, step),))

    def at(self, at_ms: int) -> Decimal | None:
        """The step in force at that moment; None before the first that is known."""
        count = bisect_right(self.known, at_ms, key=lambda entry: entry[0])
        return self.known[count - 1][1] if count else None


#: Nothing is known of the symbol.
NO_STEPS = QtySteps()
