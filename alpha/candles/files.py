"""Candle files: `start_ms,open,high,low,close,volume`, with `turnover` behind it or not, plain or
gzipped. Names end in symbol and interval, e.g. `bybit-linear-BTCUSDT-5m.csv.gz`.

A file is read into columns and checked as a whole; when something is wrong it is looked at once
more, line by line, so that the message names the line.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from alpha.errors import NeedsOperator

COLUMNS = ("start_ms", "open", "high", "low", "close", "volume")
HEADER = ",".join(COLUMNS)
TURNOVER = "turnover"
_NAME = re.compile(r"(?:.*-)?([A-Z0-9]+)-([1-9]\d*)([mhdw])\.csv(?:\.gz)?")
UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000}
#: Intervals that an exchange has candles of.
INTERVALS_MS = tuple(
    minutes * UNITS_MS["m"] for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, 1440, 10080)
)
_MONDAY_MS = 4 * UNITS_MS["d"]  # 1970-01-05, the first Monday of the epoch
_STAMP = re.compile(r"\d{1,15}")
# Bounded, so that sums of what is read mean something; pandas writes 1e-05.
_NUMBER = re.compile(r"\d{1,13}(?:\.\d{1,15})?|\d(?:\.\d{1,8})?[eE]-0?\d")
#: What cells and lines are made of, for the quick way.
_PLAIN = b"0123456789.,e-\n"
#: Bytes that are taken apart at a time.
_BLOCK = 2_000_000
_TOO_MUCH = 1e13  # what _NUMBER has no digits for


CHECK_AND_REPAIR = (
    "correct the file, or see all that is wrong with `alpha data check` and drop it with --repair"
)


class CandleError(NeedsOperator):
    """Candles cannot be used as they are; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a file; `dropped` says that the line is not among the candles read,
    `start_ms` is its stamp if it has one."""

    path: Path
    line: int
    what: str
    dropped: bool
    start_ms: int | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, sound in itself: `numbers` are those behind the stamp."""

    number: int
    start_ms: int
    numbers: Sequence[float]


Row = Line | Fault


@dataclass(slots=True)
class Candles:
    """One symbol's candles by column, in order. Prices and volume (base coin) are floats that
    print as the file has them. `faults` says what was wrong, when it was read to be repaired."""

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
    faults: list[Fault] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def end_ms(self) -> int:
        """Close of the newest candle."""
        return self.starts[-1] + self.interval_ms

    def numbers(self) -> list[array[float]]:
        """The columns behind `starts`, in the file's order."""
        found = [self.opens, self.highs, self.lows, self.closes, self.volumes]
        return found if self.turnovers is None else [*found, self.turnovers]

    def append(self, start_ms: int, numbers: Sequence[float]) -> None:
        """A candle behind the others: open, high, low, close, volume, and the turnover if there
        is such a column."""
        self.starts.append(start_ms)
        for column, number in zip(self.numbers(), numbers, strict=True):
            column.append(number)

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


# -- names ------------------------------------------------------------------------------------


def is_candle_file(path: Path) -> bool:
    """Rates of funding (`...-SYMBOL-funding.csv`) may lie beside the candles."""
    funding = path.name.endswith(("-funding.csv", "-funding.csv.gz"))
    return path.is_file() and path.name.endswith((".csv", ".csv.gz")) and not funding


def candle_files(folder: Path) -> list[Path]:
    """Every candle file of a folder, by name."""
    return sorted(path for path in folder.iterdir() if is_candle_file(path))


