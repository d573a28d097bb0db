"""What executions have done to bots, and what that comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from alpha.core.records import Fill, Flow, FundingPayment, RoundTrip, Tally

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Effects:
    """What one execution has done."""

    fills: tuple[Fill, ...] = ()
    funding: tuple[FundingPayment, ...] = ()
    round_trips: tuple[RoundTrip, ...] = ()


def tally(effects: Iterable[Effects], less: Iterable[Effects] = ()) -> tuple[Tally, ...]:
    """The sums of effects, by bot, less those of others; bots without any difference left out."""
    found: dict[str, Tally] = {}

    def add(bot_id: str, sign: int, fills: int, cash: Decimal, realised: Decimal) -> None:
        known = found.get(bot_id, Tally(bot_id, 0, ZERO, ZERO))
        found[bot_id] = Tally(
            bot_id,
            known.fills + sign * fills,
            known.cash + sign * cash,
            known.realised + sign * realised,
        )

    for sign, part_of in ((1, effects), (-1, less)):
        for one in part_of:
            for fill in one.fills:
                add(fill.bot_id, sign, 1, fill.realised - fill.fee, ZERO)
            for payment in one.funding:
                add(payment.bot_id, sign, 0, payment.amount, ZERO)
            for trip in one.round_trips:
                add(trip.bot_id, sign, 0, ZERO, trip.net_pnl)
    return tuple(one for one in found.values() if one.fills or one.cash or one.realised)


def flows(effects: Iterable[Effects], less: Iterable[Effects] = ()) -> tuple[Flow, ...]:
    """What effects have moved, oldest first, and others taken back."""
    found = []
    for sign, part_of in ((-1, less), (1, effects)):
        for one in part_of:
            for fill in one.fills:
                qty = sign * (fill.qty if fill.side == "Buy" else -fill.qty)
                cash = -qty * fill.price - sign * fill.fee
                found.append(Flow(fill.bot_id, fill.symbol, fill.exec_time, cash, qty, fill.price))
            for paid in one.funding:
                cash = sign * paid.amount
                found.append(Flow(paid.bot_id, paid.symbol, paid.exec_time, cash, ZERO, ZERO))
    return tuple(found)
