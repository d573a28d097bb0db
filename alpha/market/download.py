"""Candles of the exchange into files: only what a file lacks, page by page, resumable.

Pages are appended to `NAME.part` as they come; a run that was cut short goes on behind them. The
file itself is replaced once everything asked for is there.
"""

from __future__ import annotations

import difflib
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from alpha.bybit.rest import Rest
from alpha.candles.files import (
    CandleError,
    Candles,
    file_name,
    number_text,
    off_grid_ms,
    read_candles,
)
from alpha.candles.funding import funding_name, read_rates, write_rates
from alpha.candles.instruments import FILE, read_instruments, write_instruments
from alpha.candles.writing import write_candles
from alpha.core.events import Bar
from alpha.core.instruments import Instrument
from alpha.errors import NotFound

#: Candles of one request (Get Kline).
PAGE = 1000
#: Told how many candles were asked for so far, and how many have to be.
Progress = Callable[[int, int], None]
Span = tuple[int, int]  # [from, to) in ms


@dataclass(frozen=True, slots=True)
class Wanted:
    """Closed candles in [start_ms, end_ms) of one symbol."""

    symbol: str
    interval_ms: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The file as it is now. `added` candles are new in it; `missing` ones the exchange does not
    have, although it has older ones."""

    path: Path
    candles: Candles
    added: int
    missing: int


async def chosen(rest: Rest, names: Sequence[str]) -> list[Instrument]:
    """What the exchange lists under these names, each once. Raises NotFound with the nearest."""
    listed = {one.symbol: one for one in await rest.instruments()}
    for name in names:
        if name not in listed:
            near = difflib.get_close_matches(name, listed, n=3, cutoff=0.5)
            hint = f"; the nearest are {', '.join(near)}" if near else ""
            raise NotFound(
                f"expected USDT perpetuals that trade ({len(listed)} do), was {name!r}{hint}"
            )
    return [listed[name] for name in dict.fromkeys(names)]


async def download(
    rest: Rest, wanted: Wanted, folder: Path, *, venue_ms: int, progress: Progress
) -> Downloaded | None:
    """Brings the file of a symbol up to what is wanted; None when the exchange has no candle
    there. What a file has is not asked for again, holes and all between the file and what is
    wanted are filled. Raises CandleError for a file that has to be repaired first, RetryLater
    when the exchange stays away: what has come is kept for the next run."""
    path = folder / file_name(wanted.symbol, wanted.interval_ms)
    known = _known(path)
    with _part(path) as part:
        kept = part.read(wanted.interval_ms)
        have = sorted({*(known.starts if known is not None else ()), *kept})
        spans = missing_spans(have, _widened(wanted, known), wanted.interval_ms, venue_ms)
        total = sum(last - first for first, last in spans) // wanted.interval_ms
        done = 0
        for span in spans:
            async for bars in _pages(rest, wanted, span, venue_ms):
                part.add(bars)
                kept.update((bar.start_ms, _numbers(bar)) for bar in bars)
                done += PAGE
                progress(min(done, total), total)
        candles = _merged(wanted, path, known, kept)
        if candles is None:
            part.remove()
            return None
        added = len(candles) - (0 if known is None else len(known))
        if added:
            write_candles(path, candles)
        part.remove()
    whole = (candles.end_ms - candles.starts[0]) // wanted.interval_ms
    return Downloaded(path, candles, added, whole - len(candles))


def missing_spans(have: Sequence[int], span: Span, interval_ms: int, venue_ms: int) -> list[Span]:
    """The parts of a span that no candle of `have` (ascending) covers, newest first. Whole
    candles that the exchange has closed only."""
    first_ms = span[0] + -off_grid_ms(span[0], interval_ms) % interval_ms
    until_ms = min(span[1], venue_ms)
    until_ms -= off_grid_ms(until_ms, interval_ms)
    found: list[Span] = []
    at = first_ms
    for start in have:
        if start < at:
            continue
        if start >= until_ms:
            break
        if start > at:
            found.append((at, start))
        at = start + interval_ms
    if at < until_ms:
        found.append((at, until_ms))
    return found[::-1]


async def _pages(rest: Rest, wanted: Wanted, span: Span, venue_ms: int) -> AsyncIterator[list[Bar]]:
    """Newest first, and no further back than the exchange has candles: a symbol that was listed
    last month costs no years of empty pages."""
    first_ms, last_ms = span
    while last_ms > first_ms:
        from_ms = max(first_ms, last_ms - PAGE * wanted.interval_ms)
        bars = await rest.klines(
            wanted.symbol, wanted.interval_ms, from_ms, last_ms, PAGE, venue_ms=venue_ms
        )
        yield bars
        if not bars:
            return
        last_ms = from_ms


def _widened(wanted: Wanted, known: Candles | None) -> Span:
    """What is wanted, and what lies between it and the file: no download makes a hole."""
    if known is None:
        return wanted.start_ms, wanted.end_ms
    return min(wanted.start_ms, known.end_ms), max(wanted.end_ms, known.starts[0])


def _known(path: Path) -> Candles | None:
    if not path.exists():
        return None
    candles = read_candles(path, repair=True)
    for fault in candles.faults:
        if fault.dropped:
            raise CandleError(f"{fault}; repair the file first: alpha data check --repair {path}")
    return candles


def _numbers(bar: Bar) -> tuple[float, ...]:
    return bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover


def _merged(
    wanted: Wanted, path: Path, known: Candles | None, kept: dict[int, tuple[float, ...]]
) -> Candles | None:
    """Known and new candles in order, with a turnover if the file had one."""
    if known is None and not kept:
        return None
    merged = Candles(wanted.symbol, wanted.interval_ms, path)
    merged.turnovers = None if known is None or known.turnovers is None else known.turnovers[:0]
    width = len(merged.numbers())
    rows = iter(sorted(kept.items()))
    new = next(rows, None)
    columns = () if known is None else zip(known.starts, *known.numbers(), strict=True)
    for start, *numbers in columns:
        while new is not None and new[0] <= start:
            if new[0] < start:
                merged.append(new[0], new[1][:width])
            new = next(rows, None)
        merged.append(int(start), numbers)
    while new is not None:
        merged.append(new[0], new[1][:width])
        new = next(rows, None)
    return merged


# -- funding ----------------------------------------------------------------------------------


async def download_funding(rest: Rest, candles: Candles, folder: Path) -> int:
    """Brings the funding rates beside a symbol's candles up to them; how many are new."""
    path = folder / funding_name(candles.symbol)
    rates = read_rates(path) if path.exists() else {}
    known = len(rates)
    first_ms, last_ms = candles.starts[0], candles.end_ms
    spans = [(first_ms, last_ms)]
    if rates:
        spans = [(first_ms, min(rates) - 1), (max(rates) + 1, last_ms)]
    for start_ms, end_ms in spans:
        if start_ms <= end_ms:
            rates |= await rest.funding_rates(candles.symbol, start_ms, end_ms)
    if len(rates) > known:
        write_rates(path, rates)
    return len(rates) - known


