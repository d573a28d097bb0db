"""Momentum's rules once more: every figure formed anew from the bars behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import sqrt
from typing import NamedTuple

from tests.plugins.restated import (
    HOUR_MS,
    SYMBOLS,
    Exchange,
    Market,
    Order,
    Plan,
    Row,
    sized,
)

FOUR_HOURS_MS = 4 * HOUR_MS


@dataclass(frozen=True)
class MomentumRules:
    bbw_pct: float = 0.35
    rvr: float = 2.0
    trail: Decimal = Decimal("0.10")
    peak: bool = False
    max_positions: int = 3
    risk: Decimal = Decimal("0.05")
    max_fraction: Decimal = Decimal("0.20")


def mean_of(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def deviation_of(values: Sequence[float]) -> float:
    mean = mean_of(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


class Whole(NamedTuple):
    """A 4-hour bar with all its parts."""

    start_ms: int
    high: Decimal
    close: float
    volume: float


def four_hours(rows: Sequence[Row]) -> list[Whole]:
    parts: dict[int, list[Row]] = {}
    for row in rows:
        parts.setdefault(row.start_ms // FOUR_HOURS_MS, []).append(row)
    return [
        Whole(
            number * FOUR_HOURS_MS,
            max(row.high for row in some),
            float(some[-1].close),
            float(sum(row.volume for row in some)),
        )
        for number, some in sorted(parts.items())
        if len(some) == 48
    ]


class RestatedMomentum(Exchange):
    def __init__(
        self, market: Market, rules: MomentumRules, slippage: Decimal = Decimal(0)
    ) -> None:
        super().__init__(market, slippage=slippage)
        self.rules = rules
        self.bars = {symbol: four_hours(market[symbol]) for symbol in SYMBOLS}
        self.places = {
            symbol: {bar.start_ms + FOUR_HOURS_MS: place for place, bar in enumerate(bars)}
            for symbol, bars in self.bars.items()
        }
        self.anchors: dict[str, tuple[object, Decimal]] = {}
        self.reached: set[str] = set()
        self.peak = Decimal(0)

    def decide(self, place: int, close_ms: int) -> None:
        ready = [one for one in SYMBOLS if self.places[one].get(close_ms, -1) >= 108]
        if close_ms % FOUR_HOURS_MS or not ready:
            return
        equity = self.equity(place)
        self._limit(close_ms, equity)
        start_ms = close_ms - FOUR_HOURS_MS
        leaving = 0
        for symbol in ready:
            reason = self._reason_to_leave(symbol, place, close_ms)
            if reason:
                leaving += 1
                self.leave(symbol, reason, start_ms)
        if self.reached & {"day", "month", "drawdown"}:
            return
        rules = self.rules
        part = min(rules.risk / rules.trail, rules.max_fraction)
        target = equity * part * (Decimal("0.5") if "week" in self.reached else 1)
        slots = rules.max_positions - len(self.held) + leaving
        for _, symbol in sorted(self._candidates(ready, close_ms), key=lambda pair: -pair[0]):
            qty = sized(symbol, target, self.market[symbol][place].close)
            if slots > 0 and qty is not None:
                slots -= 1
                plan = Plan(stop=Decimal("0.20")) if rules.peak else Plan(trail=rules.trail)
                self.enter(Order(symbol, 1, qty, plan, "volatility_breakout"), start_ms)

    def _limit(self, close_ms: int, equity: Decimal) -> None:
        at = datetime.fromtimestamp(close_ms / 1000, UTC)
        for name, period, floor in (
            ("day", at.date(), "0.97"),
            ("week", at.isocalendar()[:2], "0.92"),
            ("month", (at.year, at.month), "0.85"),
        ):
            if name not in self.anchors or self.anchors[name][0] != period:
                self.anchors[name] = (period, equity)
                self.reached.discard(name)
            if equity <= self.anchors[name][1] * Decimal(floor):
                self.reached.add(name)
        self.peak = max(self.peak, equity)
        if equity <= self.peak * Decimal("0.80"):
            self.reached.add("drawdown")

    def _reason_to_leave(self, symbol: str, place: int, close_ms: int) -> str | None:
        one = self.held.get(symbol)
        if one is None:
            return None
        bars = self.bars[symbol][: self.places[symbol][close_ms] + 1]
        if self.rules.peak:
            first = one.start_ms // FOUR_HOURS_MS * FOUR_HOURS_MS
            peak = max(bar.high for bar in bars if bar.start_ms >= first)
            if self.market[symbol][place].close <= peak * (1 - self.rules.trail):
                return "trailing_stop"
        return "ma_exit" if bars[-1].close < mean_of([bar.close for bar in bars[-20:]]) else None

    def _candidates(self, ready: Sequence[str], close_ms: int) -> list[tuple[float, str]]:
        found = []
        for symbol in ready:
            end = self.places[symbol][close_ms] + 1
            closes = [bar.close for bar in self.bars[symbol][end - 109 : end]]
            volumes = [bar.volume for bar in self.bars[symbol][end - 20 : end]]
            windows = [closes[k : k + 20] for k in range(90)]
            widths = [4 * deviation_of(window) / mean_of(window) for window in windows]
            mean, deviation = mean_of(windows[-1]), deviation_of(windows[-1])
            pct = sum(width < widths[-1] for width in widths) / 89
            rvr = volumes[-1] / mean_of(volumes)
            rise = (closes[-1] - mean) / mean
            strength = mean_of([1 - pct, min(rvr / 5, 1.0), min(rise / 0.10, 1.0)])
            if (
                symbol not in self.held
                and pct < self.rules.bbw_pct
                and closes[-1] > mean + 2 * deviation
                and rvr > self.rules.rvr
            ):
                found.append((strength, symbol))
        return found
