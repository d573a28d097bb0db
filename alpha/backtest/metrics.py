"""What a backtest was worth, in figures: the formulas of `alpha.core.performance`.

Open positions count at their last close, drawdown and exposure are over all closes, results of
trades are net of fees and funding. A day is a UTC day, its equity that of its last close; a figure
that has no value (no losing trade, fewer than two days) is None.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from decimal import Decimal
from statistics import fmean

from alpha.backtest.result import Curve, Result, Trade
from alpha.clock import iso
from alpha.core import performance
from alpha.core.performance import DAY_MS

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
    fall = performance.drawdown(curve.equity, balance)
    found.update(_rates(curve, balance, final / balance - 1, fall.depth))
    found.update(_drawdown(curve, fall))
    found["exposure"] = performance.exposure(curve.open_positions)
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


def _rates(curve: Curve, balance: float, total: float, drop: float) -> dict[str, Figure]:
    if not curve.close_ms:
        return dict.fromkeys(("cagr", "sharpe", "sortino", "calmar"))
    yearly = performance.cagr(total, curve.close_ms[-1] - curve.close_ms[0])
    days = [balance, *(equity for _, equity in daily_equity(curve))]
    daily = performance.returns(days)
    return {
        "cagr": yearly,
        "sharpe": performance.sharpe(daily),
        "sortino": performance.sortino(daily),
        "calmar": performance.calmar(yearly, drop),
    }


def _drawdown(curve: Curve, found: performance.Drawdown) -> dict[str, Figure]:
    """The deepest fall, with the closes of its peak (the first one, for the beginning) and its
    bottom, and the one at which the peak was reached again (None: not yet)."""

    def close(place: int | None) -> Figure:
        return None if place is None else iso(curve.close_ms[place])

    fell = found.bottom is not None
    return {
        "max_drawdown": found.depth,
        "max_drawdown_from": close(found.peak or 0) if fell else None,
        "max_drawdown_to": close(found.bottom),
        "max_drawdown_recovered": close(found.recovered),
    }


def _of_trades(trades: list[Trade]) -> dict[str, Figure]:
    found = performance.of_trades(trade.net_pnl for trade in trades)
    return {
        "trades": found.trades,
        "net_pnl": float(found.net_pnl),
        "win_rate": found.win_rate,
        "profit_factor": _float(found.profit_factor),
        "expectancy": _float(found.expectancy),
        "average_win": _float(found.average_win),
        "average_loss": _float(found.average_loss),
        "best": _float(found.best),
        "worst": _float(found.worst),
        "average_hours": fmean(one.exit_ms - one.entry_ms for one in trades) / 3_600_000
        if trades
        else None,
    }


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


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
