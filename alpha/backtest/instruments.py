"""Instrument filters of a backtest: an `instruments.json` beside the candles, else the table of
well-known symbols, else as fine as the candles are written.

The file is one object by symbol. A row has the names of `FIELDS`, as the simulator reads them, or
it is a row of Bybit's Get Instruments Info (`priceFilter`, `lotSizeFilter`, ...).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from alpha.core.instruments import Instrument
from alpha.errors import NeedsOperator
from alpha.market.candle_files import Candles

FILE = "instruments.json"

#: symbol: tick, quantity step, which is the smallest quantity too.
_KNOWN = {
    "BTCUSDT": ("0.1", "0.001"),
    "ETHUSDT": ("0.01", "0.01"),
    "SOLUSDT": ("0.01", "0.1"),
    "XRPUSDT": ("0.0001", "0.1"),
    "BNBUSDT": ("0.1", "0.01"),
}
#: No limit that an account of this world would meet.
_BIG = Decimal(10) ** 12
_MIN_NOTIONAL = Decimal(5)
_MAX_LEVERAGE = Decimal(100)

#: Name in the file -> field of `Instrument`.
FIELDS: Mapping[str, str] = {
    "tick_size": "tick",
    "qty_step": "qty_step",
    "min_qty": "min_qty",
    "max_qty": "max_qty",
    "max_market_qty": "max_market_qty",
    "min_notional": "min_notional",
    "max_leverage": "max_leverage",
    "taker_fee": "taker_fee",
}
#: Of the simulator's market, without a meaning here.
_IGNORED = frozenset(
    {
        "maker_fee",
        "maintenance_rate",
        "price_limit_ratio",
        "funding_interval_min",
        "spread_ticks",
        "depth_qty",
    }
)
#: Where Bybit's row has them.
_BYBIT = {
    ("priceFilter", "tickSize"): "tick_size",
    ("lotSizeFilter", "qtyStep"): "qty_step",
    ("lotSizeFilter", "minOrderQty"): "min_qty",
    ("lotSizeFilter", "maxOrderQty"): "max_qty",
    ("lotSizeFilter", "maxMktOrderQty"): "max_market_qty",
    ("lotSizeFilter", "minNotionalValue"): "min_notional",
    ("leverageFilter", "maxLeverage"): "max_leverage",
}
_MAY_BE_ZERO = frozenset({"taker_fee", "min_notional"})


def instruments_of(folder: Path, candles: Iterable[Candles]) -> dict[str, Instrument]:
    """The filters of every symbol that has candles."""
    path = folder / FILE
    rows = _read(path) if path.is_file() else {}
    found: dict[str, Instrument] = {}
    for one in candles:
        values = rows.get(one.symbol, {})
        complete = "tick_size" in values and "qty_step" in values
        base = _plain(one.symbol, "1", "1") if complete else _default(one)
        found[one.symbol] = _changed(base, values)
    return found


def _plain(symbol: str, tick: str, step: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        base_coin=symbol.removesuffix("USDT"),
        tick=Decimal(tick),
        qty_step=Decimal(step),
        min_qty=Decimal(step),
        max_qty=_BIG,
        max_market_qty=_BIG,
        min_notional=_MIN_NOTIONAL,
        max_leverage=_MAX_LEVERAGE,
    )


def _default(candles: Candles) -> Instrument:
    known = _KNOWN.get(candles.symbol)
    if known is not None:
        return _plain(candles.symbol, *known)
    prices = (candles.opens, candles.highs, candles.lows, candles.closes)
    tick = _unit(max(_decimals(column) for column in prices))
    return _plain(candles.symbol, tick, _unit(_decimals(candles.volumes)))


def _decimals(numbers: Iterable[float]) -> int:
    """Digits after the point of the one that needs the most."""
    return max(_digits(repr(number)) for number in set(numbers))


def _digits(text: str) -> int:
    if "e" in text:
        exponent = Decimal(text).as_tuple().exponent
        return max(-exponent, 0) if isinstance(exponent, int) else 0
    fraction = text.partition(".")[2]
    return 0 if fraction == "0" else len(fraction)


def _unit(digits: int) -> str:
    return str(Decimal(1).scaleb(-digits))


def _changed(base: Instrument, values: Mapping[str, Decimal]) -> Instrument:
    """A new quantity step moves the smallest quantity too, unless that is told."""
    step = values.get("qty_step", base.qty_step)
    return replace(
        base,
        tick=values.get("tick_size", base.tick),
        qty_step=step,
        min_qty=values.get("min_qty", step if "qty_step" in values else base.min_qty),
        max_qty=values.get("max_qty", base.max_qty),
        max_market_qty=values.get("max_market_qty", values.get("max_qty", base.max_market_qty)),
        min_notional=values.get("min_notional", base.min_notional),
        max_leverage=values.get("max_leverage", base.max_leverage),
        taker_fee=values.get("taker_fee", base.taker_fee),
    )


def _read(path: Path) -> dict[str, dict[str, Decimal]]:
    try:
        document: object = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise NeedsOperator(
            f"{path}:{error.lineno}: expected JSON, was {error.msg}; correct the file"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise NeedsOperator(f"{path}: expected a readable file, was {error}") from error
    if not isinstance(document, dict):
        raise NeedsOperator(f'{path}: expected an object {{"SYMBOL": {{"tick_size": "0.1"}}}}')
    return {str(symbol): _row(path, str(symbol), row) for symbol, row in document.items()}


def _row(path: Path, symbol: str, row: object) -> dict[str, Decimal]:
    where = f"{path}: {symbol}"
    if not isinstance(row, dict):
        raise NeedsOperator(f"{where}: expected an object of {', '.join(FIELDS)}, was {row!r}")
    if "priceFilter" in row or "lotSizeFilter" in row:
        row = _from_bybit(row)
    values: dict[str, Decimal] = {}
    for name, text in row.items():
        if name in _IGNORED:
            continue
        if name not in FIELDS:
            near = difflib.get_close_matches(str(name), FIELDS, n=1, cutoff=0.0)
            raise NeedsOperator(f"{where}: unknown field {name!r}; the nearest is {near[0]!r}")
        values[name] = _number(f"{where}.{name}", name, text)
    return values


def _from_bybit(row: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for (group, name), ours in _BYBIT.items():
        filters = row.get(group)
        if isinstance(filters, dict) and filters.get(name) not in (None, ""):
            found[ours] = filters[name]
    if "taker_fee" in row:
        found["taker_fee"] = row["taker_fee"]
    return found


def _number(where: str, name: str, text: object) -> Decimal:
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        raise NeedsOperator(f"{where}: expected a decimal number, was {text!r}") from None
    if not value.is_finite() or value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
        expected = "0 or more" if name in _MAY_BE_ZERO else "more than 0"
        raise NeedsOperator(f"{where}: expected {expected}, was {text!r}")
    return value
