"""Protective levels from a plan, an anchor price and the instrument's tick."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal

from alpha.core.events import PositionSide
from alpha.core.instruments import Instrument
from alpha.core.intents import StopPlan


@dataclass(frozen=True, slots=True)
class Levels:
    """Absolute prices; `trailing` is a price distance, `activation` the price that arms it."""

    stop_loss: Decimal | None
    take_profit: Decimal | None
    trailing: Decimal | None
    activation: Decimal | None

    def shown(self) -> dict[str, str]:
        """Those that there are, for the log."""
        return {name: str(value) for name, value in asdict(self).items() if value is not None}


def levels(plan: StopPlan, side: PositionSide, anchor: Decimal, instrument: Instrument) -> Levels:
    """Rounds to the nearest tick, ties to even; the trailing distance is at least one tick."""
    sign = 1 if side == "long" else -1

    def price(fraction: Decimal | None, direction: int) -> Decimal | None:
        if fraction is None:
            return None
        return instrument.round_price(anchor * (1 + direction * sign * fraction))

    stop_loss, take_profit = price(plan.stop_loss, -1), price(plan.take_profit, 1)
    if plan.stop_loss_price is not None:
        nearer = max if side == "long" else min
        fixed = instrument.round_price(plan.stop_loss_price)
        stop_loss = fixed if stop_loss is None else nearer(stop_loss, fixed)
    if plan.take_profit_price is not None:
        take_profit = instrument.round_price(plan.take_profit_price)
    return Levels(
        stop_loss=stop_loss,
        take_profit=take_profit,
        trailing=None
        if plan.trailing is None
        else instrument.round_distance(anchor * plan.trailing),
        activation=price(plan.activation, 1),
    )