# -- what has come so far ---------------------------------------------------------------------


class _Part:
    """Rows of a download under way: stamp, four prices, volume, turnover."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path = path
        self._stream = stream

    def read(self, interval_ms: int) -> dict[int, tuple[float, ...]]:
        """What an earlier run has left. A line that was cut short is asked for again."""
        found: dict[int, tuple[float, ...]] = {}
        self._stream.seek(0)
        whole, _, torn = self._stream.read().rpartition(b"\n")
        for line in whole.split(b"\n"):
            start, *cells = line.split(b",")
            if len(cells) == 6 and start.isdigit() and not off_grid_ms(int(start), interval_ms):
                found[int(start)] = tuple(map(float, cells))
        if torn:
            self._stream.truncate(len(whole) + 1 if whole else 0)
        self._stream.seek(0, os.SEEK_END)
        return found

    def add(self, bars: Sequence[Bar]) -> None:
        for bar in bars:
            cells = map(number_text, _numbers(bar))
            self._stream.write(f"{bar.start_ms},{','.join(cells)}\n".encode())
        self._stream.flush()

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


@contextmanager
def _part(path: Path) -> Iterator[_Part]:
    """One download of a file at a time."""
    beside = path.with_name(f"{path.name}.part")
    with beside.open("a+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CandleError(
                f"{beside}: expected to be alone with this file, was another download of it under "
                "way; wait for it"
            ) from None
        yield _Part(beside, stream)


# -- rules of the instruments -----------------------------------------------------------------


def save_rules(folder: Path, instruments: Sequence[tuple[Instrument, Candles]]) -> list[str]:
    """Writes the trading rules of downloaded symbols beside their candles; what the file tells of
    others, and what the exchange does not tell, stays. Returns notes for people: a tick that
    older candles do not fit is left out, their own decimals decide then."""
    path = folder / FILE
    rules = read_instruments(path) if path.is_file() else {}
    notes: list[str] = []
    for instrument, candles in instruments:
        row = rules.setdefault(instrument.symbol, {})
        row |= _rules(instrument)
        if not _fits(candles, instrument.tick):
            del row["tick_size"]
            notes.append(
                f"{instrument.symbol}: some prices are no multiples of today's tick "
                f"{instrument.tick:f}; {path.name} leaves it out"
            )
    write_instruments(path, rules)
    return notes


def _rules(instrument: Instrument) -> dict[str, Decimal]:
    return {
        "tick_size": instrument.tick,
        "qty_step": instrument.qty_step,
        "min_qty": instrument.min_qty,
        "max_qty": instrument.max_qty,
        "max_market_qty": instrument.max_market_qty,
        "min_notional": instrument.min_notional,
        "max_leverage": instrument.max_leverage,
        "funding_interval_min": Decimal(instrument.funding_interval_min),
    }


def _fits(candles: Candles, tick: Decimal) -> bool:
    prices = {price for column in candles.numbers()[:4] for price in column}
    return all(Decimal(repr(price)) % tick == 0 for price in prices)
