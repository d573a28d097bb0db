"""What a bot that chooses its symbols itself is shown of the exchange."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Market:
    """One linear USDT perpetual that is traded. `turnover_24h` is in USDT, None where nobody
    knows it."""

    symbol: str
    turnover_24h: Decimal | None = None
