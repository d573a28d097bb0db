"""`alpha run`: the daemon."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.options import ConfigOption, ModeOption, settings

if TYPE_CHECKING:
    from alpha.config import Config
    from alpha.guard import Lifeline


def run(
    bots: Annotated[
        str | None,
        typer.Option("--bots", metavar="A,B|none", help="Run exactly these bots."),
    ] = None,
    mode: ModeOption = None,
    config: ConfigOption = None,
    live: Annotated[
        bool, typer.Option("--live", help="Allow real money (with [live] enabled = true).")
    ] = False,
    for_: Annotated[
        str | None,
        typer.Option("--for", metavar="60s|5m|1h", help="Stop after this time."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write a JSON report at the end."),
    ] = None,
) -> None:
    """Run the daemon and its bots until Ctrl-C.

    Positions stay open and protected when it stops. `--bots none` runs the platform alone; bots
    that are left out keep their positions watched."""
    from alpha.clock import SystemClock
    from alpha.config import RunOptions, check_start, process_started, select_bots

    names = _names(bots)
    options = RunOptions(
        bots=names,
        for_s=_seconds(for_),
        report=_writable(report),
        live=live,
        config_file=config,
        started=process_started(SystemClock()),
    )
    loaded = settings(config, {"mode": mode}, lasting=True)
    if names is not None:
        loaded = select_bots(loaded, names)
    check_start(loaded, live_flag=live)
    for note in loaded.notes:
        print(f"alpha: {note}", file=sys.stderr)
    lifeline = _guarded(loaded)
    from alpha.daemon import run as run_daemon

    raise typer.Exit(run_daemon(loaded, options, lifeline))


def _guarded(config: Config) -> Lifeline | None:
    """From here on this process is the daemon, and its parent watches over it."""
    from alpha import guard
    from alpha.clock import SystemClock

    if not guard.is_wanted(os.environ):
        return None

    def running_hook() -> str | None:
        from alpha.bots.mark import mark_of, read_mark

        hook = read_mark(mark_of(config.data_dir))
        return None if hook is None else str(hook)

    started = guard.start(SystemClock(), running_hook)
    if isinstance(started, int):
        raise typer.Exit(started)
    return started


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(word.strip() for word in text.split(",") if word.strip())
    if not names:
        raise typer.BadParameter("expected --bots a,b or --bots none, found nothing")
    return () if names == ("none",) else names


def _seconds(text: str | None) -> int | None:
    from alpha.config import parse_span

    if text is None:
        return None
    try:
        return parse_span(text)
    except ValueError as error:
        raise typer.BadParameter(f"--for: {error}") from None


def _writable(report: Path | None) -> Path | None:
    """A report that could not be written is better refused now than after the run."""
    if report is None:
        return None
    if not report.absolute().parent.is_dir():
        raise typer.BadParameter(
            f"--report: expected a file in a folder that exists, found {report}; create it first"
        )
    if report.is_dir() or not os.access(report.absolute().parent, os.W_OK):
        found = "a folder" if report.is_dir() else "no permission to write there"
        raise typer.BadParameter(f"--report: expected a file to write, found {found}: {report}")
    return report
