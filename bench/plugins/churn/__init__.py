"""Churn: enters, adds, takes parts off and leaves by a draw from each close. It earns nothing; it
makes every kind of order that a bot can ask for, and the same ones again when a close is repeated.
"""

from __future__ import annotations

import zlib
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
    MoveStop,
    Number,
    Plugin,
    PluginSettings,
    Snapshot,
    StopPlan,
    Subscription,
    hookimpl,
)

MINUTE_MS = 60_000
STOPS = (
    StopPlan(stop_loss=Decimal("0.002"), take_profit=Decimal("0.003")),
    StopPlan(stop_loss=Decimal("0.02")),
    StopPlan(stop_loss=Decimal("0.01"), trailing=Decimal("0.004")),
    StopPlan(stop_loss=Decimal("0.03"), take_profit=Decimal("0.001")),
)


class ChurnSettings(PluginSettings):
    symbols: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("BTCUSDT",)
    side: Annotated[str, Field(pattern="^(Buy|Sell|Both)$")] = "Both"
    salt: Annotated[str, Field(description="Makes the draws of bots differ.")] = ""
    notional: Annotated[Decimal, *Number, Field(gt=0, description="USDT per entry.")] = Decimal(400)
    pace: Annotated[
        int, Field(ge=1, le=100, description="Chance in 100 that a close brings an order.")
    ] = 40


class Churn:
    """State: closes decided on and fills told of."""

    def __init__(self, settings: ChurnSettings) -> None:
        self._settings = settings
        self._closes = 0
        self._fills = 0

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(symbol, MINUTE_MS, 1) for symbol in self._settings.symbols]

    @hookimpl
    def leverage(self) -> Decimal:
        return Decimal(5)

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot) -> Intents:
        self._closes += 1
        drawn = (self._drawn(close_ms, bar, snapshot) for _, bar in sorted(bars.items()))
        return [intent for intent in drawn if intent is not None]

    def _draw(self, close_ms: int, symbol: str, purpose: str) -> int:
        """0 to 99, the same for the same close whenever it is asked."""
        text = f"{self._settings.salt}:{symbol}:{close_ms}:{purpose}"
        return zlib.crc32(text.encode()) // 7 % 100

    def _drawn(self, close_ms: int, bar: Bar, snapshot: Snapshot) -> Enter | Exit | MoveStop | None:
        symbol = bar.symbol
        if symbol in snapshot.pending_entries or symbol in snapshot.pending_exits:
            return None
        if self._draw(close_ms, symbol, "pace") >= self._settings.pace:
            return None
        position = snapshot.positions.get(symbol)
        if position is None:
            return self._entry(close_ms, bar, self._side(close_ms, symbol), "entry")
        chosen = self._draw(close_ms, symbol, "what")
        long = position.signed_qty > 0
        if chosen < 20:
            return self._entry(close_ms, bar, "Buy" if long else "Sell", "scale_in")
        if chosen < 45:
            part = abs(position.signed_qty) / 3
            return Exit(symbol=symbol, reason="risk_limit", qty=part)
        if chosen < 60:
            far = Decimal("0.98") if long else Decimal("1.02")
            level = Decimal(repr(bar.close)) * far
            return MoveStop(symbol=symbol, stop_loss=level, reason="stop_loss")
        return Exit(symbol=symbol, reason="time_exit")

    def _side(self, close_ms: int, symbol: str) -> str:
        if self._settings.side != "Both":
            return self._settings.side
        return "Buy" if self._draw(close_ms, symbol, "side") < 50 else "Sell"

    def _entry(self, close_ms: int, bar: Bar, side: str, reason: str) -> Enter:
        stops = STOPS[self._draw(close_ms, bar.symbol, "stops") % len(STOPS)]
        return Enter(
            symbol=bar.symbol,
            side="Buy" if side == "Buy" else "Sell",
            notional=self._settings.notional,
            price=Decimal(repr(bar.close)),
            reason=reason,
            leverage=Decimal(5),
            stops=stops,
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


plugin = Plugin(name="churn", alpha_api="1", strategy=Churn, settings=ChurnSettings, version="1")
