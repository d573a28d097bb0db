"""One bot's open position in one symbol: its lots, and the stops that an exchange would hold.

Levels are Decimals on the tick. Beside them stand four floats that a bar is compared with: a
float of a price prints as the price does, so the comparison is exact.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NamedTuple

import msgspec

from alpha.core.events import Bar, PositionSide
from alpha.core.instruments import Instrument
from alpha.core.intents import StopPlan
from alpha.core.records import BotPosition
from alpha.trading.levels import Levels, levels

ZERO = Decimal(0)
_NEVER_BELOW, _NEVER_ABOVE = -math.inf, math.inf


def price_of(number: float) -> Decimal:
    """The price that a candle's number stands for."""
    return Decimal(repr(number))


class Lot(msgspec.Struct):
    """What is left of one entry."""

    qty: Decimal
    price: Decimal
    fee: Decimal
    entry_ms: int
    reason: str


class Hit(NamedTuple):
    """A stop that a bar has set off."""

    price: Decimal
    reason: str


class Closed(NamedTuple):
    """What an exit has taken out of the lots, first in, first out."""

    qty: Decimal
    entry_price: Decimal
    entry_ms: int
    entry_reason: str
    gross: Decimal
    entry_fee: Decimal
    funding: Decimal


class Holding:
    """`qty` is signed. A bar sets stops off when it reaches down to `low` or up to `high`; it
    moves the trailing stop when it goes beyond `best_low` or `best_high`."""

    __slots__ = (
        "_armed",
        "_extreme",
        "_instrument",
        "_levels",
        "_moved",
        "_plan",
        "_reason",
        "_stop",
        "best_high",
        "best_low",
        "cost",
        "cost_float",
        "funding",
        "high",
        "lots",
        "low",
        "mark",
        "owner",
        "qty",
        "qty_float",
        "symbol",
    )

    def __init__(self, owner: int, symbol: str, instrument: Instrument, mark: float) -> None:
        self.owner = owner
        self.symbol = symbol
        self.lots: list[Lot] = []
        self.qty = ZERO
        self.cost = ZERO  # signed: what the open quantity was bought for
        self.qty_float = self.cost_float = 0.0
        self.funding = ZERO
        self.mark = mark  # the newest close
        self._instrument = instrument
        self._plan: StopPlan | None = None
        self._moved: Decimal | None = None
        self._levels: Levels | None = None
        self._armed = False
        self._extreme: Decimal | None = None
        self._stop: Decimal | None = None
        self._reason = "stop_loss"
        self._aim()

    # -- lots ---------------------------------------------------------------------------------

    @property
    def is_long(self) -> bool:
        return self.qty > ZERO

    @property
    def side(self) -> PositionSide:
        return "long" if self.qty > ZERO else "short"

    @property
    def average(self) -> Decimal:
        """Average price of what is open."""
        return self.cost / self.qty

    def position(self) -> BotPosition:
        first = self.lots[0]
        return BotPosition(self.symbol, self.qty, self.average, first.entry_ms, first.reason)

    def enter(self, signed: Decimal, lot: Lot, plan: StopPlan | None) -> None:
        """Adds an entry. Its stops, if it has any, become those of the whole position, anchored
        to the average price."""
        self.lots.append(lot)
        self._resize(signed, signed * lot.price)
        if plan is not None:
            self._plan, self._moved = plan, None
            self._anchor()

    def exit(self, qty: Decimal) -> Closed:
        """Takes `qty` (at most what is open) out, at its cost."""
        sign = 1 if self.qty > ZERO else -1
        funding = self.funding * qty / abs(self.qty)
        left, cost, fee = qty, ZERO, ZERO
        first = self.lots[0]
        while left:
            lot = self.lots[0]
            part = min(left, lot.qty)
            part_fee = lot.fee if part == lot.qty else lot.fee * part / lot.qty
            cost += part * lot.price
            fee += part_fee
            lot.qty -= part
            lot.fee -= part_fee
            left -= part
            if not lot.qty:
                del self.lots[0]
        self._resize(-sign * qty, -sign * cost)
        self.funding -= funding
        return Closed(qty, cost / qty, first.entry_ms, first.reason, -sign * cost, fee, funding)

    def _resize(self, qty: Decimal, cost: Decimal) -> None:
        self.qty += qty
        self.cost += cost
        self.qty_float, self.cost_float = float(self.qty), float(self.cost)

    # -- stops --------------------------------------------------------------------------------

    def move_stop(self, price: Decimal) -> None:
        """The strategy puts the stop loss at a price of its own."""
        self._moved = self._instrument.round_price(price)
        self._aim()

    def hit(self, bar: Bar) -> Hit | None:
        """The stop that this bar sets off, and its price: the trigger, or the open where that is
        beyond it. Stop before profit; of stop loss and trailing stop the nearer, which the price
        meets first."""
        long = self.is_long
        stop = self._stop
        if stop is not None and (bar.low <= self.low if long else bar.high >= self.high):
            opening = price_of(bar.open)
            return Hit(min(stop, opening) if long else max(stop, opening), self._reason)
        profit = self._levels.take_profit if self._levels is not None else None
        if profit is not None and (bar.high >= self.high if long else bar.low <= self.low):
            opening = price_of(bar.open)
            return Hit(max(profit, opening) if long else min(profit, opening), "take_profit")
        return None

    def follow(self, bar: Bar) -> None:
        """Moves the trailing stop by the bar's favourable extreme; it counts from the next bar."""
        found = self._levels
        if found is None or found.trailing is None:
            return
        extreme = price_of(bar.high if self.is_long else bar.low)
        if not self._armed:
            activation = found.activation
            if activation is not None and (
                extreme < activation if self.is_long else extreme > activation
            ):
                return
            self._armed = True
        self._extreme = extreme
        self._aim()

    def _anchor(self) -> None:
        plan = self._plan
        if plan is None:
            return
        self._levels = found = levels(plan, self.side, self.average, self._instrument)
        if found.trailing is not None and found.activation is None and not self._armed:
            self._armed, self._extreme = True, self.average
        self._aim()

    def _trail(self) -> Decimal | None:
        found = self._levels
        if found is None or found.trailing is None or not self._armed or self._extreme is None:
            return None
        distance = -found.trailing if self.is_long else found.trailing
        return self._instrument.round_price(self._extreme + distance)

    def _aim(self) -> None:
        """Sets what bars are compared with."""
        found, long = self._levels, self.is_long
        planned = found.stop_loss if found is not None else None
        stop = planned if self._moved is None else self._moved
        trail = self._trail()
        self._stop, self._reason = stop, "stop_loss"
        if trail is not None and (stop is None or (trail > stop if long else trail < stop)):
            self._stop, self._reason = trail, "trailing_stop"
        profit = found.take_profit if found is not None else None
        below, above = (self._stop, profit) if long else (profit, self._stop)
        self.low = _NEVER_BELOW if below is None else float(below)
        self.high = _NEVER_ABOVE if above is None else float(above)
        self.best_low, self.best_high = _NEVER_BELOW, _NEVER_ABOVE
        if found is None or found.trailing is None:
            return
        if self._armed and self._extreme is not None:
            best = float(self._extreme)
        elif found.activation is not None:
            # Reaching it arms: it is itself beyond the best so far.
            toward = -math.inf if long else math.inf
            best = math.nextafter(float(found.activation), toward)
        else:
            return
        if long:
            self.best_high = best
        else:
            self.best_low = best
