"""`alpha backtest`: the bots over recorded candles, without a server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from alpha.cli.options import (
    BalanceOption,
    BotsOption,
    CandlesOption,
    ConfigOption,
    FromOption,
    RepairOption,
    ResultOption,
    ToOption,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alpha.backtest.metrics import Figures
    from alpha.backtest.result import Result

T = TypeVar("T")


def backtest(
    data: CandlesOption,
    bots: BotsOption = "",
    begin: FromOption = None,
    end: ToOption = None,
    balance: BalanceOption = "10000",
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="BOT.KEY=VALUE", help="A bot's setting, or backtest.slippage_bps."
        ),
    ] = None,
    json_file: ResultOption = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a report of one page.")
    ] = None,
    repair: RepairOption = False,
    config: ConfigOption = None,
) -> None:
    """Run bots over recorded candles: the same plugins as live, filled by a documented model."""
    import os
    import traceback

    from alpha import resources
    from alpha.backtest.metrics import metrics
    from alpha.backtest.output import document
    from alpha.backtest.seat import HookRaised
    from alpha.backtest.setup import Request, amount, parse_changes, prepare
    from alpha.bots.discovery import Catalog
    from alpha.cli.logs import configure

    loaded = settings(config)
    configure("warning")  # a bot's every step is no news here
    request = Request(
        bots=tuple(name.strip() for name in bots.split(",") if name.strip()),
        data=data,
        from_ms=begin,
        to_ms=end,
        balance=usage(lambda: amount("--balance", balance)),
        changes=usage(lambda: parse_changes(changes or [])),
        repair=repair,
    )
    own = [loaded.plugins_dir] if loaded.plugins_dir is not None else []
    catalog = Catalog([resources.plugins_folder(), *own], os.environ)
    try:
        with progress("bars") as (expect, advance):
            prepared = prepare(loaded, catalog, request, advance)
            expect(prepared.tape.bars)
            result = prepared.engine.run()
    except HookRaised as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        raise
    figures = metrics(result)
    for note in (*prepared.notes, *result.notes):
        print(f"note: {note}", file=sys.stderr)
    if json_file is not None:
        raw = document(result, figures)
        if str(json_file) == "-":
            print(raw.decode())
        else:
            write(json_file, raw)
    if html_file is not None:
        from alpha.backtest.report import page

        write(html_file, page(prepared.bots, prepared.tape, result, figures).encode())
    if str(json_file) != "-":
        _summary(prepared.bots, result, figures)


def write(path: Path, content: bytes) -> None:
    from alpha.errors import NeedsOperator

    try:
        path.write_bytes(content)
    except OSError as error:
        raise NeedsOperator(f"{path}: expected to write there, was {error.strerror}") from error


def usage(read: Callable[[], T]) -> T:
    """What a wrong option says is usage, whoever finds it wrong."""
    from alpha.errors import ConfigError

    try:
        return read()
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def progress(what: str) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """A bar on the terminal that counts `what`; nothing where stderr is none."""
    if not sys.stderr.isatty():
        yield (lambda _: None), (lambda _: None)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield (
            lambda total: shown.update(task, total=total),
            lambda steps: shown.update(task, advance=steps),
        )


def _summary(bots: tuple[str, ...], result: Result, figures: Figures) -> None:
    from rich.console import Console

    from alpha.backtest.summary import tables

    console = Console(highlight=False)
    for table in tables(bots, result, figures):
        console.print(table)
