"""All verbs, put together. Modules of verbs import what is heavy inside their functions, so that
`alpha --help` answers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from alpha import __version__
from alpha.cli import (
    backtest,
    backup,
    bots,
    config,
    conformance,
    data,
    db,
    doctor,
    importing,
    inspect,
    ledger,
    new_bot,
    paper,
    parity,
    readers,
    risk,
    sim,
    sweep,
    sync,
)
from alpha.cli.run import run

if TYPE_CHECKING:
    from typer._click.core import Context


class _Verbs(TyperGroup):
    def invoke(self, ctx: Context) -> object:
        """Typer would make Ctrl-C an exit code that no verb has, and say nothing."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


app = typer.Typer(
    name="alpha",
    cls=_Verbs,
    help="One asyncio daemon that runs many Bybit trading bots as plugins.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"alpha {__version__}")
        raise typer.Exit(0)


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """One asyncio daemon that runs many Bybit trading bots as plugins."""


app.command("run")(run)
app.command("sim")(sim.sim)
app.command("backtest")(backtest.backtest)
app.command("sweep")(sweep.sweep)
app.command("parity")(parity.parity)
app.command("new-bot")(new_bot.new_bot)
app.command("conformance")(conformance.conformance)
app.command("doctor")(doctor.doctor)
app.command("inspect")(inspect.inspect)
app.command("status")(readers.status)
app.command("reconcile")(readers.reconcile)
app.command("positions")(readers.positions)
app.command("orders")(readers.orders)
app.command("alerts")(readers.alerts)
app.command("analytics")(readers.analytics)
app.command("halt")(risk.halt)
app.command("resume")(risk.resume)
app.command("flatten")(risk.flatten)
app.add_typer(risk.app, name="risk")
app.add_typer(bots.app, name="bots")
app.add_typer(readers.fills_app, name="fills")
app.add_typer(ledger.app, name="ledger")
app.add_typer(paper.app, name="paper")
app.add_typer(config.app, name="config")
app.add_typer(db.app, name="db")
app.add_typer(backup.app, name="backup")
app.add_typer(sync.app, name="sync")
app.add_typer(data.app, name="data")
app.add_typer(importing.app, name="import")
