"""Puts a backtest together from names: bots from the configuration or plugins by their name,
candles from a folder, and what the command line sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import get_origin

from alpha.backtest.engine import Engine, FundingRate
from alpha.backtest.funding import funding_of
from alpha.backtest.instruments import instruments_of
from alpha.backtest.seat import HookRaised, Seat
from alpha.backtest.tape import Folder, Tape
from alpha.backtest.venue import Terms
from alpha.bots.discovery import AnyPlugin, Catalog
from alpha.bots.settings import nearest
from alpha.candles.files import Candles
from alpha.candles.instruments import Rules
from alpha.clock import iso
from alpha.config import Config
from alpha.config.settings import BotSettings
from alpha.core.reasons import BUILTIN
from alpha.core.risk import EntryRisk
from alpha.errors import AlphaError, ConfigError, NotFound

#: What `--set backtest.KEY` knows.
OWN_KEYS = ("slippage_bps", "balance")
OWN = "backtest"


@dataclass(frozen=True, slots=True)
class Request:
    """What to run. `changes` are the texts of `--set`: (bot, key, value)."""

    bots: tuple[str, ...]
    data: Path
    from_ms: int | None = None
    to_ms: int | None = None
    balance: Decimal = Decimal(10_000)
    slippage_bps: Decimal = Decimal(0)
    changes: tuple[tuple[str, str, str], ...] = ()
    repair: bool = False


@dataclass(slots=True)
class Prepared:
    """An engine that is ready to run, with what people should know before."""

    engine: Engine
    bots: tuple[str, ...]
    tape: Tape
    notes: list[str] = field(default_factory=list)


def parse_changes(texts: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    """`bot.key=value` as (bot, key, value); the key may have dots of its own."""
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        bot, dot, key = name.strip().partition(".")
        if not (equals and dot and bot and key):
            raise ConfigError(
                f"--set {text}: expected BOT.KEY=VALUE such as shortseller.cooldown_bars=24 or "
                "backtest.slippage_bps=2"
            )
        found.append((bot, key, value.strip()))
    return tuple(found)


def with_own(request: Request) -> Request:
    """Takes what `--set backtest.KEY=VALUE` says into the request."""
    slippage, balance = request.slippage_bps, request.balance
    for bot, key, value in request.changes:
        if bot != OWN:
            continue
        if key not in OWN_KEYS:
            raise ConfigError(
                f"unknown setting {OWN}.{key}; the nearest is {nearest(key, list(OWN_KEYS))!r}"
            )
        number = amount(f"{OWN}.{key}", value)
        if key == "slippage_bps":
            slippage = number
        else:
            balance = number
    if not 0 <= slippage < 10_000:
        raise ConfigError(f"{OWN}.slippage_bps: expected 0 or more, below 10000, was {slippage}")
    if balance <= 0:
        raise ConfigError(f"expected a balance above 0, was {balance}")
    return Request(
        bots=request.bots,
        data=request.data,
        from_ms=request.from_ms,
        to_ms=request.to_ms,
        balance=balance,
        slippage_bps=slippage,
        changes=tuple(one for one in request.changes if one[0] != OWN),
        repair=request.repair,
    )


def amount(where: str, text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"{where}: expected a number, was {text!r}") from None
    if not found.is_finite():
        raise ConfigError(f"{where}: expected a number, was {text!r}")
    return found


def prepare(
    config: Config,
    catalog: Catalog,
    request: Request,
    progress: Callable[[int], None] | None = None,
    folder: Folder | None = None,
) -> Prepared:
    """Reads what the bots subscribe to; several runs on one `folder` read it once. NotFound for
    unknown names and empty folders, ConfigError for wrong settings, CandleError for faulty
    files."""
    request = with_own(request)
    bots, seats = _seated(config, catalog, request)
    found = _read(seats, folder or Folder(request.data), repair=request.repair)
    tape = Tape(found.candles, found.interval_ms, request.to_ms)
    _check_window(request, tape)
    engine = Engine(
        seats,
        tape,
        instruments_of(found.rules, found.candles.values()),
        Terms(
            balance=request.balance,
            slippage_bps=request.slippage_bps,
            netting=any(_netting(config, bot) for bot in bots.values()),
            risk=EntryRisk(max_notional=config.risk.max_notional),
        ),
        capital={name: bot.capital for name, bot in bots.items() if bot.capital is not None},
        from_ms=request.from_ms,
        funding=found.funding,
        progress=progress,
    )
    return Prepared(engine, tuple(bots), tape, found.notes)


def read_for(config: Config, catalog: Catalog, request: Request, folder: Folder) -> None:
    """Has the folder read all that `prepare` will ask of it; errors as there."""
    request = with_own(request)
    _, seats = _seated(config, catalog, request)
    _read(seats, folder, repair=request.repair)


def plugins_of(config: Config, request: Request) -> tuple[str, ...]:
    """Names of the plugins behind the bots, each once."""
    names = request.bots or tuple(config.enabled_bots)
    return tuple(dict.fromkeys(_bot(config, name).plugin or name for name in names))


@dataclass(frozen=True, slots=True)
class _Found:
    """What a folder has for the bots."""

    candles: Mapping[str, Candles]
    interval_ms: int
    rules: Rules
    funding: list[FundingRate]
    notes: list[str]


def _read(seats: Sequence[Seat], folder: Folder, *, repair: bool) -> _Found:
    """Lets the bots choose their symbols, and reads what is there of them."""
    notes: list[str] = []
    for seat in seats:
        declared = [one.symbol for one in seat.subscriptions]
        seat.choose(folder.symbols)
        _keep_what_is_there(seat, declared, folder, notes)
    symbols = list(dict.fromkeys(one.symbol for seat in seats for one in seat.subscriptions))
    interval_ms = folder.finest(symbols)
    candles = {symbol: folder.read(symbol, interval_ms, repair=repair) for symbol in symbols}
    for one in candles.values():
        notes += [f"{fault}; dropped" if fault.dropped else str(fault) for fault in one.faults]
    return _Found(candles, interval_ms, folder.rules(), funding_of(folder, symbols), notes)


def check_settings(config: Config, catalog: Catalog, request: Request) -> None:
    """Seats the bots without any candle: NotFound and ConfigError as `prepare` raises them."""
    _seated(config, catalog, with_own(request))


def _seated(
    config: Config, catalog: Catalog, request: Request
) -> tuple[dict[str, BotSettings], list[Seat]]:
    names = request.bots or tuple(config.enabled_bots)
    if not names:
        raise NotFound("expected the name of a bot in --bots, found none")
    for bot, key, _ in request.changes:
        if bot not in names:
            raise NotFound(
                f"setting {bot}.{key}: expected one of {', '.join((*names, OWN))}; the nearest is "
                f"{nearest(bot, [*names, OWN])!r}"
            )
    bots = {name: _bot(config, name) for name in dict.fromkeys(names)}
    return bots, [_seat(catalog, name, bot, request) for name, bot in bots.items()]


def _bot(config: Config, name: str) -> BotSettings:
    found = config.bots.get(name)
    return found if found is not None else BotSettings(plugin=name, bot_id=name)


def _netting(config: Config, bot: BotSettings) -> bool:
    account = config.accounts.get(bot.account)
    return account is not None and account.netting


def _seat(catalog: Catalog, name: str, bot: BotSettings, request: Request) -> Seat:
    plugin = catalog.get(bot.plugin or name)
    settings: Mapping[str, object] = bot.settings
    for _, key, value in (one for one in request.changes if one[0] == name):
        settings = _set(settings, key.split("."), _value(plugin, key, value))
    make = plugin.maker(settings, bot=name)
    try:
        return Seat(
            name,
            bot.bot_id or name,
            make,
            plugin=plugin.name,
            book=plugin.reason_book(BUILTIN),
        )
    except AlphaError:
        raise
    except Exception as error:
        raise HookRaised(
            f"bot {name}: plugin {plugin.name} could not make its strategy: {error!r}"
        ) from error


def _set(table: Mapping[str, object], path: Sequence[str], value: object) -> dict[str, object]:
    """The table with one cell changed."""
    inner = table.get(path[0])
    if len(path) > 1:
        value = _set(inner if isinstance(inner, Mapping) else {}, path[1:], value)
    return {**table, path[0]: value}


def _value(plugin: AnyPlugin, key: str, text: str) -> object:
    """A value as a settings file would have it: JSON where the text is some, a list where the
    setting is one, else the text itself."""
    known = plugin.settings.model_fields.get(key)
    listed = known is not None and get_origin(known.annotation) in (tuple, list, set, frozenset)
    try:
        found: object = json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except json.JSONDecodeError:
        found = text
    if listed and not isinstance(found, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return found


def _keep_what_is_there(
    seat: Seat, declared: Sequence[str], folder: Folder, notes: list[str]
) -> None:
    """Leaves out what has no candles, with a note on the symbols that the bot had asked for."""
    there = [one for one in seat.subscriptions if one.symbol in folder.symbols]
    absent = [one for one in dict.fromkeys(declared) if one not in folder.symbols]
    if not there:
        raise NotFound(
            f"bot {seat.name}: expected candles of {_list(absent)} in {folder.path}, found those "
            f"of {_list(folder.symbols)}; check --data"
        )
    if absent:
        notes.append(f"bot {seat.name}: no candles of {_list(absent)}; goes without")
    seat.keep(there)


def _list(symbols: Sequence[str], most: int = 5) -> str:
    more = f" and {len(symbols) - most} more" if len(symbols) > most else ""
    return ", ".join(symbols[:most]) + more


def _check_window(request: Request, tape: Tape) -> None:
    begin, end = request.from_ms, request.to_ms
    if begin is not None and end is not None and end <= begin:
        raise NotFound("--to: expected a time after --from")
    last = max(one.starts[-1] for one in tape.candles.values())
    if begin is not None and begin > last:
        raise NotFound(f"--from: expected a time up to the start of the last candle, {iso(last)}")
    if not tape.bars:
        raise NotFound(f"--to: expected a time after the first candle, {iso(tape.start_ms)}")
