"""EMA cross: always in the market, long while the fast average lies above the slow one, else
short. It earns nothing; it measures what a bar costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from alpha.bots import (
    Bar,
    Enter,
    Exit,
    Intents,
    Number,
    Plugin,
    PluginSettings,
    Snapshot,
    Subscription,
    hookimpl,
)
from alpha.core.indicators import Ema


class EmaCrossSettings(PluginSettings):
    symbol: str = "BTCUSDT"
    interval_min: Annotated[int, Field(ge=1, description="Minutes of a bar.")] = 5
    fast: Annotated[int, Field(ge=1, description="Bars of the fast average.")] = 10
    slow: Annotated[int, Field(ge=2, description="Bars of the slow average.")] = 20
    notional: Annotated[Decimal, *Number, Field(gt=0, description="USDT per entry.")] = Decimal(
        1000
    )


class EmaCross:
    """One symbol. Turning round is an exit and an entry at one close."""

    def __init__(self, settings: EmaCrossSettings) -> None:
        self._settings = settings
        self._symbol = settings.symbol
        self._fast = Ema(settings.fast)
        self._slow = Ema(settings.slow)
        self._is_above = False

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        settings = self._settings
        return [Subscription(settings.symbol, settings.interval_min * 60_000, settings.slow)]

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        self._is_above = self._fast.update(bar.close) > self._slow.update(bar.close)

    @hookimpl
    def on_close(self, bars: Mapping[str, Bar], snapshot: Snapshot) -> Intents | None:
        symbol = self._symbol
        position = snapshot.positions.get(symbol)
        if position is not None and (position.signed_qty > 0) is self._is_above:
            return None
        if symbol in snapshot.pending_entries or symbol in snapshot.pending_exits:
            return None
        entry = Enter(
            symbol=symbol,
            side="Buy" if self._is_above else "Sell",
            notional=self._settings.notional,
            price=Decimal(repr(bars[symbol].close)),
            reason="entry",
            leverage=Decimal(5),
        )
        return [entry] if position is None else [Exit(symbol=symbol, reason="ma_exit"), entry]


plugin = Plugin(
    name="ema_cross", alpha_api="1", strategy=EmaCross, settings=EmaCrossSettings, version="1"
)
