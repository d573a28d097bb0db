"""Risk rules of the send path: pure functions that return why an entry is refused, or None."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from alpha.core.refusals import Refusal


@dataclass(frozen=True, slots=True)
class EntryRisk:
    """`max_notional` is the most that one entry may be worth, in USDT; None: no limit.
    `reduce_only` names why no entry is taken at all; None: entries are taken."""

    max_notional: Decimal | None = None
    reduce_only: str | None = None


def check_entry(risk: EntryRisk, *, notional: Decimal) -> str | None:
    """Why an entry of `notional` USDT is refused; None when it may go. Exits are never asked."""
    if risk.reduce_only is not None:
        return Refusal("risk", f"reduce only: {risk.reduce_only}")
    if risk.max_notional is not None and notional > risk.max_notional:
        limit = f"{risk.max_notional:f} per order"
        return Refusal(
            "notional_limit", f"notional {notional:f} USDT is above the limit of {limit}"
        )
    return None
