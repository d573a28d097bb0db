"""Reports of what was closed in a window, out of the ledger, with the metrics of backtests.

A trade is what one entry order has opened, as far as it was closed in the window; its pieces count
under the symbol, reason, rule and UTC day of each, so the sums of every division are the total.
Daily returns are realised: net results of a day over the equity at its beginning, which is the
capital of the bots and what they had gained before. Without a capital in the registry there are
none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from alpha.clock import utc
from alpha.core import performance
from alpha.core.performance import DAY_MS, TradeFigures
from alpha.ledger.pool import Connection, Pool
from alpha.ledger.queries import load
from alpha.ledger.reader import LedgerReader
from alpha.ledger.stored import trimmed

#: What `grouping()` says of each division: a bit for each column that is summed over.
_SLICES = {7: "by_symbol", 11: "by_reason", 13: "by_rule", 14: "by_day"}


@dataclass(frozen=True, slots=True)
class Slice:
    """Sums of one symbol, exit reason, rule or UTC day, in USDT."""

    name: str
    trades: int
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal

    def as_row(self) -> dict[str, object]:
        return {
            "name": self.name,
            "trades": self.trades,
            "gross_pnl": self.gross_pnl,
            "fees": self.fees,
            "funding": self.funding,
            "net_pnl": self.net_pnl,
        }


@dataclass(frozen=True, slots=True)
class Ratios:
    """Of daily realised returns; `fall` is a fraction, its days are those of peak and bottom."""

    sharpe: float | None = None
    sortino: float | None = None
    calmar: float | None = None
    fall: float | None = None
    fall_from: date | None = None
    fall_to: date | None = None
    value_at_risk_95: float | None = None

    def as_row(self) -> dict[str, object]:
        return {
            "sharpe": _rounded(self.sharpe),
            "sortino": _rounded(self.sortino),
            "calmar": _rounded(self.calmar),
            "max_drawdown": _rounded(self.fall),
            "max_drawdown_from": self.fall_from.isoformat() if self.fall_from else None,
            "max_drawdown_to": self.fall_to.isoformat() if self.fall_to else None,
            "value_at_risk_95": _rounded(self.value_at_risk_95),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """`open_pnl` is None while a position has no price."""

    figures: TradeFigures
    open_pnl: Decimal | None
    open_positions: int
    ratios: Ratios
    slices: Mapping[str, Sequence[Slice]]

    def as_row(self) -> dict[str, object]:
        """For JSON; what the totals of the window say is not repeated."""
        found = self.figures
        return {
            "profit_factor": _quotient(found.profit_factor),
            "expectancy": _quotient(found.expectancy),
            "average_win": _quotient(found.average_win),
            "average_loss": _quotient(found.average_loss),
            "open_pnl": self.open_pnl,
            "open_positions": self.open_positions,
            **self.ratios.as_row(),
            **{name: [one.as_row() for one in part] for name, part in self.slices.items()},
        }


class AnalyticsReader:
    def __init__(self, source: Pool | Connection) -> None:
        self._source = source
        self._sql = load("analytics.sql")

    async def report(self, bot_id: str | None, days: int, *, now_ms: int | None = None) -> Report:
        """What was closed in the last `days` days up to `now_ms`, else up to the newest
        execution; of one bot, or (None) of all together without `manual`."""
        until = now_ms
        if until is None:
            until = await LedgerReader(self._source).newest_ms() or 0
        since = until - days * DAY_MS
        bots = (
            [bot_id] if bot_id is not None else list(await LedgerReader(self._source).bot_beats())
        )
        slices: dict[str, list[Slice]] = {name: [] for name in _SLICES.values()}
        for row in await self._source.fetch(self._sql["slices"], bots, since):
            slices[_SLICES[row["slice"]]].append(
                Slice(
                    row["name"],
                    row["trades"],
                    trimmed(row["gross_pnl"]),
                    trimmed(row["fees"]),
                    trimmed(row["funding"]),
                    trimmed(row["net_pnl"]),
                )
            )
        results = await self._source.fetch(self._sql["results"], bots, since)
        (held,) = await self._source.fetch(self._sql["open"], bots)
        (began,) = await self._source.fetch(self._sql["capital"], bots, since)
        ratios = Ratios()
        if began["capital"] is not None and not began["without"]:
            equity = began["capital"] + began["gained"]
            ratios = ratios_of(slices["by_day"], equity, utc(since).date(), utc(until).date())
        return Report(
            figures=performance.of_trades(trimmed(row["net_pnl"]) for row in results),
            open_pnl=None if held["unpriced"] else trimmed(held["open_pnl"]),
            open_positions=held["positions"],
            ratios=ratios,
            slices=slices,
        )


def ratios_of(days: Sequence[Slice], equity: Decimal, first: date, last: date) -> Ratios:
    """`days` are those on which trades were closed, `equity` what there was before the first of the
    window; days without any count with a return of 0."""
    net = {one.name: one.net_pnl for one in days}
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    worth, values = equity, [float(equity)]
    for day in every:
        worth += net.get(day.isoformat(), Decimal(0))
        values.append(float(worth))
    if equity <= 0:
        return Ratios()
    daily = performance.returns(values)
    fall = performance.drawdown(values[1:], values[0])
    yearly = performance.cagr(values[-1] / values[0] - 1, len(every) * DAY_MS)
    return Ratios(
        sharpe=performance.sharpe(daily),
        sortino=performance.sortino(daily),
        calmar=performance.calmar(yearly, fall.depth),
        fall=fall.depth,
        fall_from=None if fall.bottom is None else every[fall.peak or 0],
        fall_to=None if fall.bottom is None else every[fall.bottom],
        value_at_risk_95=performance.value_at_risk(daily),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _quotient(value: Decimal | None) -> Decimal | None:
    return None if value is None else trimmed(round(value, 8))
