"""Closed bars that many bots want at the same time, each asked for once."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from alpha.core.events import Bar
from alpha.market.data import Key, MarketData


class Histories:
    """A hundred bots that join want the same candles. What one of them was given is kept for the
    others until `clear`; only what lies before or behind it is asked for again."""

    def __init__(self, market: MarketData) -> None:
        self._market = market
        self._kept: dict[Key, tuple[int, list[Bar]]] = {}  # asked for from, and the answer
        self._asking: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(
        self, symbol: str, interval_ms: int, first_ms: int, until_ms: int, *, venue_ms: int
    ) -> list[Bar]:
        """As `MarketData.history`: closed bars that lie in [first_ms, until_ms), ascending."""
        key = (symbol, interval_ms)
        async with self._asking[key]:
            kept_from, bars = self._kept.get(key, (first_ms, []))
            if not bars or not kept_from <= first_ms <= bars[-1].close_ms:
                kept_from, bars = first_ms, []
            behind_ms = bars[-1].close_ms if bars else first_ms
            if behind_ms + interval_ms <= until_ms:
                more = await self._market.history(
                    symbol, interval_ms, behind_ms, until_ms, venue_ms=venue_ms
                )
                bars = bars + more
            self._kept[key] = kept_from, bars
        return [bar for bar in bars if first_ms <= bar.start_ms and bar.close_ms <= until_ms]

    def clear(self) -> None:
        """Nobody wants any just now."""
        self._kept.clear()
        self._asking.clear()
