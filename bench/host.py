"""Bars per second through the bot host: ShortSeller on three symbols, every close decided.

Prints one JSON object. Run: python -m bench.host
"""

from __future__ import annotations

import json
from decimal import Decimal

from alpha.bots.opening import open_bot
from alpha.clock import SystemClock
from alpha.core.events import Bar
from alpha.core.snapshot import Snapshot
from plugins.shortseller import plugin

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
BAR_MS = 300_000
CLOSES = 40_000


def main() -> None:
    handle = open_bot(plugin, name="bench", bot_id="bench", account="bench", settings={})
    handle.start()
    handle.ready()
    closes = [_bars(place) for place in range(CLOSES)]
    clock = SystemClock()
    began = clock.perf_ns()
    decided = 0
    for place, bars in enumerate(closes):
        close_ms = (place + 1) * BAR_MS
        snapshot = Snapshot(
            now_ms=close_ms,
            positions={},
            pending_entries=frozenset(),
            pending_exits=frozenset(),
            wallet=Decimal(10_000),
            equity=Decimal(10_000),
            instruments={},
        )
        decided += handle.close(BAR_MS, close_ms, bars, snapshot) is not None
    seconds = (clock.perf_ns() - began) / 1e9
    count = CLOSES * len(SYMBOLS)
    figures = {name: one for name, one in handle.figures.items() if one.calls}
    print(
        json.dumps(
            {
                "bars": count,
                "decisions": decided,
                "seconds": round(seconds, 3),
                "bars_per_second": round(count / seconds),
                "microseconds_per_close": round(seconds / CLOSES * 1e6, 2),
                "hook_cpu_us": {
                    name: round(one.cpu_ns / one.calls / 1000, 2) for name, one in figures.items()
                },
            }
        )
    )


def _bars(place: int) -> dict[str, Bar]:
    price = 100.0 + (place * 7919 % 1000) / 100
    return {
        symbol: Bar(symbol, BAR_MS, place * BAR_MS, price, price, price, price, 1.0, price)
        for symbol in SYMBOLS
    }


if __name__ == "__main__":
    main()
