"""Figures of each bot by day, into trading.risk_metrics.

Trades, equity and its falls are summed up by the database; ratios of the daily returns are those of
backtests, by the same formulas. A day is computed again while it lasts, and when late rows have
changed its round trips.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from alpha.backtest.metrics import metrics
from alpha.backtest.result import Curve, Result
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
    worth = float(days[0].starting_equity)
    curve = Curve(array("q"), array("d"), array("i"))
    for day in days:
        start = float(day.starting_equity)
        gained = float(day.ending_equity - day.starting_equity - day.cash_flow)
        worth *= 1 + gained / start if start > 0 else 1.0
        curve.close_ms.append(_end_ms(day.day))
        curve.equity.append(worth)
        curve.open_positions.append(0)
    found = metrics(
        Result(
            balance=days[0].starting_equity,
            final_balance=days[-1].ending_equity,
            trades=[],
            signals=[],
            open_positions=[],
            refused=[],
            fees=Decimal(0),
            funding=Decimal(0),
            curve=curve,
            bars=0,
            notes=[],
        )
    )
    cagr, fall = found["cagr"], days[-1].max_drawdown_pct
    calmar = cagr / float(fall) if isinstance(cagr, float) and fall > 0 else None
    return Ratios(_number(found["sharpe"]), _number(found["sortino"]), _number(calmar))


def _number(value: object) -> Decimal | None:
    """What the column holds; None for what has no value, or none that means anything."""
    if not isinstance(value, float) or not abs(value) < 1e11:
        return None
    return Decimal(repr(value))


def _end_ms(day: date) -> int:
    midnight = datetime.combine(day + timedelta(days=1), time(), UTC)
    return round(midnight.timestamp() * 1000)
