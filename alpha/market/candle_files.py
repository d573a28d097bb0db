"""Candle files: `start_ms,open,high,low,close,volume`, with `turnover` behind it or not, plain or
gzipped. Names end in symbol and interval, e.g. `bybit-linear-BTCUSDT-5m.csv.gz`.

A file is read into columns and checked as a whole; when something is wrong it is looked at once
more, line by line, so that the message names the line.
"""

from __future__ import annotations

import gzip
import re
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import mul
from pathlib import Path
from typing import IO

from alpha.core.events import Bar
from alpha.errors import NeedsOperator

COLUMNS = ("start_ms", "open", "high", "low", "close", "volume")
HEADER = ",".join(COLUMNS)
_NAME = re.compile(r"(?:.*-)?([A-Z0-9]+)-([1-9]\d*)([mhd])\.csv(?:\.gz)?")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_STAMP = re.compile(r"\d{1,15}")
_NUMBER = re.compile(r"\d{1,13}(?:\.\d{1,15})?|\d(?:\.\d{1,8})?[eE]-0?\d")
#: Bytes that are taken apart at a time.
_BLOCK = 2_000_000
_INFINITE = float("inf")


class CandleError(NeedsOperator):
    """Candles cannot be used as they are; the message names the file and the line."""


@dataclass(slots=True)
class Candles:
    """One symbol's candles by column, in order. Prices and volume (base coin) are floats that
    print as the file has them. `dropped` says what a repair has left out, a line each."""

    symbol: str
    interval_ms: int
    path: Path
    starts: array[int] = field(default_factory=lambda: array("q"))
    opens: array[float] = field(default_factory=lambda: array("d"))
    highs: array[float] = field(default_factory=lambda: array("d"))
    lows: array[float] = field(default_factory=lambda: array("d"))
    closes: array[float] = field(default_factory=lambda: array("d"))
    volumes: array[float] = field(default_factory=lambda: array("d"))
    turnovers: array[float] | None = None
    dropped: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def end_ms(self) -> int:
        """Close of the newest candle."""
        return self.starts[-1] + self.interval_ms

    def bars(self, low: int, high: int) -> Iterator[Bar]:
        """The candles at the places `low` to `high`, made as they are asked for. Without a
        turnover in the file it is volume times close."""
        starts, volumes = memoryview(self.starts)[low:high], memoryview(self.volumes)[low:high]
        closes = memoryview(self.closes)[low:high]
        turnovers: Iterable[float] = (
            map(mul, volumes, closes)
            if self.turnovers is None
            else memoryview(self.turnovers)[low:high]
        )
        return map(
            Bar,
            repeat(self.symbol),
            repeat(self.interval_ms),
            starts,
            memoryview(self.opens)[low:high],
            memoryview(self.highs)[low:high],
            memoryview(self.lows)[low:high],
            closes,
            volumes,
            turnovers,
        )

    def runs(self) -> list[tuple[int, int]]:
        """Places (first, behind the last) of the stretches without a hole."""
        starts, step = self.starts, self.interval_ms
        if not starts:
            return []
        if starts[-1] - starts[0] == (len(starts) - 1) * step:
            return [(0, len(starts))]
        found, first = [], 0
        for place in range(1, len(starts)):
            if starts[place] != starts[place - 1] + step:
                found.append((first, place))
                first = place
        return [*found, (first, len(starts))]


def is_candle_file(path: Path) -> bool:
    return path.is_file() and _NAME.fullmatch(path.name) is not None


