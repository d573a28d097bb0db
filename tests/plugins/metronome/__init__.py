"""Metronome: enters and leaves by turns, every few closes. It trades much and earns nothing, which
is what tests of everything around a bot need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from alpha.bots import (
    JSON,
    Bar,
    Enter,
    Exit,
    Fill,
    Intents,
    Number,
    Plugin,
    PluginSettings,
    Snapshot,
    StopPlan,
    Subscription,
    hookimpl,
)


class MetronomeSettings(PluginSettings):
    symbols: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("BTCUSDT",)
    every: Annotated[int, Field(ge=1, description="Closes between two beats.")] = 1
    notional: Annotated[Decimal, *Number, Field(gt=0, description="USDT per entry.")] = Decimal(200)
    side: Annotated[str, Field(pattern="^(Buy|Sell)$")] = "Buy"
    interval_ms: Annotated[int, Field(ge=60_000)] = 60_000
    stop_loss: Annotated[
        Decimal, *Number, Field(ge=0, lt=1, description="Distance of the stop; 0 for none.")
    ] = Decimal("0.05")


class Metronome:
    """State: closes seen and fills counted."""

    def __init__(self, settings: MetronomeSettings) -> None:
        self._settings = settings
        self._closes = 0
        self._fills = 0

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        settings = self._settings
        return [Subscription(symbol, settings.interval_ms, 1) for symbol in settings.symbols]

    @hookimpl
    def leverage(self) -> Decimal:
        return Decimal(5)

    @hookimpl
    def on_close(self, bars: Mapping[str, Bar], snapshot: Snapshot) -> Intents:
        self._closes += 1
        if self._closes % self._settings.every:
            return []
        return [
            intent
            for symbol, bar in sorted(bars.items())
            if (intent := self._beat(symbol, bar, snapshot)) is not None
        ]

    def _beat(self, symbol: str, bar: Bar, snapshot: Snapshot) -> Enter | Exit | None:
        if symbol in snapshot.pending_entries or symbol in snapshot.pending_exits:
            return None
        if symbol in snapshot.positions:
            return Exit(symbol=symbol, reason="time_exit")
        settings = self._settings
        return Enter(
            symbol=symbol,
            side="Buy" if settings.side == "Buy" else "Sell",
            notional=settings.notional,
            price=Decimal(repr(bar.close)),
            reason="entry",
            leverage=Decimal(5),
            stops=StopPlan(stop_loss=settings.stop_loss) if settings.stop_loss else None,
        )

    @hookimpl
    def on_fill(self, fill: Fill) -> None:
        self._fills += 1

    @hookimpl
    def dump_state(self) -> Mapping[str, JSON]:
        return {"closes": self._closes, "fills": self._fills}

    @hookimpl
    def load_state(self, state: Mapping[str, JSON]) -> None:
        closes, fills = state["closes"], state["fills"]
        if not isinstance(closes, int) or not isinstance(fills, int):
            raise ValueError(f"expected two counts, was {state!r}")
        self._closes, self._fills = closes, fills


plugin = Plugin(
    name="metronome", alpha_api="1", strategy=Metronome, settings=MetronomeSettings, version="1"
)
