"""Options that several verbs share, and the settings that they lead to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from alpha.config import Config

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Config file; default ./config.toml."),
]
ModeOption = Annotated[
    str | None,
    typer.Option("--mode", metavar="MODE", help="paper, demo, testnet or live."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
# Numbers of verbs travel as text: the verb itself says what it takes, on every face the same.
LimitOption = Annotated[str, typer.Option("--limit", metavar="N", help="The newest N.")]


def settings(
    path: Path | None, overrides: Mapping[str, object] | None = None, *, lasting: bool = False
) -> Config:
    """The settings of this process, its log set up by them: one that does not last has its answer
    to give, and logs only what is wrong. Overrides that are None were not given."""
    from alpha.cli.logs import configure
    from alpha.config import load

    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    loaded = load(path, os.environ, given)
    level = loaded.log.level
    configure("warning" if level == "info" and not lasting else level)
    return loaded


def moment(text: str) -> int:
    """Unix ms of an ISO 8601 time, UTC where none is told: the parser of options that are one."""
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter: before year 1 or after 9999 in UTC
        raise typer.BadParameter(
            f"expected a UTC time like 2026-01-05T03:00:00Z, was {text!r}"
        ) from None
    return round(found.timestamp() * 1000)


# -- of verbs that walk over recorded candles -------------------------------------------------

CandlesOption = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Folder of candle files, or one file.")
]
BotsOption = Annotated[
    str, typer.Option("--bots", metavar="A,B", help="Bots of the config, or plugins by name.")
]
FromOption = Annotated[
    int | None,
    typer.Option(
        "--from", metavar="ISO", parser=moment, help="First bar decided on; those before warm up."
    ),
]
ToOption = Annotated[
    int | None,
    typer.Option("--to", metavar="ISO", parser=moment, help="Bars from here on are left out."),
]
BalanceOption = Annotated[
    str, typer.Option("--balance", metavar="USDT", help="What the account begins with.")
]
ResultOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result; - prints it.")
]
RepairOption = Annotated[
    bool, typer.Option("--repair", help="Drop lines of candle files that are wrong.")
]
