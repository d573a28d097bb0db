"""`alpha status`, `positions`, `orders`, `fills`, `alerts`, `analytics`: what is going on."""

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


def reconcile(
    config: ConfigOption = None,
    mode: ModeOption = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Bring the ledger to agree; needs a running daemon.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show where the ledger and the exchange differ, point by point. Changes nothing without
    --apply, which brings missing executions in and, for what none explains, books an adjustment
    to `manual`."""
    question = "Bring the ledger to agree with the exchange, with adjustments where need be?"
    if apply and not yes and not typer.confirm(question, err=True):
        print("nothing was changed")
        raise typer.Exit(1)
    verb = "reconcile_apply" if apply else "reconcile"
    data = show(verb, {}, config=config, mode=mode, as_json=as_json)
    raise typer.Exit(0 if data["agrees"] else 1)


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


def alerts(
    config: ConfigOption = None,
    mode: ModeOption = None,
    limit: LimitOption = "20",
    as_json: JsonOption = False,
) -> None:
    """Show the newest alerts: what needed a person."""
    show("alerts", {"limit": limit}, config=config, mode=mode, as_json=as_json)


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
