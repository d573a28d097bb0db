"""`alpha import ...`: history of the earlier bots and of the earlier platform."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.options import ConfigOption, JsonOption, ModeOption, settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from alpha.control.importing import Importer
    from alpha.imports.report import Report

app = typer.Typer(
    help="Import the history of earlier bots. See docs/import.md.", no_args_is_help=True
)

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")
]
LiveOption = Annotated[bool, typer.Option("--live", help="Allow it in mode live.")]
BotOption = Annotated[
    str | None,
    typer.Option("--bot", metavar="NAME", help="Whose history it is; default: who runs it."),
]
BesideOption = Annotated[
    bool, typer.Option("--beside", help="Also while a daemon holds the accounts.")
]


@app.callback()
def importing() -> None:
    """Import the history of earlier bots. See docs/import.md."""


@app.command("list")
def list_imports(
    config: ConfigOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """Show what was imported, and when."""
    from alpha.clock import SystemClock
    from alpha.control.importing import imports_so_far
    from alpha.control.wire import encode

    done = asyncio.run(imports_so_far(settings(config, {"mode": mode}), SystemClock()))
    if as_json:
        print(encode({"imports": done}))
        return
    for row in done:
        print(
            f"{row['id']}  {row['imported_at']}  {row['kind']}  {row['source']}: "
            f"{row['new_rows']} rows"
        )
    if not done:
        print("nothing was imported yet")


@app.command("platform")
def platform(
    source: Annotated[str, typer.Argument(metavar="DUMP|URL")],
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    mode: ModeOption = None,
    live: LiveOption = False,
    beside: BesideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import the earlier platform: a plain SQL dump (.sql, .sql.gz), or postgresql://..."""
    _run(config, mode, lambda it: it.platform(source), (dry_run, live, beside), as_json=as_json)


@app.command("momentum")
def momentum(
    file: Annotated[Path, typer.Argument(metavar="FILE.db")],
    source_tz: Annotated[
        str | None,
        typer.Option(
            "--source-tz",
            metavar="ZONE",
            help="Zone of its local times, such as Europe/Athens; default: as created_at shows.",
        ),
    ] = None,
    bot: BotOption = None,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    mode: ModeOption = None,
    live: LiveOption = False,
    beside: BesideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import Momentum's SQLite file."""
    from alpha.imports.zones import zone_named

    try:
        zone = None if source_tz is None else zone_named(source_tz)
    except ValueError as error:
        raise typer.BadParameter(f"--source-tz: {error}") from None
    _run(
        config,
        mode,
        lambda it: it.momentum(file, bot=bot, zone=zone),
        (dry_run, live, beside),
        as_json=as_json,
    )


@app.command("shortseller")
def shortseller(
    source: Annotated[str, typer.Argument(metavar="DUMP|URL")],
    bot: BotOption = None,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    mode: ModeOption = None,
    live: LiveOption = False,
    beside: BesideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import ShortSeller's own database: a plain SQL dump, or postgresql://..."""
    _run(
        config,
        mode,
        lambda it: it.shortseller(source, bot=bot),
        (dry_run, live, beside),
        as_json=as_json,
    )


@app.command("lxalgo")
def lxalgo(
    file: Annotated[Path, typer.Argument(metavar="trade_log.json")],
    bot: BotOption = None,
    dry_run: DryRunOption = False,
    config: ConfigOption = None,
    mode: ModeOption = None,
    live: LiveOption = False,
    beside: BesideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import LXAlgo's trade log."""
    _run(
        config,
        mode,
        lambda it: it.lxalgo(file, bot=bot),
        (dry_run, live, beside),
        as_json=as_json,
    )


def _run(
    config: Path | None,
    mode: str | None,
    read: Callable[[Importer], Awaitable[Report]],
    flags: tuple[bool, bool, bool],
    *,
    as_json: bool,
) -> None:
    from alpha.clock import SystemClock
    from alpha.control.importing import Importer
    from alpha.control.wire import encode

    dry_run, live, beside = flags
    importer = Importer(
        settings(config, {"mode": mode}), SystemClock(), dry_run, live=live, beside=beside
    )

    async def run() -> Report:
        return await read(importer)

    report = asyncio.run(run())
    if as_json:
        print(encode(report.as_json()))
        return
    from alpha.cli.import_text import show

    show(report)
