"""What a strategy may ask for. Intents carry no ids, no rounding and no exchange words: the host
gives ids, the gateway checks risk, rounds and sends."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from alpha.core.events import Side

Fraction = Annotated[Decimal, Field(gt=0, lt=1)]
Positive = Annotated[Decimal, Field(gt=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StopPlan(_Frozen):
    """Protective levels as fractions of the anchor price (the signal close when the order is
    sent, the average fill once the entry is terminal). A long's stop loss lies below the
    anchor, a short's above. `trailing` is the distance, `activation` the favourable move that
    arms it (None: armed at once). Prices are absolute and do not move with the anchor: of both
    stop losses the nearer to the market holds, a `take_profit_price` replaces the fraction."""

    stop_loss: Fraction | None = None
    take_profit: Positive | None = None
    trailing: Fraction | None = None
    activation: Fraction | None = None
    stop_loss_price: Positive | None = None
    take_profit_price: Positive | None = None


class Enter(_Frozen):
    """Open or add to a position with a market order of about `notional` USDT."""

    kind: Literal["enter"] = "enter"
    symbol: str
    side: Side
    notional: Positive
    price: Positive  # the signal close: sizes the order and anchors the first stops
    reason: str
    leverage: Positive
    stops: StopPlan | None = None
    details: dict[str, str] = Field(default_factory=dict)


class Exit(_Frozen):
    """Close the bot's position in `symbol`, or `qty` of it, with a market order."""

    kind: Literal["exit"] = "exit"
    symbol: str
    reason: str
    qty: Positive | None = None
    details: dict[str, str] = Field(default_factory=dict)


class MoveStop(_Frozen):
    """Move the stop loss of an open position to an absolute price (breakeven)."""

    kind: Literal["move_stop"] = "move_stop"
    symbol: str
    stop_loss: Positive
    reason: str
    details: dict[str, str] = Field(default_factory=dict)


Intent = Annotated[Enter | Exit | MoveStop, Field(discriminator="kind")]
