"""The candles of a backtest: which files are read, higher intervals put together from whole
sets of bars, and time cut into stretches in which the same symbols have bars.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import pairwise, repeat
from operator import mul
from pathlib import Path
from typing import TypeVar

from alpha.candles.files import (
    CandleError,
    Candles,
    candle_files,
    interval_name,
    name_parts,
    read_candles,
)
from alpha.candles.funding import funding_files, read_rates
from alpha.candles.instruments import FILE, Rules, read_instruments
from alpha.core.events import Bar
from alpha.errors import NotFound

K = TypeVar("K")
V = TypeVar("V")


def bars_of(candles: Candles, low: int, high: int) -> Iterator[Bar]:
    """The candles at the places `low` to `high`, made as they are asked for. Without a turnover
    in the file it is volume times close."""
    volumes, closes = memoryview(candles.volumes)[low:high], memoryview(candles.closes)[low:high]
    turnovers: Iterable[float] = (
        map(mul, volumes, closes)
        if candles.turnovers is None
        else memoryview(candles.turnovers)[low:high]
    )
    return map(
        Bar,
        repeat(candles.symbol),
        repeat(candles.interval_ms),
        memoryview(candles.starts)[low:high],
        memoryview(candles.opens)[low:high],
        memoryview(candles.highs)[low:high],
        memoryview(candles.lows)[low:high],
        closes,
        volumes,
        turnovers,
    )


class Folder:
    """The candle files of a folder (or the one file), by symbol and interval, and what lies beside
    them. Each file is read once, when it is asked for: runs that share a folder share its candles,
    and where a folder is sent to, all that was read before is there without the files."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise NotFound(
                f"{path}: expected a folder of candle files, found nothing; check --data"
            )
        self.path = path if path.is_dir() else path.parent
        files = [path] if path.is_file() else candle_files(path)
        self._files: dict[str, dict[int, Path]] = {}
        self._candles: dict[tuple[Path, bool], Candles | CandleError] = {}
        self._rules: dict[Path, Rules | CandleError] = {}
        self._rates: dict[Path, dict[int, Decimal] | CandleError] = {}
        for file in files:
            symbol, interval_ms = name_parts(file)
            other = self._files.setdefault(symbol, {}).get(interval_ms)
            if other is not None:
                raise CandleError(
                    f"{file}: expected one file for {symbol} of "
                    f"{interval_name(interval_ms)}, found {other.name} as well; move one away"
                )
            self._files[symbol][interval_ms] = file
        if not self._files:
            raise NotFound(
                f"{path}: expected files like bybit-linear-BTCUSDT-5m.csv.gz, found none; "
                "check --data"
            )
        self._funding = funding_files(self.path)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self._files))

    def finest(self, symbols: Iterable[str]) -> int:
        """The finest interval in ms that all of `symbols` have a file of."""
        wanted = list(symbols)
        common = set.intersection(*(set(self._files[symbol]) for symbol in wanted))
        if not common:
            raise CandleError(
                f"{self.path}: expected candles of one interval for {', '.join(wanted)}, found "
                + "; ".join(
                    f"{symbol}: {', '.join(map(interval_name, sorted(self._files[symbol])))}"
                    for symbol in wanted
                )
            )
        return min(common)

    def read(self, symbol: str, interval_ms: int, *, repair: bool = False) -> Candles:
        path = self._files[symbol][interval_ms]
        return _once(self._candles, (path, repair), partial(read_candles, path, repair=repair))

    def rules(self) -> Rules:
        """Instrument filters by symbol; empty without a file of them."""
        path = self.path / FILE
        return _once(self._rules, path, lambda: read_instruments(path) if path.is_file() else {})

    def rates(self, symbols: Iterable[str]) -> Iterator[tuple[str, dict[int, Decimal]]]:
        """Funding rates by time in ms, of those of `symbols` that have a file of them."""
        wanted = set(symbols)
        for path, symbol in self._funding.items():
            if symbol in wanted:
                yield symbol, _once(self._rates, path, partial(read_rates, path))


def _once(kept: dict[K, V | CandleError], key: K, read: Callable[[], V]) -> V:
    """What was read for the key; an error is kept as well, and raised every time."""
    if key not in kept:
        try:
            kept[key] = read()
        except CandleError as error:
            kept[key] = error
    found = kept[key]
    if isinstance(found, CandleError):
        raise found.with_traceback(None)
    return found


