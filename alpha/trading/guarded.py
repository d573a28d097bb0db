"""What is known of the stops of one bot's position, whichever way they are placed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from alpha.core.events import PositionSide
from alpha.core.instruments import Instrument
from alpha.core.intents import StopPlan
from alpha.core.records import BotPosition
from alpha.trading.account import Account
from alpha.trading.levels import Levels, levels

GRACE_S = 5.0
MAX_REFUSALS = 3
#: A stop that was refused, or whose outcome is unknown, is sent again after this.
RETRY_S = 0.5

Key = tuple[str, str]  # bot id, symbol
#: Closes a bot's position for a reason: bot id, symbol, reason, quantity (None: all of it).
Close = Callable[[str, str, str, Decimal | None], None]


@dataclass(slots=True)
class Guarded:
    """`planned` are the stops of entries that have not traded yet, by order id, in their order;
    one that trades gives its plan to the whole position. `opened_ms` names the position."""

    plan: StopPlan | None = None
    planned: dict[str, StopPlan] | None = None
    opened_ms: int | None = None
    moved_stop: Decimal | None = None  # absolute, by the strategy (breakeven)
    placed: Levels | None = None
    extreme: Decimal | None = None  # the best price that an armed trailing stop has seen
    refusals: int = 0
    bare_since: float | None = None
    try_at: float = 0.0
    close_at: float = 0.0

    def renew(self, opened_ms: int | None) -> None:
        """Another position than before: nothing is known of its stops."""
        self.opened_ms = opened_ms
        self.moved_stop = self.placed = self.extreme = self.bare_since = None
        self.refusals, self.try_at = 0, 0.0

    def wanted(self, position: BotPosition, instruments: Mapping[str, Instrument]) -> Levels | None:
        """The levels that the position should have: those of its plan, anchored to its average
        price, and the stop loss where the strategy has moved it."""
        instrument = instruments.get(position.symbol)
        if instrument is None or position.avg_price is None or self.plan is None:
            return None
        side: PositionSide = "long" if position.signed_qty > 0 else "short"
        found = levels(self.plan, side, position.avg_price, instrument)
        if self.moved_stop is not None:
            found = replace(found, stop_loss=instrument.round_price(self.moved_stop))
        return found

    def bare(self, key: Key, now: float, account: Account, close: Close) -> None:
        """The position has no stop loss: it is closed after `GRACE_S` of that while the exchange
        answers, or once its stop has been refused `MAX_REFUSALS` times."""
        if self.bare_since is None:
            self.bare_since = now
        self.close_if_lost(key, now, account, close, bare_for=now - self.bare_since)

    def close_if_lost(
        self, key: Key, now: float, account: Account, close: Close, *, bare_for: float
    ) -> None:
        if now >= self.close_at and (self.refusals >= MAX_REFUSALS or bare_for >= GRACE_S):
            self.close_at = now + GRACE_S
            account.alerts.tell(
                "position_without_stop",
                f"expected the stop loss of {key[1]} on the exchange, was not there for "
                f"{bare_for:.0f} s and refused {self.refusals} times; the position is being closed",
                account=account.name,
                bot_id=key[0],
                symbol=key[1],
            )
            close(key[0], key[1], "risk_limit", None)

    def unanswered(self, now: float) -> None:
        """The exchange has not answered: the time that the position is bare begins anew."""
        if self.bare_since is not None:
            self.bare_since = now
