"""Candles of the golden vectors: a linear congruential generator, restated from their notes."""

from __future__ import annotations

from collections.abc import Iterator

from alpha.core.events import Bar

BAR_MS = 300_000


def draws(seed: int) -> Iterator[float]:
    x = seed
    while True:
        x = (1103515245 * x + 12345) % 2**31
        yield x / 2**31


def walk(count: int, seed: int, amp: float, p0: float, symbol: str = "BTCUSDT") -> list[Bar]:
    """`count` bars of 5 minutes from 1970 on; per bar the draws are close, high, low, volume."""
    draw = draws(seed)
    bars: list[Bar] = []
    before = p0
    for place in range(count):
        close = before * (1 + (next(draw) - 0.5) * 2 * amp)
        high = max(before, close) * (1 + next(draw) * amp / 2)
        low = min(before, close) * (1 - next(draw) * amp / 2)
        volume = 0.5 + next(draw)
        bars.append(
            Bar(symbol, BAR_MS, place * BAR_MS, before, high, low, close, volume, volume * close)
        )
        before = close
    return bars
