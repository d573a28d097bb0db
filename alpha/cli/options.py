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


def moment(option: str, text: str) -> int:
    """Unix ms of an ISO 8601 time, UTC where none is told."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"expected {option} as a UTC time like 2026-01-05T03:00:00Z, was {text!r}"
        ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1000)
