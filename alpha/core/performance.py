"""What trades and equity were worth, in figures: one formula each, for backtests and the ledger.

- `total return`: value at the end over that at the beginning, less 1.
- `cagr`: (1 + total return) ** (365.25 days / length) - 1 (compound annual growth rate).
- `sharpe`: mean over sample standard deviation of daily returns, times the square root of 365:
  this market has no days off (Sharpe 1994, "The Sharpe Ratio"; risk-free rate 0).
- `sortino`: the same mean over the root mean square of the returns below 0, all days counted
  (Sortino and Price 1994, target 0), times the square root of 365.
- `drawdown`: the largest fall from the highest value before, as a fraction of that (Magdon-Ismail
  and Atiya 2004).
- `calmar`: cagr over the largest drawdown (Young 1991, here over the whole length).
- `profit factor`: sum of winning trades over sum of losing ones; `expectancy`: mean net result of a
  trade; `win rate`: part of trades with a net result above 0.
- `exposure`: part of the moments looked at in which a position was open.
- `value at risk`: historical; the loss that was not exceeded on the given part of the days, by the
  nearest rank (Hyndman and Fan 1996, type 1), as a fraction above 0; 0 where that day was no loss,
  None with less than thirty days.
- `correlation`: Pearson's, of returns on the same days.

A figure that has no value (no losing trade, fewer than two days) is None. Returns and ratios are
float, money is Decimal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from statistics import StatisticsError, fmean, stdev
from statistics import correlation as pearson

DAY_MS = 86_400_000
YEAR_MS = 365.25 * DAY_MS
DAYS_A_YEAR = 365
#: A value at risk of fewer days means nothing.
LEAST_DAYS_OF_RISK = 30
_ZERO = Decimal(0)


# -- equity --------------------------------------------------------------------------------------


def returns(values: Sequence[float]) -> list[float]:
    """From each value to the next; left out where the value before is not above 0."""
    return [after / before - 1 for before, after in pairwise(values) if before > 0]


def cagr(total_return: float, length_ms: float) -> float | None:
    """None under a day, and for whoever has lost everything."""
    if length_ms < DAY_MS or total_return <= -1:
        return None
    try:
        return float((1 + total_return) ** (YEAR_MS / length_ms) - 1)
    except OverflowError:
        return None


def sharpe(daily: Sequence[float]) -> float | None:
    if len(daily) < 2:
        return None
    spread = stdev(daily)
    return fmean(daily) / spread * math.sqrt(DAYS_A_YEAR) if spread > 0 else None


def sortino(daily: Sequence[float]) -> float | None:
    if len(daily) < 2:
        return None
    below = math.sqrt(fmean(min(one, 0.0) ** 2 for one in daily))
    return fmean(daily) / below * math.sqrt(DAYS_A_YEAR) if below > 0 else None


def calmar(yearly: float | None, fall: float) -> float | None:
    return yearly / fall if yearly is not None and fall > 0 else None


@dataclass(frozen=True, slots=True)
class Drawdown:
    """Places in the values that were given; `peak` is None where the beginning was the highest,
    `recovered` until the peak is reached again."""

    depth: float
    peak: int | None = None
    bottom: int | None = None
    recovered: int | None = None


def drawdown(values: Sequence[float], beginning: float) -> Drawdown:
    """The deepest fall of `values`, which began at `beginning`."""
    high, high_at = beginning, None
    worst = Drawdown(0.0)
    worst_high = high
    for place, value in enumerate(values):
        if value > high:
            high, high_at = value, place
        elif high - value > worst.depth * high:
            worst = Drawdown((high - value) / high, high_at, place)
            worst_high = high
    if worst.bottom is None:
        return worst
    later = range(worst.bottom, len(values))
    recovered = next((place for place in later if values[place] >= worst_high), None)
    return Drawdown(worst.depth, worst.peak, worst.bottom, recovered)


def exposure(open_positions: Sequence[int]) -> float | None:
    """`open_positions`: how many were open at each moment."""
    if not open_positions:
        return None
    return sum(count > 0 for count in open_positions) / len(open_positions)


def value_at_risk(daily: Sequence[float], level: Fraction = Fraction(95, 100)) -> float | None:
    if len(daily) < LEAST_DAYS_OF_RISK:
        return None
    rank = max(math.ceil((1 - level) * len(daily)), 1)
    return max(-sorted(daily)[rank - 1], 0.0)


def correlation(one: Mapping[int, float], other: Mapping[int, float]) -> float | None:
    """Of two series of returns by day, over the days of both; None for fewer than two, and where
    one of them never changes."""
    days = sorted(one.keys() & other.keys())
    if len(days) < 2:
        return None
    try:
        return pearson([one[day] for day in days], [other[day] for day in days])
    except StatisticsError:
        return None


# -- trades --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TradeFigures:
    """Of net results. `gross_loss` is above 0, `average_loss` below."""

    trades: int
    net_pnl: Decimal
    wins: int
    losses: int
    gross_profit: Decimal
    gross_loss: Decimal
    best: Decimal | None
    worst: Decimal | None

    @property
    def win_rate(self) -> float | None:
        return self.wins / self.trades if self.trades else None

    @property
    def profit_factor(self) -> Decimal | None:
        return self.gross_profit / self.gross_loss if self.gross_loss else None

    @property
    def expectancy(self) -> Decimal | None:
        return self.net_pnl / self.trades if self.trades else None

    @property
    def average_win(self) -> Decimal | None:
        return self.gross_profit / self.wins if self.wins else None

    @property
    def average_loss(self) -> Decimal | None:
        return -self.gross_loss / self.losses if self.losses else None


def of_trades(results: Iterable[Decimal]) -> TradeFigures:
    """`results`: net of fees and funding, one for each trade."""
    net = list(results)
    wins = [one for one in net if one > 0]
    losses = [one for one in net if one < 0]
    return TradeFigures(
        trades=len(net),
        net_pnl=sum(net, _ZERO),
        wins=len(wins),
        losses=len(losses),
        gross_profit=sum(wins, _ZERO),
        gross_loss=-sum(losses, _ZERO),
        best=max(net, default=None),
        worst=min(net, default=None),
    )
