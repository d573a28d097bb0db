"""A backtest's result as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from alpha.backtest.metrics import Figures
from alpha.backtest.result import Result

#: Figure, its label, how it is written.
_MAIN = (
    ("total_return", "return", "percent"),
    ("cagr", "CAGR", "percent"),
    ("max_drawdown", "max drawdown", "percent"),
    ("sharpe", "Sharpe", "ratio"),
    ("sortino", "Sortino", "ratio"),
    ("calmar", "Calmar", "ratio"),
    ("trades", "trades", "count"),
    ("win_rate", "win rate", "percent"),
    ("profit_factor", "profit factor", "ratio"),
    ("expectancy", "expectancy", "money"),
    ("exposure", "exposure", "percent"),
    ("net_pnl", "net of trades", "money"),
    ("fees", "fees", "money"),
    ("funding", "funding", "money"),
    ("final_balance", "final balance", "money"),
    ("final_equity", "final equity", "money"),
)
_GROUPS = (("by_bot", "bot"), ("by_symbol", "symbol"), ("by_reason", "exit reason"))


def written(value: object, kind: str) -> str:
    """A figure for people; a dash where there is none."""
    if not isinstance(value, int | float):
        return "-" if value is None else str(value)
    if kind == "percent":
        return f"{value:.2%}"
    if kind == "money":
        return f"{value:,.2f}"
    return f"{value:,.2f}" if kind == "ratio" else f"{value:,}"


def main_figures(figures: Figures) -> list[tuple[str, str]]:
    """(label, value) of what is looked at first."""
    return [(label, written(figures.get(key), kind)) for key, label, kind in _MAIN]


def tables(bots: tuple[str, ...], result: Result, figures: Figures) -> Iterator[Table]:
    main = Table(
        title=f"{', '.join(bots)}   {figures['start']} to {figures['end']}", show_header=False
    )
    main.add_column(style="dim")
    main.add_column(justify="right")
    for label, value in main_figures(figures):
        main.add_row(label, value)
    if figures["max_drawdown_from"] is not None:
        main.add_row("deepest from", str(figures["max_drawdown_from"]))
        main.add_row("deepest at", str(figures["max_drawdown_to"]))
        main.add_row("recovered", str(figures["max_drawdown_recovered"] or "not yet"))
    yield main
    for key, label in _GROUPS:
        group = figures[key]
        if isinstance(group, Mapping) and group:
            yield _group(label, group)
    if result.open_positions:
        yield _open(result)
    if result.refused:
        yield _refused(result)


def _group(label: str, group: Mapping[str, object]) -> Table:
    table = Table(label, "trades", "net", "fees", "win rate")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in group.items():
        if isinstance(row, Mapping):
            table.add_row(
                name,
                written(row["trades"], "count"),
                written(row["net_pnl"], "money"),
                written(row["fees"], "money"),
                written(row["win_rate"], "percent"),
            )
    return table


def _open(result: Result) -> Table:
    head = ("bot", "symbol", "side", "quantity", "entry", "last", "unrealised")
    table = Table(*head, title="still open")
    for one in result.open_positions:
        table.add_row(
            one.bot,
            one.symbol,
            one.side,
            str(one.qty),
            f"{one.entry_price:f}",
            f"{one.mark_price:f}",
            f"{one.unrealised_pnl:,.2f}",
        )
    return table


def _refused(result: Result) -> Table:
    table = Table("bot", "symbol", "why", "times", title="decisions without an order")
    counts: dict[tuple[str, str, str], int] = {}
    for one in result.refused:
        key = (one.bot, one.symbol, one.why.partition(":")[0])
        counts[key] = counts.get(key, 0) + 1
    for (bot, symbol, why), count in counts.items():
        table.add_row(bot, symbol, why, str(count))
    return table
