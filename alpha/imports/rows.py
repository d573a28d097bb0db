"""Rows of a foreign source and the values in them, each read with the place where it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation

from alpha.errors import AlphaError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUANTUM = Decimal("0.000000000001")
_TOO_LARGE = Decimal(10) ** 15
_LARGEST_SHARE = Decimal(10) ** 6
_SYMBOL = re.compile(r"[A-Z0-9]{2,30}")
_WORD = re.compile(r"[\x21-\x7e]{1,120}")
#: How much of an unreadable value a message shows: less than any key.
_SHOWN = 12


class Unreadable(AlphaError):
    """The source is damaged or something else than was asked for; nothing was changed."""


class BadValue(Unreadable):
    """A value that its column may hold, but that says nothing: NULL, NaN, another word. `what`
    says it without the place."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}; nothing was changed")
        self.what = what


class Damaged(BadValue):
    """A value that its column can never have held: it is the source that is damaged."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row: every value as text, None for NULL. `place` says where it stands."""

    table: str
    place: str
    values: Mapping[str, str | None]

    def text(self, column: str) -> str | None:
        return self.values.get(column)

    def need(self, column: str) -> str:
        """Raises BadValue for a value that is not there."""
        value = self.values.get(column)
        if value is None or value == "":
            raise self.bad(column, "a value")
        return value

    def bad(self, column: str, expected: str) -> BadValue:
        """Never shows more than the beginning of a value: sources hold what is not ours."""
        return BadValue(f"{self.table} {self.place}", self._unlike(column, expected))

    def damaged(self, column: str, expected: str) -> Damaged:
        return Damaged(f"{self.table} {self.place}", self._unlike(column, expected))

    def _unlike(self, column: str, expected: str) -> str:
        value = self.values.get(column)
        shown = "nothing" if value is None else repr(value[:_SHOWN])
        return f"expected {expected} as {column}, was {shown}"

    def amount(self, column: str) -> Decimal:
        """A number, to twelve digits. Raises BadValue, and Damaged for what is no number or too
        large."""
        value = self.need(column)
        try:
            number = Decimal(value.strip())
        except InvalidOperation:
            raise self.damaged(column, "a number") from None
        if number.is_nan():
            raise self.bad(column, "a number")
        if not number.is_finite() or abs(number) >= _TOO_LARGE:
            raise self.damaged(column, "a number below 1e15")
        return number.quantize(_QUANTUM)

    def share_or_none(self, column: str) -> Decimal | None:
        """A fraction, or a percentage, that a column for fractions can hold."""
        found = self.amount_or_none(column)
        if found is not None and abs(found) >= _LARGEST_SHARE:
            raise self.damaged(column, "a share below 1e6")
        return found

    def figure(self, column: str) -> Decimal | None:
        """A number for a sum; None where none can be read."""
        try:
            return self.amount_or_none(column)
        except BadValue:
            return None

    def amount_or_none(self, column: str) -> Decimal | None:
        return None if self.values.get(column) in (None, "") else self.amount(column)

    def symbol(self, column: str = "symbol") -> str:
        value = self.need(column)
        if not _SYMBOL.fullmatch(value):
            raise self.bad(column, "a symbol such as BTCUSDT")
        return value

    def word(self, column: str) -> str:
        """An id or a short name without spaces."""
        value = self.need(column)
        if not _WORD.fullmatch(value):
            raise self.bad(column, "an id of at most 120 characters")
        return value

    def word_or_none(self, column: str) -> str | None:
        return None if self.values.get(column) in (None, "") else self.word(column)

    def written(self, column: str) -> datetime:
        """A time as it is written: naive where it names no offset. Raises BadValue, and Damaged
        for what is no time."""
        value = self.need(column).strip()
        if value.lstrip("-") == "infinity":
            raise self.bad(column, "a time")
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise self.damaged(column, "a time") from None
        if not 2000 <= found.year <= 2100:
            raise self.bad(column, "a time after the year 2000")
        return found

    def moment(self, column: str, zone: tzinfo = UTC) -> datetime:
        """An aware UTC time; one without an offset is in `zone`. Raises BadValue."""
        found = self.written(column)
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)

    def moment_or_none(self, column: str, zone: tzinfo = UTC) -> datetime | None:
        return None if self.values.get(column) in (None, "") else self.moment(column, zone)


def ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def shown(text: str | None) -> str:
    """A foreign key as a report may show it."""
    return text if text is not None and _WORD.fullmatch(text) and len(text) <= 80 else "-"


@dataclass(slots=True)
class Tables:
    """The tables of one database: rows of those that were asked for, counts of all."""

    name: str
    rows: dict[str, list[SourceRow]] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    sha256: str | None = None

    def expect(self, what: str, needed: Mapping[str, Sequence[str]]) -> None:
        """Raises Unreadable unless the tables and columns are there."""
        for table, columns in needed.items():
            if table not in self.columns:
                found = ", ".join(sorted(self.columns) or self.counts) or "no table at all"
                raise Unreadable(
                    f"{self.name}: expected {what} with the table {table}, found {found}; "
                    "nothing was changed"
                )
            missing = [name for name in columns if name not in self.columns[table]]
            if missing:
                raise Unreadable(
                    f"{self.name}: expected {what}, table {table} has no column "
                    f"{', '.join(missing)}; nothing was changed"
                )
