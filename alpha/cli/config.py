"""`alpha config`: what the settings are and where they come from."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from alpha.cli.options import ConfigOption, JsonOption, ModeOption, settings

app = typer.Typer(help="Show and check the settings.", no_args_is_help=True)


@app.command("show")
def show(
    config: ConfigOption = None,
    mode: ModeOption = None,
    origin: Annotated[
        bool, typer.Option("--origin", help="Add where each value came from.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print every value, secrets masked."""
    from alpha.config.show import shown

    loaded = settings(config, {"mode": mode})
    rows = list(shown(loaded))
    if as_json:
        import json

        document = {
            key: {"value": value, "origin": source} if origin else value
            for key, value, source in rows
        }
        print(json.dumps(document))
        return
    width = max(len(f"{key} = {value}") for key, value, _ in rows)
    for key, value, source in rows:
        line = f"{key} = {value}"
        print(f"{line:<{width}}  # {source}" if origin else line)


@app.command("check")
def check(config: ConfigOption = None, mode: ModeOption = None) -> None:
    """Read the settings, those of the bots' plugins too, and say what is wrong with them."""
    from alpha import resources
    from alpha.bots.discovery import Catalog
    from alpha.config import check_start

    loaded = settings(config, {"mode": mode})
    check_start(loaded, live_flag=True)
    own = [loaded.plugins_dir] if loaded.plugins_dir is not None else []
    catalog = Catalog([resources.plugins_folder(), *own], os.environ)
    for name, bot in loaded.enabled_bots.items():
        catalog.get(bot.plugin).maker(bot.settings, bot=name)
    for note in loaded.notes:
        print(f"note: {note}")
    names = ", ".join(loaded.enabled_bots) or "none"
    print(f"ok: mode {loaded.mode}, bots {names}, data in {loaded.data_dir}")
