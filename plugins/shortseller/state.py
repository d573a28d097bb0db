"""What ShortSeller keeps over a restart. Averages are not in it: they come from bars."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Asset(msgspec.Struct, forbid_unknown_fields=True):
    """One symbol. `entry_ms` is the start of the bar in which its last entry filled; age of the
    position and cooldown run from it. `crosses` counts those of the UTC day number `day`.
    `first_ms` is the first close that was decided: crosses before it permit no entry."""

    first_ms: int | None = None
    entry_ms: int | None = None
    day: int = 0
    crosses: int = 0
    #: Notional of an entry order that is not finished.
    ordered: Decimal | None = None


class Book(msgspec.Struct, forbid_unknown_fields=True):
    """`day_equity` is the equity at the close that opened UTC day number `day`, `peak` the highest
    at any close; `halted_ms` is the close at which the drawdown gate tripped."""

    assets: dict[str, Asset]
    day: int | None = None
    day_equity: Decimal | None = None
    peak: Decimal | None = None
    halted_ms: int | None = None
    halted_equity: Decimal | None = None
