"""Reads the tables of an SQLite file, which stays as it is."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from alpha.errors import NotFound
from alpha.imports.rows import SourceRow, Tables, Unreadable

_MAGIC = b"SQLite format 3\x00"


def read_sqlite(path: Path, wanted: Mapping[str, Sequence[str]]) -> Tables:
    """The wanted tables, in the order of their rows; a row's place is its rowid.

    Raises NotFound without a file, Unreadable for one that is no SQLite or damaged."""
    if not path.is_file():
        raise NotFound(f"expected an SQLite file, was no file: {path}")
    with path.open("rb") as file:
        is_sqlite = file.read(len(_MAGIC)) == _MAGIC
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not is_sqlite:
        raise Unreadable(f"{path.name}: expected an SQLite file, was none; nothing was changed")
    tables = Tables(path.name, sha256=digest)
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise Unreadable(
                    f"{path.name}: expected a sound SQLite file, was damaged; nothing was changed"
                )
            for table in wanted:
                _read(connection, table, tables)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise Unreadable(
            f"{path.name}: expected a sound SQLite file, was damaged "
            f"({type(error).__name__}); nothing was changed"
        ) from None
    return tables


def _read(connection: sqlite3.Connection, table: str, tables: Tables) -> None:
    kind = connection.execute(
        "SELECT type FROM sqlite_master WHERE name = ? AND type = 'table'", (table,)
    ).fetchone()
    if kind is None:
        return
    cursor = connection.execute(f'SELECT rowid, * FROM "{table}" ORDER BY rowid')
    columns = tuple(name for name, *_ in cursor.description[1:])
    tables.columns[table] = columns
    tables.rows[table] = [
        SourceRow(table, f"row {rowid}", dict(zip(columns, map(_text, values), strict=True)))
        for rowid, *values in cursor
    ]
    tables.counts[table] = len(tables.rows[table])


def _text(value: object) -> str | None:
    """As text; a number with all its digits. Blobs are no text of ours."""
    if value is None or isinstance(value, str):
        return value
    return repr(value) if isinstance(value, int | float) else ""
