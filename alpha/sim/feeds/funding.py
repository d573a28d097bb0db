"""Funding rates: small, mostly paid by longs, equal for equal (symbol, window)."""

from __future__ import annotations

import random  # noqa: TID251  a feed's randomness is its seed
from decimal import Decimal

_INTEREST = 0.0001  # Bybit's interest component for one 8-hour window
_CAP = 0.0005
_UNIT = Decimal("0.000001")


def funding_rate(key: str, symbol: str, ms: int, interval_min: int) -> Decimal:
    """Rate of the window of `interval_min` minutes that contains `ms`; a fraction, at most five
    basis points either way. `key` names the market, so that two seeds differ."""
    window = ms // (interval_min * 60_000)
    draw = random.Random(f"{key}/{symbol}/funding/{window}").gauss(_INTEREST, 0.8 * _INTEREST)
    return round(max(-_CAP, min(_CAP, draw)) / float(_UNIT)) * _UNIT
