"""`alpha bots`: list them, start one, stop one."""

from __future__ import annotations

from typing import Annotated

import typer

from alpha.cli.ask import show
from alpha.cli.options import ConfigOption, JsonOption, ModeOption

app = typer.Typer(help="List, start and stop the bots.", no_args_is_help=True)

BotArgument = Annotated[str, typer.Argument(metavar="BOT", help="Its name or bot_id.")]


@app.command("list")
def list_(
    config: ConfigOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """List the bots and their states."""
    show("bots", {}, config=config, mode=mode, as_json=as_json)


@app.command("start")
def start(
    bot: BotArgument,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a bot enter again."""
    show("start", {"bot": bot}, config=config, mode=mode, as_json=as_json)


@app.command("stop")
def stop(
    bot: BotArgument,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a bot's entries; its open positions stay protected."""
    show("stop", {"bot": bot}, config=config, mode=mode, as_json=as_json)