def aggregate(candles: Candles, interval_ms: int, until: int) -> dict[int, Bar]:
    """Bars of a higher interval by their close, of the candles before the place `until`. Only
    those with all their parts."""
    parts = interval_ms // candles.interval_ms
    starts, found = candles.starts, {}
    place = 0
    while place + parts <= until:
        start = starts[place]
        over = start % interval_ms
        if over:
            place = bisect_left(starts, start - over + interval_ms, place)
            continue
        last = place + parts
        if starts[last - 1] != start + interval_ms - candles.interval_ms:
            place = bisect_left(starts, start + interval_ms, place)
            continue
        volumes, closes = candles.volumes[place:last], candles.closes[place:last]
        turnovers = (
            map(mul, volumes, closes)
            if candles.turnovers is None
            else candles.turnovers[place:last]
        )
        found[start + interval_ms] = Bar(
            candles.symbol,
            interval_ms,
            start,
            candles.opens[place],
            max(candles.highs[place:last]),
            min(candles.lows[place:last]),
            closes[-1],
            sum(volumes),
            sum(turnovers),
        )
        place = last
    return found


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start_ms` to `end_ms` (the last close in it) the same symbols have bars, those of
    `parts`, in the order of the tape; each with the place of its first bar here."""

    start_ms: int
    end_ms: int
    parts: tuple[tuple[str, int], ...]
    steps: int


class Tape:
    """Candles of several symbols on one grid of `interval_ms`. Bars that start at or after
    `until_ms` are left out."""

    def __init__(
        self, candles: Mapping[str, Candles], interval_ms: int, until_ms: int | None = None
    ) -> None:
        self.candles = candles
        self.interval_ms = interval_ms
        self.count = {
            symbol: len(one) if until_ms is None else bisect_left(one.starts, until_ms)
            for symbol, one in candles.items()
        }

    @property
    def bars(self) -> int:
        return sum(self.count.values())

    @property
    def start_ms(self) -> int:
        return min(one.starts[0] for one in self.candles.values())

    def on_grid(self, at_ms: int) -> int:
        """The first moment from `at_ms` on at which a bar may start."""
        return at_ms + (self.start_ms - at_ms) % self.interval_ms

    def nth_start(self, symbol: str, number: int) -> int | None:
        """Start of the symbol's bar of that number, counted from 1."""
        if not 1 <= number <= self.count[symbol]:
            return None
        return self.candles[symbol].starts[number - 1]

    def higher(self, symbol: str, interval_ms: int) -> dict[int, Bar]:
        return aggregate(self.candles[symbol], interval_ms, self.count[symbol])

    def stretches(self, cuts: Iterable[int], longest: int) -> Iterator[Stretch]:
        """In order of time; a stretch ends at each of `cuts`, moments on the grid, and after
        `longest` steps."""
        step = self.interval_ms
        runs: list[tuple[int, int, str, int]] = []  # start, end, symbol, place
        edges = set(cuts)
        for symbol, one in self.candles.items():
            for first, behind in one.runs():
                last = min(behind, self.count[symbol])
                if first < last:
                    start, end = one.starts[first], one.starts[last - 1] + step
                    runs.append((start, end, symbol, first))
                    edges |= {start, end}
        order = {symbol: number for number, symbol in enumerate(self.candles)}
        runs.sort(key=lambda run: run[0])
        active: list[tuple[int, int, str, int]] = []
        coming = 0
        times = sorted(edges)
        for start, end in pairwise(times):
            active = [run for run in active if run[1] > start]
            while coming < len(runs) and runs[coming][0] <= start:
                active.append(runs[coming])
                coming += 1
            if not active:
                continue
            active.sort(key=lambda run: order[run[2]])
            yield from self._cut(start, end, active, longest)

    def _cut(
        self, start: int, end: int, active: Sequence[tuple[int, int, str, int]], longest: int
    ) -> Iterator[Stretch]:
        step = self.interval_ms
        for begin in range(start, end, longest * step):
            finish = min(end, begin + longest * step)
            parts = tuple((symbol, place + (begin - at) // step) for at, _, symbol, place in active)
            yield Stretch(begin, finish, parts, (finish - begin) // step)

    def rows(self, stretch: Stretch) -> Iterator[tuple[Bar, ...]]:
        """One tuple of bars per step, in the order of the stretch's parts."""
        return zip(
            *(
                bars_of(self.candles[symbol], place, place + stretch.steps)
                for symbol, place in stretch.parts
            ),
            strict=True,
        )
