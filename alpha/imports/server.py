"""Reads the tables of a running PostgreSQL of an earlier bot: one snapshot, read only."""

from __future__ import annotations

from collections.abc import Collection

import asyncpg

from alpha.errors import TimedOut
from alpha.imports.rows import SourceRow, Tables, Unreadable
from alpha.ledger.pool import server_name

_TABLES = """
SELECT n.nspname AS schema, c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
 ORDER BY 1, 2
"""
_COLUMNS = """
SELECT attname FROM pg_attribute
 WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
#: Nothing of an earlier bot has more; what has is not what was asked for.
_MOST_ROWS = 5_000_000


def is_url(source: str) -> bool:
    return source.startswith(("postgresql://", "postgres://"))


async def read_server(url: str, wanted: Collection[str]) -> Tables:
    """The same as a dump of that database. Its user and password appear in no message.

    Raises TimedOut when it cannot be reached, Unreadable when it refuses."""
    try:
        name = server_name(url)
    except ValueError:
        raise Unreadable(
            "expected a URL such as postgresql://user@host:5432/database, was not readable; "
            "nothing was changed"
        ) from None
    tables = Tables(name)
    try:
        connection = await asyncpg.connect(
            url, timeout=10.0, command_timeout=300, server_settings={"timezone": "UTC"}
        )
    except (OSError, asyncpg.PostgresConnectionError) as error:
        raise TimedOut(
            f"expected PostgreSQL at {name} to answer, was {type(error).__name__}; start it or "
            "correct the URL"
        ) from None
    except (ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unreadable(
            f"expected PostgreSQL at {name} to let us read, was refused: {type(error).__name__}; "
            "check user, password and database in the URL"
        ) from None
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for row in await connection.fetch(_TABLES):
                await _read(connection, tables, row["schema"], row["name"], wanted)
    except asyncpg.PostgresError as error:
        raise Unreadable(
            f"{name}: expected to read its tables, was refused: {type(error).__name__}; nothing "
            "was changed"
        ) from None
    finally:
        await connection.close()
    return tables


async def _read(
    connection: asyncpg.Connection[asyncpg.Record],
    tables: Tables,
    schema: str,
    name: str,
    wanted: Collection[str],
) -> None:
    table, quoted = f"{schema}.{name}", f"{_quoted(schema)}.{_quoted(name)}"
    count: int = await connection.fetchval(f"SELECT count(*) FROM {quoted}")
    tables.counts[table] = count
    if table not in wanted:
        return
    if count > _MOST_ROWS:
        raise Unreadable(f"{tables.name}: expected at most {_MOST_ROWS} rows of {table}")
    columns = [row["attname"] for row in await connection.fetch(_COLUMNS, quoted)]
    tables.columns[table] = tuple(columns)
    texts = ", ".join(f"{_quoted(column)}::text" for column in columns)
    rows = await connection.fetch(f"SELECT {texts} FROM {quoted} ORDER BY 1")
    tables.rows[table] = [
        SourceRow(table, f"row {number}", dict(zip(columns, row.values(), strict=True)))
        for number, row in enumerate(rows, 1)
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
