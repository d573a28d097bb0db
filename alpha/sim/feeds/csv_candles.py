"""Candle files: `start_ms,open,high,low,close,volume`, plain or gzipped.

Names end in symbol and interval, e.g. `bybit-linear-BTCUSDT-5m.csv.gz`. A file is read whole
and checked line by line; the first thing wrong is reported with file and line.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from alpha.sim.feeds.base import FeedError
from alpha.sim.feeds.columns import Columns

HEADER = "start_ms,open,high,low,close,volume"
_NAME = re.compile(r"(?:.*-)?([A-Z0-9]+)-([1-9]\d*)([mhd])\.csv(?:\.gz)?")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
# Bounded, so that every sum and remainder stays exact in 28 digits; pandas writes 1e-05.
_NUMBER = r"(\d{1,13}(?:\.\d{1,15})?|\d(?:\.\d{1,8})?[eE]-0?[1-7])"
_ROW = re.compile(rf"(\d{{1,15}}),{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}")
_CELL = re.compile(_NUMBER)
_NAMES = HEADER.split(",")


@dataclass(frozen=True, slots=True)
class CandleFile:
    """One file's candles; `columns` count in the finest decimals that the file uses."""

    path: Path
    symbol: str
    columns: Columns
    price_decimals: int
    volume_decimals: int
    sha256: str


class _Line(NamedTuple):
    number: int
    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def is_candle_file(path: Path) -> bool:
    return path.is_file() and path.name.endswith((".csv", ".csv.gz"))


def name_parts(path: Path) -> tuple[str, int]:
    """Symbol and interval in ms that a file's name tells."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise FeedError(
            f"{path}: expected a name like bybit-linear-BTCUSDT-5m.csv.gz (symbol and interval "
            "before .csv or .csv.gz); rename the file or move it away"
        )
    return match[1], int(match[2]) * _UNIT_MS[match[3]]


def read_candles(path: Path) -> CandleFile:
    """The candles of a file. Raises `FeedError` naming file and line for numbers that are none,
    a wrong column count, stamps that repeat, go back, leave a hole or lie off the interval's
    grid, and prices outside their bar's range."""
    symbol, step_ms = name_parts(path)
    digest = hashlib.sha256()
    rows: list[_Line] = []
    for number, line in _lines(path, digest):
        if number == 1:
            _check_header(path, line)
            continue
        row = _row(path, number, line)
        _check_stamp(path, row, rows[-1] if rows else None, step_ms)
        _check_range(path, row)
        rows.append(row)
    if not rows:
        raise FeedError(f"{path}:2: expected at least one candle, was the end of the file")
    return _candle_file(path, symbol, step_ms, rows, digest.hexdigest())


def _lines(path: Path, digest: hashlib._Hash) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                digest.update(raw)
                yield number, raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise FeedError(f"{path}:{number}: expected UTF-8 text, was {error.reason}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise FeedError(
            f"{path}:{number + 1}: expected a readable candle file, was {error}; fetch it again"
        ) from error


def _check_header(path: Path, line: str) -> None:
    if line.lstrip("\ufeff").replace(" ", "").lower() != HEADER:
        raise FeedError(f"{path}:1: expected the header {HEADER}, was {line[:80]!r}")


def _row(path: Path, number: int, line: str) -> _Line:
    match = _ROW.fullmatch(line)
    if match is None:
        raise FeedError(
            f"{path}:{number}: {_fault(line)}; correct the line or fetch the file again"
        )
    stamp, open_, high, low, close, volume = match.groups()
    return _Line(
        number,
        int(stamp),
        Decimal(open_),
        Decimal(high),
        Decimal(low),
        Decimal(close),
        Decimal(volume),
    )


def _fault(line: str) -> str:
    cells = line.split(",")
    if len(cells) != len(_NAMES):
        return f"expected {len(_NAMES)} columns ({HEADER}), was {len(cells)}: {line[:80]!r}"
    for name, cell in zip(_NAMES, cells, strict=True):
        if name == "start_ms" and not re.fullmatch(r"\d{1,15}", cell):
            return f"expected start_ms in whole milliseconds, was {cell[:40]!r}"
        if not _CELL.fullmatch(cell):
            return f"expected a number of 0 or more for {name} (13.15 digits), was {cell[:40]!r}"
    return f"expected {HEADER}, was {line[:80]!r}"


def _check_stamp(path: Path, row: _Line, before: _Line | None, step_ms: int) -> None:
    where = f"{path}:{row.number}"
    if row.start_ms % step_ms:
        raise FeedError(
            f"{where}: expected start_ms on the grid of {step_ms} ms that the file's name tells, "
            f"was {row.start_ms}"
        )
    if before is None:
        return
    expected = before.start_ms + step_ms
    if row.start_ms == expected:
        return
    if row.start_ms == before.start_ms:
        what = f"a duplicate of line {before.number}"
    elif row.start_ms < before.start_ms:
        what = "out of order"
    else:
        what = f"after a hole of {(row.start_ms - expected) // step_ms} candles"
    raise FeedError(f"{where}: expected start_ms {expected}, was {row.start_ms}, {what}")


def _check_range(path: Path, row: _Line) -> None:
    where = f"{path}:{row.number}"
    if row.low <= 0:
        raise FeedError(f"{where}: expected a low above 0, was {row.low}")
    if row.high < row.low:
        raise FeedError(f"{where}: expected high >= low, was high {row.high}, low {row.low}")
    for name, price in (("open", row.open), ("close", row.close)):
        if not row.low <= price <= row.high:
            raise FeedError(
                f"{where}: expected {name} between low {row.low} and high {row.high}, was {price}"
            )


def _decimals(values: Iterator[Decimal]) -> int:
    """Digits after the point that the finest of `values` needs."""
    finest, unit = 0, Decimal(1)
    for value in values:
        if value % unit:
            exponent = value.normalize().as_tuple().exponent
            finest = -exponent if isinstance(exponent, int) else finest
            unit = Decimal(1).scaleb(-finest)
    return finest


def _candle_file(
    path: Path, symbol: str, step_ms: int, rows: list[_Line], sha256: str
) -> CandleFile:
    price_decimals = _decimals(
        price for row in rows for price in (row.open, row.high, row.low, row.close)
    )
    volume_decimals = _decimals(row.volume for row in rows)
    unit, volume_unit = Decimal(1).scaleb(-price_decimals), Decimal(1).scaleb(-volume_decimals)
    columns = Columns(rows[0].start_ms, step_ms, unit, volume_unit)
    for row in rows:
        columns.append(
            int(row.open.scaleb(price_decimals)),
            int(row.high.scaleb(price_decimals)),
            int(row.low.scaleb(price_decimals)),
            int(row.close.scaleb(price_decimals)),
            int(row.volume.scaleb(volume_decimals)),
        )
    return CandleFile(path, symbol, columns, price_decimals, volume_decimals, sha256)
