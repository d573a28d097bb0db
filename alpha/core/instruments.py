"""Instruments: what an order must look like to be taken (Bybit V5, Get Instruments Info)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

#: A quantity below the minimum is raised to it if the order stays within this of its target.
BUMP_LIMIT = Decimal("1.10")


@dataclass(frozen=True, slots=True)
class SizeRejected:
    """No quantity fits the target."""

    why: str

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True, slots=True)
class Instrument:
    """One linear perpetual. Quantities in base coin, notional in USDT."""

    symbol: str
    base_coin: str
    tick: Decimal
    qty_step: Decimal
    min_qty: Decimal
    max_qty: Decimal
    max_market_qty: Decimal
    min_notional: Decimal
    max_leverage: Decimal
    funding_interval_min: int = 480
    status: str = "Trading"
    taker_fee: Decimal = Decimal("0.00055")

    def floor_qty(self, qty: Decimal) -> Decimal:
        """Down to a multiple of the quantity step."""
        return qty // self.qty_step * self.qty_step

    def ceil_qty(self, qty: Decimal) -> Decimal:
        """Up to a multiple of the quantity step."""
        floored = self.floor_qty(qty)
        return floored if floored == qty else floored + self.qty_step

    def round_price(self, price: Decimal) -> Decimal:
        """To the nearest tick, ties to even multiples."""
        return (price / self.tick).to_integral_value(ROUND_HALF_EVEN) * self.tick

    def round_distance(self, distance: Decimal) -> Decimal:
        """A price distance: nearest tick, at least one."""
        return max(self.round_price(distance), self.tick)

    def size_order(self, target_notional: Decimal, price: Decimal) -> Decimal | SizeRejected:
        """The quantity of a market order of about `target_notional` USDT at `price`.

        Floored to the step. What is below the minimum quantity or notional is raised to it when
        that stays within 1.10 x the target, else rejected, as is what exceeds the maximum."""
        qty = self.floor_qty(target_notional / price)
        most = min(self.max_qty, self.max_market_qty)
        if qty > most:
            return SizeRejected(f"{self.symbol}: above maximum: expected at most {most}, was {qty}")
        least = max(self.min_qty, self.ceil_qty(self.min_notional / price))
        if qty >= least:
            return qty
        if least * price <= target_notional * BUMP_LIMIT and least <= most:
            return least
        return SizeRejected(
            f"{self.symbol}: below minimum: expected at least {least} ({least * price:f} USDT), "
            f"was a target of {target_notional:f} USDT"
        )
