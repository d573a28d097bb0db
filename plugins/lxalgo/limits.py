"""Loss limits on the account's equity: by the day, by the week in two steps."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from .settings import LXAlgoSettings

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
WEEK_MS = 7 * DAY_MS
#: The epoch was a Thursday: weeks begin three days before a multiple of seven.
MONDAY_MS = 3 * DAY_MS

#: Part of its peak to which the open profit may fall back with `profit_lock`.
LOCKED_PART = Decimal("0.7")
HALF = Decimal("0.5")
ZERO = Decimal(0)
ONE = Decimal(1)


def week_of(at_ms: int) -> int:
    """Number of the week that began on Monday 00:00 UTC."""
    return (at_ms + MONDAY_MS) // WEEK_MS


class Account(msgspec.Struct, forbid_unknown_fields=True):
    """Anchors are the equities at the closes that opened the UTC day and the week; `worst` is the
    week's largest loss. `level` is 0, 1 (entries halved) or 2 (halted for the week)."""

    day: int | None = None
    day_equity: Decimal = ZERO
    week: int | None = None
    week_equity: Decimal = ZERO
    worst: Decimal = ZERO
    level: int = 0
    #: No entries at closes before this, and why; positions are closed.
    halted_until: int = 0
    halted_by: str = ""
    #: Highest open profit since it was enough to be locked.
    profit_peak: Decimal | None = None

    def observe(self, close_ms: int, equity: Decimal, settings: LXAlgoSettings) -> None:
        """Takes the anchors of a period that this close opens, then tests the limits."""
        self._take_anchors(close_ms, equity)
        day_loss, week_loss = self.day_equity - equity, self.week_equity - equity
        self.worst = max(self.worst, week_loss)
        if day_loss >= self.day_equity * settings.day_loss:
            self._halt("day", close_ms // DAY_MS * DAY_MS + DAY_MS)
        if week_loss >= self.week_equity * settings.week_loss:
            self.level = 2
            self._halt("week", (week_of(close_ms) + 1) * WEEK_MS - MONDAY_MS)
        elif self.level < 2 and week_loss >= self.week_equity * settings.week_reduce:
            self.level = 1
        elif self.level == 1 and week_loss <= self.worst * (ONE - settings.recovery):
            self.level = 0

    def is_halted(self, close_ms: int) -> bool:
        return close_ms < self.halted_until

    @property
    def multiplier(self) -> Decimal:
        """What entries are multiplied by."""
        return (ONE, HALF, ZERO)[self.level]

    def gives_back(self, profit: Decimal, settings: LXAlgoSettings) -> bool:
        """Whether the open profit has been large and has fallen back too far from its peak."""
        if self.profit_peak is not None and profit <= ZERO:
            self.profit_peak = None
        elif self.profit_peak is not None or profit >= 2 * settings.base_size:
            self.profit_peak = max(self.profit_peak or ZERO, profit)
            return profit <= self.profit_peak * LOCKED_PART
        return False

    def _take_anchors(self, close_ms: int, equity: Decimal) -> None:
        day, week = close_ms // DAY_MS, week_of(close_ms)
        if self.day != day:
            self.day, self.day_equity = day, equity
        if self.week != week:
            self.week, self.week_equity = week, equity
            self.worst, self.level = ZERO, 0

    def _halt(self, why: str, period_end_ms: int) -> None:
        until = period_end_ms + MINUTE_MS
        if until > self.halted_until:
            self.halted_until, self.halted_by = until, why
