"""What the database knows that an import asks for: positions on the exchange, and from when the
ledger has a symbol's executions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from alpha.imports.found import Home
from alpha.ledger.pool import Pool
from alpha.ledger.queries import load

Place = tuple[str, str]  # account, symbol


@dataclass(frozen=True, slots=True)
class Known:
    """`held`: signed sizes as the exchange told them last. `since`: Unix ms of the first
    execution in the ledger."""

    held: Mapping[Place, Decimal] = field(default_factory=dict)
    since: Mapping[Place, int] = field(default_factory=dict)

    def confirms(self, home: Home, symbol: str, signed: Decimal | None) -> bool:
        """Whether the exchange has a position of that side, and of at least that size."""
        held = self.held.get((home.account, symbol), Decimal(0))
        if signed is None:
            return held > 0
        return held * signed > 0 and abs(held) >= abs(signed)

    def has_executions(self, home: Home, symbol: str, at_ms: int) -> bool:
        """Whether the ledger covers that time of the symbol itself."""
        first = self.since.get((home.account, symbol))
        return first is not None and first <= at_ms


async def ask(pool: Pool) -> Known:
    sql = load("imports.sql")
    held = await pool.fetch(sql["exchange_positions"])
    since = await pool.fetch(sql["first_executions"])
    return Known(
        {(row["account"], row["symbol"]): row["signed_size"] for row in held},
        {(row["account"], row["symbol"]): row["exec_time"] for row in since},
    )
