"""A plugin to be checked, and the bars that it is tried on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from pathlib import Path

from alpha.backtest.instruments import instruments_of
from alpha.backtest.tape import Folder, Tape, bars_of
from alpha.bots.discovery import AnyPlugin
from alpha.bots.guard import Limits
from alpha.bots.hookspecs import Subscription
from alpha.bots.host import BotHandle
from alpha.bots.strategy import GuardedStrategy
from alpha.candles.files import Candles, interval_name
from alpha.conformance.market import SYMBOLS, make_market
from alpha.core.events import Bar
from alpha.core.instruments import Instrument
from alpha.core.markets import Market
from alpha.core.reasons import BUILTIN
from alpha.errors import BotFault, NeedsOperator

MINUTE_MS = 60_000
#: Closes that are decided in a made market, and the most that are of a folder's.
CLOSES = 2_500
MOST_CLOSES = 5_000
#: Of the symbols that a bot may choose among.
MOST_CHOICE = 6
#: A run on a busy machine is no reason to call a bot slow.
_LIMITS = Limits(budget_ms=60_000.0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin to be checked, with the settings of one bot."""

    plugin: AnyPlugin
    settings: Mapping[str, object]

    def seat(self) -> Seat:
        """A fresh bot, not started."""
        self.plugin.check()
        make = self.plugin.maker(self.settings, bot=self.plugin.name)
        made: list[object] = []

        def keep() -> object:
            made.append(make())
            return made[-1]

        name = self.plugin.name
        handle = BotHandle(
            name,
            name[:20],
            "conformance",
            keep,
            plugin=name,
            book=self.plugin.reason_book(BUILTIN),
            limits=_LIMITS,
        )
        return Seat(handle, made[-1])


@dataclass(frozen=True, slots=True)
class Seat:
    """A hosted bot and its strategy object."""

    handle: BotHandle
    strategy: object

    def state(self) -> str:
        """What the strategy would save now, whether the host asks or not."""
        try:
            return GuardedStrategy(
                self.strategy,
                bot=self.handle.name,
                plugin=self.handle.plugin,
                limits=_LIMITS,
                fail=lambda _: None,
                mark=None,
            ).state()
        except BotFault as fault:
            return str(fault)

    def faults(self) -> int:
        return sum(one.faults for one in self.handle.figures.values())

    def newest_faults(self) -> tuple[str, ...]:
        """The newest fault of each hook whose last call had one."""
        return tuple(one.newest for one in self.handle.figures.values() if one.in_row)


@dataclass(frozen=True, slots=True)
class Ground:
    """The bars that a candidate is tried on. `begin_ms` is the first close that it decides."""

    tape: Tape
    subscriptions: tuple[Subscription, ...]
    choice: tuple[Market, ...] | None
    instruments: Mapping[str, Instrument]
    bars: Mapping[tuple[str, int], Sequence[Bar]]
    begin_ms: int
    end_ms: int
    where: str

    def history(self, until_ms: int) -> list[Bar]:
        """What a start at that moment loads: of each subscription its newest bars, in order."""
        found = []
        for one in self.subscriptions:
            bars = self.bars[one.symbol, one.interval_ms]
            last = bisect_right(bars, until_ms, key=attrgetter("close_ms"))
            found.append(bars[max(last - one.wanted_bars, 0) : last])
        return list(merge(*found, key=attrgetter("close_ms")))

    def begin(self, handle: BotHandle, until_ms: int | None = None) -> BotHandle:
        """Starts a bot behind the history of that moment, by default that of the first close."""
        handle.start()
        for bar in self.history(self.begin_ms - 1 if until_ms is None else until_ms):
            handle.bar(bar)
        handle.ready()
        return handle

    def seat(self, candidate: Candidate) -> Seat:
        """A fresh bot that has chosen its symbols."""
        seat = candidate.seat()
        if self.choice is not None:
            seat.handle.choose(self.begin_ms, self.choice)
        return seat


