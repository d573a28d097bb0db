"""A sweep's result as tables for a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from alpha.backtest.grid import Axis, plain
from alpha.backtest.summary import written
from alpha.backtest.sweep import RANKED_BY, Figures, Outcome, Swept, sharpe
from alpha.clock import iso

#: How many of the ranked points a terminal shows.
SHOWN = 20
_COLUMNS = (
    ("sharpe", "Sharpe", "ratio"),
    ("total_return", "return", "percent"),
    ("max_drawdown", "drawdown", "percent"),
    ("trades", "trades", "count"),
)
_LATER = _COLUMNS[:2]


def document(swept: Swept) -> bytes:
    """`ranked_by, split, grid, points, left_out, warnings`; `points` is best first, each with
    `rank, settings, in_sample, out_of_sample`, figures named as in a backtest's `metrics`."""
    at_ms = swept.split_ms
    return msgspec.json.encode(
        {
            "ranked_by": RANKED_BY,
            "split": None if at_ms is None else {"at_ms": at_ms, "at": iso(at_ms)},
            "grid": {axis.name: [plain(value) for value in axis.values] for axis in swept.axes},
            "points": [
                {
                    "rank": rank,
                    "settings": one.point.settings(),
                    "in_sample": one.inside,
                    "out_of_sample": one.outside,
                }
                for rank, one in enumerate(swept.ranked, start=1)
            ],
            "left_out": [
                {"settings": one.point.settings(), "why": one.why} for one in swept.left_out
            ],
            "warnings": swept.warnings,
        }
    )


def tables(swept: Swept) -> Iterator[Table | str]:
    """The best points; for two settings a heat map as well."""
    split = swept.split_ms
    yield "Ranked by Sharpe ratio, then return" + (
        "." if split is None else f", of the time before {iso(split)}; later: from there on."
    )
    yield _ranking(swept)
    if len(swept.ranked) > SHOWN:
        yield f"And {len(swept.ranked) - SHOWN} more; --json has them all."
    if len(swept.axes) == 2:
        down, across = swept.axes
        yield f"Sharpe ratio; {down.name} down, {across.name} across:"
        yield _heat_map(swept)


def _ranking(swept: Swept) -> Table:
    split = swept.split_ms is not None
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", justify="right", style="dim")
    for label in _labels(swept.axes):
        table.add_column(label, justify="right", overflow="fold")
    for _, label, _ in _COLUMNS:
        table.add_column(label, justify="right", no_wrap=True)
    for _, label, _ in _LATER if split else ():
        table.add_column(f"later\n{label}", justify="right", no_wrap=True)
    for rank, one in enumerate(swept.ranked[:SHOWN], start=1):
        cells = _cells(one.inside, _COLUMNS) + (_cells(one.outside, _LATER) if split else [])
        table.add_row(str(rank), *(value for *_, value in one.point.changes), *cells)
    return table


def _labels(axes: Sequence[Axis]) -> list[str]:
    """Keys alone where all are of one bot."""
    alone = len({axis.bot for axis in axes}) == 1
    return [axis.key if alone else f"{axis.bot}\n{axis.key}" for axis in axes]


def _cells(figures: Figures | None, columns: Sequence[tuple[str, str, str]]) -> list[str]:
    return [written((figures or {}).get(key), kind) for key, _, kind in columns]


def _heat_map(swept: Swept) -> Table:
    """Sharpe ratios in sample: the first axis downwards, the second across."""
    down, across = swept.axes
    by_place = {one.point.places: one for one in swept.ranked}
    ratios = [ratio for one in swept.ranked if (ratio := sharpe(one.inside)) is not None]
    most = max((abs(ratio) for ratio in ratios), default=0.0) or 1.0
    table = Table(box=None)
    table.add_column("", justify="right", style="bold")
    for value in across.values:
        table.add_column(value, justify="right")
    for row, value in enumerate(down.values):
        cells = [_cell(by_place.get((row, at)), most) for at in range(len(across.values))]
        table.add_row(value, *cells)
    return table


def _cell(outcome: Outcome | None, most: float) -> Text:
    """Green above 0, red below, the fuller the farther; a dash where there is no figure."""
    ratio = None if outcome is None else sharpe(outcome.inside)
    if ratio is None:
        return Text(" - ", style="dim")
    depth = 40 + round(120 * abs(ratio) / most)
    colour = f"rgb(0,{depth},0)" if ratio > 0 else f"rgb({depth},0,0)"
    return Text(f" {ratio:.2f} ", style=f"white on {colour}")
