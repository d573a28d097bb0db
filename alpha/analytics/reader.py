"""Reports of what was closed in a window, out of the ledger, with the metrics of backtests.

A trade is what one entry order has opened, as far as it was closed on one UTC day, as in
`trading.bot_daily_performance`: one that was closed in parts on two days counts on both. Its pieces
count under the symbol, reason, rule and day of each, so the sums of every division are the total.
Daily returns are realised: net results of a day over the equity at its beginning, which is the
capital of the bots, or the wallet of their account when it was first written down, and what they
had gained before. Days that are long over are read as sums, the others from the trades:
`analytics.closed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

import asyncpg

from alpha.clock import Clock, iso, utc
from alpha.core import performance
from alpha.core.performance import DAY_MS, TradeFigures
from alpha.ledger.pool import Connection, Pool
from alpha.ledger.queries import load
from alpha.ledger.reader import LedgerReader
from alpha.ledger.stored import trimmed

#: Kinds of rows in `analytics.closed`.
_DIVISIONS = {
    "symbol": "by_symbol",
    "reason": "by_reason",
    "rule": "by_rule",
    "day": "by_day",
}
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Slice:
    """Sums of one symbol, exit reason, rule or UTC day, in USDT."""

    name: str
    figures: TradeFigures
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal

    def as_row(self) -> dict[str, object]:
        return {
            "name": self.name,
            "trades": self.figures.trades,
            "gross_pnl": self.gross_pnl,
            "fees": self.fees,
            "funding": self.funding,
            "net_pnl": self.figures.net_pnl,
        }


@dataclass(frozen=True, slots=True)
class Ratios:
    """Of daily realised returns; `fall` is a fraction, its days are those of peak and bottom.
    `days` says of how many returns: of a few they are arithmetic, and no measure of a bot."""

    daily: Mapping[int, float] = field(default_factory=dict)  # day number of the window -> return
    days: int = 0
    sharpe: float | None = None
    sortino: float | None = None
    calmar: float | None = None
    fall: float | None = None
    fall_from: date | None = None
    fall_to: date | None = None
    value_at_risk_95: float | None = None

    def as_row(self) -> dict[str, object]:
        return {
            "basis": "realised",  # those of trading.risk_metrics are of equity
            "ratio_days": self.days,
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
    """Of one bot, or of all together (None). `open_pnl` is None while a position has no price;
    `exposure` is the part of the window in which a position was open; `correlation` is that of
    daily returns with each other bot that was reported along with it."""

    bot_id: str | None
    days: int
    until_ms: int
    fills: int
    whole: Slice
    exposure: float
    open_pnl: Decimal | None
    open_positions: int
    ratios: Ratios
    slices: Mapping[str, Sequence[Slice]]
    correlation: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def figures(self) -> TradeFigures:
        return self.whole.figures

    def as_row(self) -> dict[str, object]:
        """For JSON."""
        found = self.figures
        return {
            "bot_id": self.bot_id,
            "days": self.days,
            "until": iso(self.until_ms),
            "trades": found.trades,
            "wins": found.wins,
            "losses": found.losses,
            "breakeven": found.trades - found.wins - found.losses,
            "win_rate": Decimal(found.wins) / found.trades if found.trades else None,
            "gross_pnl": self.whole.gross_pnl,
            "fees": self.whole.fees,
            "funding": self.whole.funding,
            "net_pnl": found.net_pnl,
            "best": found.best,
            "worst": found.worst,
            "fills": self.fills,
            "profit_factor": _quotient(found.profit_factor),
            "expectancy": _quotient(found.expectancy),
            "average_win": _quotient(found.average_win),
            "average_loss": _quotient(found.average_loss),
            "exposure": _rounded(self.exposure),
            "open_pnl": self.open_pnl,
            "open_positions": self.open_positions,
            **self.ratios.as_row(),
            "correlation": {bot: _rounded(value) for bot, value in self.correlation.items()},
            **{name: [one.as_row() for one in part] for name, part in self.slices.items()},
        }


class AnalyticsReader:
    def __init__(self, source: Pool | Connection, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._sql = load("analytics.sql")

    async def report(self, days: int, *, now_ms: int | None = None) -> Report:
        """What all bots together, without `manual`, have closed in the last `days` days up to
        `now_ms`, else up to the newest execution. Its ratios are of those whose capital is known;
        None if one of the others has closed something."""
        until = await self._until(now_ms)
        crew = list(await LedgerReader(self._source).bot_beats())
        (found,) = await self._reports(None, crew, days, until)
        return found

    async def reports(
        self, bots: Sequence[str], days: int, *, now_ms: int | None = None
    ) -> dict[str, Report]:
        """The same of each of these bots, and how their daily returns go together."""
        if not bots:
            return {}
        until = await self._until(now_ms)
        found = {str(one.bot_id): one for one in await self._reports(list(bots), bots, days, until)}
        together = await self._correlations({bot: one.ratios.daily for bot, one in found.items()})
        return {bot: replace(one, correlation=together[bot]) for bot, one in found.items()}

    async def _until(self, now_ms: int | None) -> int:
        return now_ms if now_ms is not None else (await LedgerReader(self._source).newest_ms() or 0)

    async def _reports(
        self, bots: list[str] | None, crew: Sequence[str], days: int, until: int
    ) -> list[Report]:
        """One of each of `bots`, or (None) one of the whole crew."""
        since = until - days * DAY_MS
        closed = _by_bot(await self._fetch("closed", bots, since, until))
        gained = await self._gained(bots, since)
        capital = await self._fetch("capital", crew, since)
        idle = sorted(set(crew) - {row["bot_id"] for row in capital})
        if bots is None and idle:
            # What they had gained before is no part of a capital that is known.
            gained[None] = gained.get(None, _ZERO) - sum((await self._gained(idle, since)).values())
        held = await self._fetch("open", crew)
        fills = await self._fetch("fills", crew, since)
        return [
            _report(
                bot,
                days,
                until,
                closed.get(bot, []),
                gained.get(bot, _ZERO),
                *(
                    [row for row in rows if bot in (None, row["bot_id"])]
                    for rows in (capital, held, fills)
                ),
            )
            for bot in (bots if bots is not None else [None])
        ]

    async def _gained(self, bots: list[str] | None, since: int) -> dict[str | None, Decimal]:
        rows = await self._fetch("gained", bots, since)
        return {row["bot_id"]: row["net_pnl"] for row in rows}

    async def _correlations(
        self, daily: Mapping[str, Mapping[int, float]]
    ) -> dict[str, dict[str, float | None]]:
        """Of every two bots. A hundred are some thousand pairs, between which the loop turns."""
        found: dict[str, dict[str, float | None]] = {bot: {} for bot in daily}
        bots = list(daily)
        for place, one in enumerate(bots):
            for other in bots[place + 1 :]:
                value = performance.correlation(daily[one], daily[other])
                found[one][other] = found[other][one] = value
            await self._clock.sleep(0)
        return found

    async def _fetch(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        return await self._source.fetch(self._sql[name], *arguments)


def _by_bot(rows: Iterable[asyncpg.Record]) -> dict[str | None, list[asyncpg.Record]]:
    found: dict[str | None, list[asyncpg.Record]] = {}
    for row in rows:
        found.setdefault(row["bot_id"], []).append(row)
    return found


def _report(
    bot_id: str | None,
    days: int,
    until: int,
    closed: Sequence[asyncpg.Record],
    gained: Decimal,
    capital: Sequence[asyncpg.Record],
    held: Sequence[asyncpg.Record],
    fills: Sequence[asyncpg.Record],
) -> Report:
    slices: dict[str, list[Slice]] = {name: [] for name in _DIVISIONS.values()}
    held_s = _ZERO
    for row in closed:
        if row["kind"] is None:
            held_s = row["held_s"]
        else:
            slices[_DIVISIONS[row["kind"]]].append(_slice(row))
    ratios = Ratios()
    if capital and all(row["capital"] is not None for row in capital):
        equity = sum((row["capital"] for row in capital), gained)
        since = until - days * DAY_MS
        began = min((row["began"] for row in capital if row["began"] is not None), default=since)
        ratios = ratios_of(
            slices["by_day"],
            equity,
            utc(since).date(),
            utc(until).date(),
            began=utc(max(since, began)).date(),
        )
    unpriced = sum(row["unpriced"] for row in held)
    return Report(
        bot_id=bot_id,
        days=days,
        until_ms=until,
        fills=sum(row["fills"] for row in fills),
        whole=_whole(slices["by_day"]),
        exposure=float(held_s) * 1000 / (days * DAY_MS),
        open_pnl=None if unpriced else trimmed(sum((row["open_pnl"] for row in held), _ZERO)),
        open_positions=sum(row["positions"] for row in held),
        ratios=ratios,
        slices=slices,
    )


def _slice(row: asyncpg.Record) -> Slice:
    figures = TradeFigures(
        trades=int(row["trades"]),
        net_pnl=row["net_pnl"],
        wins=int(row["wins"]),
        losses=int(row["losses"]),
        gross_profit=row["gross_profit"],
        gross_loss=row["gross_loss"],
        best=row["best"],
        worst=row["worst"],
    )
    return Slice(row["name"], figures, row["gross_pnl"], row["fees"], row["funding"])


def _whole(days: Sequence[Slice]) -> Slice:
    """The sum of all days."""
    of = [one.figures for one in days]
    figures = TradeFigures(
        trades=sum(one.trades for one in of),
        net_pnl=trimmed(sum((one.net_pnl for one in of), _ZERO)),
        wins=sum(one.wins for one in of),
        losses=sum(one.losses for one in of),
        gross_profit=trimmed(sum((one.gross_profit for one in of), _ZERO)),
        gross_loss=trimmed(sum((one.gross_loss for one in of), _ZERO)),
        best=max((one.best for one in of if one.best is not None), default=None),
        worst=min((one.worst for one in of if one.worst is not None), default=None),
    )
    return Slice(
        "",
        figures,
        trimmed(sum((one.gross_pnl for one in days), _ZERO)),
        trimmed(sum((one.fees for one in days), _ZERO)),
        trimmed(sum((one.funding for one in days), _ZERO)),
    )


def ratios_of(
    days: Sequence[Slice], equity: Decimal, first: date, last: date, *, began: date
) -> Ratios:
    """`days` are those on which trades were closed, `equity` what there was before the first of the
    window; days without any count with a return of 0. Of what began within the window only the days
    since then count, save that `daily` has 0 on those before."""
    net = {one.name: one.figures.net_pnl for one in days}
    every = [began + timedelta(days=number) for number in range((last - began).days + 1)]
    before = (began - first).days
    worth, values = equity, [float(equity)]
    for day in every:
        worth += net.get(day.isoformat(), _ZERO)
        values.append(float(worth))
    if equity <= 0:
        return Ratios()
    daily = performance.returns(values)
    fall = performance.drawdown(values[1:], values[0])
    yearly = performance.cagr(values[-1] / values[0] - 1, len(every) * DAY_MS)
    return Ratios(
        # Equity at or below 0 leaves days out: what comes after them is on no known day.
        daily=dict(enumerate([0.0] * before + daily)) if len(daily) == len(every) else {},
        days=len(daily),
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
