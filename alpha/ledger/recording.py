"""What is written down beside the ledger, and computed from it: how signals have ended, equity and
balances over time, risk figures by day, pictures of the whole portfolio.

Small writes that nothing waits for; no projection of the ledger is computed from them.
"""

from __future__ import annotations

from collections.abc import Sequence

from alpha.ledger.pool import Connection
from alpha.ledger.queries import load

_SQL = load("recording.sql")


async def limit(connection: Connection) -> None:
    """What the transaction may take, so that it holds nobody up."""
    await connection.execute(_SQL["limit"])


async def settle_signals(connection: Connection, accounts: Sequence[str]) -> int:
    """Finds out what became of signals that are still open; how many rows have changed."""
    return _changed(await connection.execute(_SQL["settle_signals"], list(accounts)))


async def reopen_signals(connection: Connection, account: str, symbol: str, since_ms: int) -> int:
    """The books of the symbol have changed from `since_ms` (event time) on."""
    return _changed(await connection.execute(_SQL["reopen_signals"], account, symbol, since_ms))


def _changed(status: str) -> int:
    """ "UPDATE 3" -> 3."""
    return int(status.rpartition(" ")[2])
