"""A market to check plugins on: made, not recorded, the same on every machine.

Calm stretches, bursts up and down on high volume, and swings follow each other, in steps of the
bot's own bars, so that trend followers, breakout buyers and dip buyers all find something to do.
It is a stage for checks of behaviour and says nothing about profit.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from alpha.candles.files import Candles

#: Offered to bots that choose their symbols and name none.
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT")
#: Price around which a symbol moves, and the digits that it is quoted with.
_PRICES = {
    "BTCUSDT": (60_000.0, 1),
    "ETHUSDT": (3_000.0, 2),
    "SOLUSDT": (150.0, 2),
    "XRPUSDT": (2.0, 4),
    "BNBUSDT": (600.0, 1),
}
_OTHER = (100.0, 3)
_VOLUME = 1_000.0
#: 2025-01-06 00:00 UTC, a Monday.
_ERA_MS = 1_736_121_600_000
#: How far, in logarithms, a price may go from where it began before the market turns it.
_REACH = 0.35


class Move(NamedTuple):
    """Of one bar: its return, how far its wicks reach beyond it, and its volume, where 1 is what
    is usual."""

    size: float
    spread: float
    volume: float


def make_market(symbols: Sequence[str], interval_ms: int, bars: int) -> dict[str, Candles]:
    """`bars` candles of each symbol, all from the same moment on."""
    return {
        symbol: _candles(symbol, interval_ms, bars, seed=17 + number)
        for number, symbol in enumerate(symbols)
    }


def _candles(symbol: str, interval_ms: int, bars: int, *, seed: int) -> Candles:
    price, digits = _PRICES.get(symbol, _OTHER)
    draw = _draws(seed)
    made = Candles(symbol, interval_ms, Path(f"{symbol}.csv"))
    last = price
    moves = _moves(draw)
    for place in range(bars):
        move = moves.send(math.log(last / price)) if place else next(moves)
        close = round(last * math.exp(move.size), digits)
        high = round(max(last, close) * (1 + move.spread * next(draw)), digits)
        low = round(min(last, close) * (1 - move.spread * next(draw)), digits)
        amount = round(_VOLUME * move.volume * (0.7 + 0.6 * next(draw)), 1)
        made.append(_ERA_MS + place * interval_ms, (last, high, low, close, amount))
        last = close
    return made


def _moves(draw: Iterator[float]) -> Generator[Move, float, None]:
    """One bar's move after the other. It is sent how far the price is from where it began."""
    far = 0.0
    while True:
        for _ in range(40 + int(40 * next(draw))):  # calm
            far = yield Move(0.0012 * (next(draw) - 0.5), 0.0003, 1.0)
        up = next(draw) < 0.5 if abs(far) < _REACH else far < 0
        sign = 1.0 if up else -1.0
        for _ in range(6 + int(8 * next(draw))):  # a burst
            far = yield Move(sign * (0.004 + 0.008 * next(draw)), 0.004, 6.0)
        drift = 0.0006 * (next(draw) - 0.5) - 0.001 * far
        for _ in range(40 + int(120 * next(draw))):  # swings
            far = yield Move(drift + 0.012 * (next(draw) - 0.5), 0.003, 2.0)


def _draws(seed: int) -> Iterator[float]:
    """Numbers from 0 to below 1, of a linear congruential generator."""
    x = seed
    while True:
        x = (1_103_515_245 * x + 12_345) % 2**31
        yield x / 2**31
