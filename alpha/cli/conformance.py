"""`alpha conformance`: whether a plugin keeps the rules that the host relies on."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.options import ConfigOption, JsonOption, settings

if TYPE_CHECKING:
    from alpha.config import Config
    from alpha.conformance.checks import Report

_WORDS = {"passed": "ok", "failed": "FAILED", "not seen": "not seen"}


def conformance(
    plugin: Annotated[
        str, typer.Argument(metavar="PLUGIN", help="A bot of the config, a plugin, or its folder.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", help="Candle files to run on; default a made market."
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a plugin by its numbered rules, on the host that trades with it."""
    from alpha.cli.logs import configure
    from alpha.conformance.checks import Request, check

    loaded = settings(config)
    configure("critical")  # what the bot does wrong is what is reported here
    name, own, values = _found(loaded, plugin)
    with contextlib.redirect_stdout(sys.stderr):  # what a plugin prints is no answer of ours
        report = check(Request(name, own, values, data))
    print(_document(report) if as_json else "\n".join(_lines(report)))
    if not report.ok:
        raise typer.Exit(1)


def _found(loaded: Config, plugin: str) -> tuple[str, tuple[Path, ...], dict[str, object]]:
    """The plugin's name, where plugins are looked for, and settings: those of the bot of that
    name, if there is one."""
    from alpha import resources

    path = Path(plugin)
    if "/" in plugin or (path / "__init__.py").is_file():
        path = path.resolve()
        return path.name, (path.parent,), {}
    own = [] if loaded.plugins_dir is None else [loaded.plugins_dir]
    bot = loaded.bots.get(plugin)
    name = plugin if bot is None else bot.plugin or plugin
    return name, (resources.plugins_folder(), *own), {} if bot is None else dict(bot.settings)


def _lines(report: Report) -> list[str]:
    lines = [
        f"{report.plugin}: {report.closes} closes of {', '.join(report.symbols)} in {report.where};"
        f" {report.entries} entries, {report.exits} exits, {report.stops} stops"
    ]
    width = max(len(one.name) for one in report.verdicts)
    for one in report.verdicts:
        seen = one.seen or "nothing to look at; try --data with candles on which it trades"
        if one.status == "failed":
            lines += [
                f"{one.number:>2}  {_WORDS[one.status]:<8}  {one.name}",
                f"              expected {one.expected}",
                f"              found    {one.found}",
            ]
        else:
            lines.append(f"{one.number:>2}  {_WORDS[one.status]:<8}  {one.name:<{width}}  {seen}")
    failed = sum(one.status == "failed" for one in report.verdicts)
    lines.append(f"{failed} of {len(report.verdicts)} failed" if failed else "conforms")
    return lines


def _document(report: Report) -> str:
    import msgspec

    return msgspec.json.encode(
        {
            "plugin": report.plugin,
            "ok": report.ok,
            "market": report.where,
            "symbols": report.symbols,
            "closes": report.closes,
            "entries": report.entries,
            "exits": report.exits,
            "stops": report.stops,
            "checks": report.verdicts,
        }
    ).decode()
