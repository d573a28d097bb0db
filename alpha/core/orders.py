"""States of an order of ours, and the only way they change: forward.

Stream frames, REST answers and time-outs arrive in any order, so every state has a rank and a
transition to a lower rank is ignored. `unknown` ranks below everything the exchange confirms.
"""

from __future__ import annotations

from enum import StrEnum


class OrderState(StrEnum):
    PENDING = "pending"  # decided, queued for the ledger
    SENT = "sent"  # bytes may have left
    UNKNOWN = "unknown"  # sent, and nobody knows; counts as live exposure
    ACKED = "acked"  # the gateway accepted it
    OPEN = "open"  # New or Untriggered on a stream or in REST
    PARTIALLY_FILLED = "partially_filled"
    NEVER_ACCEPTED = "never_accepted"
    REJECTED = "rejected"
    DEACTIVATED = "deactivated"
    CANCELLED = "cancelled"  # perhaps with fills
    FILLED = "filled"


_RANK: dict[OrderState, int] = {
    OrderState.PENDING: 0,
    OrderState.SENT: 1,
    OrderState.UNKNOWN: 2,
    OrderState.ACKED: 3,
    OrderState.OPEN: 4,
    OrderState.PARTIALLY_FILLED: 5,
    OrderState.NEVER_ACCEPTED: 6,
    OrderState.REJECTED: 7,
    OrderState.DEACTIVATED: 8,
    OrderState.CANCELLED: 9,
    OrderState.FILLED: 10,
}

TERMINAL: frozenset[OrderState] = frozenset(
    {
        OrderState.NEVER_ACCEPTED,
        OrderState.REJECTED,
        OrderState.DEACTIVATED,
        OrderState.CANCELLED,
        OrderState.FILLED,
    }
)

#: Working orders that the exchange itself has shown.
SHOWN: frozenset[OrderState] = frozenset({OrderState.OPEN, OrderState.PARTIALLY_FILLED})

#: Bybit's orderStatus (V5, enum orderStatus) in our words.
FROM_EXCHANGE: dict[str, OrderState] = {
    "Created": OrderState.OPEN,
    "New": OrderState.OPEN,
    "Untriggered": OrderState.OPEN,
    "Triggered": OrderState.OPEN,
    "Active": OrderState.OPEN,
    "PendingCancel": OrderState.OPEN,
    "PartiallyFilled": OrderState.PARTIALLY_FILLED,
    "PartiallyFilledCanceled": OrderState.CANCELLED,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELLED,
    "Rejected": OrderState.REJECTED,
    "Deactivated": OrderState.DEACTIVATED,
}


def is_terminal(state: OrderState) -> bool:
    return state in TERMINAL


def advance(current: OrderState, proposed: OrderState) -> OrderState:
    """The later of the two by rank: a late frame never reopens a finished order.

    The one step back: an order believed never accepted that then shows up on the exchange. And
    what the exchange has shown is never believed absent afterwards: the question may have been
    on its way while the frame came in."""
    if current is OrderState.NEVER_ACCEPTED and proposed not in (
        OrderState.PENDING,
        OrderState.SENT,
        OrderState.UNKNOWN,
    ):
        return proposed
    if proposed is OrderState.NEVER_ACCEPTED and current in SHOWN:
        return current
    return proposed if _RANK[proposed] > _RANK[current] else current
