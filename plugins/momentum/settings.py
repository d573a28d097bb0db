"""Settings of Momentum. Fractions are fractions: 0.10 is 10 %."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from alpha.bots import Number, PluginSettings

Fraction = Annotated[Decimal, *Number, Field(gt=0, lt=1)]

#: The coins of the published list, in its order.
COINS = (
    "1000BONK 1000PEPE ADA AIA APEX APT ARB ASTER ATOM AVAX BLESS BNB BTC COAI DOGE DOT EIGEN ENA "
    "ETH FARTCOIN GALA HYPE LDO LINK LTC MYX NEAR ONDO OP PENGU PUMPFUN SEI SOL SPX SUI TAO TRUMP "
    "USELESS WIF WLD WLFI XAUT XPL XRP"
)
SYMBOLS = tuple(f"{coin}USDT" for coin in COINS.split())


class MomentumSettings(PluginSettings):
    """Profile `reference` is the original parameter set, `demo` the milder one. They differ in the
    stake, which `max_fraction` cuts to the same size in both."""

    profiles: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "reference": {},
        "demo": {"risk_per_trade": "0.03"},
    }

    symbols: Annotated[
        tuple[Annotated[str, Field(pattern="^[A-Z0-9]+USDT$")], ...],
        Field(
            strict=False,
            min_length=1,
            description="Symbols to trade; of equally strong ones the earlier is taken.",
        ),
    ] = SYMBOLS
    bbw_pct: Annotated[
        Decimal,
        *Number,
        Field(gt=0, le=1, description="The width's rank must lie below this for an entry."),
    ] = Decimal("0.35")
    rvr: Annotated[
        Decimal,
        *Number,
        Field(gt=0, description="The relative volume must lie above this for an entry."),
    ] = Decimal("2.0")
    ma_length: Annotated[
        int, Field(ge=2, description="Bars of the mean, of the bands and of the mean volume.")
    ] = 20
    deviations: Annotated[
        Decimal,
        *Number,
        Field(gt=0, description="Standard deviations between the mean and each band."),
    ] = Decimal(2)
    lookback: Annotated[
        int, Field(ge=2, description="Bars among which the width is ranked, its own included.")
    ] = 90
    trail: Annotated[Fraction, Field(description="Distance of the trailing stop.")] = Decimal(
        "0.10"
    )
    trail_basis: Annotated[
        Literal["entry", "peak"],
        Field(
            description="entry: the exchange trails at a fixed distance, trail of the entry price; "
            "peak: the bot tests its closes against trail of the highest price since the entry, "
            "for comparison with results made that way."
        ),
    ] = "entry"
    backstop: Annotated[
        Fraction,
        Field(description="Stop loss below the entry that the exchange holds with basis peak."),
    ] = Decimal("0.20")
    max_positions: Annotated[
        int, Field(ge=1, description="Most positions, orders on their way included.")
    ] = 3
    risk_per_trade: Annotated[
        Fraction,
        Field(description="Loss of a position at its first stop as a fraction of equity."),
    ] = Decimal("0.05")
    max_fraction: Annotated[
        Decimal,
        *Number,
        Field(gt=0, le=10, description="Most notional of one position as a fraction of equity."),
    ] = Decimal("0.20")
    leverage: Annotated[
        Decimal, *Number, Field(ge=1, le=100, description="Leverage of each symbol.")
    ] = Decimal(2)
    day_loss: Annotated[
        Fraction, Field(description="Loss since 00:00 UTC that ends entries for the day.")
    ] = Decimal("0.03")
    week_loss: Annotated[
        Fraction, Field(description="Loss since Monday 00:00 UTC that shrinks the week's entries.")
    ] = Decimal("0.08")
    week_size: Annotated[
        Decimal,
        *Number,
        Field(ge=0, le=1, description="What entries are multiplied by after the week's loss."),
    ] = Decimal("0.5")
    month_loss: Annotated[
        Fraction, Field(description="Loss since the month's start that ends entries for it.")
    ] = Decimal("0.15")
    drawdown: Annotated[
        Fraction,
        Field(description="Loss from the equity peak that ends entries until reset."),
    ] = Decimal("0.20")
    btc_filter: Annotated[
        bool, Field(description="Enter only while BTCUSDT's days are in an upward trend.")
    ] = False
    btc_ma_length: Annotated[
        int, Field(ge=2, description="Days of the mean above which BTCUSDT must have closed.")
    ] = 200
    btc_adx: Annotated[
        Decimal,
        *Number,
        Field(ge=0, le=100, description="BTCUSDT's trend strength (ADX 14) must lie above this."),
    ] = Decimal(25)

    @model_validator(mode="after")
    def _once(self) -> MomentumSettings:
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError(f"expected each symbol once, was {', '.join(self.symbols)}")
        return self

    @property
    def warmup_bars(self) -> int:
        """Bars before the first decision: each of the ranked widths needs its own bars."""
        return self.ma_length + self.lookback - 1

    @property
    def history_bars(self) -> int:
        """Bars to load when there are so many; as far back a peak since the entry is found."""
        return max(200, self.warmup_bars)

    @property
    def fraction(self) -> Decimal:
        """Notional of a full position as a fraction of equity."""
        return min(self.risk_per_trade / self.trail, self.max_fraction)
