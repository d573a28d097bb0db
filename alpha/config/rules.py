"""Rules that no single key can state: modes kept apart, accounts and bots that fit together."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from pydantic import SecretStr

from alpha.config.settings import NAME_PATTERN, AccountSettings, BotSettings, Config, Mode
from alpha.errors import ConfigError, NotFound

#: The owner of what no bot owns; never a bot's own id.
RESERVED_BOT_ID = "manual"

_PRIVATE = tuple(
    ip_network(net)
    for net in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7")
)
_EXCHANGE_HOST = re.compile(
    r"(^|\.)(bybit(-?\w+)?|bytick|bybitgeorgia|manepa)\.[a-z.]+$", re.IGNORECASE
)
_LABEL: dict[Mode, str] = {"demo": "demo", "testnet": "testnet"}


def check(config: Config) -> None:
    """Raises ConfigError for the first rule that the settings break."""
    _check_names(config)
    _check_servers(config)
    _check_sinks(config)
    _check_hosts(config)
    _check_accounts(config)
    _check_shared(config)
    if config.paper.feed == "replay" and config.paper.data is None:
        raise ConfigError(
            "paper.data: expected a folder of CSV candles for the replay feed, found none; "
            "set [paper] data"
        )
    if config.backup.age_recipient and config.backup.gpg_recipient:
        raise ConfigError(
            "backup: expected age_recipient or gpg_recipient, found both; remove one: a backup is "
            "encrypted once"
        )
    if config.mode == "live" and not config.live.enabled:
        raise ConfigError(
            "mode live: expected enabled = true in [live] and --live on the command line, found "
            "live.enabled = false; set both or choose another mode"
        )


def check_start(config: Config, *, live_flag: bool) -> None:
    """What a daemon needs beyond valid settings; readers do not."""
    if config.mode == "live" and not live_flag:
        raise ConfigError(
            "mode live: expected --live on the command line beside live.enabled = true, "
            "found no --live; add it or choose another mode"
        )
    check_candles(config)
    for name, bot in config.enabled_bots.items():
        if not config.accounts[bot.account].api_key.get_secret_value():
            raise ConfigError(
                f"accounts.{bot.account}: expected api_key and api_secret in mode "
                f"{config.mode} for bot {name!r}, found none; set them in [accounts."
                f"{bot.account}] or as {name.upper()}_BYBIT_API_KEY and _SECRET"
            )


def check_candles(config: Config) -> None:
    """Our own exchange replays candles from a folder, which must be there."""
    paper = config.paper
    ours = config.mode == "paper" and not config.exchange.urls
    if ours and paper.feed == "replay" and paper.data is not None and not paper.data.is_dir():
        place = config.origins.get("paper.data", "config")
        found = "a file" if paper.data.exists() else "nothing"
        raise ConfigError(
            f"{place}: paper.data: expected a folder of CSV candles at {paper.data}, found {found}"
        )


# ---- names ----------------------------------------------------------------------------------


def _check_names(config: Config) -> None:
    for kind, names in (("bots", config.bots), ("accounts", config.accounts)):
        for name in names:
            if not re.match(NAME_PATTERN, name):
                raise ConfigError(
                    f"{kind}.{name}: expected a name of 1 to 20 of a-z, 0-9 and _, found {name!r}"
                )
    owners: dict[str, str] = {}
    for name, bot in config.bots.items():
        place = config.origins.get(f"bots.{name}.bot_id", f"bots.{name}")
        if not re.match(NAME_PATTERN, bot.bot_id):
            raise ConfigError(
                f"{place}: bots.{name}.bot_id: expected 1 to 20 of a-z, 0-9 and _, "
                f"found {bot.bot_id!r}"
            )
        if bot.bot_id == RESERVED_BOT_ID:
            raise ConfigError(
                f"{place}: bots.{name}.bot_id: expected an id other than {RESERVED_BOT_ID!r}, "
                "which owns what no bot owns; choose another"
            )
        if bot.bot_id in owners:
            raise ConfigError(
                f"{place}: bots.{name}.bot_id: expected an id of its own, found {bot.bot_id!r}, "
                f"which bot {owners[bot.bot_id]!r} has; choose another"
            )
        owners[bot.bot_id] = name


# ---- servers --------------------------------------------------------------------------------

_POSTGRES = ("postgresql", "postgres")
_REDIS = ("redis", "rediss", "unix")


def _check_servers(config: Config) -> None:
    """Addresses carry passwords, so a message says the scheme that was found and no more."""
    for key, secret, schemes, example in (
        ("postgres.url", config.postgres.url, _POSTGRES, "postgresql://USER@HOST:5432/DATABASE"),
        ("postgres.direct_url", config.postgres.direct_url, _POSTGRES, "postgresql://..."),
        ("redis.url", config.redis.url, _REDIS, "redis://HOST:6379"),
    ):
        url = secret.get_secret_value()
        scheme = url.partition("://")[0] if "://" in url else ""
        if url and scheme not in schemes:
            found = f"the scheme {scheme!r}" if scheme else "no scheme"
            place = config.origins.get(key, "config")
            raise ConfigError(f"{place}: {key}: expected {example}, found {found}")
        if url and not _is_readable(url):
            place = config.origins.get(key, "config")
            raise ConfigError(
                f"{place}: {key}: expected {example}, found a host or port that cannot be read"
            )


def _is_readable(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _check_sinks(config: Config) -> None:
    """The address is not shown: it may carry a password."""
    influx = config.sinks.influx
    parts = urlsplit(influx.url if _is_readable(influx.url) else "")
    if influx.url and (parts.scheme not in ("http", "https") or not parts.hostname):
        place = config.origins.get("sinks.influx.url", "config")
        raise ConfigError(f"{place}: sinks.influx.url: expected http://HOST:8086, found another")
    if influx.url and not influx.bucket:
        raise ConfigError(
            "sinks.influx.bucket: expected the bucket that points go to, found none; set it, or "
            "leave out [sinks.influx] url"
        )


# ---- modes and hosts ------------------------------------------------------------------------


def _check_hosts(config: Config) -> None:
    for key, url in config.exchange.urls.items():
        place = f"{config.origins.get(f'exchange.{key}', 'config')}: exchange.{key}"
        schemes = ("http", "https") if key == "rest_url" else ("ws", "wss")
        host = _host_of(url, schemes, place)
        if config.mode == "paper":
            _require_private(host, place)
        elif key != "public_ws_url":
            # Market data may come from anywhere: demo has no public stream of its own.
            _require_mode_host(host, config.mode, place)


def _host_of(url: str, schemes: tuple[str, ...], place: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in schemes or not host:
        raise ConfigError(f"{place}: expected {schemes[0]}://HOST:PORT, found {url!r}")
    return host


def _require_private(host: str, place: str) -> None:
    addresses = _addresses(host)
    if not addresses or not all(_is_private(address) for address in addresses):
        found = host if not addresses or host == str(addresses[0]) else f"{host} ({addresses[0]})"
        unknown = "" if addresses else ", whose address is not known"
        raise ConfigError(
            f"{place}: mode paper accepts only loopback or private hosts, found {found}{unknown}; "
            "choose another mode or remove the address"
        )


def _addresses(host: str) -> list[IPv4Address | IPv6Address]:
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    if host == "localhost" or host.endswith(".localhost"):
        return [ip_address("127.0.0.1")]
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except OSError:
        return []
    return [ip_address(str(entry[4][0]).split("%")[0]) for entry in found]


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == net.version and address in net for net in _PRIVATE)


def _require_mode_host(host: str, mode: Mode, place: str) -> None:
    """The exchange's own hosts serve one mode each; hosts of others (a relay) are not judged."""
    if not _EXCHANGE_HOST.search(host):
        return
    first = host.lower().split(".")[0]
    actual = next((m for m, label in _LABEL.items() if label in first.split("-")), "live")
    if actual != mode:
        raise ConfigError(
            f"{place}: expected a host of mode {mode}, found {host}, which is mode {actual}; "
            "remove the address or choose that mode"
        )


