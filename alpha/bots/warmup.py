"""How many bars each subscription has had, and which symbols may be decided on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpha.bots.hookspecs import Subscription
from alpha.clock import iso
from alpha.core.events import Bar


class _Series:
    __slots__ = ("last_start", "seen", "subscription")

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.seen = 0
        self.last_start = -1

    @property
    def missing(self) -> int:
        return max(self.subscription.warmup_bars - self.seen, 0)

    def until(self) -> str:
        """When the last missing bar closes."""
        if self.last_start < 0:
            return f"it has had {self.missing} bars"
        return iso(self.last_start + (self.missing + 1) * self.subscription.interval_ms)


class WarmUp:
    """`cold` is True until every subscription has its bars."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._series: dict[tuple[str, int], _Series] = {}
        self._count: dict[int, int] = {}
        self.choose(subscriptions)

    def choose(self, subscriptions: Sequence[Subscription]) -> None:
        """Other subscriptions from now on. What stays keeps its bars; what is new has none."""
        known = self._series
        self._series = {
            (one.symbol, one.interval_ms): known.get((one.symbol, one.interval_ms)) or _Series(one)
            for one in subscriptions
        }
        self._count = {}
        for one in subscriptions:
            self._count[one.interval_ms] = self._count.get(one.interval_ms, 0) + 1
        self.cold = True

    def take(self, bar: Bar) -> bool:
        """Counts a bar; False for one that is open, known, or not subscribed to."""
        series = self._series.get((bar.symbol, bar.interval_ms))
        if series is None or bar.start_ms <= series.last_start or not bar.closed:
            return False
        series.last_start = bar.start_ms
        series.seen += 1
        return True

    def split(
        self, interval_ms: int, bars: Mapping[str, Bar], *, whole: bool
    ) -> tuple[Mapping[str, Bar], list[str]]:
        """The bars of warmed-up symbols and, if the close is a `whole` one, the warmed-up
        symbols whose bar is not in."""
        if not self.cold and (not whole or len(bars) == self._count[interval_ms]):
            return bars, []
        warm: set[str] = set()
        cold = False
        for (symbol, interval), series in self._series.items():
            if series.missing:
                cold = True
            elif interval == interval_ms:
                warm.add(symbol)
        self.cold = cold
        cut = sorted(warm - bars.keys()) if whole else []
        return {symbol: bar for symbol, bar in bars.items() if symbol in warm}, cut

    @property
    def begun(self) -> bool:
        """Whether at least one symbol may be decided on."""
        return any(not series.missing for series in self._series.values())

    def missing(self) -> str:
        """Which symbols are short of bars, and when the last of them has enough; "" if none."""
        short = [series for series in self._series.values() if series.missing]
        if not short:
            return ""
        worst = max(short, key=lambda series: (series.missing, series.subscription.symbol))
        more = f" and {len(short) - 1} more" if len(short) > 1 else ""
        return (
            f"{worst.subscription.symbol}{more}: expected {worst.subscription.warmup_bars} bars, "
            f"was {worst.seen}; warming until {worst.until()}"
        )
