"""`alpha sync`: the exchange's history against the ledger."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.ask import ask, show
from alpha.cli.options import ConfigOption, JsonOption, ModeOption, settings

if TYPE_CHECKING:
    from alpha.config import Config

app = typer.Typer(
    help="Compare the ledger with the exchange's history; bring history in.", no_args_is_help=True
)
AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="Of this account only.")
]
_LOOK_EVERY_S = 1.0


@app.command("run")
def run(
    account: AccountOption = None,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sync now: executions since the last time, then closed PnL as control totals."""
    loaded = settings(config, {"mode": mode})
    asyncio.run(_follow(loaded, "sync_run", {}, account, as_json=as_json))


@app.command("backfill")
def backfill(
    months: Annotated[str, typer.Option("--months", metavar="N", help="How far back, 1 to 24.")],
    account: AccountOption = None,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the history of so many months into the ledger. One that was interrupted goes on where
    it was."""
    loaded = settings(config, {"mode": mode})
    arguments = {"months": months}
    asyncio.run(_follow(loaded, "sync_backfill", arguments, account, as_json=as_json))


@app.command("status")
def status(
    account: AccountOption = None,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how the sync of each account stands."""
    show("sync", {"account": account}, config=config, mode=mode, as_json=as_json)


async def _follow(
    config: Config, verb: str, given: Mapping[str, str], account: str | None, *, as_json: bool
) -> None:
    """Gives the verb, follows it to its end, and prints how the accounts stand then. Exit code 1
    when a run did not complete."""
    from alpha.clock import SystemClock
    from alpha.control.wire import encode

    only = {} if account is None else {"account": account}
    begun = await ask(config, verb, {**given, **only})
    names = begun.data["accounts"]
    assert isinstance(names, list)
    kind = "backfill" if verb == "sync_backfill" else "manual"
    clock, shown = SystemClock(), ""
    while True:
        answer = await ask(config, "sync", only)
        runs = _runs(answer.data, kind, names)
        progress = " · ".join(
            f"{name} {one['windows_done']}/{one['windows']}" for name, one in runs.items()
        )
        if progress != shown:
            shown = progress
            print(progress, file=sys.stderr)
        if begun.data["done"] or not _running(answer.data, names):
            break
        await clock.sleep(_LOOK_EVERY_S)
    print(encode(answer.data) if as_json else answer.text)
    if any(one["status"] != "completed" for one in runs.values()):
        raise typer.Exit(1)


def _accounts(data: Mapping[str, object], names: list[str]) -> list[Mapping[str, object]]:
    rows = data["accounts"]
    assert isinstance(rows, list)
    return [row for row in rows if row["account"] in names]


def _runs(
    data: Mapping[str, object], kind: str, names: list[str]
) -> dict[str, Mapping[str, object]]:
    """The newest run of this kind, by account."""
    found: dict[str, Mapping[str, object]] = {}
    for row in _accounts(data, names):
        runs = row["runs"]
        assert isinstance(runs, list)
        found.update({str(row["account"]): one for one in runs if one["kind"] == kind})
    return found


def _running(data: Mapping[str, object], names: list[str]) -> bool:
    return any(row["running"] for row in _accounts(data, names))
