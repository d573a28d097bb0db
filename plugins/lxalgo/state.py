"""What LXAlgo keeps over a restart. Indicators are not in it: they come from bars."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from .limits import Account


class Trade(msgspec.Struct, forbid_unknown_fields=True):
    """An open position. `entry_ms` is the start of the bar in which its first entry filled; its
    age runs from there. `rules` are those of its entries, `order` is the id of the newest."""

    entry_ms: int
    rules: list[str]
    entries: int = 1
    order: str = ""
    #: The stop loss at breakeven, once it has been moved there; never lowered.
    stop: Decimal | None = None
    #: Average price of the first entry, known once there is a second.
    first_price: Decimal | None = None
    #: Rule of an addition that is on its way.
    adding: str | None = None


class Book(msgspec.Struct, forbid_unknown_fields=True):
    """`windows` holds, by symbol, the number of the newest UTC window in which it was entered."""

    account: Account = msgspec.field(default_factory=Account)
    trades: dict[str, Trade] = msgspec.field(default_factory=dict)
    windows: dict[str, int] = msgspec.field(default_factory=dict)

    def is_cooling(self, symbol: str, window: int) -> bool:
        return self.windows.get(symbol, -1) >= window

    def forget_windows_before(self, window: int) -> None:
        if any(one < window for one in self.windows.values()):
            self.windows = {name: one for name, one in self.windows.items() if one >= window}