def name_parts(path: Path) -> tuple[str, int]:
    """Symbol and interval in ms that a file's name tells."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise CandleError(
            f"{path}: expected a name like bybit-linear-BTCUSDT-5m.csv.gz (symbol and interval "
            "before .csv or .csv.gz); rename the file or move it away"
        )
    return match[1], int(match[2]) * _UNIT_MS[match[3]]


def read_candles(path: Path, *, repair: bool = False) -> Candles:
    """The candles of a file. Holes, stamps that repeat, go back or lie off the interval's grid,
    numbers that are none, and prices outside their bar's range raise CandleError; with `repair`
    such lines are dropped, and `dropped` says which. A hole stays one then."""
    symbol, interval_ms = name_parts(path)
    candles = Candles(symbol, interval_ms, path)
    try:
        if not _read_whole(candles):
            candles = Candles(symbol, interval_ms, path)
            _read_lines(candles, repair=repair)
    except UnicodeDecodeError as error:
        raise CandleError(f"{path}: expected UTF-8 text, was {error.reason}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise CandleError(
            f"{path}: expected a readable candle file, was {error}; fetch it again"
        ) from error
    if not candles.starts:
        raise CandleError(f"{path}:2: expected at least one candle, was the end of the file")
    return candles


def _open(path: Path) -> IO[str]:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline=None)
    return path.open("r", encoding="utf-8-sig", newline=None)


def _header(path: Path, line: str) -> int:
    """How many columns there are."""
    found = line.rstrip("\n").replace(" ", "").lower()
    if found not in (HEADER, f"{HEADER},turnover"):
        raise CandleError(
            f"{path}:1: expected the header {HEADER} (and turnover), was {line.strip()[:80]!r}"
        )
    return found.count(",") + 1


# -- the quick way: whole columns -------------------------------------------------------------


def _read_whole(candles: Candles) -> bool:
    """Fills the columns; False when anything in the file is not as it should be."""
    with _open(candles.path) as stream:
        width = _header(candles.path, stream.readline())
        columns = [candles.opens, candles.highs, candles.lows, candles.closes, candles.volumes]
        if width > len(COLUMNS):
            candles.turnovers = array("d")
            columns.append(candles.turnovers)
        try:
            while lines := stream.readlines(_BLOCK):
                cells = "".join(lines).rstrip("\n").replace("\n", ",").split(",")
                if len(cells) != len(lines) * width:
                    return False
                candles.starts.extend(map(int, cells[0::width]))
                for place, column in enumerate(columns, start=1):
                    column.extend(map(float, cells[place::width]))
        except (ValueError, OverflowError):
            return False
    return _is_sound(candles, columns)


def _is_sound(candles: Candles, columns: Sequence[array[float]]) -> bool:
    starts, step = candles.starts, candles.interval_ms
    if not starts or starts[0] % step or starts[0] < 0:
        return False
    if starts != array("q", range(starts[0], starts[0] + len(starts) * step, step)):
        return False
    # A sum tells of infinities and of what is no number; comparisons of the rest mean something.
    if not all(0.0 <= sum(column) < _INFINITE for column in columns):
        return False
    if min(candles.volumes) < 0 or min(candles.lows) <= 0:
        return False
    return all(
        low <= open_ <= high and low <= close <= high
        for open_, high, low, close in zip(
            candles.opens, candles.highs, candles.lows, candles.closes, strict=True
        )
    )


# -- the slow way: line by line ---------------------------------------------------------------


def _read_lines(candles: Candles, *, repair: bool) -> None:
    path, step = candles.path, candles.interval_ms
    last, last_number = -1, 0
    with _open(path) as stream:
        width = _header(path, stream.readline())
        if width > len(COLUMNS):
            candles.turnovers = array("d")
        for number, line in enumerate(stream, start=2):
            cells = line.rstrip("\n").split(",")
            fault = _cell_fault(cells, width)
            start = -1 if fault else int(cells[0])
            fault = fault or _stamp_fault(start, last, last_number, step)
            fault = fault or _range_fault([float(cell) for cell in cells[1:5]])
            if fault is None or (repair and "a hole" in fault):
                if fault is not None:
                    candles.dropped.append(f"{path}:{number}: {fault}")
                last, last_number = start, number
                _append(candles, start, [float(cell) for cell in cells[1:]])
            elif repair:
                candles.dropped.append(f"{path}:{number}: {fault}; dropped")
            else:
                raise CandleError(
                    f"{path}:{number}: {fault}; correct the file, or drop such lines with --repair"
                )


def _append(candles: Candles, start: int, numbers: Sequence[float]) -> None:
    candles.starts.append(start)
    columns = (candles.opens, candles.highs, candles.lows, candles.closes, candles.volumes)
    for column, number in zip(columns, numbers, strict=False):
        column.append(number)
    if candles.turnovers is not None:
        candles.turnovers.append(numbers[-1])


def _cell_fault(cells: Sequence[str], width: int) -> str | None:
    if len(cells) != width:
        return f"expected {width} columns, was {len(cells)}: {','.join(cells)[:80]!r}"
    if not _STAMP.fullmatch(cells[0]):
        return f"expected start_ms in whole milliseconds, was {cells[0][:40]!r}"
    for name, cell in zip((*COLUMNS[1:], "turnover"), cells[1:], strict=False):
        if not _NUMBER.fullmatch(cell):
            return f"expected a number of 0 or more for {name}, was {cell[:40]!r}"
    return None


def _stamp_fault(start: int, last: int, last_number: int, step: int) -> str | None:
    if start % step:
        return f"expected start_ms on the grid of {step} ms that the file's name tells, was {start}"
    if last < 0 or start == last + step:
        return None
    if start == last:
        what = f"a duplicate of line {last_number}"
    elif start < last:
        what = "out of order"
    else:
        what = f"after a hole of {(start - last) // step - 1} candles"
    return f"expected start_ms {last + step}, was {start}, {what}"


def _range_fault(prices: Sequence[float]) -> str | None:
    open_, high, low, close = prices
    if low <= 0:
        return f"expected a low above 0, was {low}"
    if high < low:
        return f"expected high >= low, was high {high}, low {low}"
    for name, price in (("open", open_), ("close", close)):
        if not low <= price <= high:
            return f"expected {name} between low {low} and high {high}, was {price}"
    return None
