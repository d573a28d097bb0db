"""Who is shown what bots see and decide, as it happens: a recording of it can be replayed.

A witness takes note and returns at once; it changes nothing and never fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from alpha.bots.host import BotHandle
from alpha.bybit.messages import PrivateEvent
from alpha.core.decisions import Decision
from alpha.core.events import Bar
from alpha.core.records import BotPosition, Fill, OrderRow
from alpha.core.snapshot import Snapshot


class Witness(Protocol):
    """What is handed over is frozen, or a copy of the witness's own."""

    def joined(self, handle: BotHandle, positions: Mapping[str, BotPosition]) -> None:
        """The bot's past is loaded; from here on it is brought to the present."""

    def shown(self, handle: BotHandle, bar: Bar) -> None:
        """The bot's indicators are about to see a closed bar."""

    def closing(
        self,
        handle: BotHandle,
        interval_ms: int,
        close_ms: int,
        bars: Mapping[str, Bar],
        snapshot: Snapshot,
        *,
        replayed: bool,
    ) -> None:
        """The bot is about to decide on these bars. `replayed`: too late for entries."""

    def decided(self, handle: BotHandle, decision: Decision) -> None:
        """What has come of a close, a fill, an order, the timer, or of the host itself."""

    def filled(self, handle: BotHandle, fill: Fill) -> None:
        """The bot is about to be told of a fill. At a start it may have been told before: the
        books hold everything since a position was flat."""

    def ordered(self, handle: BotHandle, row: OrderRow) -> None:
        """An order of the bot has changed."""

    def heard(self, account: str, event: PrivateEvent) -> None:
        """The private stream of an account has brought a row."""
