"""Puts the sources together: defaults < file < environment < command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from alpha.config import rules
from alpha.config.earlier import earlier_layer
from alpha.config.limits import DEFAULTS, check_limits, formula_of
from alpha.config.schema import Key, dotted
from alpha.config.settings import Config
from alpha.config.sources import (
    Layer,
    Value,
    describe,
    environment_layer,
    expected_words,
    file_layer,
    overrides_layer,
)
from alpha.errors import ConfigError
from alpha.resources import default_config

DEFAULT_NAME = "config.toml"
_MAIN = "main"


def load(path: Path | None, env: Mapping[str, str], overrides: Mapping[str, object]) -> Config:
    """The settings of this process.

    `path` is the config file; None means `./config.toml`, or, where there is none, the one that
    comes with Alpha. `env` is the environment, `overrides` the command line by dotted key.
    Raises ConfigError with one line that names the place, what was expected and what was found.
    """
    file = _from_file(path)
    from_command_line = overrides_layer(overrides, file)
    from_environment = environment_layer(env, file)
    above = {**from_environment, **from_command_line}
    earlier, notes = earlier_layer(env, file, above)
    values = {**file, **earlier, **from_environment, **from_command_line}
    _fill_bots(values)
    _fill_limits(values)
    _fill_accounts(values)
    config = _build(values)
    origins = _origins(config, values)
    config.remember(origins, (*notes, *_notes(config)))
    rules.check(config)
    check_limits(config)
    return config


def _notes(config: Config) -> list[str]:
    telegram = config.telegram
    if telegram.token.get_secret_value() and not telegram.admin_ids:
        return ["telegram.admin_ids: none are set, so nobody is heard and nobody gets alerts"]
    return []


def _from_file(path: Path | None) -> Layer:
    if path is not None:
        return file_layer(path, label=str(path))
    local = Path(DEFAULT_NAME)
    if local.is_file():
        return file_layer(local, label=DEFAULT_NAME)
    return file_layer(default_config(), label=f"packaged {DEFAULT_NAME}")


def _fill_bots(values: Layer) -> None:
    """A bot's plugin and id are its own name unless it says otherwise."""
    for bot in sorted({key[1] for key in values if key[0] == "bots" and len(key) >= 2}):
        for key in ("plugin", "bot_id"):
            there = values.get(("bots", bot, key))
            if there is None or there.value == "":
                values[("bots", bot, key)] = Value(bot, "default: the bot's name")


def _fill_limits(values: Layer) -> None:
    """The bots that come along have limits of their own, each key unless it is set."""
    for bot in sorted({key[1] for key in values if key[0] == "bots" and len(key) >= 2}):
        plugin = values[("bots", bot, "plugin")].value
        defaults = DEFAULTS.get(plugin) if isinstance(plugin, str) else None
        for key, value in (defaults or {}).items():
            values.setdefault(("risk", "bots", bot), Value({}, "default"))
            values.setdefault(("risk", "bots", bot, key), Value(value, f"default of {plugin}"))


def _fill_accounts(values: Layer) -> None:
    """Every account that a bot uses exists; in paper mode, with a key for the simulator."""
    bots = {key[1] for key in values if key[0] == "bots" and len(key) >= 2}
    for bot in sorted(bots):
        named = values.get(("bots", bot, "account"), Value(_MAIN, "default"))
        if isinstance(named.value, str):
            values.setdefault(("accounts", named.value), Value({}, f"bots.{bot}.account"))
    if not bots:
        values.setdefault(("accounts", _MAIN), Value({}, "default"))
    mode = values.get(("mode",))
    if mode is not None and mode.value != "paper":
        return
    accounts = {key[1] for key in values if key[0] == "accounts" and len(key) >= 2}
    for account in sorted(accounts):
        keys = [("accounts", account, "api_key"), ("accounts", account, "api_secret")]
        if any(key in values and values[key].value for key in keys):
            continue
        made = rules.paper_account(account)
        for key, secret in zip(keys, (made.api_key, made.api_secret), strict=True):
            values[key] = Value(secret.get_secret_value(), "generated for paper mode")


def _build(values: Layer) -> Config:
    tree: dict[str, object] = {}
    for key in sorted(values, key=len):
        node: dict[str, object] = tree
        for part in key[:-1]:
            inner = node.setdefault(part, {})
            assert isinstance(inner, dict)
            node = inner
        node.setdefault(key[-1], values[key].value)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise _complaint(error, values) from None


def _complaint(error: ValidationError, values: Layer) -> ConfigError:
    loc = tuple(str(part) for part in error.errors(include_url=False)[0]["loc"])
    key = next((loc[:n] for n in range(len(loc), 0, -1) if loc[:n] in values), loc)
    there = values.get(key)
    place = there.origin if there is not None else "config"
    secret = key[-1] in ("api_key", "api_secret", "token", "url", "direct_url")
    found = "another type" if secret or there is None else describe(there.value)
    formula = formula_of(dotted(key))
    return ConfigError(
        f"{place}: {dotted(key)}: expected {expected_words(error)}{formula}, found {found}"
    )


def _origins(config: Config, values: Layer) -> dict[str, str]:
    origins: dict[str, str] = {}
    for key, _ in leaves(config):
        there = values.get(key)
        origins[dotted(key)] = there.origin if there is not None else "default"
    return origins


def leaves(model: BaseModel, prefix: Key = ()) -> list[tuple[Key, object]]:
    """Every value of the settings by its key, secrets still wrapped."""
    found: list[tuple[Key, object]] = []
    for name in type(model).model_fields:
        value: object = getattr(model, name)
        key = (*prefix, name)
        if isinstance(value, BaseModel):
            found += leaves(value, key)
        elif isinstance(value, dict):
            for entry, inner in value.items():
                if isinstance(inner, BaseModel):
                    found += leaves(inner, (*key, entry))
                else:
                    found.append(((*key, entry), inner))
        else:
            found.append((key, value))
    return found
