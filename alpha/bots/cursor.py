"""How far a bot has been told what happened. Saved with each decision, so that a restart goes
on with exactly the next event, and tells it of what has become different before that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from alpha.core.records import BotPosition, Fill


class Shown(NamedTuple):
    """The newest fill of one symbol that the bot was told. Two halves of a flip are two fills."""

    exec_time: int
    exec_id: str
    leg: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """`closes` holds the newest decided close_ms by interval, for bots that decide per symbol
    by interval and symbol (`close_key`). `fills` holds the newest fill told of each symbol:
    symbols have ledgers of their own, and what comes in of two of them has no common order.
    `held` holds the open positions that the bot was told with these fills, or with a correction
    since; one that the books give otherwise at a restart is a correction of its own."""

    closes: Mapping[str, int] = field(default_factory=dict)
    fills: Mapping[str, Shown] = field(default_factory=dict)
    held: Mapping[str, BotPosition] = field(default_factory=dict)

    def last_close(self, interval_ms: int, symbol: str | None = None) -> int | None:
        return self.closes.get(close_key(interval_ms, symbol))

    def position(self, symbol: str) -> BotPosition:
        """What the bot was told last that it holds."""
        return self.held.get(symbol) or BotPosition.flat(symbol)

    def behind(self, fill: Fill | None, position: BotPosition) -> Cursor:
        """The cursor of a bot that has been told this position, with this fill if with any; the
        same one when it was there already."""
        fills, held = dict(self.fills), dict(self.held)
        if fill is not None:
            fills[fill.symbol] = shown(fill)
        held.pop(position.symbol, None)
        if position.signed_qty:
            held[position.symbol] = position
        if (fills, held) == (self.fills, self.held):
            return self
        return Cursor(self.closes, fills, held)


@dataclass(frozen=True, slots=True)
class SavedBot:
    """A bot's newest decision as the ledger keeps it."""

    ordinal: int
    state_json: str
    last_stamp: int
    cursor_json: str


class _Stored(msgspec.Struct):
    closes: dict[str, int] = {}
    fills: dict[str, Shown] = {}
    held: dict[str, BotPosition] = {}


def close_key(interval_ms: int, symbol: str | None = None) -> str:
    return str(interval_ms) if symbol is None else f"{interval_ms}:{symbol}"


def shown(fill: Fill) -> Shown:
    return Shown(fill.exec_time, fill.exec_id, fill.leg)


def encode(cursor: Cursor) -> str:
    stored = _Stored(dict(cursor.closes), dict(cursor.fills), dict(cursor.held))
    return msgspec.json.encode(stored, order="deterministic").decode()


def decode(text: str) -> Cursor:
    """Raises msgspec.DecodeError or ValidationError when the text is not a cursor."""
    stored = msgspec.json.decode(text.encode(), type=_Stored)
    return Cursor(stored.closes, stored.fills, stored.held)
