"""A bot's seat in a backtest: the plugin as the daemon hosts it, called without its safety net.

Hooks are resolved once, as for the daemon (`alpha.bots.plugin.resolve_hooks`), answers are looked
at by the same rules (`alpha.bots.vetting`), ids are the ones that the daemon would give. What
only a daemon needs is left out: saved state, decision rows, CPU budgets, the mark of the running
hook. A hook that raises ends the backtest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from alpha.bots.guard import Limits
from alpha.bots.hookspecs import Subscription
from alpha.bots.plugin import HookFunction, resolve_hooks
from alpha.bots.states import BotState, StateMachine
from alpha.bots.strategy import GuardedStrategy
from alpha.bots.vetting import AnyIntent, stamped, vet
from alpha.clock import iso
from alpha.core.decisions import Dropped
from alpha.core.events import Bar
from alpha.core.ids import wire_id
from alpha.core.markets import Market
from alpha.core.reasons import BUILTIN, ReasonBook
from alpha.core.snapshot import Snapshot
from alpha.errors import AlphaError

#: Bars of one close that a message names.
MOST_NAMED = 5


class HookRaised(AlphaError):
    """A plugin's hook raised; its traceback is this error's cause."""


class Wanted(NamedTuple):
    """An intent that may go out, with the stamp in the id of the order that it becomes."""

    intent: AnyIntent
    stamp: int


class Seat:
    """One bot. The hooks that every bar calls are plain attributes, None where the strategy has
    none; whoever calls them hands what they return to `answer`."""

    def __init__(
        self,
        name: str,
        bot_id: str,
        make: Callable[[], object],
        *,
        plugin: str,
        book: ReasonBook = BUILTIN,
    ) -> None:
        self.name = name
        self.bot_id = bot_id
        self.faults: list[str] = []
        self.dropped = 0
        strategy = make()
        guarded = GuardedStrategy(
            strategy,
            bot=name,
            plugin=plugin,
            limits=Limits(),
            fail=self.faults.append,
            mark=None,
        )
        self._guarded = guarded
        self.per_symbol = guarded.per_symbol
        self.subscriptions: tuple[Subscription, ...] = guarded.subscriptions
        hooks = resolve_hooks(strategy, plugin=plugin)
        self.on_bar: HookFunction | None = hooks.get("on_bar")
        self.on_close: HookFunction | None = hooks.get("on_close")
        self.on_timer: HookFunction | None = hooks.get("on_timer")
        self.on_fill: HookFunction | None = hooks.get("on_fill")
        self.on_order: HookFunction | None = hooks.get("on_order")
        self.halted: HookFunction | None = hooks.get("halted")
        self._on_start = hooks.get("on_start")
        self._book = book
        self._machine = StateMachine()
        self._last_stamp = 0
        self.symbols = frozenset(one.symbol for one in self.subscriptions)
        self._machine.start()
        self._machine.ready()

    @property
    def strategy(self) -> GuardedStrategy:
        """The strategy itself, for whoever looks into it beside a run."""
        return self._guarded

    @property
    def state(self) -> BotState:
        return self._machine.state

    @property
    def state_reason(self) -> str:
        return self._machine.reason

    def choose(self, symbols: Sequence[str]) -> None:
        """Has a bot that chooses its symbols itself do so, once, among those with candles.
        Nobody knows their turnover, nor what time it is."""
        if self._guarded.chooses:
            markets = [Market(symbol) for symbol in symbols]
            self.keep(self._guarded.choose(0, markets, frozenset()))

    def keep(self, subscriptions: Sequence[Subscription]) -> None:
        """Leaves the other subscriptions out: there are no candles for them."""
        self.subscriptions = tuple(subscriptions)
        self.symbols = frozenset(one.symbol for one in self.subscriptions)

    def call(self, hook: str, function: HookFunction, at: str, *arguments: object) -> object:
        """One hook that is not called at every bar. `at` says where in the data, for people."""
        try:
            return function(*arguments)
        except Exception as error:
            raise raised(self.name, hook, at, error) from error

    def start(self, now_ms: int, snapshot: Snapshot, at: str) -> object:
        if self._on_start is None:
            return None
        return self.call("on_start", self._on_start, at, now_ms, snapshot)

    def answer(self, answer: object, held: Mapping[str, object], now_ms: int) -> list[Wanted]:
        """What a hook has returned, looked at as the daemon does: what may go out."""
        if not answer:
            return []
        state = self._machine.state
        no_entries = None if state.takes_entries else f"the bot is {state} ({self.state_reason})"
        vetted = vet(
            answer, book=self._book, symbols=self.symbols, held=held, no_entries=no_entries
        )
        self.faults += vetted.faults
        found = []
        for item, stamp in stamped(vetted.items, now_ms, self._last_stamp):
            self._last_stamp = stamp
            if isinstance(item, Dropped):
                self.dropped += 1
                continue
            found.append(Wanted(item, self._last_stamp))
        return found

    def link_id(self, reason: str, stamp: int) -> str:
        """The id that the daemon's order would have."""
        return wire_id(self.bot_id, reason, stamp, self._book)

    def note_halt(self, why: object) -> None:
        """The strategy's own halt: it takes no entries from the next event on."""
        if isinstance(why, str) and self._machine.state is BotState.RUNNING:
            self._machine.pause(why)


def where(bars: Sequence[Bar]) -> str:
    """Bars as they are named in messages: the first of them, and their start."""
    more = f" and {len(bars) - MOST_NAMED} more" if len(bars) > MOST_NAMED else ""
    named = ", ".join(f"{bar.symbol} {bar.start_ms}" for bar in bars[:MOST_NAMED])
    return f"{named}{more} ({iso(bars[0].start_ms)})"


def raised(bot: str, hook: str, at: str, error: Exception) -> HookRaised:
    return HookRaised(
        f"bot {bot}: expected hook {hook} to return, it raised {type(error).__name__}: {error} "
        f"at {at}; the traceback shows where"
    )
