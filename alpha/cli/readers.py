"""`alpha status`, `positions`, `orders`, `fills`, `analytics`: what is going on."""

from __future__ import annotations

from typing import Annotated

import typer

from alpha.cli.ask import show
from alpha.cli.options import ConfigOption, JsonOption, LimitOption, ModeOption

BotOption = Annotated[str | None, typer.Option("--bot", metavar="NAME", help="Of this bot only.")]


def status(
    config: ConfigOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """Show accounts and bots at a glance."""
    show("status", {}, config=config, mode=mode, as_json=as_json)


def positions(
    config: ConfigOption = None,
    mode: ModeOption = None,
    bot: BotOption = None,
    limit: LimitOption = "1000",
    as_json: JsonOption = False,
) -> None:
    """Show the open positions."""
    arguments = {"bot": bot, "limit": limit}
    show("positions", arguments, config=config, mode=mode, as_json=as_json)


def orders(
    config: ConfigOption = None,
    mode: ModeOption = None,
    limit: LimitOption = "20",
    as_json: JsonOption = False,
) -> None:
    """Show the newest orders."""
    show("orders", {"limit": limit}, config=config, mode=mode, as_json=as_json)


fills_app = typer.Typer(help="Show the newest fills; assign one to another bot.")


@fills_app.callback(invoke_without_command=True)
def fills(
    context: typer.Context,
    config: ConfigOption = None,
    mode: ModeOption = None,
    limit: LimitOption = "20",
    as_json: JsonOption = False,
) -> None:
    """Show the newest fills, in ledger order."""
    if context.invoked_subcommand is not None:
        return
    show("fills", {"limit": limit}, config=config, mode=mode, as_json=as_json)


@fills_app.command("assign")
def assign(
    exec_id: Annotated[str, typer.Argument(metavar="EXEC_ID", help="As `alpha fills` shows it.")],
    bot: Annotated[str, typer.Argument(metavar="BOT", help="Its name or bot_id, or manual.")],
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Where the id is not unique.")
    ] = None,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an execution to another bot, or to manual; the books are computed anew."""
    arguments = {"exec_id": exec_id, "owner": bot, "account": account}
    show("assign", arguments, config=config, mode=mode, as_json=as_json)


def analytics(
    bot: Annotated[str | None, typer.Argument(help="Of this bot only.")] = None,
    days: Annotated[str, typer.Option("--days", metavar="N", help="How far back, 1 to 90.")] = "7",
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show trades, net PnL, win rate and fees."""
    arguments = {"bot": bot, "days": days}
    show("analytics", arguments, config=config, mode=mode, as_json=as_json)
