"""Steady keeps every rule: it buys what has just risen, leaves after six bars and rests for
eight. Tests change a line of it to break one rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from alpha.bots import (
    JSON,
    Bar,
    Enter,
    Exit,
    Fill,
    Intents,
    Plugin,
    PluginSettings,
    Snapshot,
    StopPlan,
    Subscription,
    hookimpl,
)

BAR_MS = 300_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")
RISE = 1.003


class Steady:
    """State: when each symbol was left."""

    def __init__(self, settings: PluginSettings) -> None:
        self._bars: dict[str, Bar] = {}
        self._left: dict[str, int] = {}
        self._count = 0

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(symbol, BAR_MS, warmup_bars=20) for symbol in SYMBOLS]

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        self._bars[bar.symbol] = bar

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot) -> Intents:
        intents: list[Enter | Exit] = []
        for symbol in bars:
            position = snapshot.positions.get(symbol)
            if position is not None and close_ms - (position.opened_ms or 0) >= 6 * BAR_MS:
                intents.append(Exit(symbol=symbol, reason="time_exit"))
            if snapshot.is_flat(symbol) and self._is_rested(symbol, close_ms):
                bar = self._bars[symbol]
                if bar.close > RISE * bar.open:
                    intents.append(self._enter(bar))
        return intents

    @hookimpl
    def on_fill(self, fill: Fill) -> None:
        if not fill.position_after:
            self._left[fill.symbol] = fill.exec_time

    @hookimpl
    def dump_state(self) -> Mapping[str, JSON]:
        return {"left": self._left, "count": self._count}

    @hookimpl
    def load_state(self, state: Mapping[str, JSON]) -> None:
        left, count = state["left"], state["count"]
        assert isinstance(left, dict) and isinstance(count, int)
        self._left, self._count = left, count

    def _is_rested(self, symbol: str, close_ms: int) -> bool:
        return close_ms - self._left.get(symbol, 0) >= 8 * BAR_MS

    def _enter(self, bar: Bar) -> Enter:
        return Enter(
            symbol=bar.symbol,
            side="Buy",
            notional=Decimal(200),
            price=Decimal(repr(bar.close)),
            reason="entry",
            leverage=Decimal(5),
            stops=StopPlan(stop_loss=Decimal("0.05")),
        )


plugin = Plugin(name="steady", alpha_api="1", strategy=Steady, settings=PluginSettings)
