"""An import's report for people."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alpha.imports.found import Tally
    from alpha.imports.report import Report

#: Without --json no more rows that were not taken are printed.
SHOWN = 20
_CENT = Decimal("0.01")


def show(report: Report) -> None:
    from rich.console import Console

    console, found = Console(highlight=False, soft_wrap=True), report.found
    would = "would bring" if report.dry_run else "brought"
    console.print(f"{report.source}: {would} {report.new_rows} new rows", markup=False)
    console.print(_tables(report))
    console.print(_brought(report))
    for word, rows in (("rejected", found.rejects), ("no round trip", found.unpaired)):
        for row in rows[:SHOWN]:
            line = f"{word}: {row.table} {row.place} ({row.key}): {row.reason}"
            console.print(line, markup=False)
        if len(rows) > SHOWN:
            console.print(f"{word}: and {len(rows) - SHOWN} more (--json shows them)")
    for table, reasons in sorted(found.left_out.items()):
        for reason, tally in reasons.items():
            console.print(f"left out: {tally.rows} of {table}: {reason}", markup=False)
    for note in report.notes:
        console.print(f"note: {note}", markup=False)
    if report.before or report.after:
        console.print(_sums(report))
    if report.dry_run:
        console.print("a dry run: nothing was changed")
    elif not report.new_rows:
        console.print("nothing was changed: all of it is known")


def _tables(report: Report) -> object:
    """What the source held."""
    from rich.table import Column, Table

    found = report.found
    table = Table(
        Column("in the source", no_wrap=True), "rows", "rejected", "left out", "net PnL", "fees"
    )
    for name, read in sorted(found.read.items()):
        left = sum(tally.rows for tally in found.left_out.get(name, {}).values())
        gone = found.rejected[name].rows if name in found.rejected else 0
        counts = (str(count) for count in (read.rows, gone, left))
        table.add_row(name, *counts, _money(read.net_pnl), _money(read.fees))
    return table


def _brought(report: Report) -> object:
    """What became of it."""
    from rich.table import Table

    table = Table("history", "new", "known before", "net PnL", "fees")
    for what, tally in report.brought.items():
        counts = (str(tally.rows), str(report.known[what]))
        table.add_row(what, *counts, _money(tally.net_pnl), _money(tally.fees))
    return table


def _sums(report: Report) -> object:
    """Before and after by bot and symbol."""
    from rich.table import Column, Table

    table = Table(
        Column("history of", no_wrap=True),
        Column("symbol", no_wrap=True),
        *("what", "rows", "quantity", "net PnL", "fees"),
    )
    for what, bot, symbol in sorted({*report.before, *report.after}, key=lambda key: key[1:]):
        key = (what, bot, symbol)
        cells = zip(_cells(report.before, key), _cells(report.after, key), strict=True)
        changes = [now if was == now else f"{was} -> {now}" for was, now in cells]
        table.add_row(bot, symbol, what, *changes)
    return table


def _cells(
    sums: Mapping[tuple[str, str, str], Tally], key: tuple[str, str, str]
) -> tuple[str, str, str, str]:
    from alpha.control.wire import plain

    tally = sums.get(key)
    if tally is None:
        return ("0", "0", "0.00", "0.00")
    return (
        str(tally.rows),
        plain(tally.quantity),
        _money(tally.net_pnl),
        _money(tally.fees),
    )


def _money(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT)}"
