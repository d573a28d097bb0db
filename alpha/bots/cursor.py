"""How far a bot has been told what happened. Saved with each decision, so that a restart goes
on with exactly the next event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from alpha.core.events import LedgerKey
from alpha.core.records import Fill


@dataclass(frozen=True, slots=True)
class Cursor:
    """`closes` holds the newest decided close_ms by interval, for bots that decide per symbol
    by interval and symbol (`close_key`). `fill_key` is the ledger key of the newest fill."""

    closes: Mapping[str, int] = field(default_factory=dict)
    fill_key: LedgerKey | None = None

    def last_close(self, interval_ms: int, symbol: str | None = None) -> int | None:
        return self.closes.get(close_key(interval_ms, symbol))


@dataclass(frozen=True, slots=True)
class SavedBot:
    """A bot's newest decision as the ledger keeps it."""

    ordinal: int
    state_json: str
    last_stamp: int
    cursor_json: str


class _Stored(msgspec.Struct):
    closes: dict[str, int] = {}
    fill: tuple[int, int, str, Decimal, str] | None = None


def close_key(interval_ms: int, symbol: str | None = None) -> str:
    return str(interval_ms) if symbol is None else f"{interval_ms}:{symbol}"


def fill_key(fill: Fill) -> LedgerKey:
    """Where a fill stands in its ledger. Rows of one order in one millisecond have no quantity
    left in common here; they are delivered in ledger order by whoever holds the executions."""
    return (fill.exec_time, fill.seq, fill.order_id, Decimal(0), fill.exec_id)


def encode(cursor: Cursor) -> str:
    stored = _Stored(closes=dict(cursor.closes), fill=cursor.fill_key)
    return msgspec.json.encode(stored, order="deterministic").decode()


def decode(text: str) -> Cursor:
    """Raises msgspec.DecodeError or ValidationError when the text is not a cursor."""
    stored = msgspec.json.decode(text.encode(), type=_Stored)
    return Cursor(stored.closes, stored.fill)
