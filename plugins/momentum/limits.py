"""Loss limits on the account's equity. They stop or shrink entries and close nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from .settings import MomentumSettings

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
#: The epoch was a Thursday: weeks begin three days before a multiple of seven.
MONDAY_MS = 3 * DAY_MS

ZERO = Decimal(0)
ONE = Decimal(1)


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    """Anchors are the equities at the closes that opened the UTC day, week and month; a limit that
    is reached holds for the rest of its period, the drawdown's until an operator resets it.
    Everything a restart needs is in here."""

    day: int | None = None
    day_equity: Decimal = ZERO
    day_stopped: bool = False
    week: int | None = None
    week_equity: Decimal = ZERO
    week_reduced: bool = False
    month: int | None = None
    month_equity: Decimal = ZERO
    month_stopped: bool = False
    peak: Decimal | None = None
    halted_ms: int | None = None
    halted_equity: Decimal | None = None

    def observe(self, close_ms: int, equity: Decimal, settings: MomentumSettings) -> None:
        """Takes the anchors of the periods that this close opens, then tests the limits."""
        self._take_anchors(close_ms, equity)
        if _has_lost(settings.day_loss, self.day_equity, equity):
            self.day_stopped = True
        if _has_lost(settings.week_loss, self.week_equity, equity):
            self.week_reduced = True
        if _has_lost(settings.month_loss, self.month_equity, equity):
            self.month_stopped = True
        peak = self.peak = equity if self.peak is None else max(self.peak, equity)
        if self.halted_ms is None and _has_lost(settings.drawdown, peak, equity):
            self.halted_ms = close_ms
            self.halted_equity = equity

    def reset(self, equity: Decimal) -> None:
        """Ends the drawdown's halt; the peak is counted anew from here."""
        self.halted_ms = None
        self.halted_equity = None
        self.peak = equity

    @property
    def stopped(self) -> bool:
        return self.day_stopped or self.month_stopped or self.halted_ms is not None

    def _take_anchors(self, close_ms: int, equity: Decimal) -> None:
        day, week = close_ms // DAY_MS, (close_ms + MONDAY_MS) // WEEK_MS
        if self.day == day:
            return
        self.day, self.day_equity, self.day_stopped = day, equity, False
        if self.week != week:
            self.week, self.week_equity, self.week_reduced = week, equity, False
        at = datetime.fromtimestamp(close_ms // 1000, UTC)
        month = at.year * 12 + at.month - 1
        if self.month != month:
            self.month, self.month_equity, self.month_stopped = month, equity, False


def _has_lost(part: Decimal, of: Decimal, equity: Decimal) -> bool:
    """Whether `part` of an equity, or more, is gone; of an empty account nothing can go."""
    return of > ZERO and equity <= of * (ONE - part)
