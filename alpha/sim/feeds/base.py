"""What a market feed is: candles, the ticks inside them, and the instruments they belong to.

A feed knows the whole market, past and future. Whoever plays it cuts at market time: asking
for a candle that has not ended yet in market time is the player's mistake, not the feed's.
All times are Unix milliseconds (UTC), all prices and quantities `Decimal` on the instrument's
grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from alpha.errors import NeedsOperator


class FeedError(NeedsOperator):
    """A feed cannot be built from what was given; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar `[start_ms, start_ms + interval)`; `volume` counts base coins."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Tick:
    """One public trade inside a base bar; `side` is the taker's."""

    offset_ms: int
    price: Decimal
    qty: Decimal
    side: Literal["Buy", "Sell"]


@dataclass(frozen=True, slots=True)
class InstrumentSpec:
    """Trading rules of one linear perpetual, with the liquidity that surrounds its last price.

    Rates are fractions (0.00055 = 5.5 basis points). `spread_ticks` lies between best bid and
    best ask, `depth_qty` base coins are offered at each price level.
    """

    symbol: str
    base_coin: str
    tick_size: Decimal
    qty_step: Decimal
    min_qty: Decimal
    max_qty: Decimal
    max_market_qty: Decimal
    min_notional: Decimal
    max_leverage: Decimal
    taker_fee: Decimal
    maker_fee: Decimal
    maintenance_rate: Decimal
    price_limit_ratio: Decimal
    funding_interval_min: int
    spread_ticks: int
    depth_qty: Decimal


class Feed(Protocol):
    """A market to play. Every answer depends on the arguments alone, never on earlier calls."""

    @property
    def name(self) -> str:
        """`synthetic` or `replay`."""

    @property
    def fingerprint(self) -> str:
        """Feed, seed or data, and start: an account continues only on an equal fingerprint."""

    @property
    def instruments(self) -> tuple[InstrumentSpec, ...]: ...

    @property
    def base_ms(self) -> int:
        """Length of a base bar; every interval asked for is a multiple of it."""

    @property
    def open_ms(self) -> int:
        """Start of the first bar that trades; everything before is history."""

    @property
    def end_ms(self) -> int | None:
        """End of the last bar that trades, or None for a market without an end."""

    def candle(self, symbol: str, start_ms: int) -> Candle | None:
        """The base bar that starts at `start_ms`, None outside the data or off the grid."""

    def candles(self, symbol: str, interval_ms: int, start_ms: int, end_ms: int) -> list[Candle]:
        """Bars of `interval_ms` that lie wholly inside `[start_ms, end_ms)`, ascending.

        Bars begin at multiples of the interval since the Unix epoch (weeks on Monday). Raises
        `ValueError` for an interval that is no multiple of `base_ms`.
        """

    def ticks(self, symbol: str, candle: Candle) -> Sequence[Tick]:
        """The trades inside a base bar, at least four: the first at its open, the last at its
        close, high and low touched, offsets ascending. Quantities add up to the volume if that
        holds one step for each tick; otherwise each tick is one step."""

    def funding_rate(self, symbol: str, ms: int) -> Decimal:
        """Rate of the funding window that contains `ms`."""
