"""`alpha doctor`: whether what Alpha stands on, or what it has stored, is sound."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.options import ConfigOption, JsonOption, ModeOption, settings

if TYPE_CHECKING:
    from alpha.config import Config
    from alpha.quality.checks import Finding
    from alpha.quality.system import Answer

#: Characters to a line where nobody looks at a terminal.
_WIDE = 240


def doctor(
    data: Annotated[bool, typer.Option("--data", help="Check everything that is stored.")] = False,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check database, Redis, clock and disk; with --data, whether the stored data hold together.
    Changes nothing; exit code 1 when something is found. Works with and without a daemon."""
    from alpha.control.wire import encode

    loaded = settings(config, {"mode": mode})
    rows, checked = asyncio.run(_data(loaded) if data else _system(loaded))
    sound = all(row["ok"] for row in rows)
    if as_json:
        print(encode({"ok": sound, "checked": checked, "checks": rows}))
    else:
        _print(rows)
        print("all is sound" if sound else "something is wrong: see above")
    raise typer.Exit(0 if sound else 1)


async def _system(config: Config) -> tuple[list[dict[str, object]], str]:
    from alpha.clock import SystemClock
    from alpha.control.databases import stores
    from alpha.quality.system import Answer, look
    from alpha.resources import migrations_folder

    clock = SystemClock()
    async with stores(config, clock, redis=True) as found:
        answers = await look(
            config.data_dir, found.postgres, found.redis, migrations_folder(), clock
        )
    bots = ", ".join(config.enabled_bots) or "none"
    told = Answer("settings", f"mode {config.mode}, bots {bots}")
    return [_answer_row(one) for one in (told, *answers)], "system"


async def _data(config: Config) -> tuple[list[dict[str, object]], str]:
    from alpha.clock import SystemClock
    from alpha.control.databases import database_pool
    from alpha.errors import NotFound
    from alpha.ledger import migrations
    from alpha.quality.checks import Window, run_checks
    from alpha.resources import migrations_folder

    async with database_pool(config, SystemClock()) as pool:
        async with pool.acquire() as connection:
            pending = (await migrations.status(connection, migrations_folder())).pending
        if pending:
            raise NotFound(
                f"expected a database of this version, was one without {pending[0].path.name}; "
                f"start the daemon or run `alpha db migrate`"
            )
        findings = await run_checks(pool, Window(None, config.candles.keep_short_days))
    return [_finding_row(one) for one in findings], "data"


def _answer_row(answer: Answer) -> dict[str, object]:
    return {
        "check": answer.check,
        "ok": answer.is_well,
        "found": answer.found,
        "advice": answer.advice,
    }


def _finding_row(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check.name,
        "ok": finding.is_clean,
        "level": finding.check.level,
        "found": finding.found,
        "examples": list(finding.examples),
        "advice": "" if finding.is_clean else finding.check.advice,
    }


def _print(rows: Sequence[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("check", "", "found", "example", "what to do", box=None, pad_edge=False)
    for row in rows:
        examples = row.get("examples")
        example = str(examples[0]) if isinstance(examples, list) and examples else ""
        word = "ok" if row["ok"] else str(row.get("level", "wrong")).lower()
        found = "not finished" if row["found"] is None else str(row["found"])
        table.add_row(str(row["check"]), word, found, example, str(row["advice"]))
    # Ids are there to be copied: a pipe gets them whole.
    width = None if sys.stdout.isatty() else _WIDE
    Console(width=width, soft_wrap=False, markup=False, highlight=False).print(table)
