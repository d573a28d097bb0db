"""Which daemons work on this database, and which wait for their turn."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from alpha.ledger.lease import Lease
from alpha.ledger.pool import Pool
from alpha.ledger.queries import load

_SQL = load("standbys.sql")
#: The schema is older than this version: its owner has not been stopped for the update yet.
_OLDER = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)


@dataclass(frozen=True, slots=True)
class DaemonRow:
    """`at_ms`: when an active one's lease ends, or when a standby was last seen."""

    holder: str
    is_active: bool
    accounts: tuple[str, ...]
    at_ms: int


async def waits(pool: Pool, lease: Lease) -> None:
    """Says that this process waits; to be repeated within 10 s."""
    try:
        await pool.execute(_SQL["waits"], lease.installation, lease.holder, list(lease.accounts))
    except _OLDER:
        return


async def waits_no_more(pool: Pool, lease: Lease) -> None:
    try:
        await pool.execute(_SQL["waits_no_more"], lease.installation)
    except _OLDER:
        return


async def daemons(pool: Pool) -> list[DaemonRow]:
    """Active ones first; empty on a database of an earlier version."""
    try:
        rows = await pool.fetch(_SQL["daemons"])
    except _OLDER:
        return []
    return [
        DaemonRow(row["holder"], row["is_active"], tuple(row["accounts"]), row["at"])
        for row in rows
    ]
