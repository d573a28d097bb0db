"""What must hold of everything that is stored, as named checks that list what breaks it.

They read only. A check of one window looks at what has happened in it; some look at all there is,
and are done in a full run alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Literal

import asyncpg

from alpha.core.events import CASH_ONLY, POSITION_CHANGING
from alpha.ledger.pool import Pool
from alpha.ledger.queries import load
from alpha.ledger.registry import DAEMON_STOP

Level = Literal["WARNING", "ERROR", "CRITICAL"]

#: So many candles of a series may be missing.
FEW_CANDLES = 5
#: USDT that an equity may differ by from its newest balance.
CENT = Decimal("0.01")
#: And the ledger's cash from the wallet's: transfers below a cent are not known as such. The audit
#: of each night is the exact one.
LEAST_CASH, CASH_PART = Decimal(1), Decimal("0.0001")
#: What one check may take.
WITHIN_S = 20
FULL_WITHIN_S = 55
DAY_MS = 86_400_000
_SQL = load("quality.sql")

_TRADES, _CASH = sorted(POSITION_CHANGING), sorted(CASH_ONLY)


class Scope(Enum):
    WINDOW = "what has happened since"
    NOW = "what is open"
    FULL = "everything"


@dataclass(frozen=True, slots=True)
class Check:
    """`what` ends the sentence "3 ...". `settles`: a moment may break it; it counts when it is
    still broken a while later."""

    name: str
    level: Level
    what: str
    advice: str
    scope: Scope = Scope.WINDOW
    arguments: tuple[object, ...] = ()
    settles: bool = False


_REBUILD = "`alpha ledger verify` says which rows differ from the executions"
_RESTORE = "the database was changed behind Alpha's back: compare with a backup"

CHECKS: tuple[Check, ...] = (
    Check(
        "missing_candles",
        "WARNING",
        "candles of subscribed series are not stored",
        "bots have seen them, what reads trading.market_data has not: `alpha data download` has "
        "them",
        arguments=(FEW_CANDLES,),
    ),
    Check("orphan_fills", "CRITICAL", "fills name no row of the ledger", _RESTORE),
    Check("orphan_positions", "CRITICAL", "lots or positions were opened by no fill", _REBUILD),
    Check("orphan_round_trips", "CRITICAL", "round trips lack one of their fills", _REBUILD),
    Check("orphan_orders", "ERROR", "orders or signals are of no bot", _RESTORE),
    Check("orphan_signals", "ERROR", "signals lack the order that they became", _RESTORE),
    Check(
        "duplicate_executions",
        "CRITICAL",
        "executions are there under several symbols",
        "the exchange's list says which symbol is right: `alpha sync run`, `alpha ledger verify`",
    ),
    Check(
        "duplicate_orders",
        "ERROR",
        "orders of the exchange have several rows",
        "attribution goes by the newest: `alpha fills assign` for what is wrong",
    ),
    Check("duplicate_fills", "ERROR", "numbers of fills are there twice", _REBUILD),
    Check("missing_fields", "ERROR", "rows lack what has to be known by then", _REBUILD),
    Check(
        "execution_shares",
        "CRITICAL",
        "executions are not in the books with all their quantity and fee",
        _REBUILD,
        arguments=(_TRADES, _CASH),
    ),
    Check(
        "round_trip_shares",
        "CRITICAL",
        "closing fills do not equal their round trips",
        _REBUILD,
    ),
    Check(
        "lots_and_positions",
        "CRITICAL",
        "open positions do not equal their lots",
        _REBUILD,
        Scope.NOW,
    ),
    Check(
        "fills_and_lots",
        "CRITICAL",
        "sums of fills do not equal what is open",
        _REBUILD,
        Scope.FULL,
    ),
    Check(
        "bot_equity",
        "WARNING",
        "bots have another equity than their newest balance",
        "a transfer takes a minute to be written: look again, then restart the daemon",
        Scope.NOW,
        (CENT, DAEMON_STOP),
        settles=True,
    ),
    Check(
        "ledger_cash",
        "CRITICAL",
        "wallets have not moved by what the ledger holds",
        "`alpha sync run` looks for what is missing; the audit of the night names the first row "
        "that differs",
        Scope.NOW,
        (LEAST_CASH, CASH_PART),
        settles=True,
    ),
    Check(
        "wallet_audit",
        "ERROR",
        "accounts differ from their wallets by the newest audit",
        "the alert wallet_differs names the first row; the next audit shows whether it stands",
        Scope.NOW,
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has come to. `found` is None where it could not be finished."""

    check: Check
    found: int | None
    examples: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        return self.found == 0

    @property
    def message(self) -> str:
        """One sentence: what was expected, what was found, what to do."""
        if self.found is None:
            return f"{self.check.name} was not finished in time; try at a quieter hour"
        few = ", e.g. " + "; ".join(self.examples[:3]) if self.examples else ""
        return (
            f"expected the stored data to hold together, but {self.found} {self.check.what}{few}: "
            f"{self.check.advice}"
        )


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked at: everything since `since_ms` of the exchange's time; None: all of it."""

    since_ms: int | None
    keep_short_days: int

    @property
    def is_full(self) -> bool:
        return self.since_ms is None


async def run_checks(pool: Pool, window: Window, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Does them one by one, each on one moment of the database. Raises what asyncpg raises when
    the database is away."""
    wanted = [one for one in checks if window.is_full or one.scope is not Scope.FULL]
    return [await _run(pool, one, window) for one in wanted]


async def _run(pool: Pool, check: Check, window: Window) -> Finding:
    statement = _SQL["counted"] % _SQL[check.name].rstrip(";")
    limit = _SQL["limit"] % (FULL_WITHIN_S if window.is_full else WITHIN_S)
    arguments: list[object] = []
    if check.scope is Scope.WINDOW:
        arguments.append(window.since_ms or 0)
    if check.name == "missing_candles":
        arguments.append(surely_kept_days(window.keep_short_days))
    try:
        async with (
            pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute(limit)
            row = await connection.fetchrow(statement, *arguments, *check.arguments)
    except asyncpg.QueryCanceledError:
        return Finding(check, None)
    assert row is not None, "an aggregate has one row"
    return Finding(check, row["found"], tuple(row["examples"]))


#: Spans are told some minutes late, in which a market of our own goes on by days, and retention
#: with it.
_MARGIN_DAYS = 7


def surely_kept_days(keep_short_days: int) -> int:
    """Short candles of so many days before the newest have not been forgotten yet."""
    return max(keep_short_days - _MARGIN_DAYS, 0)
