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


def fills(
    config: ConfigOption = None,
    mode: ModeOption = None,
    limit: LimitOption = "20",
    as_json: JsonOption = False,
) -> None:
    """Show the newest fills, in ledger order."""
    show("fills", {"limit": limit}, config=config, mode=mode, as_json=as_json)


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
