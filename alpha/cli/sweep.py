"""`alpha sweep`: backtests at all points of a grid of settings, ranked."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.backtest import progress, usage, write
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
from alpha.errors import NotFound

if TYPE_CHECKING:
    from alpha.backtest.sweep import Executor, Swept

#: What Ray reads as it is imported: its makers are told nothing, and the terminal gets nothing of
#: what the cluster has to say about its workers.
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}
#: Points left out that are named on the terminal.
NAMED = 5


def sweep(
    data: CandlesOption,
    grid: Annotated[
        list[str],
        typer.Option("--grid", metavar="BOT.KEY=1,2,3", help="Values to try; repeatable."),
    ],
    bots: BotsOption = "",
    begin: FromOption = None,
    end: ToOption = None,
    balance: BalanceOption = "10000",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="BOT.KEY=VALUE", help="A setting of all points."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", metavar="N", min=1, help="Processes; default: CPUs.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="Run on this Ray cluster instead."),
    ] = None,
    split: Annotated[
        float,
        typer.Option("--split", metavar="PART", help="Part of the time that ranks; 1: all of it."),
    ] = 0.7,
    json_file: ResultOption = None,
    repair: RepairOption = False,
    config: ConfigOption = None,
) -> None:
    """Backtest a grid of settings on all CPUs or a Ray cluster; rank in sample, show the rest."""
    from alpha import resources
    from alpha.backtest import sweep as sweeps
    from alpha.backtest.grid import parse_axes
    from alpha.backtest.setup import Request, amount, parse_changes
    from alpha.backtest.sweep_summary import document
    from alpha.bots.discovery import RESTRICTION
    from alpha.cli.logs import configure

    if not 0 < split <= 1:
        raise typer.BadParameter(f"expected --split above 0, up to 1, was {split:g}")
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
    restriction = os.environ.get(RESTRICTION)
    job = sweeps.Job(
        loaded,
        (resources.plugins_folder(), *own),
        {} if restriction is None else {RESTRICTION: restriction},
        request,
    )
    axes = usage(lambda: parse_axes(grid))
    executor = _executor(ray, jobs)
    try:
        with progress("points") as (expect, advance):
            swept = sweeps.sweep(job, axes, executor, split=split, expect=expect, advance=advance)
    except sweeps.SweepFailed as error:
        print(error.fault, end="", file=sys.stderr)
        raise
    _remarks(swept)
    if json_file is not None:
        raw = document(swept)
        if str(json_file) == "-":
            print(raw.decode())
        else:
            write(json_file, raw)
    if str(json_file) != "-":
        _summary(swept)


def _executor(ray: str | None, jobs: int | None) -> Executor:
    if ray is None:
        from alpha.backtest.processes import Processes

        return Processes(jobs or os.cpu_count() or 1)
    os.environ.update(RAY)
    try:
        from alpha.backtest.cluster import Cluster
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise NotFound(
            "--ray: expected the package ray, found none; pip install 'alpha[ray]' installs it, on "
            "this machine and on those of the cluster"
        ) from None
    return Cluster(ray, jobs)


def _remarks(swept: Swept) -> None:
    for note in swept.notes:
        print(f"note: {note}", file=sys.stderr)
    for one in swept.left_out[:NAMED]:
        print(f"note: {one.point} left out: {one.why}", file=sys.stderr)
    if len(swept.left_out) > NAMED:
        more = len(swept.left_out) - NAMED
        print(f"note: {more} more left out; --json names them all", file=sys.stderr)
    for warning in swept.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _summary(swept: Swept) -> None:
    from rich.console import Console

    from alpha.backtest.sweep_summary import tables

    console = Console(highlight=False)
    for table in tables(swept):
        console.print(table)