def lay_out(candidate: Candidate, data: Path | None = None, closes: int = CLOSES) -> Ground:
    """Finds the bars, or makes so many that `closes` are decided. NeedsOperator when there are
    too few of them."""
    handle = candidate.seat().handle
    declared = list(dict.fromkeys(one.symbol for one in handle.subscriptions))
    folder = None if data is None else Folder(data)
    choice: tuple[Market, ...] | None = None
    if handle.wants_universe:
        there = list(folder.symbols) if folder is not None else declared or list(SYMBOLS)
        offered = [one for one in there if one in declared or not declared][:MOST_CHOICE]
        choice = tuple(Market(symbol) for symbol in offered)
        handle.choose(0, choice)
    wanted = handle.subscriptions
    if not wanted:
        raise NeedsOperator(
            f"plugin {handle.name}: expected it to subscribe to some symbol, found none among "
            f"{', '.join(one.symbol for one in choice or ()) or 'no candles'}"
        )
    candles = _made(wanted, closes) if folder is None else _read(folder, wanted)
    tape = Tape(candles, next(iter(candles.values())).interval_ms)
    bars = {(one.symbol, one.interval_ms): _bars(tape, one) for one in wanted}
    begin_ms, end_ms = _window(handle.name, wanted, bars)
    return Ground(
        tape=tape,
        subscriptions=wanted,
        choice=choice,
        instruments=instruments_of({} if folder is None else folder.rules(), candles.values()),
        bars=bars,
        begin_ms=begin_ms,
        end_ms=end_ms,
        where="a made market" if folder is None else str(folder.path),
    )


def _made(wanted: Sequence[Subscription], closes: int) -> dict[str, Candles]:
    base = min(one.interval_ms for one in wanted)
    for one in wanted:
        if one.interval_ms % base:
            base = MINUTE_MS
    history = max(-(-one.wanted_bars * one.interval_ms // base) for one in wanted)
    longest = max(one.interval_ms for one in wanted) // base
    symbols = list(dict.fromkeys(one.symbol for one in wanted))
    return make_market(symbols, base, history + longest + closes)


def _read(folder: Folder, wanted: Sequence[Subscription]) -> dict[str, Candles]:
    absent = sorted({one.symbol for one in wanted} - set(folder.symbols))
    if absent:
        raise NeedsOperator(
            f"{folder.path}: expected candles of {', '.join(absent)}, found those of "
            f"{', '.join(folder.symbols[:10])}; leave --data out to use a made market"
        )
    symbols = list(dict.fromkeys(one.symbol for one in wanted))
    base = folder.finest(symbols)
    for one in wanted:
        if one.interval_ms % base:
            raise NeedsOperator(
                f"{folder.path}: expected candles of {interval_name(one.interval_ms)} or a part "
                f"of it for {one.symbol}, found {interval_name(base)}"
            )
    return {symbol: folder.read(symbol, base) for symbol in symbols}


def _bars(tape: Tape, one: Subscription) -> Sequence[Bar]:
    if one.interval_ms == tape.interval_ms:
        return list(bars_of(tape.candles[one.symbol], 0, tape.count[one.symbol]))
    return list(tape.higher(one.symbol, one.interval_ms).values())


def _window(
    name: str,
    wanted: Sequence[Subscription],
    bars: Mapping[tuple[str, int], Sequence[Bar]],
) -> tuple[int, int]:
    """The first close that is decided, behind a whole history if half of the bars are left then,
    and the last."""
    least = most = 0
    for one in wanted:
        there = bars[one.symbol, one.interval_ms]
        if len(there) <= max(one.warmup_bars, 1):
            raise NeedsOperator(
                f"plugin {name}: expected more than {max(one.warmup_bars, 1)} bars of "
                f"{interval_name(one.interval_ms)} of {one.symbol}, found {len(there)}"
            )
        least = max(least, there[max(one.warmup_bars, 1) - 1].close_ms)
        most = max(most, there[min(max(one.wanted_bars, 1), len(there)) - 1].close_ms)
    first = min(there[0].start_ms for there in bars.values())
    end = max(there[-1].close_ms for there in bars.values())
    step = min(one.interval_ms for one in wanted)
    enough = min(CLOSES * step, (end - first) // 2)
    begin = most if end - most >= enough else least
    return begin, min(end, begin + MOST_CLOSES * step)
