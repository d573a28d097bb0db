"""Hosts one bot: hands its strategy events, and turns what it returns into decisions.

A decision is a function of (saved state, event, snapshot) alone: the same three give the same
row, byte for byte, with the same order ids, on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from decimal import Decimal

import msgspec
import structlog

from alpha.alerts import Alerts
from alpha.bots.cursor import Cursor, SavedBot, close_key
from alpha.bots.decisions import DecisionSeries
from alpha.bots.guard import GuardedHook, HookFigures, Limits
from alpha.bots.hookspecs import Subscription
from alpha.bots.mark import HookMark
from alpha.bots.states import BotState, StateMachine
from alpha.bots.strategy import GuardedStrategy
from alpha.bots.vetting import AnyIntent, vet
from alpha.bots.warmup import WarmUp
from alpha.core.decisions import Decision, Dropped
from alpha.core.events import Bar
from alpha.core.markets import Market
from alpha.core.reasons import BUILTIN, ReasonBook
from alpha.core.records import BotPosition, Correction, Fill, OrderRow
from alpha.core.snapshot import Snapshot
from alpha.errors import BotFault

__all__ = ["BotHandle", "BotState", "Cursor", "SavedBot"]

log = structlog.get_logger(__name__)


class BotHandle:
    """One bot. `make` gives a fresh strategy object, at start and after a failure.

    Hooks are called in event order by one caller; every method that may decide returns the
    Decision to be carried out and stored, or None when nothing changed."""

    def __init__(
        self,
        name: str,
        bot_id: str,
        account: str,
        make: Callable[[], object],
        *,
        plugin: str,
        version: str = "1",
        book: ReasonBook = BUILTIN,
        limits: Limits | None = None,
        mark: HookMark | None = None,
        alerts: Alerts | None = None,
    ) -> None:
        self.name = name
        self.bot_id = bot_id
        self.account = account
        self.plugin = plugin
        self.version = version
        #: Why the strategy has stopped entries by its own rule; `start` lifts it.
        self.halt: str | None = None
        #: Told of each change of the state or of the reason for it.
        self.state_changed: Callable[[BotHandle], None] = lambda handle: None
        self._make = make
        self._shown: Snapshot | None = None  # the newest picture
        #: What the strategy has chosen among last.
        self._markets: tuple[int, tuple[Market, ...], AbstractSet[str]] | None = None
        self._book = book
        self._limits = limits or Limits()
        self._mark = mark
        self._alerts = alerts
        self._machine = StateMachine()
        left = mark.left_running if mark is not None else None
        self._left_running = left if left is not None and left.bot == name else None
        self._install()
        self._decisions = DecisionSeries(name, bot_id, account, self._strategy.state(), book=book)

    # -- what it is ---------------------------------------------------------------------------

    @property
    def state(self) -> BotState:
        return self._machine.state

    @property
    def state_reason(self) -> str:
        if self._machine.state is BotState.WARMING:
            return self._warmup.missing()
        return self._machine.reason

    @property
    def stopped(self) -> str | None:
        """Why the bot was stopped and nobody has started it since, also where it has failed."""
        return self._machine.stopped

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        return self._strategy.subscriptions

    @property
    def per_symbol(self) -> bool:
        return self._strategy.per_symbol

    @property
    def figures(self) -> Mapping[str, HookFigures]:
        """Calls, faults and CPU time by hook."""
        return {name: hook.figures for name, hook in self._strategy.hooks.items()}

    @property
    def saved(self) -> SavedBot:
        """What a restart would load now."""
        return self._decisions.saved

    @property
    def cursor(self) -> Cursor:
        """How far it has been told what happened."""
        return self._decisions.cursor

    @property
    def ordinal(self) -> int:
        """How many decisions it has made, those before a restart included."""
        return self._decisions.ordinal

    @property
    def last_stamp(self) -> int:
        """The stamp of its newest order id, Unix ms; 0 before the first."""
        return self._decisions.last_stamp

    @property
    def chosen(self) -> tuple[int, tuple[Market, ...], AbstractSet[str]] | None:
        """The newest choice of its symbols: when, among which, and what it held; None if none."""
        return self._markets

    @property
    def wants_universe(self) -> bool:
        """Whether it chooses its symbols itself: `choose` is to be called before its warm-up."""
        return self._strategy.chooses

    def choose(
        self, now_ms: int, markets: Sequence[Market], held: AbstractSet[str] = frozenset()
    ) -> bool:
        """Has the bot choose its symbols among the markets; True when it subscribes to others
        now. Those of `held`, where it has positions, stay. A fault leaves everything as it was."""
        before = self._strategy.subscriptions
        self._markets = (now_ms, tuple(markets), held)
        try:
            chosen = self._strategy.choose(now_ms, markets, held)
        except BotFault:
            return False
        self._symbols = frozenset(one.symbol for one in chosen)
        if frozenset(chosen) == frozenset(before):
            return False
        self._warmup.choose(chosen)
        return True

    def leverage(self, symbol: str) -> Decimal | None:
        """What the bot declares for a symbol; None when it declares nothing, or wrongly."""
        try:
            return self._strategy.leverage(symbol)
        except BotFault:
            return None

    # -- transitions --------------------------------------------------------------------------

    def start(self) -> bool:
        """Wants the bot to run. After a failure it gets a fresh strategy with its last good
        state, and has to be warmed up again. The halt of one that has halted itself is lifted;
        one whose hook was running when the process ended uncleanly is `failed` until it is
        started once more."""
        left, self._left_running = self._left_running, None
        if left is not None and self.state is BotState.DISABLED:
            self._machine.start()
            return self.fail(f"the process ended uncleanly in {left}")
        if self.state is BotState.PAUSED and self.halt is not None and not self._reset():
            return False
        if self.state is BotState.FAILED:
            self._install()
            self._machine.start()
            self._load(self._decisions.state_json)
            return self._told()
        return self._machine.start() and self._told()

    def ready(self) -> bool:
        """Bars and missed events have been handed over: run, or wait for more bars."""
        self._handed_over = True
        if not self._warmup.begun:
            return self._machine.warming(self._warmup.missing()) and self._told()
        changed = self._machine.ready(self._warmup.missing())
        self._note_halt()
        return changed and self._told()

    def pause(self, reason: str) -> bool:
        return self._machine.pause(reason) and self._told()

    def reduce_only(self, reason: str) -> bool:
        return self._machine.reduce_only(reason) and self._told()

    def lift(self) -> bool:
        """Ends `reduce_only`."""
        return self._machine.lift() and self._told()

    def fail(self, reason: str) -> bool:
        if not self._machine.fail(reason):
            return False
        self._alert(
            "bot_failed",
            f"expected bot {self.name} to run, found: {reason}; it takes no entries, its "
            f"positions stay protected: mend it, then `alpha bots start {self.name}`",
        )
        return self._told()

    def disable(self, reason: str = "") -> bool:
        return self._machine.disable(reason) and self._told()

    def _alert(self, kind: str, message: str) -> None:
        if self._alerts is not None:
            self._alerts.tell(kind, message, account=self.account, bot_id=self.bot_id)

    def _told(self) -> bool:
        log.info("bot_state", bot=self.name, state=self.state, reason=self.state_reason)
        self.state_changed(self)
        return True

    # -- restart ------------------------------------------------------------------------------

    def restore(self, saved: SavedBot | None) -> None:
        """Takes the newest decision's state, before any bar or event. A state that the strategy
        refuses leaves the bot `failed`."""
        if saved is None:
            return
        self._decisions.restore(saved)
        self._load(saved.state_json)
        self._note_halt()

    # -- events -------------------------------------------------------------------------------

    def bar(self, bar: Bar) -> None:
        """Updates indicators. A bar that is open, known, or not subscribed to changes nothing."""
        if not self._machine.state.calls_hooks or not self._warmup.take(bar):
            return
        hook = self._on_bar
        if hook is not None:
            try:
                hook.call(bar)
            except BotFault:
                return
            hook.accept()

    def close(
        self,
        interval_ms: int,
        close_ms: int,
        bars: Mapping[str, Bar],
        snapshot: Snapshot,
        *,
        replayed: bool = False,
    ) -> Decision | None:
        """Decides on the bars of one close; those not handed to `bar` yet are handed first. A
        bot that decides per symbol gets one bar at a time. A close at or before the cursor, or
        one without a warmed-up symbol, changes nothing."""
        symbol = next(iter(bars)) if self._strategy.per_symbol and len(bars) == 1 else None
        if symbol is None and self._strategy.per_symbol:
            raise ValueError(f"bot {self.name} decides per symbol: expected 1 bar, was {len(bars)}")
        last = self.cursor.last_close(interval_ms, symbol)
        if last is not None and close_ms <= last:
            return None
        for bar in bars.values():
            self.bar(bar)
        if not self._machine.state.calls_hooks:
            return None
        warmed, cut = self._ripe(interval_ms, bars, whole=symbol is None)
        if not warmed:
            return None
        event_key = f"close:{interval_ms}:{close_ms}"
        if symbol is not None:
            event_key += f":{symbol}"
        elif cut:
            event_key += ":cut=" + "+".join(cut)
        closes = {**self.cursor.closes, close_key(interval_ms, symbol): close_ms}
        cursor = replace(self.cursor, closes=closes)
        return self._decide(
            "on_close",
            (close_ms, warmed, snapshot),
            snapshot,
            event_key,
            close_ms,
            cursor=cursor,
            replayed=replayed,
        )

    def fill(self, fill: Fill, snapshot: Snapshot, *, replayed: bool = False) -> Decision | None:
        return self._decide(
            "on_fill",
            (fill, snapshot),
            snapshot,
            f"fill:{fill.exec_id}:{fill.leg}",
            fill.exec_time,
            cursor=self.cursor.behind(
                fill, snapshot.positions.get(fill.symbol) or BotPosition.flat(fill.symbol)
            ),
            replayed=replayed,
        )

    def order(self, row: OrderRow, snapshot: Snapshot) -> Decision | None:
        key = f"order:{row.client_order_id}:{row.state}"
        return self._decide("on_order", (row, snapshot), snapshot, key, snapshot.now_ms)

    @property
    def wants_timer(self) -> bool:
        return "on_timer" in self._strategy.hooks

    def timer(self, now_ms: int, snapshot: Snapshot) -> Decision | None:
        return self._decide("on_timer", (now_ms, snapshot), snapshot, f"timer:{now_ms}", now_ms)

    def correction(
        self, correction: Correction, snapshot: Snapshot, newest: Fill | None = None
    ) -> Decision | None:
        """`newest` is the last fill that the correction takes account of: neither it nor what
        lies before it is told once more."""
        before, after = correction.before, correction.after
        key = f"correction:{after.symbol}:{snapshot.now_ms}"
        return self._decide(
            "on_correction",
            (before, after, snapshot),
            snapshot,
            key,
            snapshot.now_ms,
            cursor=self.cursor.behind(newest, after),
        )

    def started(self, now_ms: int, snapshot: Snapshot) -> Decision | None:
        """To be called once, after `ready`."""
        return self._decide("on_start", (now_ms, snapshot), snapshot, f"start:{now_ms}", now_ms)

    def plan(self, intents: Sequence[AnyIntent], event_key: str, event_ms: int) -> Decision | None:
        """A decision of the platform in the bot's name (a protective or an operator's exit):
        ids and a row, no hook."""
        if not intents:
            return None
        return self._decisions.add(intents, event_key, event_ms)

    # -- inside -------------------------------------------------------------------------------

    def _install(self) -> None:
        try:
            strategy = self._make()
        except Exception as error:
            raise BotFault(
                self.name, f"plugin {self.plugin} could not make its strategy: {error!r}"
            ) from error
        self._strategy = GuardedStrategy(
            strategy,
            bot=self.name,
            plugin=self.plugin,
            limits=self._limits,
            fail=self.fail,
            mark=self._mark,
        )
        if self._markets is not None and self._strategy.chooses:
            self._strategy.choose(*self._markets)  # a fresh one: as the one before it did
        self._warmup = WarmUp(self._strategy.subscriptions)
        self._handed_over = False
        self._symbols = frozenset(one.symbol for one in self._strategy.subscriptions)
        self._on_bar: GuardedHook | None = self._strategy.hooks.get("on_bar")

    def _load(self, state_json: str) -> None:
        try:
            self._strategy.load(state_json)
        except (BotFault, msgspec.MsgspecError) as error:
            self._machine.start()
            self.fail(f"its saved state was not taken: {error}")

    def _ripe(
        self, interval_ms: int, bars: Mapping[str, Bar], *, whole: bool
    ) -> tuple[Mapping[str, Bar], list[str]]:
        """The bars that may be decided on, and the symbols that are missing in this close."""
        if not self._warmup.cold:
            return self._warmup.split(interval_ms, bars, whole=whole)
        found = self._warmup.split(interval_ms, bars, whole=whole)
        if found[0] and self._handed_over and not self._machine.warmed:
            self.ready()
        self._machine.note(self._warmup.missing())
        return found

    def _no_entries(self, *, replayed: bool) -> str | None:
        """Why entries are dropped. A decision repeated at a start keeps its entries with their
        ids, as it had them before: they are not sent again, but say what an order that was sent
        wanted."""
        state = self._machine.state
        if state.takes_entries or (replayed and state is BotState.STARTING):
            return None
        reason = f" ({self.state_reason})" if self.state_reason else ""
        return f"the bot is {self.state}{reason}"

    def _decide(
        self,
        name: str,
        arguments: tuple[object, ...],
        snapshot: Snapshot,
        event_key: str,
        event_ms: int,
        *,
        cursor: Cursor | None = None,
        replayed: bool = False,
    ) -> Decision | None:
        if not self._machine.state.calls_hooks:
            return None
        self._shown = snapshot
        cursor = cursor or self.cursor
        hook = self._strategy.hooks.get(name)
        items: list[AnyIntent | Dropped] = []
        state_json = self._decisions.state_json
        if hook is not None:
            items, state_json = self._call(hook, arguments, snapshot, replayed=replayed)
        changed = state_json != self._decisions.state_json
        if not items and not changed and cursor is self.cursor:
            return None
        decision = self._decisions.add(
            items, event_key, event_ms, state_json=state_json, cursor=cursor, replayed=replayed
        )
        if changed:
            self._note_halt()
        return decision

    def _call(
        self,
        hook: GuardedHook,
        arguments: tuple[object, ...],
        snapshot: Snapshot,
        *,
        replayed: bool,
    ) -> tuple[list[AnyIntent | Dropped], str]:
        """Runs a hook as one unit: its intents and the state it left, or neither."""
        no_entries = self._no_entries(replayed=replayed)
        try:
            answer = hook.call(*arguments)
            vetted = vet(
                answer,
                book=self._book,
                symbols=self._symbols,
                held=snapshot.positions,
                no_entries=no_entries,
            )
            state_json = self._strategy.state()
        except BotFault:
            self._load(self._decisions.state_json)
            return [], self._decisions.state_json
        if vetted.faults:
            hook.fault(f"hook {hook.name}: " + "; ".join(vetted.faults))
        else:
            hook.accept()
        return vetted.items, state_json

    def _reset(self) -> bool:
        """Has the strategy lift its own halt; True when it has. The changed state is stored with
        the bot's next decision: should the process end before, the bot is halted as it was."""
        hook = self._strategy.hooks.get("on_reset")
        if hook is None or self._shown is None:
            return False
        try:
            hook.call(self._shown.now_ms, self._shown)
        except BotFault:
            self._load(self._decisions.state_json)
            return False
        hook.accept()
        self._note_halt()
        return self.halt is None

    def _note_halt(self) -> None:
        """Shows the strategy's own halt as the bot's state."""
        try:
            self.halt = self._strategy.halted()
        except BotFault:
            return
        if self.halt is not None and self.state in (BotState.RUNNING, BotState.REDUCE_ONLY):
            self.pause(self.halt)
            self._alert(
                "bot_halted",
                f"expected bot {self.name} to trade, it has halted itself: {self.halt}; its "
                f"positions stay protected, `alpha bots start {self.name}` lets it enter again",
            )
