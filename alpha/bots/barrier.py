"""Decisions are per close: gathers the bars of one close until all symbols are in.

A close is handed on once every subscribed symbol has brought its bar, or `WAIT_S` seconds of
wall time after the first of them. Bars that come later still update indicators, and take part in
no decision. Closes of one interval are handed on in order.
"""

from __future__ import annotations

from collections.abc import Iterable
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
        self._symbols: dict[int, set[str]] = {}
        for one in subscriptions:
            self._symbols.setdefault(one.interval_ms, set()).add(one.symbol)
        self._gathering: dict[tuple[int, int], Close] = {}
        self._decided: dict[int, int] = {}

    def add(
        self, bar: Bar, now: float, *, received_ns: int | None = None, stale: bool = False
    ) -> list[Close]:
        """Takes a closed bar; the closes that it completes, oldest first. `now` is monotonic."""
        interval_ms, close_ms = bar.interval_ms, bar.close_ms
        if bar.symbol not in self._symbols.get(interval_ms, ()):
            return []
        if self._per_symbol:
            return [Close(interval_ms, close_ms, now, {bar.symbol: bar}, received_ns, stale)]
        if close_ms <= self._decided.get(interval_ms, -1):
            return []
        key = (interval_ms, close_ms)
        close = self._gathering.get(key)
        if close is None:
            close = self._gathering[key] = Close(interval_ms, close_ms, now)
        close.bars[bar.symbol] = bar
        close.received_ns = received_ns if received_ns is not None else close.received_ns
        close.stale = close.stale or stale
        if len(close.bars) < len(self._symbols[interval_ms]):
            return []
        return self._hand_on(interval_ms, close_ms)

    def due(self, now: float) -> list[Close]:
        """Closes whose wait is over, oldest first."""
        over = [
            key for key, close in self._gathering.items() if now - close.first_at >= self._wait_s
        ]
        handed: list[Close] = []
        for interval_ms, close_ms in sorted(over):
            handed += self._hand_on(interval_ms, close_ms)
        return handed

    def _hand_on(self, interval_ms: int, close_ms: int) -> list[Close]:
        """This close, and older ones of its interval that are still waiting before it."""
        ready = sorted(
            key for key in self._gathering if key[0] == interval_ms and key[1] <= close_ms
        )
        self._decided[interval_ms] = max(close_ms, self._decided.get(interval_ms, -1))
        return [self._gathering.pop(key) for key in ready]
