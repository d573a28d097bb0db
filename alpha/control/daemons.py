"""The daemons of one database, for people."""

from __future__ import annotations

from alpha.clock import iso
from alpha.control.desk import DaemonStatus
from alpha.ledger import standbys
from alpha.ledger.pool import Pool


async def daemons_on(pool: Pool) -> list[DaemonStatus]:
    """Active ones first, then those who wait."""
    return [_status(row) for row in await standbys.daemons(pool)]


def _status(row: standbys.DaemonRow) -> DaemonStatus:
    accounts, at = list(row.accounts), iso(row.at_ms)
    if row.is_active:
        return {"holder": row.holder, "role": "active", "accounts": accounts, "expires": at}
    return {"holder": row.holder, "role": "standby", "accounts": accounts, "seen": at}
