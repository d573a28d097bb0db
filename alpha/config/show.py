"""Settings as lines of text, with secrets masked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from alpha.config.load import leaves
from alpha.config.schema import dotted
from alpha.config.settings import Config

MASK = "********"


def shown(config: Config) -> Iterator[tuple[str, str, str]]:
    """Key, value as TOML would have it (secrets masked), origin."""
    for key, value in leaves(config):
        name = dotted(key)
        yield name, as_text(value), config.origins.get(name, "default")


def secrets_of(config: Config) -> set[str]:
    """Every secret value; of an address its password too."""
    found: set[str] = set()
    for _, value in leaves(config):
        if isinstance(value, SecretStr) and value.get_secret_value():
            found.add(value.get_secret_value())
            found.add(_password(value.get_secret_value()))
    return found - {""}


def _password(address: str) -> str:
    try:
        return urlsplit(address).password or "" if "://" in address else ""
    except ValueError:
        return ""


def as_text(value: object) -> str:
    """A value as TOML would have it; secrets masked, "" for what is not set."""
    if isinstance(value, SecretStr):
        return json.dumps(_masked(value.get_secret_value()))
    if value is None:
        return '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Path | datetime):
        return json.dumps(str(value))
    if isinstance(value, tuple | list):
        return "[" + ", ".join(as_text(item) for item in value) + "]"
    if isinstance(value, dict):
        inner = ", ".join(f"{name} = {as_text(item)}" for name, item in value.items())
        return f"{{ {inner} }}"
    return json.dumps(str(value))


def _masked(secret: str) -> str:
    """Of an address its host stays readable; of anything else nothing does."""
    if not secret:
        return ""
    if "://" not in secret:
        return MASK
    try:
        parts = urlsplit(secret)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return MASK
    user = f"{parts.username or ''}:{MASK}@" if parts.password else ""
    if parts.username and not parts.password:
        user = f"{parts.username}@"
    return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{parts.path}"
