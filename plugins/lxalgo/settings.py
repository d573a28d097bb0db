"""Settings of LXAlgo. Fractions are fractions: 0.08 is 8 %. Only `pump_threshold` is in percent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from alpha.bots import Number, PluginSettings

Fraction = Annotated[Decimal, *Number, Field(gt=0, lt=1)]
Part = Annotated[Decimal, *Number, Field(gt=0, le=1)]
Hours = Annotated[Decimal, *Number, Field(gt=0)]


class LXAlgoSettings(PluginSettings):
    """Profile `reference` is the original parameter set, `demo` the milder one."""

    profiles: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "reference": {},
        "demo": {
            "pump_threshold": "6",
            "base_size": "150",
            "max_active_trades": 15,
            "tp": "0.25",
            "activation": "0.15",
            "offset": "0.08",
        },
    }

    symbols: Annotated[
        tuple[Annotated[str, Field(pattern="^[A-Z0-9]+USDT$")], ...],
        Field(
            strict=False,
            description="Symbols to trade; none: all USDT perpetuals above min_turnover, chosen "
            "anew every 4 hours.",
        ),
    ] = ()
    min_turnover: Annotated[
        Decimal,
        *Number,
        Field(ge=0, description="Turnover of 24 hours in USDT above which a symbol is chosen."),
    ] = Decimal(10_000_000)
    pump_threshold: Annotated[
        Decimal, *Number, Field(description="Least rise for a signal, in percent.")
    ] = Decimal(8)
    pump_lookback: Annotated[
        int,
        Field(
            ge=1,
            le=299,
            description="The rise is measured from the open of the bar so many bars back.",
        ),
    ] = 12
    base_size: Annotated[
        Decimal, *Number, Field(gt=0, description="Notional of one entry in USDT.")
    ] = Decimal(200)
    max_active_trades: Annotated[
        int, Field(ge=1, description="Most open positions, those at breakeven included.")
    ] = 20
    max_entries_per_symbol: Annotated[
        int,
        Field(ge=1, description="Above 1 an open position may be added to so often (scale_in)."),
    ] = 1
    cooldown_hours: Annotated[
        int,
        Field(
            ge=1,
            le=24,
            description="Length of the UTC windows in each of which a symbol is entered once.",
        ),
    ] = 4
    leverage: Annotated[
        Decimal, *Number, Field(ge=1, le=100, description="Leverage of each symbol.")
    ] = Decimal(5)
    sl: Annotated[Fraction, Field(description="Stop loss below the entry.")] = Decimal("0.08")
    tp: Annotated[Decimal, *Number, Field(gt=0, description="Take profit above the entry.")] = (
        Decimal("0.30")
    )
    trailing: Annotated[bool, Field(description="Send a trailing stop with each entry.")] = True
    activation: Annotated[Fraction, Field(description="Gain that arms the trailing stop.")] = (
        Decimal("0.20")
    )
    offset: Annotated[Fraction, Field(description="Distance of the trailing stop.")] = Decimal(
        "0.10"
    )
    be_trigger: Annotated[
        Decimal,
        *Number,
        Field(gt=0, description="Gain at a close that moves the stop loss to breakeven."),
    ] = Decimal("0.08")
    be_margin: Annotated[
        Decimal,
        *Number,
        Field(ge=0, lt=1, description="What breakeven earns above twice the taker fee."),
    ] = Decimal("0.0002")
    negative_hours: Annotated[
        Hours, Field(description="A position this old is closed when it is at a loss.")
    ] = Decimal(8)
    max_hours: Annotated[Hours, Field(description="A position this old is closed.")] = Decimal(72)
    day_loss: Annotated[
        Part,
        Field(
            description="Loss since 00:00 UTC at which everything is closed and entries end for "
            "the day."
        ),
    ] = Decimal("0.02")
    week_reduce: Annotated[
        Part, Field(description="Loss since Monday 00:00 UTC at which entries are halved.")
    ] = Decimal("0.04")
    week_loss: Annotated[
        Part,
        Field(
            description="Loss since Monday 00:00 UTC at which everything is closed and entries "
            "end for the week."
        ),
    ] = Decimal("0.06")
    recovery: Annotated[
        Part,
        Field(description="Part of the week's worst loss whose return ends the halving."),
    ] = Decimal("0.5")
    profit_lock: Annotated[
        bool,
        Field(
            description="Close everything when the open profit, once it was twice base_size, has "
            "fallen 30 % from its peak."
        ),
    ] = False

    @model_validator(mode="after")
    def _in_order(self) -> LXAlgoSettings:
        if self.week_reduce >= self.week_loss:
            raise ValueError(
                f"expected week_reduce below week_loss, was {self.week_reduce} and {self.week_loss}"
            )
        if self.negative_hours > self.max_hours:
            raise ValueError(
                f"expected negative_hours of at most max_hours, was {self.negative_hours} and "
                f"{self.max_hours}"
            )
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError(f"expected each symbol once, was {', '.join(self.symbols)}")
        return self
