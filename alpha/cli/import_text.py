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

    console = Console(highlight=False, soft_wrap=True)
    would = "would bring" if report.dry_run else "brought"
    console.print(f"{report.source}: {would} {report.new_rows} new rows", markup=False)
    console.print(_tables(report))
    rejects = report.found.rejects
    for row in rejects[:SHOWN]:
        console.print(f"rejected {row.table} {row.place} ({row.key}): {row.reason}", markup=False)
    if len(rejects) > SHOWN:
        console.print(f"and {len(rejects) - SHOWN} more rejected (--json shows them)")
    for table, reasons in sorted(report.found.left_out.items()):
        for reason, tally in reasons.items():
            console.print(f"left out {table}: {tally.rows} rows, {reason}", markup=False)
    for note in report.notes:
        console.print(f"note: {note}", markup=False)
    if report.before or report.after:
        console.print(_sums(report))
    if report.dry_run:
        console.print("a dry run: nothing was changed")
    elif not report.new_rows:
        console.print("nothing was changed: all of it is known")


def _tables(report: Report) -> object:
    from rich.table import Table

    found = report.found
    table = Table("source table", "read", "rejected", "left out", "net PnL", "fees")
    for name in sorted(found.read):
        read = found.read[name]
        left = sum(tally.rows for tally in found.left_out.get(name, {}).values())
        gone = found.rejected.get(name)
        table.add_row(
            name,
            str(read.rows),
            str(gone.rows if gone else 0),
            str(left),
            _money(read.net_pnl),
            _money(read.fees),
        )
    for what, tally in report.brought.items():
        if tally.rows or report.known[what]:
            word = "known" if not tally.rows else "new"
            table.add_row(
                f"-> {what} ({word}, {report.known[what]} known before)",
                str(tally.rows),
                "",
                "",
                _money(tally.net_pnl),
                _money(tally.fees),
            )
    return table


def _sums(report: Report) -> object:
    """Before and after by bot and symbol."""
    from rich.table import Table

    table = Table("history of", "symbol", "what", "rows", "quantity", "net PnL", "fees")
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
