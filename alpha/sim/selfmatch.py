"""Self-match prevention: an incoming order never trades with the account's own (V5 "SMP").

Only the incoming order's `smpType` counts. Liquidity here is the market's, so two orders of one
account could not trade with each other anyway; what is played is who is cancelled.
"""

from __future__ import annotations

from alpha.sim.book import within
from alpha.sim.matching import Matcher
from alpha.sim.model import Order
from alpha.sim.state import State


def prevented(state: State, matcher: Matcher, order: Order, ms: int) -> bool:
    """Cancels what the incoming order would trade with, or itself; True if it has ended."""
    if order.smp_type in ("", "None"):
        return False
    met = [
        other
        for other in state.open_orders(order.account, order.symbol)
        if not other.conditional
        and other.order_id != order.order_id
        and other.side != order.side
        and within(order.side, other.price, order.price)
    ]
    if not met:
        return False
    if order.smp_type in ("CancelMaker", "CancelBoth"):
        for other in met:
            other.smp_order_id = order.order_id
            matcher.close(other, ms, cancel="CancelBySmp", reason="EC_BySelfMatch")
    if order.smp_type == "CancelMaker":
        return False
    order.smp_order_id = met[0].order_id
    matcher.close(order, ms, cancel="CancelBySmp", reason="EC_BySelfMatch")
    return True
