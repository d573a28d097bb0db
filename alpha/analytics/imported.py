"""What was imported of the time before the ledger, bot by bot.

It has other sources, another capital, and often no fees: it stands beside the figures of the
ledger and is never added to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from alpha.clock import iso
from alpha.ledger.pool import Connection, Pool
from alpha.ledger.queries import load
from alpha.ledger.stored import trimmed


@dataclass(frozen=True, slots=True)
class Imported:
    """Round trips that the ledger does not hold itself; `estimated` of them are what a bot
    believed. `fees` and `net_pnl` in USDT; `first` and `last` exit, Unix ms."""

    trades: int
    wins: int
    losses: int
    estimated: int
    fees: Decimal
    net_pnl: Decimal
    first: int
    last: int

    def as_row(self) -> dict[str, object]:
        return {**asdict(self), "first": iso(self.first), "last": iso(self.last)}


async def imported(source: Pool | Connection, bots: Sequence[str]) -> dict[str, Imported]:
    """All of it by bot id; those without any left out."""
    rows = await source.fetch(load("imports.sql")["history"], list(bots))
    return {
        row["bot_id"]: Imported(
            trades=row["trades"],
            wins=row["wins"],
            losses=row["losses"],
            estimated=row["estimated"],
            fees=trimmed(row["fees"]),
            net_pnl=trimmed(row["net_pnl"]),
            first=row["first"],
            last=row["last"],
        )
        for row in rows
    }
