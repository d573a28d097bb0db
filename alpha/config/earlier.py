"""Names of the environment that the earlier platform used. They rank below `ALPHA__` names and
above the file; an empty value counts as not set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from alpha.config.schema import Key
from alpha.config.settings import Mode
from alpha.config.sources import Layer, Value, id_list, read_secret
from alpha.errors import ConfigError

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def earlier_layer(env: Mapping[str, str], below: Layer, above: Layer) -> tuple[Layer, list[str]]:
    """The layer and, one line each, what was found and not used.

    `above` (from `ALPHA__` names and the command line) is looked at only to learn whether a bot
    names its account."""
    layer: Layer = {}
    notes: list[str] = []
    _postgres(env, below, layer, notes)
    _redis(env, below, layer, notes)
    _mode(env, layer)
    _bot_keys(env, {**below, **above}, layer)
    _telegram(env, layer)
    return layer, notes


def _given(env: Mapping[str, str], name: str) -> str | None:
    return env.get(name) or None


def _secret(env: Mapping[str, str], name: str) -> Value | None:
    """NAME, or the content of the file that NAME_FILE names."""
    text, path = _given(env, name), _given(env, f"{name}_FILE")
    if text is not None and path is not None:
        raise ConfigError(f"environment: expected {name} or {name}_FILE, found both; keep one")
    if text is not None:
        return Value(text, f"environment {name}")
    if path is not None:
        origin = f"environment {name}_FILE"
        return Value(read_secret(Path(path), place=origin, name=name), f"{origin} -> {path}")
    return None


def _url_below(below: Layer, key: Key) -> str:
    found = below.get(key)
    return found.value if found is not None and isinstance(found.value, str) else ""


def _parts_below(below: Layer, key: Key) -> SplitResult:
    """Nothing of one that cannot be read: the rules refuse it, unless it is replaced."""
    try:
        parts = urlsplit(_url_below(below, key))
        return parts if parts.port != 0 else urlsplit("")
    except ValueError:
        return urlsplit("")


def _postgres(env: Mapping[str, str], below: Layer, layer: Layer, notes: list[str]) -> None:
    names = [f"POSTGRES_{part}" for part in ("HOST", "PORT", "DB", "USER")]
    used = [name for name in names if _given(env, name)]
    password = _secret(env, "POSTGRES_PASSWORD")
    if password is not None:
        used.append(password.origin.split(" ")[1])
    base = _parts_below(below, ("postgres", "url"))
    host = _given(env, "POSTGRES_HOST") or base.hostname
    if not used:
        return
    if host is None:
        notes.append(f"{', '.join(used)}: not used, since neither POSTGRES_HOST nor a url is set")
        return
    user = _given(env, "POSTGRES_USER") or unquote(base.username or "trading_user")
    secret = str(password.value) if password else unquote(base.password or "")
    port = _port(_given(env, "POSTGRES_PORT") or str(base.port or 5432), "POSTGRES_PORT")
    database = _given(env, "POSTGRES_DB") or base.path.lstrip("/") or "trading_db"
    credentials = quote(user, safe="") + (f":{quote(secret, safe='')}" if secret else "")
    query = f"?{base.query}" if base.query else ""
    url = f"postgresql://{credentials}@{_host(host)}:{port}/{database}{query}"
    layer[("postgres", "url")] = Value(url, f"environment {', '.join(used)}")


def _redis(env: Mapping[str, str], below: Layer, layer: Layer, notes: list[str]) -> None:
    used = [f"REDIS_{part}" for part in ("HOST", "PORT", "DB") if _given(env, f"REDIS_{part}")]
    password = _secret(env, "REDIS_PASSWORD")
    if password is not None:
        used.append(password.origin.split(" ")[1])
    base = _parts_below(below, ("redis", "url"))
    host = _given(env, "REDIS_HOST") or base.hostname
    if not used:
        return
    if host is None:
        notes.append(f"{', '.join(used)}: not used, since neither REDIS_HOST nor a url is set")
        return
    secret = str(password.value) if password else unquote(base.password or "")
    credentials = f"{base.username or ''}:{quote(secret, safe='')}@" if secret else ""
    port = _port(_given(env, "REDIS_PORT") or str(base.port or 6379), "REDIS_PORT")
    database = _given(env, "REDIS_DB") or base.path.lstrip("/") or "0"
    url = f"{base.scheme or 'redis'}://{credentials}{_host(host)}:{port}/{database}"
    layer[("redis", "url")] = Value(url, f"environment {', '.join(used)}")


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _port(text: str, name: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ConfigError(f"environment {name}: expected a port from 1 to 65535, found {text!r}")
    return int(text)


def _mode(env: Mapping[str, str], layer: Layer) -> None:
    """BYBIT_DEMO and BYBIT_TESTNET choose a mode when one of them is true. Both false says
    nothing: real money is never chosen by a flag that is absent or off."""
    demo, testnet = _flag(env, "BYBIT_DEMO"), _flag(env, "BYBIT_TESTNET")
    if demo and testnet:
        raise ConfigError(
            "environment: expected BYBIT_DEMO or BYBIT_TESTNET to be true, found both; unset one"
        )
    mode: Mode | None = "demo" if demo else "testnet" if testnet else None
    if mode is not None:
        name = "BYBIT_DEMO" if demo else "BYBIT_TESTNET"
        layer[("mode",)] = Value(mode, f"environment {name}")


def _flag(env: Mapping[str, str], name: str) -> bool:
    text = (_given(env, name) or "false").strip().lower()
    if text not in _TRUE | _FALSE:
        raise ConfigError(f"environment {name}: expected true or false, found {env[name]!r}")
    return text in _TRUE


def _bot_keys(env: Mapping[str, str], known: Layer, layer: Layer) -> None:
    """`<BOT>_BYBIT_API_KEY` and `_SECRET`: the key of the account that the bot names, else of
    one named after the bot."""
    bots = sorted({key[1] for key in known if key[0] == "bots" and len(key) >= 2})
    for bot in bots:
        prefix = f"{bot.upper()}_BYBIT_API_"
        key, secret = _secret(env, f"{prefix}KEY"), _secret(env, f"{prefix}SECRET")
        if key is None and secret is None:
            continue
        if key is None or secret is None:
            there, missing = ("SECRET", "KEY") if key is None else ("KEY", "SECRET")
            raise ConfigError(
                f"environment: expected {prefix}KEY and {prefix}SECRET, found only "
                f"{prefix}{there}; set {prefix}{missing} too"
            )
        named = known.get(("bots", bot, "account"))
        account = str(named.value) if named is not None else bot
        _refuse_second_key(layer, account, key)
        layer[("accounts", account)] = Value({}, key.origin)
        layer[("accounts", account, "api_key")] = key
        layer[("accounts", account, "api_secret")] = secret
        if named is None:
            layer[("bots", bot, "account")] = Value(account, key.origin)


def _refuse_second_key(layer: Layer, account: str, key: Value) -> None:
    there = layer.get(("accounts", account, "api_key"))
    if there is not None and there.value != key.value:
        raise ConfigError(
            f"account {account!r}: expected one API key, found two ({there.origin} and "
            f"{key.origin}); give each bot an account of its own"
        )


def _telegram(env: Mapping[str, str], layer: Layer) -> None:
    token = _secret(env, "C2_TELEGRAM_BOT_TOKEN")
    if token is not None:
        layer[("telegram", "token")] = token
    name = "C2_TELEGRAM_ADMIN_IDS"
    ids = _given(env, name)
    if ids is not None:
        origin = f"environment {name}"
        layer[("telegram", "admin_ids")] = Value(id_list(ids, "telegram.admin_ids", origin), origin)
