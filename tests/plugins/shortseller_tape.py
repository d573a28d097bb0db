"""Bars for ShortSeller's tests: a flat market at 100 that is moved by hand.

On such a market both averages are exactly 100. A close of 101 and then one of 99 is a drop
through both: two crosses, and an entry where nothing forbids it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from alpha.bots import Bar
from alpha.core.decisions import Decision
from tests.plugins.candles import BAR_MS
from tests.plugins.desk import Desk, shortseller

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
#: A day's start: 2025-09-30 00:00 UTC, so that the next midnight ends a month.
DAY = 1_759_190_400_000
WARM = 3000
BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"


@dataclass
class Tape:
    """Bars of a desk's symbols, one close after the other. `start_ms` is the next bar's start."""

    desk: Desk
    symbols: tuple[str, ...]
    start_ms: int

    def bar(self, symbol: str, close: float) -> Bar:
        return Bar(symbol, BAR_MS, self.start_ms, close, close, close, close, 1.0, close)

    def close(self, *closes: float) -> Decision | None:
        """One close; a single price is every symbol's."""
        prices = closes * len(self.symbols) if len(closes) == 1 else closes
        bars = [self.bar(one, close) for one, close in zip(self.symbols, prices, strict=True)]
        self.start_ms += BAR_MS
        return self.desk.close(*bars)

    def drop(self) -> Decision | None:
        """Two bars: above both averages, then below."""
        self.close(101.0)
        return self.close(99.0)

    def flat(self, bars: int, price: float = 100.0) -> None:
        for _ in range(bars):
            self.close(price)

    @property
    def now(self) -> int:
        """The newest close."""
        return self.start_ms

    def state(self, symbol: str = BTC) -> Mapping[str, object]:
        state: Mapping[str, object] = json.loads(self.desk.handle.saved.state_json)["assets"][
            symbol
        ]
        return state


def tape(
    settings: Mapping[str, object] | None = None,
    *,
    symbols: tuple[str, ...] = (BTC,),
    start_ms: int = DAY + 12 * HOUR_MS,
    wallet: Decimal = Decimal(10_000),
    fills: bool = True,
) -> Tape:
    """Warm: the next bar is the first that is decided, except for one."""
    handle = shortseller({"symbols": list(symbols), **(settings or {})})
    found = Tape(Desk(handle, wallet, fills), symbols, start_ms - (WARM - 1) * BAR_MS)
    handle.start()
    while found.start_ms < start_ms:
        for symbol in symbols:
            handle.bar(found.bar(symbol, 100.0))
        found.start_ms += BAR_MS
    handle.ready()
    return found


def intents(decision: Decision | None) -> list[tuple[str, str, str]]:
    assert decision is not None
    return [(p.intent.kind, p.intent.symbol, p.intent.reason) for p in decision.planned]


ENTRY = [("enter", BTC, "ema_cross")]
NOTHING: list[tuple[str, str, str]] = []
