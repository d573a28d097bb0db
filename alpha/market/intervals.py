"""Longer bars come from the exchange and are checked against the shorter ones they are made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from alpha.core.events import Bar

#: Longer bars of a series that may be under way at once; what is older is forgotten.
_KEPT = 3
#: Volumes are sums of rounded numbers.
_VOLUME_OFF = 1e-6

#: Told a longer bar, the length of the shorter ones, and what does not agree.
Differs = Callable[[Bar, int, str], None]
Key = tuple[str, int]  # symbol, interval_ms


@dataclass(slots=True)
class _Sum:
    """A longer bar of the exchange, and the shorter ones in it by their start."""

    whole: Bar | None = None
    parts: dict[int, Bar] = field(default_factory=dict)


class IntervalCheck:
    """Bars may come in any order and more than once. A longer bar is compared when it and all
    its parts are in; a hole in the parts leaves it unchecked."""

    def __init__(self, differs: Differs) -> None:
        self._differs = differs
        self._known: dict[str, set[int]] = {}
        #: (symbol, shorter, longer interval) -> start of the longer bar -> what is in.
        self._sums: dict[tuple[str, int, int], dict[int, _Sum]] = {}
        self.compared = 0

    def expect(self, symbol: str, interval_ms: int) -> None:
        """Bars of this series will come."""
        self._known.setdefault(symbol, set()).add(interval_ms)

    def forget(self, symbol: str, interval_ms: int) -> None:
        """No more bars of this series."""
        self._known.get(symbol, set()).discard(interval_ms)
        for key in [key for key in self._sums if key[0] == symbol and interval_ms in key[1:]]:
            del self._sums[key]

    def add(self, bar: Bar) -> None:
        known = self._known.get(bar.symbol, ())
        if len(known) < 2:
            return
        for other in known:
            if other > bar.interval_ms and other % bar.interval_ms == 0:
                start = bar.start_ms - _behind(bar.start_ms, other)
                self._sum(bar.symbol, bar.interval_ms, other, start, bar)
            elif other < bar.interval_ms and bar.interval_ms % other == 0:
                self._sum(bar.symbol, other, bar.interval_ms, bar.start_ms, bar)

    def _sum(self, symbol: str, shorter: int, longer: int, start_ms: int, bar: Bar) -> None:
        sums = self._sums.setdefault((symbol, shorter, longer), {})
        found = sums.get(start_ms)
        if found is None:
            if len(sums) >= _KEPT:
                oldest = min(sums)
                if start_ms < oldest:
                    return
                del sums[oldest]
            found = sums[start_ms] = _Sum()
        if bar.interval_ms == longer:
            found.whole = bar
        else:
            found.parts[bar.start_ms] = bar
        if found.whole is not None and len(found.parts) == longer // shorter:
            del sums[start_ms]
            self.compared += 1
            what = _difference(found.whole, [found.parts[at] for at in sorted(found.parts)])
            if what:
                self._differs(found.whole, shorter, what)


def _behind(start_ms: int, interval_ms: int) -> int:
    """How far a stamp lies behind the start of its longer bar; weeks begin on Monday."""
    offset = 4 * 86_400_000 if interval_ms % 604_800_000 == 0 else 0
    return (start_ms - offset) % interval_ms


def _difference(whole: Bar, parts: list[Bar]) -> str:
    made = (
        ("open", whole.open, parts[0].open),
        ("high", whole.high, max(part.high for part in parts)),
        ("low", whole.low, min(part.low for part in parts)),
        ("close", whole.close, parts[-1].close),
    )
    for name, told, value in made:
        if told != value:
            return f"{name} {told}, its parts make {value}"
    volume = math.fsum(part.volume for part in parts)
    if not math.isclose(whole.volume, volume, rel_tol=_VOLUME_OFF, abs_tol=1e-9):
        return f"volume {whole.volume}, its parts make {volume}"
    return ""
