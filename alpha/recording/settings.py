"""The settings that each bot runs with, as versions in the database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from alpha.config import Config
from alpha.ledger.pool import Connection
from alpha.ledger.recording import ConfigType, save_configuration

#: A setting of a plugin whose name says that nobody else should read it.
_SECRET = re.compile(r"secret|token|password|passphrase|api_?key|credential", re.IGNORECASE)
_MASK = "********"


@dataclass(frozen=True, slots=True)
class Changed:
    """A version that came into force. `keys` are those whose value differs from the version
    before; None when there was none."""

    bot_id: str
    account: str
    key: str
    version: int
    keys: Sequence[str] | None


async def record_settings(
    connection: Connection, config: Config, plugins: Mapping[str, Mapping[str, object]]
) -> list[Changed]:
    """`plugins` are the effective settings of the enabled bots by name."""
    changed = []
    for name, settings in plugins.items():
        bot = config.bots[name]
        for key, kind, value in _parts(config, name, settings):
            saved = await save_configuration(connection, bot.bot_id, bot.account, key, kind, value)
            if saved is not None:
                version, before = saved
                keys = None if before is None else _different(before, value)
                changed.append(Changed(bot.bot_id, bot.account, key, version, keys))
    return changed


def _parts(
    config: Config, name: str, settings: Mapping[str, object]
) -> Iterator[tuple[str, ConfigType, Mapping[str, object]]]:
    bot = config.bots[name]
    yield "settings", "strategy_params", without_secrets(settings)
    trading = bot.model_dump(mode="json", exclude={"settings"})
    yield "trading", "trading_params", {**trading, "mode": config.mode}
    yield "risk", "risk_params", config.risk.model_dump(mode="json")


def without_secrets(value: Mapping[str, object]) -> dict[str, object]:
    """Values whose key sounds like a secret are masked, at any depth."""
    found: dict[str, object] = {}
    for key, one in value.items():
        if _SECRET.search(key):
            found[key] = _MASK
        elif isinstance(one, Mapping):
            found[key] = without_secrets({str(name): inner for name, inner in one.items()})
        else:
            found[key] = one
    return found


def _different(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
