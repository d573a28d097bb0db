"""Bars for LXAlgo's tests: a flat market at 100 that is moved by hand.

A bar that stands at 109 is a rise of 9 % with a spread of 0: rule 8. With a spread of 5 it is
rule 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from alpha.bots import Bar
from alpha.bots.host import BotHandle
from alpha.bots.opening import open_bot
from alpha.core.decisions import Decision
from plugins.lxalgo import plugin
from plugins.lxalgo.state import Book
from tests.plugins.candles import BAR_MS
from tests.plugins.desk import Desk

WARM = 300
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
#: 2025-09-30 00:00 UTC, a Tuesday: the next midnight ends a month.
TUESDAY = 1_759_190_400_000
BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"

#: Intents of a close: kind, symbol, reason.
RULE_8 = [("enter", BTC, "rule_8")]
RULE_6 = [("enter", BTC, "rule_6")]
NOTHING: list[tuple[str, str, str]] = []


def lxalgo(settings: Mapping[str, object] | None = None) -> BotHandle:
    return open_bot(
        plugin,
        name="lxalgo",
        bot_id="lxalgo_001",
        account="lxalgo",
        settings=settings or {},
    )


@dataclass
class Tape:
    """One close after the other; `start_ms` is the start of the next bar."""

    desk: Desk
    symbols: tuple[str, ...]
    start_ms: int

    def bar(self, symbol: str, close: float, spread: float = 0.0) -> Bar:
        """A bar that stands at `close`; its low lies `spread` percent below."""
        low = close * (1 - spread / 100)
        return Bar(symbol, BAR_MS, self.start_ms, close, close, low, close, 1.0, close)

    @property
    def now(self) -> int:
        """The newest close."""
        return self.start_ms

    def close(self, *closes: float, spread: float = 0.0) -> Decision | None:
        """One close; a single price is every symbol's."""
        prices = closes * len(self.symbols) if len(closes) == 1 else closes
        bars = [
            self.bar(one, close, spread) for one, close in zip(self.symbols, prices, strict=True)
        ]
        self.start_ms += BAR_MS
        return self.desk.close(*bars)

    def flat(self, bars: int, price: float = 100.0) -> None:
        for _ in range(bars):
            self.close(price)

    @property
    def book(self) -> Book:
        """The saved state."""
        return msgspec.json.decode(self.desk.handle.saved.state_json, type=Book)

    def until(self, at_ms: int, price: float = 100.0) -> None:
        """Closes up to and with the one at `at_ms`."""
        while self.start_ms < at_ms:
            self.close(price)


def tape(
    settings: Mapping[str, object] | None = None,
    *,
    symbols: tuple[str, ...] = (BTC,),
    start_ms: int = TUESDAY + 12 * HOUR_MS,
    wallet: str = "10000",
    fills: bool = True,
) -> Tape:
    """Warm: the bar that starts at `start_ms` is the first that is decided."""
    handle = lxalgo({"symbols": list(symbols), **(settings or {})})
    found = Tape(Desk(handle, Decimal(wallet), fills), symbols, start_ms - (WARM - 1) * BAR_MS)
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


def held(market: Tape, price: float = 109.0) -> Tape:
    """The same market with a position of the close just made."""
    assert intents(market.close(price)) == RULE_8
    return market


def stopped_out(market: Tape, price: float = 100.0) -> None:
    """The exchange's stop closes the position."""
    qty = market.desk.positions[BTC].signed_qty
    market.desk.fill(BTC, -qty, Decimal(str(price)), market.start_ms, "stop_loss", "stop")
