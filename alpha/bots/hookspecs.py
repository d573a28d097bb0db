"""The hooks of a strategy, on one page.

A strategy is a class. Its methods marked `@hookimpl` implement the hooks below, by name; each
may leave out arguments that it does not need. One object is made per bot, as
`Strategy(settings)`. Hooks are synchronous and pure in (event, snapshot, own state): they do no
I/O, read no clock, draw no random numbers, and return intents. `subscriptions` is required; it
may be empty where `universe` names them.

Times are Unix milliseconds on the exchange's clock; money is Decimal; bars carry floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeAlias, Union

import pluggy

from alpha.core.events import Bar
from alpha.core.intents import Enter, Exit, MoveStop
from alpha.core.markets import Market
from alpha.core.records import BotPosition, Fill, OrderRow
from alpha.core.snapshot import Snapshot

hookspec = pluggy.HookspecMarker("alpha")
hookimpl = pluggy.HookimplMarker("alpha")

#: The version of this page. A plugin states the one it was written for.
ALPHA_API = "1"

#: What a strategy may ask for.
Intents: TypeAlias = Sequence[Enter | Exit | MoveStop]
#: What a saved state may hold. Decimals come back as strings.
JSON: TypeAlias = Union[  # noqa: UP007  (a recursive alias)
    bool, int, float, str, Decimal, Sequence["JSON"], Mapping[str, "JSON"], None
]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Bars of one symbol. Decisions begin with the `warmup_bars`-th bar; up to `history_bars`
    are loaded when the exchange has them, so that slow indicators start alike after a restart."""

    symbol: str
    interval_ms: int
    warmup_bars: int
    history_bars: int = 0

    @property
    def wanted_bars(self) -> int:
        return max(self.warmup_bars, self.history_bars)


class StrategyHooks(Protocol):
    """All hooks. Those that return intents may return None for none."""

    @hookspec
    def subscriptions(self) -> Sequence[Subscription]:
        """Name the bars the bot decides on. Asked once."""

    @hookspec
    def universe(
        self, now_ms: int, markets: Sequence[Market], held: AbstractSet[str]
    ) -> Sequence[Subscription]:
        """Choose among the markets, before the warm-up and every 4 hours of event time; the
        answer replaces what `subscriptions` said. `held` are symbols with a position or order of
        the bot: it should follow them too. Entries and decisions are for these only."""

    @hookspec
    def leverage(self, symbol: str) -> Decimal | None:
        """Name the leverage for a symbol; the highest of an account's bots is set, once."""

    @hookspec
    def on_start(self, now_ms: int, snapshot: Snapshot) -> Intents | None:
        """Begin: state is loaded, indicators are warm, missed events have been delivered."""

    @hookspec
    def on_bar(self, bar: Bar) -> None:
        """Update indicators with a closed bar, in order per symbol. No decision, no saved state."""

    @hookspec
    def on_close(
        self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot
    ) -> Intents | None:
        """Decide on the bars that closed at `close_ms`: one per warmed symbol, by symbol. A
        symbol whose bar came too late is absent. Called per symbol if `per_symbol` is True."""

    @hookspec
    def on_fill(self, fill: Fill, snapshot: Snapshot) -> Intents | None:
        """Take note of a fill of the bot, as soon as it is folded, in ledger order."""

    @hookspec
    def on_order(self, order: OrderRow, snapshot: Snapshot) -> Intents | None:
        """Take note of a change of one of the bot's orders."""

    @hookspec
    def on_timer(self, now_ms: int, snapshot: Snapshot) -> Intents | None:
        """Act on the passing of event time: once at each full minute that bars have reached."""

    @hookspec
    def on_correction(
        self, before: BotPosition, after: BotPosition, snapshot: Snapshot
    ) -> Intents | None:
        """Accept that a late row changed the bot's position; past hooks are not run again."""

    @hookspec
    def on_reset(self, now_ms: int, snapshot: Snapshot) -> None:
        """Lift the bot's own halt: an operator has started it again. No decision."""

    @hookspec
    def halted(self) -> str | None:
        """Say why the bot has stopped entries by its own rule, or None. Shown to the operator."""

    @hookspec
    def dump_state(self) -> Mapping[str, JSON]:
        """Return what a restart needs: cooldowns, counters, anchors; never indicators."""

    @hookspec
    def load_state(self, state: Mapping[str, JSON]) -> None:
        """Take back what `dump_state` returned, before any other event."""