def name_parts(path: Path) -> tuple[str, int]:
    """Symbol and interval in ms that a file's name tells."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise CandleError(
            f"{path}: expected a name like bybit-linear-BTCUSDT-5m.csv.gz (symbol and interval "
            "before .csv or .csv.gz); rename the file or move it away"
        )
    return match[1], int(match[2]) * UNITS_MS[match[3]]


def file_name(symbol: str, interval_ms: int) -> str:
    return f"bybit-linear-{symbol}-{interval_name(interval_ms)}.csv.gz"


def interval_name(interval_ms: int) -> str:
    """`5m`, `4h`, `1d`, `1w`: the longest unit that fits, weeks only alone."""
    for unit, length in UNITS_MS.items():
        if interval_ms % length == 0 and (unit != "w" or interval_ms == length):
            return f"{interval_ms // length}{unit}"
    raise ValueError(f"expected whole minutes, was {interval_ms} ms")


def off_grid_ms(start_ms: int, interval_ms: int) -> int:
    """How far a stamp lies behind the grid of its interval: multiples of it since the epoch,
    weeks from Monday."""
    offset = _MONDAY_MS if interval_ms % UNITS_MS["w"] == 0 else 0
    return (start_ms - offset) % interval_ms


def interval_of(text: str) -> int:
    """Milliseconds of `5m`, `4h`, `1d`. Raises CandleError."""
    match = re.fullmatch(r"([1-9]\d{0,4})([mhdw])", text.strip())
    if match is None:
        raise CandleError(f"expected an interval like 1m, 5m, 4h or 1d, was {text!r}")
    return int(match[1]) * UNITS_MS[match[2]]


def number_text(value: float) -> str:
    """A number as files have it: the shortest that reads back the same, without an exponent."""
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text


# -- reading ----------------------------------------------------------------------------------


def read_candles(path: Path, *, repair: bool = False) -> Candles:
    """The candles of a file. Holes, stamps that repeat, go back or lie off the interval's grid,
    numbers that are none, and prices outside their bar's range raise CandleError; with `repair`
    as few lines as possible are left out instead, `faults` says which, and a hole stays one."""
    symbol, interval_ms = name_parts(path)
    candles = Candles(symbol, interval_ms, path)
    if not _read_whole(candles):
        candles = Candles(symbol, interval_ms, path)
        fill(candles, _rows(candles), repair=repair)
    return candles


def fill(
    candles: Candles, rows: Iterable[Row], *, repair: bool, remedy: str = CHECK_AND_REPAIR
) -> None:
    """Takes the lines of a file into empty `candles`: as many as are in order, and `faults` says
    what is wrong with the others. Without `repair` the first fault raises CandleError; a file
    that goes backwards or is of another interval does in any case."""
    found = list(rows)
    _check_course(candles, found)
    _take_what_is_sound(candles, found)
    faults = candles.faults
    if faults and not repair:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise CandleError(f"{faults[0]}{more}; {remedy}")
    if not candles.starts:
        raise CandleError(
            f"{candles.path}:2: expected at least one candle, was the end of the file"
        )


def _open(path: Path) -> io.BufferedIOBase:
    if path.name.endswith(".gz"):
        return io.BufferedReader(gzip.open(path))  # whose lines are not cut in Python
    return path.open("rb")


def _header(candles: Candles, line: str) -> int:
    """How many columns there are."""
    found = line.lstrip("\ufeff").strip().replace(" ", "").lower()
    if found not in (HEADER, f"{HEADER},{TURNOVER}"):
        raise CandleError(
            f"{candles.path}:1: expected the header {HEADER} (and {TURNOVER}), was {line[:80]!r}"
        )
    if found != HEADER:
        candles.turnovers = array("d")
    return found.count(",") + 1


# -- the quick way: whole columns -------------------------------------------------------------


def _read_whole(candles: Candles) -> bool:
    """Fills the columns; False when anything in the file is not as it should be."""
    try:
        with _open(candles.path) as stream:
            width = _header(candles, stream.readline().decode("utf-8").rstrip("\r\n"))
            columns = candles.numbers()
            while lines := stream.readlines(_BLOCK):
                block = b"".join(lines).replace(b"\r\n", b"\n")
                cells = block.rstrip(b"\n").replace(b"\n", b",").split(b",")
                if block.translate(None, _PLAIN) or len(cells) != len(lines) * width:
                    return False
                candles.starts.extend(map(int, cells[0::width]))
                for place, column in enumerate(columns, start=1):
                    column.extend(map(float, cells[place::width]))
    except (ValueError, OverflowError, OSError, EOFError, zlib.error, CandleError):
        return False
    return _is_sound(candles, columns)


def _is_sound(candles: Candles, columns: Sequence[array[float]]) -> bool:
    starts, step = candles.starts, candles.interval_ms
    if not starts or starts[0] < 0 or off_grid_ms(starts[0], step):
        return False
    if starts != array("q", range(starts[0], starts[0] + len(starts) * step, step)):
        return False
    if min(candles.lows) <= 0 or max(candles.highs) >= _TOO_MUCH:
        return False
    if any(min(column) < 0 or max(column) >= _TOO_MUCH for column in columns[4:]):
        return False
    return all(
        low <= open_ <= high and low <= close <= high
        for open_, high, low, close in zip(
            candles.opens, candles.highs, candles.lows, candles.closes, strict=True
        )
    )


# -- the slow way: line by line ---------------------------------------------------------------


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    number = 0
    try:
        with _open(path) as stream:
            for number, raw in enumerate(stream, start=1):
                yield number, raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise CandleError(f"{path}:{number}: expected UTF-8 text, was {error.reason}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise CandleError(
            f"{path}:{number + 1}: expected a readable candle file, was {error}; fetch it again"
        ) from error


def _rows(candles: Candles) -> Iterator[Row]:
    """Every line behind the header: a candle sound in itself, or what is wrong with it."""
    width = len(COLUMNS)
    for number, text in _lines(candles.path):
        if number == 1:
            width = _header(candles, text)
            continue
        cells = text.split(",")
        fault = _cell_fault(cells, width)
        if fault is not None:
            yield Fault(candles.path, number, fault, dropped=True)
        else:
            yield checked(candles, number, int(cells[0]), [float(cell) for cell in cells[1:]])


def checked(candles: Candles, number: int, start_ms: int, numbers: Sequence[float]) -> Row:
    """A line, or what is wrong with its stamp and prices."""
    fault = _grid_fault(start_ms, candles.interval_ms) or _range_fault(numbers[:4])
    if fault is not None:
        return Fault(candles.path, number, fault, dropped=True, start_ms=start_ms)
    return Line(number, start_ms, numbers)


def _check_course(candles: Candles, rows: Sequence[Row]) -> None:
    """Raises CandleError where most lines go backwards, or are one other distance apart: no line
    of such a file is where, or what, it should be."""
    lines = [
        (row.number if isinstance(row, Line) else row.line, row.start_ms)
        for row in rows
        if row.start_ms is not None
    ]
    steps = [(number, after - before) for (_, before), (number, after) in pairwise(lines)]
    if sum(step < 0 for _, step in steps) > max(len(steps) / 2, 2):
        line = next(number for number, step in steps if step < 0)
        raise CandleError(
            f"{candles.path}:{line}: expected start_ms to ascend, was a file that goes backwards; "
            "turn it round with alpha data import"
        )
    counts = Counter(step for _, step in steps if step > 0)
    distance, count = counts.most_common(1)[0] if counts else (candles.interval_ms, 0)
    if distance == candles.interval_ms or distance not in INTERVALS_MS:
        return
    if count < 3 or 2 * count <= len(lines):
        return
    line = next(number for number, step in steps if step == distance)
    raise CandleError(
        f"{candles.path}:{line}: expected candles {interval_name(candles.interval_ms)} apart, was "
        f"{interval_name(distance)}, as most of the file; name it by its own interval"
    )


def _hole(candles: Candles, row: Line, before: Line | None) -> Fault | None:
    """What is missing between two candles that ascend; that of the second is there."""
    expected = row.start_ms if before is None else before.start_ms + candles.interval_ms
    missing = (row.start_ms - expected) // candles.interval_ms
    if not missing:
        return None
    what = f"after a hole of {missing} candle{'s' if missing > 1 else ''}"
    text = f"expected start_ms {expected}, was {row.start_ms}, {what}"
    return Fault(candles.path, row.number, text, dropped=False, start_ms=row.start_ms)


def _take_what_is_sound(candles: Candles, rows: Sequence[Row]) -> None:
    """Keeps the most lines that are in order. Of two candles of one time the first is kept."""
    sound: list[Line] = []
    seen: dict[int, int] = {}  # start -> line
    for row in rows:
        if isinstance(row, Fault):
            candles.faults.append(row)
        elif row.start_ms in seen:
            what = f"start_ms {row.start_ms} is a duplicate of line {seen[row.start_ms]}"
            candles.faults.append(Fault(candles.path, row.number, what, dropped=True))
        else:
            seen[row.start_ms] = row.number
            sound.append(row)
    kept = longest_ascent([row.start_ms for row in sound])
    before: Line | None = None
    for row, is_kept in zip(sound, kept, strict=True):
        if not is_kept:
            what = f"start_ms {row.start_ms} is out of order"
            candles.faults.append(Fault(candles.path, row.number, what, dropped=True))
            continue
        if (hole := _hole(candles, row, before)) is not None:
            candles.faults.append(hole)
        candles.append(row.start_ms, row.numbers)
        before = row
    candles.faults.sort(key=lambda fault: fault.line)


def longest_ascent(values: Sequence[int]) -> list[bool]:
    """Which of `values` are part of a longest strictly ascending sequence of them. One value far
    too high must not cost all that follow it."""
    ends: list[int] = []  # lowest end of an ascent of each length
    places: list[int] = []
    before: list[int] = []
    for place, value in enumerate(values):
        at = bisect_left(ends, value)
        before.append(places[at - 1] if at else -1)
        ends[at : at + 1] = [value]
        places[at : at + 1] = [place]
    kept = [False] * len(values)
    place = places[-1] if places else -1
    while place >= 0:
        kept[place] = True
        place = before[place]
    return kept


def _cell_fault(cells: Sequence[str], width: int) -> str | None:
    names = (*COLUMNS, TURNOVER)[:width]
    if len(cells) != width:
        return f"expected {width} columns ({','.join(names)}), was {len(cells)}: " + repr(
            ",".join(cells)[:80]
        )
    if not _STAMP.fullmatch(cells[0]):
        return f"expected start_ms in whole milliseconds, was {cells[0][:40]!r}"
    for name, cell in zip(names[1:], cells[1:], strict=True):
        if not _NUMBER.fullmatch(cell):
            return f"expected a number of 0 or more for {name} (13.15 digits), was {cell[:40]!r}"
    return None


def _grid_fault(start_ms: int, step: int) -> str | None:
    if not off_grid_ms(start_ms, step):
        return None
    return f"expected start_ms on the grid of {step} ms, the file's interval, was {start_ms}"


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
