"""The replay feed: recorded candles, played as they were."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from alpha.candles.files import CandleError
from alpha.candles.instruments import FILE, read_instruments
from alpha.clock import iso
from alpha.sim.feeds.base import Candle, FeedError, InstrumentSpec, Tick
from alpha.sim.feeds.columns import DAY_MS, Columns, aggregate, ceil_to, floor_to
from alpha.sim.feeds.csv_candles import CandleFile, read_folder
from alpha.sim.feeds.funding import funding_rate
from alpha.sim.feeds.instruments import INSTRUMENTS, derived, overridden
from alpha.sim.feeds.ticks import candle_ticks

HISTORY_MS = 11 * DAY_MS  # 3168 five-minute candles: the longest warm-up, and a little


class ReplayFeed:
    """Plays every candle file of a folder; satisfies `Feed`.

    All symbols trade over the span that they share. Candles of earlier times are history.
    Raises `FeedError` on construction for anything wrong with the files or the start.
    """

    name = "replay"

    def __init__(self, data: Path, start_ms: int | None = None) -> None:
        files = read_folder(data)
        steps = {file.columns.step_ms: file.path for file in files}
        if len(steps) > 1:
            told = ", ".join(f"{path.name}: {ms} ms" for ms, path in sorted(steps.items()))
            raise FeedError(f"{data}: expected candles of one interval, was {told}")
        self.base_ms = next(iter(steps))
        self._columns: dict[str, Columns] = {file.symbol: file.columns for file in files}
        self.instruments = _instruments(data, files)
        self._specs = {spec.symbol: spec for spec in self.instruments}
        first = max(columns.first_ms for columns in self._columns.values())
        end = min(columns.end_ms for columns in self._columns.values())
        if first >= end:
            raise FeedError(
                f"{data}: expected candles of one span of time for all symbols, was the youngest "
                f"file from {iso(first)} and the oldest until {iso(end)}; move one of them away"
            )
        self.open_ms = _open_ms(data, self.base_ms, first, end, start_ms)
        self.end_ms: int | None = end
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.symbol} {file.sha256}\n".encode())
        digest.update(repr(self.instruments).encode())
        self._key = digest.hexdigest()[:16]
        self.fingerprint = f"replay:{self._key}:{self.open_ms}"

    def candle(self, symbol: str, start_ms: int) -> Candle | None:
        columns = self._columns.get(symbol)
        at = None if columns is None else columns.index(start_ms)
        return None if columns is None or at is None else columns.candle(at)

    def candles(self, symbol: str, interval_ms: int, start_ms: int, end_ms: int) -> list[Candle]:
        columns = self._columns.get(symbol)
        return [] if columns is None else aggregate(columns, interval_ms, start_ms, end_ms)

    def ticks(self, symbol: str, candle: Candle) -> Sequence[Tick]:
        return candle_ticks(self._specs[symbol], candle, self.base_ms)

    def funding_rate(self, symbol: str, ms: int) -> Decimal:
        return funding_rate(self._key, symbol, ms, self._specs[symbol].funding_interval_min)


def _instruments(data: Path, files: list[CandleFile]) -> tuple[InstrumentSpec, ...]:
    path = (data if data.is_dir() else data.parent) / FILE
    try:
        overrides = read_instruments(path) if path.is_file() else {}
    except CandleError as error:
        raise FeedError(str(error)) from error
    unknown = sorted(set(overrides) - {file.symbol for file in files})
    if unknown and data.is_dir():
        known = ", ".join(file.symbol for file in files)
        raise FeedError(f"{path}: expected symbols with candles ({known}), was {unknown[0]}")
    specs: list[InstrumentSpec] = []
    for file in files:
        values = overrides.get(file.symbol, {})
        spec = overridden(_published(file), values)
        if "tick_size" in values:
            _check_grid(file, spec.tick_size)
        specs.append(spec)
    return tuple(specs)


def _published(file: CandleFile) -> InstrumentSpec:
    """The known rules where the candles fit their price grid, else rules made from the candles
    (tick sizes have changed over the years)."""
    known = INSTRUMENTS.get(file.symbol)
    if known is not None and _off_grid(file, known.tick_size) is None:
        return known
    columns = file.columns
    mean = sum(columns.volume) * columns.volume_unit / len(columns.volume)
    return derived(file.symbol, file.price_decimals, file.volume_decimals, mean)


def _off_grid(file: CandleFile, tick: Decimal) -> tuple[int, Decimal] | None:
    """Position and price of the first candle off the grid of `tick`."""
    columns = file.columns
    if tick <= columns.price_unit and columns.price_unit % tick == 0:
        return None
    rows = zip(columns.open, columns.high, columns.low, columns.close, strict=True)
    for at, prices in enumerate(rows):
        for price in prices:
            if price * columns.price_unit % tick:
                return at, price * columns.price_unit
    return None


def _check_grid(file: CandleFile, tick: Decimal) -> None:
    found = _off_grid(file, tick)
    if found is not None:
        at, price = found
        raise FeedError(
            f"{file.path}:{at + 2}: expected prices in multiples of tick_size {tick} "
            f"(instruments.json), was {price}; correct one of them"
        )


def _open_ms(data: Path, base_ms: int, first: int, end: int, start_ms: int | None) -> int:
    if start_ms is None:
        open_ms = ceil_to(first + HISTORY_MS, base_ms)
        if open_ms >= end:
            raise FeedError(
                f"{data}: expected more than 11 days of candles, was {iso(first)} to {iso(end)}; "
                "give the moment at which the market opens with --start"
            )
        return open_ms
    if not first <= start_ms < end:
        raise FeedError(
            f"{data}: expected a start from {iso(first)} up to {iso(end)}, was {iso(start_ms)}; "
            "correct --start"
        )
    return floor_to(start_ms, base_ms)
