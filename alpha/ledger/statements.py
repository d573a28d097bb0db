"""The writer's statements (`writes.sql`) as they go to the server: several in one, arrays as text.

Each statement takes one array per column. asyncpg encodes arrays element by element, in Python
for Decimals and times, which costs more than the fold of what is written; PostgreSQL reads an
array out of text as well. And each statement that is sent alone costs a round trip: those that
insert go as parts of one WITH, whose triggers run when all of it is there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from alpha.clock import utc
from alpha.ledger.columns import Columns
from alpha.ledger.queries import load

_SQL = load("writes.sql")
#: A parameter and the array that it is cast to.
_PARAMETER = re.compile(r"\$(\d+)::(\w+)\[\]")
#: Rows of several arrays. As a table they would be put into a store for each array first, which
#: takes longer than to insert one row; in a SELECT list they step together (PostgreSQL 10 on).
_SCAN = re.compile(r"SELECT \* FROM unnest\(([^()]*)\)")
_NEEDS_ESCAPE = re.compile(r'["\\]')
_NULL = "NULL"


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL whose parameters are all texts, and what each of them is an array of."""

    sql: str
    types: tuple[str, ...]

    def arguments(self, rows: Columns) -> list[str]:
        """What to send for these columns; all rows of one column are in one text."""
        return [literal(kind, values) for kind, values in zip(self.types, rows, strict=True)]


@cache
def statement(*names: str) -> Statement:
    """The named statements as one, in whatever order the server likes; its answer is the last
    one's. The columns of all of them follow each other."""
    bodies: list[str] = []
    types: list[str] = []
    for name in names:
        bodies.append(_as_texts(_SQL[name], len(types)))
        types += [kind for _, kind in _PARAMETER.findall(_SQL[name])]
    *parts, last = bodies
    each = ",\n".join(f"part_{number} AS (\n{body}\n)" for number, body in enumerate(parts))
    return Statement(f"WITH {each}\n{last}" if parts else last, tuple(types))


def _as_texts(sql: str, before: int) -> str:
    """The statement with parameters that are texts and follow those `before` it."""

    def as_text(found: re.Match[str]) -> str:
        return f"${int(found[1]) + before}::text::{found[2]}[]"

    return _PARAMETER.sub(as_text, _SCAN.sub(_projected, sql)).rstrip().rstrip(";")


def _projected(scan: re.Match[str]) -> str:
    return "SELECT " + ", ".join(f"unnest({array.strip()})" for array in scan[1].split(","))


def literal(kind: str, values: Sequence[object]) -> str:
    """PostgreSQL's text of a one-dimensional array (its documentation, 8.15.6). A value that is
    none of its kind is for the server to refuse."""
    if kind in ("text", "json"):
        return _texts(values)
    write = _time if kind == "timestamptz" else str
    if None in values:
        return "{" + ",".join([_NULL if value is None else write(value) for value in values]) + "}"
    return "{" + ",".join(map(write, values)) + "}"


def _texts(values: Sequence[object]) -> str:
    if None not in values:
        plain = '","'.join(map(str, values))
        if plain.count('"') == 2 * (len(values) - 1) and "\\" not in plain:
            return f'{{"{plain}"}}'
    return "{" + ",".join([_NULL if value is None else _quoted(value) for value in values]) + "}"


def _quoted(text: object) -> str:
    return '"' + _NEEDS_ESCAPE.sub(r"\\\g<0>", str(text)) + '"'


@lru_cache(maxsize=4096)  # the tables of one execution share its time
def _time(ms: object) -> str:
    try:
        return utc(ms).isoformat() if isinstance(ms, int) else str(ms)
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"  # which PostgreSQL refuses
