"""`alpha parity`: a recording of the daemon against the backtester, decision by decision."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alpha.cli.options import ConfigOption, JsonOption, settings


class Fills(StrEnum):
    RECORDED = "recorded"
    MODEL = "model"


def parity(
    recording: Annotated[
        Path,
        typer.Option(
            "--recording", metavar="FILE", help="A file of the run, or the folder of all runs."
        ),
    ],
    fills: Annotated[
        Fills, typer.Option("--fills", help="Fill orders as recorded, or by a backtest's model.")
    ] = Fills.RECORDED,
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Replay a recording through the backtester; print the first decision that differs, and why."""
    import os
    import traceback

    from alpha import resources
    from alpha.backtest.seat import HookRaised
    from alpha.bots.discovery import Catalog
    from alpha.cli.logs import configure
    from alpha.parity import report
    from alpha.parity.replay import replay
    from alpha.parity.story import load

    loaded = settings(config)
    configure("warning")  # a bot's every step is no news here
    own = [loaded.plugins_dir] if loaded.plugins_dir is not None else []
    catalog = Catalog([resources.plugins_folder(), *own], os.environ)
    try:
        story = load(recording)
        outcome = replay(story, catalog, by_model=fills is Fills.MODEL)
        by_model = replay(story, catalog, by_model=True) if fills is Fills.RECORDED else None
    except HookRaised as error:
        if error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        raise
    if json_:
        print(report.document(outcome, by_model))
    else:
        for line in report.lines(outcome, by_model):
            print(line)
    if not report.is_same(outcome):
        raise typer.Exit(1)
