"""Which bot of the settings gets whose history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alpha.errors import NotFound
from alpha.imports.found import Home


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot of the settings: `name` is the short one, `plugin` what it runs."""

    name: str
    plugin: str
    home: Home


class Homes:
    """Finds a bot by its id in the source, else by what it runs (`shortseller_001` is the
    bot that runs `shortseller`)."""

    def __init__(self, bots: Mapping[str, Bot]) -> None:
        self._bots = bots
        self._by_id = {bot.home.bot_id: bot.home for bot in bots.values()}

    def of_id(self, bot_id: str) -> Home | None:
        return self._by_id.get(bot_id) or self.running(bot_id.rstrip("0123456789").rstrip("_-"))

    def running(self, plugin: str) -> Home | None:
        """The only bot with this name or plugin; None without one or with several."""
        named = self._bots.get(plugin)
        if named is not None:
            return named.home
        found = [bot.home for bot in self._bots.values() if bot.plugin == plugin]
        return found[0] if len(found) == 1 else None

    def named(self, name: str | None, plugin: str) -> Home:
        """The bot that was asked for by name or id, else the one that runs `plugin`.

        Raises NotFound."""
        home = self.running(plugin) if name is None else self._asked(name)
        if home is None:
            known = ", ".join(sorted(self._bots)) or "none"
            wanted = repr(name) if name is not None else f"one that runs {plugin}"
            raise NotFound(f"expected a bot of the settings, was {wanted}; configured: {known}")
        return home

    def _asked(self, name: str) -> Home | None:
        return self._bots[name].home if name in self._bots else self._by_id.get(name)
