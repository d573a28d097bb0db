"""Audits of an account's cash, and what has moved it beside executions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from alpha.core.events import Execution
from alpha.ledger.pool import Pool
from alpha.ledger.queries import load
from alpha.ledger.stored import executions_from, trimmed

#: So many of the newest audits are looked at for one that still holds.
_LOOK_BACK = 100


@dataclass(frozen=True, slots=True)
class Movement:
    """Cash that no execution has moved. `change` > 0 was received."""

    id: str
    kind: str
    trade_id: str
    category: str
    symbol: str
    change: Decimal
    balance: Decimal | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class AuditBase:
    """What the next audit builds on: the exchange's balance at `until_ms` and what was open."""

    id: int
    until_ms: int
    balance: Decimal
    open_costs: Mapping[str, tuple[Decimal, Decimal]]  # symbol -> signed size, entry value


@dataclass(frozen=True, slots=True)
class Audit:
    """Ledger cash against the exchange's, in USDT, from `since_ms` to `until_ms`."""

    account: str
    since_ms: int
    until_ms: int
    opening: Decimal
    realised: Decimal
    fees: Decimal
    funding: Decimal
    moved: Decimal
    rounding: Decimal
    log_balance: Decimal
    wallet: Decimal
    compared: int
    differing: int
    first_difference: str
    executions: int
    open_costs: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)

    @property
    def ledger_balance(self) -> Decimal:
        return self.opening + self.realised - self.fees + self.funding + self.moved

    @property
    def difference(self) -> Decimal:
        """What the exchange has more than the ledger explains."""
        return self.wallet - self.ledger_balance - self.rounding


class AuditStore:
    """Of one database. Raises what asyncpg raises."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = load("syncs.sql")

    async def base(self, account: str) -> AuditBase | None:
        """The newest audit up to whose end the ledger has not changed since. None: there is none,
        and the next one begins with the ledger."""
        for row in await self._pool.fetch(self._sql["audits"], account, _LOOK_BACK):
            if await self.executions_until(account, row["until"]) == row["executions"]:
                costs = json.loads(row["open_costs"])
                return AuditBase(
                    id=row["id"],
                    until_ms=row["until"],
                    balance=trimmed(row["wallet_balance"]),
                    open_costs={
                        symbol: (Decimal(size), Decimal(value))
                        for symbol, (size, value) in costs.items()
                    },
                )
        return None

    async def executions_until(self, account: str, until_ms: int) -> int:
        found: int = await self._pool.fetchval(self._sql["count_until"], account, until_ms)
        return found

    async def first_ms(self, account: str) -> int | None:
        found: int | None = await self._pool.fetchval(self._sql["first_execution"], account)
        return found

    async def ledger_rows(self, account: str, after_ms: int, until_ms: int) -> list[Execution]:
        """Executions and adjustments of a time, in ledger order."""
        rows = await self._pool.fetch(self._sql["ledger_window"], account, after_ms, until_ms)
        return await executions_from(rows)

    async def booked(self, account: str, after_ms: int, until_ms: int) -> tuple[Decimal, Decimal]:
        """Fees and funding of a time as the books of all owners have them, in USDT."""
        row = await self._pool.fetchrow(self._sql["stored_fees"], account, after_ms, until_ms)
        assert row is not None  # aggregates
        return trimmed(row["fees"]), trimmed(row["funding"])

    async def put_movements(self, account: str, rows: Sequence[Movement]) -> None:
        """Those that are known already change nothing."""
        await self._pool.execute(
            self._sql["put_movements"],
            account,
            [row.id for row in rows],
            [row.kind for row in rows],
            [row.trade_id for row in rows],
            [row.category for row in rows],
            [row.symbol for row in rows],
            [row.change for row in rows],
            [row.balance for row in rows],
            [row.at_ms for row in rows],
        )

    async def put(self, audit: Audit) -> None:
        costs = {
            symbol: (format(size, "f"), format(value, "f"))
            for symbol, (size, value) in audit.open_costs.items()
        }
        await self._pool.execute(
            self._sql["put_audit"],
            audit.account,
            audit.since_ms,
            audit.until_ms,
            audit.opening,
            audit.realised,
            audit.fees,
            audit.funding,
            audit.moved,
            audit.rounding,
            audit.log_balance,
            audit.wallet,
            audit.compared,
            audit.differing,
            audit.first_difference,
            audit.executions,
            json.dumps(costs),
        )