# ---- accounts -------------------------------------------------------------------------------


def _check_accounts(config: Config) -> None:
    holders: dict[str, str] = {}
    for name, account in config.accounts.items():
        key, secret = account.api_key.get_secret_value(), account.api_secret.get_secret_value()
        if bool(key) != bool(secret):
            there, missing = ("api_key", "api_secret") if key else ("api_secret", "api_key")
            raise ConfigError(
                f"accounts.{name}: expected api_key and api_secret, found only {there}; "
                f"set {missing} too"
            )
        if key and key in holders:
            raise ConfigError(
                f"accounts.{name}: expected an API key of its own, found the one of account "
                f"{holders[key]!r}; put their bots on one account (shared_account, capital)"
            )
        holders[key] = name
        for symbol, owner in account.owners.items():
            if owner not in config.bots or config.bots[owner].account != name:
                raise ConfigError(
                    f"accounts.{name}.owners.{symbol}: expected a bot of this account, "
                    f"found {owner!r}"
                )


def _check_shared(config: Config) -> None:
    by_account: dict[str, list[str]] = {}
    for name, bot in config.enabled_bots.items():
        by_account.setdefault(bot.account, []).append(name)
    for account, names in by_account.items():
        if len(names) < 2:
            continue
        for name in names:
            bot = config.bots[name]
            if not bot.shared_account or bot.capital is None:
                missing = "shared_account = true" if not bot.shared_account else "capital"
                raise ConfigError(
                    f"bots.{name}: expected shared_account = true and capital, since account "
                    f"{account!r} has {len(names)} bots ({', '.join(names)}), found no {missing}; "
                    "set it or give the bot an account of its own"
                )


def paper_account(name: str) -> AccountSettings:
    """A key for the simulator. The same name has the same key in every run, so that a restarted
    simulator still knows its accounts; it opens nothing but a market on this machine."""
    key = hashlib.sha256(f"alpha paper key of {name}".encode()).hexdigest()
    secret = hashlib.sha256(f"alpha paper secret of {name}".encode()).hexdigest()
    return AccountSettings(api_key=SecretStr(key[:18]), api_secret=SecretStr(secret[:36]))


# ---- which bots of this run -----------------------------------------------------------------


def select_bots(config: Config, names: Iterable[str]) -> Config:
    """The same settings with exactly these bots enabled (by name or bot_id). An unknown one is
    NotFound, naming those that there are."""
    ids = {bot.bot_id: name for name, bot in config.bots.items()}
    chosen: set[str] = set()
    for wanted in names:
        name = wanted if wanted in config.bots else ids.get(wanted)
        if name is None:
            known = ", ".join(sorted(config.bots)) or "none"
            raise NotFound(f"--bots: expected names of configured bots ({known}), found {wanted!r}")
        chosen.add(name)
    bots: dict[str, BotSettings] = {
        name: bot.model_copy(update={"enabled": name in chosen})
        for name, bot in config.bots.items()
    }
    selected = config.model_copy(update={"bots": bots})
    origins = {**config.origins, **{f"bots.{name}.enabled": "command line" for name in bots}}
    selected = selected.remember(origins, config.notes)
    check(selected)
    return selected
