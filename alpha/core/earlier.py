"""What of a ledger is from before a scope's limits began to count.

It moves none of them, whenever it comes: a backfill may bring it years later. Trades are counted at
their prices and what they leave is counted as held, so that it does not matter what closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from alpha.core.records import Flow

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Earlier:
    """`cash` in USDT, `held` is signed and by symbol, without zeros, `prices` are the newest that
    were traded of those."""

    cash: Decimal = ZERO
    held: Mapping[str, Decimal] = field(default_factory=dict)
    prices: Mapping[str, Decimal] = field(default_factory=dict, compare=False)

    @property
    def is_nothing(self) -> bool:
        return not self.cash and not self.held

    def plus(self, other: Earlier, sign: int = 1) -> Earlier:
        held = dict(self.held)
        for symbol, qty in other.held.items():
            held[symbol] = held.get(symbol, ZERO) + sign * qty
        return Earlier(
            self.cash + sign * other.cash,
            {symbol: qty for symbol, qty in held.items() if qty},
            {**self.prices, **other.prices},
        )

    def worth(self, price: Callable[[str], Decimal | None]) -> Decimal:
        """In USDT, at these prices; a symbol without one counts at the price it traded last."""
        total = self.cash
        for symbol, qty in self.held.items():
            known = price(symbol)
            total += qty * (self.prices.get(symbol, ZERO) if known is None else known)
        return total


def earlier_of(flows: Iterable[Flow]) -> Earlier:
    """What they come to; oldest first."""
    cash, held, prices = ZERO, dict[str, Decimal](), dict[str, Decimal]()
    for one in flows:
        cash += one.cash
        if one.qty:
            held[one.symbol] = held.get(one.symbol, ZERO) + one.qty
            prices[one.symbol] = one.price
    return Earlier(cash, {symbol: qty for symbol, qty in held.items() if qty}, prices)
