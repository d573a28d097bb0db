"""Trading rules beside candles: `instruments.json`, one object by symbol, or Bybit's answer to Get
Instruments Info as it is.

A row has the names of `FIELDS` or Bybit's own, flat (`tickSize`) or in their groups
(`priceFilter`, `lotSizeFilter`, `leverageFilter`). What a row leaves out comes from elsewhere.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from alpha.candles.files import CandleError
from alpha.candles.writing import replace_file

FILE = "instruments.json"
#: Rules that may be told. The last five are of interest to the simulated market alone.
FIELDS = (
    "tick_size",
    "qty_step",
    "min_qty",
    "max_qty",
    "max_market_qty",
    "min_notional",
    "max_leverage",
    "taker_fee",
    "maker_fee",
    "maintenance_rate",
    "price_limit_ratio",
    "funding_interval_min",
    "spread_ticks",
    "depth_qty",
)
_WHOLE = frozenset({"funding_interval_min", "spread_ticks"})
_MAY_BE_ZERO = frozenset({"taker_fee", "maker_fee", "min_notional", "maintenance_rate"})
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
#: The same names outside their groups, and those of Get Fee Rate.
_FLAT = {name: ours for (_, name), ours in _BYBIT.items()} | {
    "takerFeeRate": "taker_fee",
    "makerFeeRate": "maker_fee",
}
Rules = dict[str, dict[str, Decimal]]


def read_instruments(path: Path) -> Rules:
    """`{symbol: {field: value}}`. Raises CandleError naming file, symbol and field."""
    try:
        document: object = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise CandleError(
            f"{path}:{error.lineno}: expected JSON, was {error.msg}; correct the file"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise CandleError(f"{path}: expected a readable file, was {error}") from error
    return {symbol: _row(path, symbol, row) for symbol, row in _by_symbol(path, document).items()}


def write_instruments(path: Path, rules: Mapping[str, Mapping[str, Decimal]]) -> None:
    """Writes the file anew, whole or not at all."""
    document = {
        symbol: {name: f"{row[name]:f}" for name in FIELDS if name in row}
        for symbol, row in sorted(rules.items())
    }
    replace_file(path, (json.dumps(document, indent=1) + "\n").encode())


def _by_symbol(path: Path, document: object) -> dict[str, object]:
    """Rows by their symbol. Bybit's answer has a list of them, in `result`."""
    found = document
    for name in ("result", "list"):
        found = found.get(name, found) if isinstance(found, dict) else found
    listed = found if isinstance(found, list) else []
    if listed and all(isinstance(row, dict) and "symbol" in row for row in listed):
        return {str(row["symbol"]): row for row in listed}
    if not isinstance(found, dict):
        raise CandleError(f'{path}: expected an object {{"SYMBOL": {{"tick_size": "0.1"}}}}')
    return {str(symbol): row for symbol, row in found.items()}


def _row(path: Path, symbol: str, row: object) -> dict[str, Decimal]:
    where = f"{path}: {symbol}"
    if not isinstance(row, dict):
        raise CandleError(f"{where}: expected an object of {', '.join(FIELDS)}, was {row!r}")
    grouped = "priceFilter" in row or "lotSizeFilter" in row
    flat = {_FLAT.get(name, name): value for name, value in row.items() if name != "symbol"}
    cells = _of_bybit(row) if grouped else flat
    values: dict[str, Decimal] = {}
    for name, text in cells.items():
        if name not in FIELDS:
            (near,) = difflib.get_close_matches(str(name), FIELDS, n=1, cutoff=0.0)
            raise CandleError(
                f"{where}: expected one of {', '.join(FIELDS)}, was {name!r}; the nearest is {near}"
            )
        values[name] = _number(f"{where}.{name}", name, text)
    return values


def _of_bybit(row: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {name: value for name, value in row.items() if name in FIELDS}
    for (group, name), ours in _BYBIT.items():
        filters = row.get(group)
        if isinstance(filters, dict) and filters.get(name) not in (None, ""):
            found[ours] = filters[name]
    return found


def _number(where: str, name: str, text: object) -> Decimal:
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        raise CandleError(f"{where}: expected a decimal number, was {text!r}") from None
    fits = value.is_finite() and value >= 0 and (value > 0 or name in _MAY_BE_ZERO)
    if not fits or (name in _WHOLE and value != int(value)):
        kind = (
            "a whole number above 0"
            if name in _WHOLE
            else "0 or more"
            if name in _MAY_BE_ZERO
            else "more than 0"
        )
        raise CandleError(f"{where}: expected {kind}, was {text!r}")
    return value
