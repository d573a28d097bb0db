"""Decisions are per close: gathers the bars of one close until all symbols are in.

A close is handed on once every subscribed symbol has brought its bar, or `WAIT_S` seconds of
wall time after the first of them. Bars that come later still update indicators, and take part in
no decision. Closes of one interval are handed on in order, and a bar is shown to indicators only
when every older close of its interval is decided: a decision never sees the future.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from alpha.bots.hookspecs import Subscription
from alpha.core.events import Bar

WAIT_S = 2.0


@dataclass(slots=True)
class Close:
    """The bars of one close, by symbol. `received_ns` is perf_ns of the newest frame among them,
    `stale` is True when a newer bar existed already as one of them came."""

    interval_ms: int
    close_ms: int
    first_at: float
    bars: dict[str, Bar] = field(default_factory=dict)
    received_ns: int | None = None
    stale: bool = False


#: What to do next, in order: show a bar to indicators, decide a close.
Step = Bar | Close


@dataclass(slots=True)
class _Interval:
    """Closes of one interval that are not decided, and the newest that is. The bars of the
    oldest one have been shown to indicators, those of the others wait."""

    symbols: set[str] = field(default_factory=set)
    gathering: dict[int, Close] = field(default_factory=dict)
    decided: int = -1
    #: The first close that a symbol which came later takes part in.
    since: dict[str, int] = field(default_factory=dict)

    def is_whole(self, close: Close) -> bool:
        """Every symbol that takes part has brought its bar."""
        wanted = len(self.symbols)
        if self.since:
            wanted -= sum(first > close.close_ms for first in self.since.values())
        return len(close.bars) >= wanted


class CloseBarrier:
    """One bot's. A bot that decides per symbol gets every bar as a close of its own."""

    def __init__(
        self,
        subscriptions: Iterable[Subscription],
        *,
        per_symbol: bool = False,
        wait_s: float = WAIT_S,
    ) -> None:
        self._per_symbol = per_symbol
        self._wait_s = wait_s
        self._intervals: dict[int, _Interval] = {}
        for one in subscriptions:
            interval = self._intervals.setdefault(one.interval_ms, _Interval())
            interval.symbols.add(one.symbol)

    @property
    def subscribed(self) -> frozenset[tuple[str, int]]:
        """Symbols and intervals that closes are made of."""
        return frozenset(
            (symbol, interval_ms)
            for interval_ms, interval in self._intervals.items()
            for symbol in interval.symbols
        )

    def follow(self, subscriptions: Mapping[Subscription, int]) -> list[Step]:
        """Other symbols from now on, each with the first close that it takes part in; the steps
        that this allows. Bars of those that are gone take part in nothing."""
        for interval in self._intervals.values():
            interval.symbols.clear()
            interval.since.clear()
        for one, first_ms in subscriptions.items():
            interval = self._intervals.setdefault(one.interval_ms, _Interval())
            interval.symbols.add(one.symbol)
            if first_ms > interval.decided:
                interval.since[one.symbol] = first_ms
        steps: list[Step] = []
        for interval in self._intervals.values():
            for close in interval.gathering.values():
                close.bars = {s: bar for s, bar in close.bars.items() if s in interval.symbols}
            interval.gathering = {at: one for at, one in interval.gathering.items() if one.bars}
            self._advance(interval, steps)
        return steps

    def add(
        self, bar: Bar, now: float, *, received_ns: int | None = None, stale: bool = False
    ) -> list[Step]:
        """Takes a closed bar; the steps that it allows, oldest first. `now` is monotonic."""
        interval = self._intervals.get(bar.interval_ms)
        if interval is None or bar.symbol not in interval.symbols:
            return []
        close_ms = bar.close_ms
        if close_ms < interval.since.get(bar.symbol, 0):
            return []  # it has been shown; others of this market get it now
        if self._per_symbol:
            close = Close(bar.interval_ms, close_ms, now, {bar.symbol: bar}, received_ns, stale)
            return [bar, close]
        if close_ms <= interval.decided:
            return [bar]
        gathering = interval.gathering
        found = gathering.get(close_ms)
        if found is None:
            found = gathering[close_ms] = Close(bar.interval_ms, close_ms, now)
        found.bars[bar.symbol] = bar
        found.received_ns = received_ns if received_ns is not None else found.received_ns
        found.stale = found.stale or stale
        if min(gathering) < close_ms:
            return []
        steps: list[Step] = [bar]
        if interval.is_whole(found):
            self._decide(interval, close_ms, steps)
            self._advance(interval, steps)
        return steps

    def due(self, now: float) -> list[Step]:
        """The steps that waiting has allowed: closes whose wait is over are cut."""
        steps: list[Step] = []
        for _, interval in sorted(self._intervals.items()):
            over = [
                close_ms
                for close_ms, close in interval.gathering.items()
                if now - close.first_at >= self._wait_s
            ]
            if over:
                self._cut(interval, max(over), steps)
        return steps

    def _cut(self, interval: _Interval, last_ms: int, steps: list[Step]) -> None:
        """Decides everything up to `last_ms` with the bars that are in."""
        while interval.gathering and min(interval.gathering) <= last_ms:
            self._decide(interval, min(interval.gathering), steps)
            self._advance(interval, steps)

    def _advance(self, interval: _Interval, steps: list[Step]) -> None:
        """Shows the bars of the close that is the oldest now, and decides it if it is whole."""
        while interval.gathering:
            oldest = min(interval.gathering)
            steps += interval.gathering[oldest].bars.values()
            if not interval.is_whole(interval.gathering[oldest]):
                return
            self._decide(interval, oldest, steps)

    def _decide(self, interval: _Interval, close_ms: int, steps: list[Step]) -> None:
        interval.decided = close_ms
        if interval.since:
            interval.since = {s: first for s, first in interval.since.items() if first > close_ms}
        steps.append(interval.gathering.pop(close_ms))
