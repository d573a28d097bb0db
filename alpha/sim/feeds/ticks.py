"""The trades inside a base bar, made from its candle alone."""

from __future__ import annotations

import random  # noqa: TID251  a feed's randomness is its seed
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from alpha.sim.feeds.base import Candle, InstrumentSpec, Tick

_BETWEEN = 2  # trades on the way from one turning point to the next


def candle_ticks(spec: InstrumentSpec, candle: Candle, base_ms: int) -> Sequence[Tick]:
    """Ten trades: open, one extreme, the other, close, and two on each leg between them.

    A rising bar visits its low first, a falling one its high. The trades between lie on the
    tick grid inside their leg; they, the times and the sizes are drawn from (symbol, start_ms).
    """
    rng = random.Random(f"{spec.symbol}/ticks/{candle.start_ms}")
    tick = spec.tick_size
    open_, high, low, close = (
        int(price / tick) for price in (candle.open, candle.high, candle.low, candle.close)
    )
    turns = [open_, low, high, close] if close >= open_ else [open_, high, low, close]
    prices = [open_]
    for start, end in pairwise(turns):
        steps = sorted(rng.random() for _ in range(_BETWEEN))
        prices.extend(start + int((end - start) * step) for step in steps)
        prices.append(end)
    span = base_ms / len(prices)
    offsets = [0] + [int((i + rng.random() * 0.9) * span) for i in range(1, len(prices))]
    sizes = _split(rng, candle.volume, spec.qty_step, len(prices))
    before = open_
    ticks: list[Tick] = []
    for price, offset, size in zip(prices, offsets, sizes, strict=True):
        side: Literal["Buy", "Sell"] = "Buy" if price > before else "Sell"
        if price == before and rng.random() < 0.5:
            side = "Buy"
        ticks.append(Tick(offset, price * tick, size, side))
        before = price
    return ticks


def _split(rng: random.Random, volume: Decimal, step: Decimal, parts: int) -> list[Decimal]:
    """`volume` in `parts` uneven pieces of at least one step; what is off the grid goes last."""
    spare = int(volume / step) - parts
    if spare < 0:
        return [step] * parts
    weights = [rng.random() + 0.05 for _ in range(parts)]
    whole = sum(weights)
    sizes = [(1 + int(spare * weight / whole)) * step for weight in weights[:-1]]
    return [*sizes, volume - sum(sizes, Decimal(0))]
