"""What a strategy is shown when it decides: one frozen picture, as of one event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from alpha.clock import utc
from alpha.core.instruments import Instrument
from alpha.core.records import BotPosition


class Snapshot(msgspec.Struct, frozen=True):
    """`now_ms` is the event's time on the exchange's clock (bar close, execution time) and never
    goes back. `positions` holds the bot's own open positions by symbol; flat symbols are absent.
    `wallet` is realised cash in USDT, `equity` adds open PnL at the latest closes; on a shared
    account both are the bot's own share. `size_multiplier` is what portfolio limits leave of an
    entry's size: the host applies it, a bot that sizes smaller by a rule of its own says so in
    the `multiplier` of its entry's details and is cut no further than the smaller of both."""

    now_ms: int
    positions: Mapping[str, BotPosition]
    pending_entries: frozenset[str]  # symbols with an entry order of the bot that is not finished
    pending_exits: frozenset[str]
    wallet: Decimal
    equity: Decimal
    instruments: Mapping[str, Instrument]
    size_multiplier: Decimal = Decimal(1)

    @property
    def now(self) -> datetime:
        return utc(self.now_ms)

    def is_flat(self, symbol: str) -> bool:
        """No position and no entry on its way."""
        return symbol not in self.positions and symbol not in self.pending_entries
