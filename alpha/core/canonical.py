"""The canonical ledger: one line per row, and the SHA-256 that two ledgers agree on.

Executions come in ledger order within (account, symbol), accounts and symbols sorted, then the
attribution overrides in the order in which they were given. A line holds the fields below, joined
by '|' ('|' and the backslash itself are escaped with a backslash): only what the stream's and the
REST row of one execution agree on. Decimals are plain and without trailing zeros; absent values
are empty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter

from alpha.core.events import Execution

#: The fields of an execution's line, in order.
EXECUTION_FIELDS: tuple[str, ...] = (
    "account",
    "symbol",
    "exec_id",
    "order_id",
    "order_link_id",
    "side",
    "exec_type",
    "price",
    "qty",
    "value",
    "fee",
    "fee_currency",
    "fee_rate",
    "leaves_qty",
    "closed_size",
    "is_maker",
    "create_type",
    "order_type",
    "stop_order_type",
    "exec_time",
    "seq",
)


_fields_of = attrgetter(*EXECUTION_FIELDS)


@dataclass(frozen=True, slots=True)
class Override:
    """What `fills assign` writes: from then on the execution belongs to this bot."""

    account: str
    exec_id: str
    bot_id: str


def plain(value: Decimal) -> str:
    """Without exponent and trailing zeros: 1E+2 is 100, 0.10 is 0.1, -0 is 0."""
    if not value:
        return "0"
    text = format(value, "f")  # every digit, whatever the precision of the moment is
    return text.rstrip("0").rstrip(".") if "." in text else text


def execution_line(row: Execution) -> str:
    return "execution|" + "|".join(map(_text, _fields_of(row)))


def override_line(row: Override) -> str:
    return f"override|{_text(row.account)}|{_text(row.exec_id)}|{_text(row.bot_id)}"


def _text(value: object) -> str:
    if isinstance(value, str):
        if "|" not in value and "\\" not in value and "\n" not in value:
            return value  # almost all
        return value.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "\\n")
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class LedgerDigest:
    """The SHA-256 of a ledger that is too large for memory: its rows come in canonical order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, rows: Iterable[Execution | Override]) -> None:
        """The next rows: whole (account, symbol) after whole (account, symbol), then overrides."""
        for row in rows:
            line = override_line(row) if isinstance(row, Override) else execution_line(row)
            self._digest.update(line.encode() + b"\n")

    def add_lines(self, lines: bytes) -> None:
        """The same, as lines that each end with a newline."""
        self._digest.update(lines)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def ledger_hash(executions: Iterable[Execution], overrides: Iterable[Override] = ()) -> str:
    """SHA-256 over the lines, each ended by a newline. Sorts the executions itself."""
    digest = LedgerDigest()
    ordered = sorted(executions, key=lambda row: (row.account, row.symbol, row.ledger_key))
    digest.add(ordered)
    digest.add(overrides)
    return digest.hexdigest()
