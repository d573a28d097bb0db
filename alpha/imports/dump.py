"""Reads a plain `pg_dump` file, compressed or not, without running a word of it.

Only the data of the tables that were asked for are looked at: COPY blocks, or INSERT statements
(`--inserts`, `--column-inserts`). Rows of other tables are counted and forgotten unread.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alpha.errors import NotFound
from alpha.imports.rows import SourceRow, Tables, Unreadable

_GZIP = b"\x1f\x8b"
#: How files begin that are dumps, but not plain SQL.
_OTHERS = {
    b"PGDMP": "a custom-format dump; make a plain one of it with `pg_restore -f FILE`",
    b"SQLite format 3": "an SQLite file",
    b"BZh": "a bzip2 file; unpack it first",
    b"\xfd7zXZ": "an xz file; unpack it first",
    b"\x28\xb5\x2f\xfd": "a zstd file; unpack it first",
    b"\xff\xfe": "UTF-16, as PowerShell's `>` writes; make it with `pg_dump --file=FILE`",
}
_NAME = r'(?:"?(\w+)"?\.)?"?(\w+)"?'
_COPY = re.compile(rf"COPY {_NAME} \(([^)]*)\) FROM stdin;\s*")
_INSERT = re.compile(rf"INSERT INTO {_NAME}(?: \(([^)]*)\))?(?: OVERRIDING \w+ VALUE)?\s+VALUES\s*")
_TABLE = re.compile(rf"CREATE (?:UNLOGGED )?TABLE {_NAME} \(\s*")
_COLUMN = re.compile(r'\s+"?(\w+)"? ')
_VALUE = re.compile(
    r"\s*(?:(NULL)|(true|false|[-+]?[0-9][0-9.eE+-]*)|E?'((?:[^']|'')*)')"
    r"(?:::[\w .]+(?:\([0-9,]*\))?)?\s*",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_HEAD = b"-- PostgreSQL database dump"
_TAIL = b"-- PostgreSQL database dump complete"
_DEFAULT_SCHEMA = "trading"


def read_dump(path: Path, wanted: Collection[str]) -> Tables:
    """The tables of a dump. `wanted` are names like `trading.fills`.

    Raises NotFound without a file, Unreadable naming the line for one that is no dump, damaged
    or cut off."""
    if not path.is_file():
        raise NotFound(f"expected a dump, was no file: {path}")
    with path.open("rb") as file:
        beginning = file.read(16)
    for magic, what in _OTHERS.items():
        if beginning.startswith(magic):
            raise Unreadable(f"{path.name}: expected a plain SQL dump, was {what}")
    tables = Tables(path.name, sha256=_sha256(path))
    _Reader(_lines(path, packed=beginning.startswith(_GZIP)), tables, frozenset(wanted)).read()
    return tables


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lines(path: Path, *, packed: bool) -> Iterator[bytes]:
    number = 0
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            for number, line in enumerate(file, 1):  # noqa: B007 (the message names it)
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unreadable(
            f"{path.name}: expected a whole gzip file, was damaged or cut off after line "
            f"{number} ({type(error).__name__}); nothing was changed"
        ) from None


@dataclass(slots=True)
class _Reader:
    source: Iterator[bytes]
    tables: Tables
    wanted: frozenset[str]
    line: int = 0
    declared: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def read(self) -> None:
        is_from_tool, is_whole = False, False
        for raw in self.source:
            self.line += 1
            mark = raw.rstrip()  # also where line ends were turned into those of Windows
            is_from_tool = is_from_tool or mark == _HEAD
            is_whole = is_whole or mark == _TAIL
            if raw.startswith(b"COPY "):
                self._copy(self._text(raw))
            elif raw.startswith(b"INSERT INTO "):
                self._insert(raw)
            elif raw.startswith(b"CREATE "):
                self._declare(self._text(raw))
        if is_from_tool and not is_whole:
            raise self._broken("the end mark of pg_dump: the file is cut off")
        if not self.tables.counts:
            raise Unreadable(
                f"{self.tables.name}: expected a plain SQL dump of PostgreSQL, found no data of "
                f"any table in {self.line} lines; nothing was changed"
            )

    # -- COPY -----------------------------------------------------------------------------------

    def _copy(self, head: str) -> None:
        found = _COPY.fullmatch(head)
        if found is None:
            return  # COPY to or from a file: no data of ours
        table = self._named(found[1], found[2])
        columns = _names(found[3])
        if table in self.wanted:
            self._columns(table, columns)
        self.tables.counts.setdefault(table, 0)
        for raw in self.source:
            self.line += 1
            if raw.rstrip(b"\r\n") == b"\\.":
                return
            self.tables.counts[table] += 1
            if table in self.wanted:
                self._keep(table, columns, self._copied(raw, columns))
        raise self._broken(f"the end of the rows of {table}: the file is cut off")

    def _copied(self, raw: bytes, columns: Sequence[str]) -> list[str | None]:
        if not raw.endswith(b"\n"):
            raise self._broken("a whole row: the file is cut off")
        values = self._text(raw).rstrip("\r\n").split("\t")
        if len(values) != len(columns):
            raise self._broken(f"{len(columns)} values, was {len(values)}")
        return [None if value == "\\N" else self._unescaped(value) for value in values]

    def _unescaped(self, value: str) -> str:
        if "\\" not in value:
            return value
        if value.endswith("\\") and (len(value) - len(value.rstrip("\\"))) % 2:
            raise self._broken("a whole value, was one that ends within an escape")

        def plain(found: re.Match[str]) -> str:
            code = found[1]
            if code[0] in "01234567":
                return chr(int(code, 8))
            if code[0] == "x" and len(code) > 1:
                return chr(int(code[1:], 16))
            return _ESCAPES.get(code, code)

        return _ESCAPE.sub(plain, value)

    # -- INSERT ---------------------------------------------------------------------------------

    def _declare(self, head: str) -> None:
        """The columns of a table, which INSERT statements need not name."""
        found = _TABLE.fullmatch(head)
        if found is None:
            return
        columns = []
        for raw in self.source:
            self.line += 1
            if raw.startswith(b")"):
                break
            column = _COLUMN.match(self._text(raw))
            if column is not None and column[1] != "CONSTRAINT":
                columns.append(column[1])
        self.declared[self._named(found[1], found[2])] = tuple(columns)

    def _insert(self, first: bytes) -> None:
        began, statement = self.line, first
        while statement.count(b"'") % 2 or not statement.rstrip().endswith(b";"):
            raw = next(self.source, None)
            if raw is None:
                raise self._broken(f"the end of the INSERT of line {began}: the file is cut off")
            self.line += 1
            statement += raw
        text = self._text(statement)
        found = _INSERT.match(text)
        if found is None:
            return
        table = self._named(found[1], found[2])
        if table not in self.wanted:
            self.tables.counts[table] = self.tables.counts.get(table, 0) + 1
            return
        columns = _names(found[3]) if found[3] else self.declared.get(table, ())
        if not columns:
            raise self._broken(f"the columns of {table} before its rows")
        self._columns(table, columns)
        for values in self._inserted(text, found.end(), columns):
            self.tables.counts[table] = self.tables.counts.get(table, 0) + 1
            self._keep(table, columns, values, began)

    def _inserted(self, text: str, at: int, columns: Sequence[str]) -> Iterator[list[str | None]]:
        while True:
            if text[at : at + 1] != "(":
                raise self._broken("a row of values in parentheses")
            values: list[str | None] = []
            while True:
                found = _VALUE.match(text, at + 1)
                if found is None:
                    raise self._broken("NULL, a number or a quoted text as a value")
                null, plain, quoted = found.groups()
                values.append(None if null else plain or (quoted or "").replace("''", "'"))
                at = found.end()
                if text[at : at + 1] != ",":
                    break
            if text[at : at + 1] != ")" or len(values) != len(columns):
                raise self._broken(f"{len(columns)} values, was {len(values)}")
            yield values
            rest = text[at + 1 :].lstrip()
            if not rest.startswith(","):
                return
            at = len(text) - len(rest.removeprefix(",").lstrip())

    # -- both -----------------------------------------------------------------------------------

    def _columns(self, table: str, columns: tuple[str, ...]) -> None:
        self.tables.columns[table] = columns
        self.tables.rows.setdefault(table, [])

    def _keep(
        self,
        table: str,
        columns: Sequence[str],
        values: Sequence[str | None],
        line: int | None = None,
    ) -> None:
        place = f"line {line or self.line}"
        row = SourceRow(table, place, dict(zip(columns, values, strict=True)))
        self.tables.rows[table].append(row)

    def _named(self, schema: str | None, table: str) -> str:
        return f"{schema or _DEFAULT_SCHEMA}.{table}"

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise self._broken("text in UTF-8 (pg_dump --encoding=UTF8)") from None

    def _broken(self, expected: str) -> Unreadable:
        return Unreadable(
            f"{self.tables.name} line {self.line}: expected {expected}; nothing was changed"
        )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().strip('"') for name in text.split(","))
