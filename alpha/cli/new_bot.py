"""`alpha new-bot`: a plugin to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alpha.cli.options import ConfigOption, settings


def new_bot(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of a-z, 0-9 and _, such as dip_buyer.")
    ],
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="Default: plugins_dir, else ./plugins."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write a working plugin with settings, strategy, test and README."""
    import os

    from alpha import resources
    from alpha.bots.discovery import Catalog
    from alpha.bots.scaffold import check_name, write_plugin
    from alpha.errors import NeedsOperator

    check_name(name)
    loaded = settings(config)
    folder = into or loaded.plugins_dir or Path("plugins")
    searched = [resources.plugins_folder()]
    if loaded.plugins_dir is not None:
        searched.append(loaded.plugins_dir)
    if name in Catalog(searched, os.environ).names():
        raise NeedsOperator(f"expected a free name, {name} is a plugin already; take another")
    written = write_plugin(name, folder)
    print(f"{_from_here(folder / name)}: {', '.join(path.name for path in written)}")
    setting = f'plugins_dir = "{_from_here(folder)}"'
    is_found = folder.resolve() in [one.resolve() for one in searched]
    first = "" if is_found else f"set {setting} in config.toml, then "
    print(f"next: {first}alpha conformance {name}")


def _from_here(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
