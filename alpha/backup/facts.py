"""What a database holds, as far as a backup has to say: versions, counts, the ledger's hash."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg

from alpha.backup.folder import Ledger
from alpha.core.canonical import LedgerDigest
from alpha.ledger.migrations import SCHEMAS
from alpha.ledger.pool import Connection
from alpha.ledger.queries import load
from alpha.ledger.reader import LedgerReader
from alpha.ledger.stored import execution_from

CANDLES = "market_data"
#: Executions that are read and hashed at once.
PART = 5_000
#: How long one statement over a large ledger may take.
_WITHIN_S = 900.0
_SQL = load("backup.sql")
#: A schema that is older, or newer, than what this version reads.
_OTHER_SCHEMA = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)


@dataclass(frozen=True, slots=True)
class Facts:
    schema_version: int
    modes: tuple[str, ...]
    ledger: Ledger
    rows: dict[str, int]


async def schemas_there(connection: Connection) -> list[str]:
    """Which of our schemas the database has."""
    rows = await connection.fetch(_SQL["schemas"], list(SCHEMAS))
    return [row["nspname"] for row in rows]


async def schema_version(connection: Connection) -> int:
    """The newest migration that is applied; 0 on a database that knows none."""
    if not await connection.fetchval(_SQL["has_migrations"]):
        return 0
    return int(await connection.fetchval(_SQL["version"]) or 0)


async def modes(connection: Connection) -> tuple[str, ...]:
    """The mode of a database stands in its accounts; empty without any."""
    if not await connection.fetchval(_SQL["has_accounts"]):
        return ()
    rows = await connection.fetch(_SQL["modes"])
    return tuple(row["mode"] for row in rows)


async def count_rows(connection: Connection, *, candles: bool) -> dict[str, int]:
    """Rows of every table of ours."""
    counted = {}
    for row in await connection.fetch(_SQL["tables"], list(SCHEMAS)):
        if candles or not row["relname"].startswith(CANDLES):
            name = f"{row['nspname']}.{row['relname']}"
            counted[name] = int(
                await connection.fetchval(
                    f'SELECT count(*) FROM "{row["nspname"]}"."{row["relname"]}"', timeout=_WITHIN_S
                )
            )
    return counted


async def live_daemons(connection: Connection) -> list[str]:
    """Who works on the database, or waits to: not to be replaced under them."""
    try:
        rows = await connection.fetch(load("standbys.sql")["daemons"])
    except (*_OTHER_SCHEMA, asyncpg.InvalidSchemaNameError):
        return []
    return [row["holder"] for row in rows]


async def read_facts(connection: Connection, *, candles: bool) -> Facts:
    """Inside a repeatable read transaction: everything is of one moment."""
    rows = await count_rows(connection, candles=candles)
    return Facts(
        schema_version=await schema_version(connection),
        modes=await modes(connection),
        ledger=await _ledger(connection, rows),
        rows=rows,
    )


async def _ledger(connection: Connection, rows: dict[str, int]) -> Ledger:
    executions, fills = rows.get("trading.executions", 0), rows.get("trading.fills", 0)
    try:
        # A savepoint: a statement that an older schema refuses must not end the snapshot.
        async with connection.transaction():
            sha256, seen, verified = await _read_ledger(connection)
    except _OTHER_SCHEMA:
        return Ledger(None, executions, fills)
    return Ledger(sha256, executions, fills, seen, verified)


async def _read_ledger(connection: Connection) -> tuple[str, dict[str, int], dict[str, int]]:
    """The hash, part by part, so that a large ledger need not fit into memory; how far each
    account is known. A daemon that starts renews its lease meanwhile: so a thread hashes."""
    reader, digest = LedgerReader(connection), LedgerDigest()
    seen, verified = {}, {}
    for account in sorted(await reader.accounts()):
        marks = await reader.marks(account)
        seen[account], verified[account] = marks.seen_ms, marks.verified_ms
        for symbol in sorted(await reader.booked_symbols(account)):
            await _add_executions(connection, digest, account, symbol)
    await asyncio.to_thread(digest.add, await reader.all_overrides())
    return digest.hexdigest(), seen, verified


async def _add_executions(
    connection: Connection, digest: LedgerDigest, account: str, symbol: str
) -> None:
    query = load("reads.sql")["executions_since"]
    cursor = await connection.cursor(query, account, symbol, None, timeout=_WITHIN_S)
    while rows := await cursor.fetch(PART, timeout=_WITHIN_S):
        await asyncio.to_thread(digest.add, map(execution_from, rows))
