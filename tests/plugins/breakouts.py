"""A market for Momentum that a test moves by hand: wide swings, then narrow ones around 100.

A close of 100.6 on six times the usual volume is a breakout there, a higher one a stronger one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from alpha.bots import Bar
from alpha.core.decisions import Decision
from tests.plugins.desk import Desk, momentum

BAR_MS = 14_400_000
DAY_MS = 86_400_000
#: A day's start: 2025-09-29 00:00 UTC, a Monday; the second midnight after it begins October.
MONDAY = 1_759_104_000_000
WARM = 109
CALM = 34

BTC, ETH, SOL, XRP, BNB = "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT"
#: A close, and how many times the usual volume.
Print = tuple[float, float]
BREAKOUT: Print = (100.6, 6.0)


@dataclass
class Tape:
    """Bars of a desk's symbols, one close after the other. `start_ms` is the next bar's start."""

    desk: Desk
    symbols: tuple[str, ...]
    start_ms: int
    place: int = 0
    calm_from: int = WARM - CALM

    def bar(self, symbol: str, close: float, volume: float = 1.0) -> Bar:
        return Bar(
            symbol, BAR_MS, self.start_ms, close, close, close, close, volume, volume * close
        )

    def usual(self) -> float:
        swing = 2.0 if self.place < self.calm_from else 0.2
        return 100.0 + (swing if self.place % 2 else -swing)

    def close(self, prints: Mapping[str, Print] | None = None) -> Decision | None:
        """One close; symbols that are not named go on as usual."""
        found = prints or {}
        bars = [self.bar(one, *found.get(one, (self.usual(), 1.0))) for one in self.symbols]
        self.step()
        return self.desk.close(*bars)

    def step(self) -> None:
        self.start_ms += BAR_MS
        self.place += 1

    @property
    def now(self) -> int:
        """The newest close."""
        return self.start_ms

    def until(self, close_ms: int) -> None:
        """As usual, up to and without the close at `close_ms`; calm at the end of it."""
        self.calm_from = max(self.calm_from, self.place + (close_ms - self.now) // BAR_MS - CALM)
        while self.start_ms + BAR_MS < close_ms:
            self.close()


def market(
    settings: Mapping[str, object] | None = None,
    *,
    symbols: tuple[str, ...] = (BTC,),
    start_ms: int = MONDAY + 8 * 3_600_000,
    wallet: Decimal = Decimal(10_000),
    fills: bool = True,
) -> Tape:
    """Warm: the next bar is the first that is decided, except for one."""
    handle = momentum({"symbols": list(symbols), **(settings or {})})
    found = Tape(Desk(handle, wallet, fills), symbols, start_ms - (WARM - 1) * BAR_MS)
    handle.start()
    while found.start_ms < start_ms:
        for symbol in symbols:
            handle.bar(found.bar(symbol, found.usual()))
        found.step()
    handle.ready()
    return found


def intents(decision: Decision | None) -> list[tuple[str, str, str]]:
    assert decision is not None
    return [(p.intent.kind, p.intent.symbol, p.intent.reason) for p in decision.planned]


NOTHING: list[tuple[str, str, str]] = []


def bought(*symbols: str) -> list[tuple[str, str, str]]:
    return [("enter", symbol, "volatility_breakout") for symbol in symbols]
