"""How a verb is asked from the command line: the daemon when one runs, else the database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from alpha.cli.options import settings

if TYPE_CHECKING:
    from alpha.config import Config
    from alpha.control.verbs import Answer


def show(
    verb: str,
    arguments: Mapping[str, str | None],
    *,
    config: Path | None,
    mode: str | None,
    as_json: bool,
) -> Mapping[str, object]:
    """Asks, prints, and returns the document. Arguments that are None were not given."""
    from alpha.control.wire import encode

    loaded = settings(config, {"mode": mode})
    given = {name: value for name, value in arguments.items() if value is not None}
    answer = asyncio.run(ask(loaded, verb, given))
    print(encode(answer.data) if as_json else answer.text)
    return answer.data


async def ask(config: Config, verb: str, arguments: Mapping[str, str]) -> Answer:
    """Raises NotRunning for a verb that acts when no daemon runs."""
    from alpha.clock import SystemClock
    from alpha.control import socket
    from alpha.control.database_desk import open_database_desk
    from alpha.control.layer import Actor, Control
    from alpha.control.verbs import verb_named
    from alpha.errors import NotRunning

    verb_named(verb).read(arguments)
    try:
        return await socket.ask(config.data_dir, verb, arguments)
    except NotRunning:
        if verb_named(verb).acts and not verb_named(verb).offline:
            _expect_bot(config, arguments)
            raise
    clock = SystemClock()
    async with open_database_desk(config, clock) as desk:
        control = Control(desk, clock)
        return await control.run(
            verb, arguments, Actor("cli", socket.user_named(os.getuid()), "admin")
        )


def _expect_bot(config: Config, arguments: Mapping[str, str]) -> None:
    """A bot that nobody knows is the first thing to say, whether or not a daemon runs."""
    from alpha.control.verbs import resolve_bot

    names = {name: bot.bot_id for name, bot in config.bots.items()}
    if "bot" in arguments:
        resolve_bot(names, arguments["bot"])
