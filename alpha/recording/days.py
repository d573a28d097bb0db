"""Figures of each bot by day, into trading.risk_metrics.

Trades, equity and its falls are summed up by the database; ratios of the daily returns are those of
backtests, by the same formulas. A day is computed again while it lasts, and when late rows have
changed its round trips or money from outside was found in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from alpha.core import performance
from alpha.core.performance import DAY_MS
from alpha.ledger.pool import Connection
from alpha.ledger.recording import Ratios, RiskDay, risk_days, risk_since, save_risk_day


async def write_days(connection: Connection, bot_id: str, account: str) -> int:
    """Computes what is missing or has changed of one bot; how many days were written."""
    since = await risk_since(connection, bot_id, account)
    days = await risk_days(connection, bot_id, account, since)
    written = 0
    for place, day in enumerate(days):
        if since is None or day.day >= since:
            await save_risk_day(connection, bot_id, account, day, ratios(days[: place + 1]))
            written += 1
    return written


def ratios(days: Sequence[RiskDay]) -> Ratios:
    """Of the daily returns, money from outside left out. The largest fall is that within days."""
    daily, worth = [], 1.0
    for day in days:
        start = float(day.starting_equity)
        gained = float(day.ending_equity - day.starting_equity - day.cash_flow)
        daily.append(gained / start if start > 0 else 0.0)
        worth *= 1 + daily[-1]
    length_ms = (days[-1].day - days[0].day).days * DAY_MS
    yearly = performance.cagr(worth - 1, length_ms)
    return Ratios(
        _number(performance.sharpe(daily)),
        _number(performance.sortino(daily)),
        _number(performance.calmar(yearly, float(days[-1].max_drawdown_pct))),
    )


def value_at_risk(daily: Sequence[float]) -> Decimal | None:
    """Of a day, as a fraction of equity; None with too few days."""
    return _number(performance.value_at_risk(daily))


def _number(value: float | None) -> Decimal | None:
    """What the column holds; None for what has no value, or none that means anything."""
    if value is None or not abs(value) < 1e11:
        return None
    return Decimal(repr(value))
