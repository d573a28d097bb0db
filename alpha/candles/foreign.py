"""Candles in files of others: CSV with names and stamps of many kinds, and Parquet.

Columns are known by their names (`_NAMES`), whatever their order; a CSV without names has the
order of ours. Stamps are seconds, milliseconds, microseconds or nanoseconds since the epoch, or
ISO 8601, UTC where none is told. A file that goes backwards is turned round.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from alpha.candles.files import COLUMNS, TURNOVER, CandleError, Candles, Fault, Row, checked, fill

#: What others call our columns.
_NAMES = {
    "start_ms": ("start", "open_time", "opentime", "timestamp", "time", "date", "datetime", "ts"),
    "open": ("o", "open_price"),
    "high": ("h", "high_price"),
    "low": ("l", "low_price"),
    "close": ("c", "close_price"),
    "volume": ("v", "vol", "base_volume", "volume_base", "base_asset_volume"),
    TURNOVER: ("quote_volume", "volume_quote", "quote_asset_volume", "amount", "value"),
}
_OURS = {name: ours for ours, names in _NAMES.items() for name in (ours, *names)}
#: Below these a stamp counts seconds, milliseconds, microseconds; above, nanoseconds.
_STAMPS = ((10**11, 1000, 1), (10**14, 1, 1), (10**17, 1, 1000))

#: (line, cells by our names)
_Cells = tuple[int, dict[str, object]]


def read_foreign(path: Path, symbol: str, interval_ms: int | None, *, repair: bool) -> Candles:
    """The candles of somebody else's file. The interval is the most frequent distance of stamps
    when None. Raises CandleError, naming file and line, for whatever is not whole or not in
    order; with `repair` such lines are left out, and `faults` of the answer says which."""
    cells = list(_parquet(path) if path.suffix == ".parquet" else _csv(path))
    lines = [_numbers(path, number, row) for number, row in cells]
    stamps = [line[1] for line in lines if not isinstance(line, Fault)]
    if len(stamps) > 1 and stamps[0] > stamps[-1]:
        lines.reverse()
        stamps.reverse()
    found = Candles(symbol, interval_ms or _interval(path, stamps), path)
    remedy = "correct the file, or leave out what is wrong with --repair"
    fill(found, _checked(found, lines), repair=repair, remedy=remedy)
    return found


_Numbers = tuple[int, int, list[float]]  # line, start, what is behind it


def _checked(candles: Candles, lines: Iterable[_Numbers | Fault]) -> Iterator[Row]:
    for line in lines:
        yield line if isinstance(line, Fault) else checked(candles, *line)


def _interval(path: Path, stamps: Sequence[int]) -> int:
    distances = Counter(after - before for before, after in pairwise(stamps) if after > before)
    if not distances:
        raise CandleError(
            f"{path}: expected two candles at least to tell the interval, was {len(stamps)}; "
            "give --interval"
        )
    (interval_ms, _), *_ = distances.most_common(1)
    if interval_ms % 60_000:
        raise CandleError(
            f"{path}: expected stamps whole minutes apart, was {interval_ms} ms; give --interval"
        )
    return interval_ms


def _numbers(path: Path, number: int, cells: dict[str, object]) -> _Numbers | Fault:
    values: list[float] = []
    try:
        start_ms = _stamp(cells["start_ms"])
    except (ValueError, OverflowError):
        what = f"expected a time, was {str(cells['start_ms'])[:40]!r}"
        return Fault(path, number, what, dropped=True)
    for name in COLUMNS[1:]:
        try:
            value = float(str(cells[name]))
        except ValueError:
            value = math.nan
        if not 0 <= value < 1e13:
            what = f"expected a number of 0 or more for {name}, was {str(cells[name])[:40]!r}"
            return Fault(path, number, what, dropped=True)
        values.append(value)
    return number, start_ms, values


def _stamp(cell: object) -> int:
    """Milliseconds since the epoch."""
    if isinstance(cell, datetime):
        moment = cell
    else:
        text = str(cell).strip()
        try:
            value = int(text) if text.isdigit() else round(float(text))
        except ValueError:
            moment = datetime.fromisoformat(text)
        else:
            for below, times, over in _STAMPS:
                if value < below:
                    return value * times // over
            return value // 1_000_000
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _mapped(path: Path, names: Sequence[str]) -> list[str | None]:
    """Our name of every column; the first of several that mean the same counts."""
    found: list[str | None] = []
    for name in names:
        ours = _OURS.get(name.strip().lower().replace(" ", "_"))
        found.append(None if ours in found else ours)
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise CandleError(
            f"{path}:1: expected columns {', '.join(COLUMNS)} by these or usual names, was "
            f"{', '.join(names)[:200]}; rename the column for {missing[0]}"
        )
    return found


def _csv(path: Path) -> Iterator[_Cells]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise CandleError(f"{path}: expected a readable CSV file, was {error}") from error
    rows = csv.reader(io.StringIO(text), dialect=_dialect(text))
    names: list[str | None] | None = None
    for number, row in enumerate(rows, start=1):
        if names is None:
            is_data = len(row) >= len(COLUMNS) and row[0].strip()[:1].isdigit()
            names = [*COLUMNS, *[None] * (len(row) - len(COLUMNS))] if is_data else None
            if names is None:
                names = _mapped(path, row)
                continue
        if row:
            cells = dict.fromkeys(COLUMNS, "") | {
                name: cell for name, cell in zip(names, row, strict=False) if name is not None
            }
            yield number, dict(cells)


def _dialect(text: str) -> type[csv.Dialect]:
    class Found(csv.excel):
        delimiter = max(",;\t|", key=text.partition("\n")[0].count)

    return Found


def _parquet(path: Path) -> Iterator[_Cells]:
    try:
        import polars
    except ImportError:
        raise CandleError(
            f"{path}: expected polars to read Parquet, was not installed; install alpha[parquet], "
            "or write the file as CSV"
        ) from None
    try:
        frame = polars.read_parquet(path)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise CandleError(f"{path}: expected a readable Parquet file, was {error}") from error
    names = _mapped(path, frame.columns)
    for number, row in enumerate(frame.iter_rows(), start=1):
        yield (
            number,
            {name: cell for name, cell in zip(names, row, strict=True) if name is not None},
        )
