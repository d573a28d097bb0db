"""The synthetic order book around the last price.

The last trade fixes one side: after a taker's buy the last price is the best ask, after a sell
the best bid; the other side lies `spread_ticks` away. Every price level offers about
`depth_qty`, drawn from symbol and price, for `LEVELS` levels. What our own orders take is gone
until the next public trade of the symbol.
"""

from __future__ import annotations

from decimal import Decimal

from alpha.sim.draw import Draw
from alpha.sim.feeds.base import InstrumentSpec
from alpha.sim.model import ZERO, Side

LEVELS = 50


class Book:
    """Best prices and liquidity of one symbol."""

    def __init__(self, spec: InstrumentSpec) -> None:
        self.spec = spec
        self.last = ZERO
        self.last_side: Side = "Buy"
        self._taken: dict[Decimal, Decimal] = {}
        self._depth: dict[Decimal, Decimal] = {}

    @property
    def priced(self) -> bool:
        return self.last > 0

    def move(self, price: Decimal, side: Side) -> None:
        """A public trade at `price` by a taker on `side`; liquidity comes back."""
        self.last = price
        self.last_side = side
        if self._taken:
            self._taken.clear()

    @property
    def bid(self) -> Decimal:
        if self.last_side == "Sell":
            return self.last
        return max(self.last - self._spread, self.spec.tick_size)

    @property
    def ask(self) -> Decimal:
        return self.last if self.last_side == "Buy" else self.last + self._spread

    @property
    def band(self) -> tuple[Decimal, Decimal]:
        """The lowest price at which one may sell and the highest at which one may buy."""
        tick, ratio = self.spec.tick_size, self.spec.price_limit_ratio
        return self.last * (1 - ratio) // tick * tick, self.last * (1 + ratio) // tick * tick

    @property
    def _spread(self) -> Decimal:
        return self.spec.spread_ticks * self.spec.tick_size

    def offered(self, price: Decimal) -> Decimal:
        """Base coins that rest at a level now."""
        depth = self._depth.get(price)
        if depth is None:
            spec = self.spec
            share = 50 + Draw("depth", spec.symbol, price.normalize()).below(101)
            steps = spec.depth_qty * share / 100 // spec.qty_step
            depth = max(steps, Decimal(1)) * spec.qty_step
            if len(self._depth) > 4096:
                self._depth.clear()
            self._depth[price] = depth
        return depth - self._taken.get(price, ZERO)

    def levels(self, taker: Side, count: int = LEVELS) -> list[tuple[Decimal, Decimal]]:
        """Prices and quantities that a taker on that side meets, best first."""
        tick = self.spec.tick_size if taker == "Buy" else -self.spec.tick_size
        price = self.ask if taker == "Buy" else self.bid
        found: list[tuple[Decimal, Decimal]] = []
        for _ in range(count):
            if price <= 0:
                break
            found.append((price, self.offered(price)))
            price += tick
        return found

    def reachable(self, taker: Side, limit: Decimal) -> Decimal:
        """Base coins that a taker may get up to and including its limit price."""
        return sum(
            (qty for price, qty in self.levels(taker) if within(taker, price, limit)),
            ZERO,
        )

    def take(self, taker: Side, qty: Decimal, limit: Decimal) -> list[tuple[Decimal, Decimal]]:
        """Removes up to `qty` from the book, best level first: `[(price, qty), ...]`."""
        taken: list[tuple[Decimal, Decimal]] = []
        for price, offered in self.levels(taker):
            if qty <= 0 or not within(taker, price, limit):
                break
            part = min(qty, offered)
            if part > 0:
                self._taken[price] = self._taken.get(price, ZERO) + part
                taken.append((price, part))
                qty -= part
        return taken


def within(taker: Side, price: Decimal, limit: Decimal) -> bool:
    """True if a taker with that limit may trade at `price`."""
    return price <= limit if taker == "Buy" else price >= limit


def makers(
    taken: list[tuple[Decimal, Decimal]], step: Decimal, draw: Draw
) -> list[tuple[Decimal, Decimal]]:
    """Splits what was taken from each level into the resting orders that it consisted of.

    One to four orders for a level, multiples of the quantity step; a quantity of one step
    stays whole.
    """
    rows: list[tuple[Decimal, Decimal]] = []
    for price, qty in taken:
        left = int(qty / step)
        for _ in range(draw.below(4)):
            if left < 2:
                break
            part = 1 + draw.below(left - 1)
            rows.append((price, part * step))
            left -= part
        rows.append((price, left * step))
    return rows
