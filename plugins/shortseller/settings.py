"""Settings of ShortSeller. Fractions are fractions: 0.01 is 1 %."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alpha.bots import Number, PluginSettings

#: Symbols without a row of their own use this one's levels.
FALLBACK_SYMBOL = "SOLUSDT"

Fraction = Annotated[Decimal, *Number, Field(gt=0, lt=1)]


class Levels(BaseModel):
    """Distances from the average fill price of the entry."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    sl: Annotated[Fraction, Field(description="Stop loss above the entry.")]
    tp: Annotated[Fraction, Field(description="Take profit below the entry.")]
    trail: Annotated[Fraction, Field(description="Distance of the trailing stop.")]
    activation: Annotated[Fraction, Field(description="Gain that arms the trailing stop.")]


def _levels(sl: str, tp: str, trail: str, activation: str) -> Levels:
    return Levels(
        sl=Decimal(sl), tp=Decimal(tp), trail=Decimal(trail), activation=Decimal(activation)
    )


def _reference_levels() -> dict[str, Levels]:
    return {
        "BTCUSDT": _levels("0.010", "0.030", "0.010", "0.020"),
        "ETHUSDT": _levels("0.015", "0.045", "0.020", "0.020"),
        "SOLUSDT": _levels("0.015", "0.060", "0.020", "0.030"),
    }


class ShortSellerSettings(PluginSettings):
    """Profile `reference` is the original parameter set, `demo` the milder take-profits."""

    profiles: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "reference": {},
        "demo": {"levels": {"ETHUSDT": {"tp": "0.040"}, "SOLUSDT": {"tp": "0.050"}}},
    }

    symbols: Annotated[
        tuple[Annotated[str, Field(pattern="^[A-Z0-9]+USDT$")], ...],
        Field(
            strict=False,
            min_length=1,
            description="Symbols to trade, in the order in which orders of one close are sent.",
        ),
    ] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    risk_gates: Annotated[
        bool,
        Field(
            description="Refuse entries after a day's loss of 5 % or above the exposure limit; "
            "close everything at 15 % below the equity peak and stay out until reset."
        ),
    ] = True
    trailing: Annotated[bool, Field(description="Send a trailing stop with each entry.")] = True
    exposure_limit: Annotated[
        Decimal,
        *Number,
        Field(gt=0, description="Most entry notional, open and pending, per wallet."),
    ] = Decimal("2.20")
    ema_fast: Annotated[int, Field(ge=1, description="Bars of the fast average.")] = 240
    ema_slow: Annotated[int, Field(ge=2, description="Bars of the slow average.")] = 600
    ema_mode: Annotated[
        Literal["converged", "window_1000"],
        Field(
            description="converged: averages over all bars; window_1000: anew over the last 1000 "
            "bars at each bar, for comparison with results made that way."
        ),
    ] = "converged"
    max_crosses_per_day: Annotated[
        int, Field(ge=1, description="At this many crosses of a UTC day entries end for the day.")
    ] = 12
    cooldown_bars: Annotated[
        int, Field(ge=0, description="Bars after an entry without another one and without ma_exit.")
    ] = 12
    entry_window_bars: Annotated[
        int, Field(ge=1, description="How many bars a cross permits an entry, its own included.")
    ] = 1
    max_hold_hours: Annotated[
        Decimal, *Number, Field(gt=0, description="A position held longer than this is closed.")
    ] = Decimal(24)
    allocation: Annotated[
        Decimal,
        *Number,
        Field(gt=0, le=1, description="Margin of one position as a fraction of the wallet."),
    ] = Decimal("0.07")
    leverage: Annotated[
        Decimal, *Number, Field(ge=1, le=100, description="Leverage of each symbol.")
    ] = Decimal(10)
    levels: Annotated[
        dict[str, Levels],
        Field(
            description="Stop loss, take profit, trailing distance and its activation by symbol; "
            f"symbols without a row use that of {FALLBACK_SYMBOL}."
        ),
    ] = Field(default_factory=_reference_levels)

    @model_validator(mode="after")
    def _in_order(self) -> ShortSellerSettings:
        if self.ema_fast >= self.ema_slow:
            raise ValueError(
                f"expected ema_fast below ema_slow, was {self.ema_fast} and {self.ema_slow}"
            )
        if self.ema_mode == "window_1000" and self.ema_slow > 1000:
            raise ValueError(f"expected ema_slow of at most 1000 in this mode, was {self.ema_slow}")
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError(f"expected each symbol once, was {', '.join(self.symbols)}")
        return self

    def levels_of(self, symbol: str) -> Levels:
        return self.levels.get(symbol) or self.levels[FALLBACK_SYMBOL]

    @property
    def warmup_bars(self) -> int:
        """Bars before the first decision: the slow average has converged to 3e-4 of its seed."""
        return 1000 if self.ema_mode == "window_1000" else max(3000, self.ema_slow)

    @property
    def history_bars(self) -> int:
        """Bars to load when there are so many: what is left of the seed then is 1e-8, below
        anything that could decide a comparison differently after a restart."""
        return 1000 if self.ema_mode == "window_1000" else max(6000, 10 * self.ema_slow)
