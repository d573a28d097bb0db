"""`alpha risk`, `halt`, `resume`, `flatten`: limits over bots and accounts."""

from __future__ import annotations

from typing import Annotated

import typer

from alpha.cli.ask import show
from alpha.cli.options import ConfigOption, JsonOption, ModeOption

app = typer.Typer(help="Show and reset the portfolio limits.", no_args_is_help=True)

ScopeArgument = Annotated[
    str, typer.Argument(metavar="[SCOPE]", help="all, BOT, bot:BOT or account:ACCOUNT.")
]


@app.command("show")
def show_(
    config: ConfigOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """Show every limit: its value, how much is used, what holds and since when."""
    show("risk", {}, config=config, mode=mode, as_json=as_json)


@app.command("reset")
def reset(
    limit: Annotated[str, typer.Argument(metavar="[LIMIT]", help="Its name, or all.")] = "all",
    bot: Annotated[
        str | None, typer.Option("--bot", metavar="NAME", help="Of this bot only.")
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Of this account only.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End limits that were broken; losses are counted from now on."""
    if bot is not None and account is not None:
        raise typer.BadParameter("expected --bot or --account, found both")
    scope = f"bot:{bot}" if bot is not None else "all"
    if account is not None:
        scope = f"account:{account}"
    _confirm(f"Let {scope} trade again as if {limit} had not been broken?", yes)
    show("risk_reset", {"rule": limit, "scope": scope}, config=config, mode=mode, as_json=as_json)


def halt(
    scope: ScopeArgument = "all",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with it.")] = "",
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop entries; exits and stops go on. It holds over restarts until `alpha resume`."""
    show("halt", {"scope": scope, "reason": reason}, config=config, mode=mode, as_json=as_json)


def resume(
    scope: ScopeArgument = "all",
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a halt or a flatten; limits that are broken stay in force."""
    show("resume", {"scope": scope}, config=config, mode=mode, as_json=as_json)


def flatten(
    scope: Annotated[
        str, typer.Argument(metavar="SCOPE", help="all, BOT, bot:BOT or account:ACCOUNT.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close positions until they are flat, and take no entries until `alpha resume`."""
    _confirm(f"Close all positions of {scope} at the market?", yes)
    show("flatten", {"scope": scope}, config=config, mode=mode, as_json=as_json)


def _confirm(question: str, yes: bool) -> None:
    if not yes and not typer.confirm(question, err=True):
        print("nothing was changed")
        raise typer.Exit(1)
