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
    limit: LimitOption = 1000,
    as_json: JsonOption = False,
) -> None:
    """Show the open positions."""
    arguments = {"bot": bot, "limit": str(limit)}
    show("positions", arguments, config=config, mode=mode, as_json=as_json)


def orders(
    config: ConfigOption = None,
    mode: ModeOption = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the newest orders."""
    show("orders", {"limit": str(limit)}, config=config, mode=mode, as_json=as_json)


def fills(
    config: ConfigOption = None,
    mode: ModeOption = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the newest fills, in ledger order."""
    show("fills", {"limit": str(limit)}, config=config, mode=mode, as_json=as_json)


def analytics(
    bot: Annotated[str | None, typer.Argument(help="Of this bot only.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=90, help="How far back.")] = 7,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show trades, net PnL, win rate and fees."""
    arguments = {"bot": bot, "days": str(days)}
    show("analytics", arguments, config=config, mode=mode, as_json=as_json)
