"""What a backtest was worth, in figures. Where each comes from:

- `total_return`: equity at the end over the balance at the beginning, less 1; open positions count
  at their last close.
- `cagr`: (1 + total_return) ** (365.25 days / length) - 1 (compound annual growth rate).
- `sharpe`: mean over sample standard deviation of daily returns, times the square root of 365:
  this market has no days off (Sharpe 1994, "The Sharpe Ratio"; risk-free rate 0).
- `sortino`: the same mean over the root mean square of the returns below 0, all days counted
  (Sortino and Price 1994, target 0), times the square root of 365.
- `max_drawdown`: the largest fall of equity from its highest value before, as a fraction of that,
  over all closes (Magdon-Ismail and Atiya 2004).
- `calmar`: cagr over max_drawdown (Young 1991, here over the whole length).
- `profit_factor`: sum of winning trades over sum of losing ones, net of fees and funding;
  `expectancy`: mean net result of a trade; `win_rate`: part of trades with a net result above 0.
- `exposure`: part of the closes at which a position was open.

A day is a UTC day, its equity that of its last close; a figure that has no value (no losing trade,
fewer than two days) is None.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, stdev

from alpha.backtest.result import Curve, Result, Trade
from alpha.clock import iso

DAY_MS = 86_400_000
YEAR_MS = 365.25 * DAY_MS
DAYS_A_YEAR = 365

Figure = int | float | str | None
Figures = dict[str, "Figure | dict[str, Figure] | dict[str, dict[str, Figure]]"]


def metrics(result: Result) -> Figures:
    """All figures, ready for JSON."""
    curve, trades = result.curve, result.trades
    balance = float(result.balance)
    final = curve.equity[-1] if curve.equity else float(result.final_balance)
    found: Figures = {
        "start": iso(curve.close_ms[0]) if curve.close_ms else None,
        "end": iso(curve.close_ms[-1]) if curve.close_ms else None,
        "bars": result.bars,
        "balance": balance,
        "final_balance": float(result.final_balance),
        "final_equity": final,
        "total_return": final / balance - 1,
    }
    drop = _drawdown(curve, balance)
    found.update(_rates(curve, balance, found["total_return"], drop["max_drawdown"]))
    found.update(drop)
    found["exposure"] = _exposure(curve)
    found.update(_of_trades(trades))
    found["fees"] = float(result.fees)
    found["funding"] = float(result.funding)
    found["refused"] = len(result.refused)
    found["by_symbol"] = _grouped(trades, lambda trade: trade.symbol)
    found["by_reason"] = _grouped(trades, lambda trade: trade.exit_reason)
    found["by_bot"] = _grouped(trades, lambda trade: trade.bot)
    return found


def daily_equity(curve: Curve) -> list[tuple[int, float]]:
    """(day number, equity at its last close) of each UTC day. A close at midnight ends the day
    before it."""
    found: dict[int, float] = {}
    for close_ms, equity in zip(curve.close_ms, curve.equity, strict=True):
        found[(close_ms - 1) // DAY_MS] = equity
    return list(found.items())


def _rates(curve: Curve, balance: float, total: object, drop: Figure) -> dict[str, Figure]:
    found: dict[str, Figure] = {"cagr": None, "sharpe": None, "sortino": None, "calmar": None}
    if not curve.close_ms or not isinstance(total, float):
        return found
    length_ms = curve.close_ms[-1] - curve.close_ms[0]
    if length_ms >= DAY_MS and total > -1:
        with_year = (1 + total) ** (YEAR_MS / length_ms) - 1
        found["cagr"] = with_year
        if isinstance(drop, float) and drop > 0:
            found["calmar"] = with_year / drop
    returns = _returns([balance, *(equity for _, equity in daily_equity(curve))])
    if len(returns) >= 2:
        mean, spread = fmean(returns), stdev(returns)
        below = math.sqrt(fmean(min(one, 0.0) ** 2 for one in returns))
        year = math.sqrt(DAYS_A_YEAR)
        found["sharpe"] = mean / spread * year if spread > 0 else None
        found["sortino"] = mean / below * year if below > 0 else None
    return found


def _returns(values: list[float]) -> list[float]:
    return [after / before - 1 for before, after in pairwise(values) if before > 0]


def _drawdown(curve: Curve, balance: float) -> dict[str, Figure]:
    """The deepest fall, with the closes of its peak and its bottom, and the one at which the
    peak was reached again (None: not yet)."""
    peak, peak_at = balance, 0
    worst, worst_from, worst_to = 0.0, 0, 0
    for place, equity in enumerate(curve.equity):
        if equity > peak:
            peak, peak_at = equity, place
        elif peak - equity > worst * peak:
            worst, worst_from, worst_to = (peak - equity) / peak, peak_at, place
    found: dict[str, Figure] = {
        "max_drawdown": worst,
        "max_drawdown_from": None,
        "max_drawdown_to": None,
        "max_drawdown_recovered": None,
    }
    if worst > 0:
        found["max_drawdown_from"] = iso(curve.close_ms[worst_from])
        found["max_drawdown_to"] = iso(curve.close_ms[worst_to])
        before = max(balance, curve.equity[worst_from])
        for place in range(worst_to, len(curve.equity)):
            if curve.equity[place] >= before:
                found["max_drawdown_recovered"] = iso(curve.close_ms[place])
                break
    return found


def _exposure(curve: Curve) -> Figure:
    if not curve.open_positions:
        return None
    return sum(count > 0 for count in curve.open_positions) / len(curve.open_positions)


def _of_trades(trades: list[Trade]) -> dict[str, Figure]:
    net = [trade.net_pnl for trade in trades]
    wins = [one for one in net if one > 0]
    losses = [one for one in net if one < 0]
    lost = -sum(losses, Decimal(0))
    return {
        "trades": len(net),
        "net_pnl": float(sum(net, Decimal(0))),
        "win_rate": len(wins) / len(net) if net else None,
        "profit_factor": float(sum(wins, Decimal(0)) / lost) if lost else None,
        "expectancy": float(sum(net, Decimal(0)) / len(net)) if net else None,
        "average_win": float(sum(wins, Decimal(0)) / len(wins)) if wins else None,
        "average_loss": float(-lost / len(losses)) if losses else None,
        "best": float(max(net)) if net else None,
        "worst": float(min(net)) if net else None,
        "average_hours": fmean(one.exit_ms - one.entry_ms for one in trades) / 3_600_000
        if trades
        else None,
    }


def _grouped(trades: Iterable[Trade], key: Callable[[Trade], str]) -> dict[str, dict[str, Figure]]:
    groups: dict[str, list[Trade]] = {}
    for trade in trades:
        groups.setdefault(key(trade), []).append(trade)
    return {
        name: {
            "trades": len(group),
            "net_pnl": float(sum((one.net_pnl for one in group), Decimal(0))),
            "fees": float(sum((one.fees for one in group), Decimal(0))),
            "win_rate": sum(one.net_pnl > 0 for one in group) / len(group),
        }
        for name, group in sorted(groups.items())
    }


def monthly_returns(curve: Curve, balance: float) -> list[tuple[str, float]]:
    """(month such as 2025-04, return) of each UTC month, the first one from its first close on."""
    found: list[tuple[str, float]] = []
    before, months = balance, [iso(one - 1)[:7] for one in curve.close_ms]
    place = 0
    while place < len(months):
        behind = bisect_left(months, months[place] + "~", place)
        after = curve.equity[behind - 1]
        found.append((months[place], after / before - 1 if before > 0 else 0.0))
        before, place = after, behind
    return found
