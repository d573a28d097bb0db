"""`alpha paper`: the paper account."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alpha.cli.options import ConfigOption, settings

app = typer.Typer(help="Reset the paper account.", no_args_is_help=True)


@app.callback()
def paper() -> None:
    """Reset the paper account."""


@app.command("reset")
def reset(
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Wipe the paper account: the simulator's state, the ledger, the keys in Redis."""
    from alpha.clock import SystemClock
    from alpha.control.reset import check_may_reset, reset_paper

    loaded = settings(config, {"mode": "paper"})
    check_may_reset(loaded)
    question = f"Wipe the paper account in {loaded.data_dir} with all its trades?"
    if not yes and not typer.confirm(question):
        print("nothing was wiped")
        raise typer.Exit(1)
    done = asyncio.run(reset_paper(loaded, SystemClock()))
    print(f"wiped: {', '.join(done) or 'nothing was there'}")
