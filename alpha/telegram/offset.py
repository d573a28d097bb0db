"""Which updates of Telegram's have been taken, kept over restarts. An update is marked as taken
before it is acted on: a crash in between loses a command, it never gives one twice."""

from __future__ import annotations

import json
import os
from pathlib import Path


class Offset:
    """The next update id to ask for; None: never asked. `bot` tells tokens apart."""

    def __init__(self, path: Path, bot: str) -> None:
        self._path = path
        self._bot = bot
        self.value = self._read()

    def advance(self, update_id: int) -> None:
        """Everything up to `update_id` is taken."""
        self.value = max(self.value or 0, update_id + 1)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({"bot": self._bot, "offset": self.value}), encoding="ascii")
        os.replace(fresh, self._path)

    def _read(self) -> int | None:
        try:
            stored = json.loads(self._path.read_text(encoding="ascii"))
            return int(stored["offset"]) if stored["bot"] == self._bot else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
