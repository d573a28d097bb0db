"""One run of a bot on the host that trades with it, kept event by event.

The bot sits in `alpha.bots.host.BotHandle`, as in the daemon; its orders are filled by the
backtest's venue. Everything that the host was told is kept with what the bot decided and what was
saved behind it, so that the same events can be told again, to the same bot or to a restarted one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from alpha.backtest.telling import fill_of, filled_row, refused_row
from alpha.backtest.venue import Book, Done, Terms, Venue
from alpha.bots.host import BotHandle, SavedBot
from alpha.bots.states import BotState
from alpha.candles.files import interval_name
from alpha.clock import iso
from alpha.conformance.ground import MINUTE_MS, Ground, Seat
from alpha.core.decisions import Decision
from alpha.core.events import Bar
from alpha.core.intents import Enter, Exit
from alpha.core.records import Fill, OrderRow
from alpha.core.snapshot import Snapshot

WALLET = Decimal(10_000)
#: Symbols and closes at which their bar comes too late.
Late = Collection[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the host is told. `at_ms` is event time; `told_ms` the newest close of which
    it has had bars. A close has `bars` and `interval_ms`; so has `late`, bars that come behind
    their close."""

    kind: Literal["start", "close", "late", "fill", "order", "timer"]
    at_ms: int
    told_ms: int
    snapshot: Snapshot
    interval_ms: int = 0
    bars: Mapping[str, Bar] = field(default_factory=dict)
    filled: Fill | None = None
    order: OrderRow | None = None

    def tell(self, handle: BotHandle) -> Decision | None:
        if self.kind == "start":
            return handle.started(self.at_ms, self.snapshot)
        if self.kind == "close":
            return handle.close(self.interval_ms, self.at_ms, self.bars, self.snapshot)
        if self.kind == "timer":
            return handle.timer(self.at_ms, self.snapshot)
        if self.filled is not None:
            return handle.fill(self.filled, self.snapshot)
        if self.order is not None:
            return handle.order(self.order, self.snapshot)
        for bar in self.bars.values():
            handle.bar(bar)
        return None

    def __str__(self) -> str:
        of = ""
        if self.kind == "close":
            of = f" of {interval_name(self.interval_ms)} {', '.join(self.bars)}"
        elif self.filled is not None:
            of = f" of {self.filled.symbol}"
        return f"{self.kind}{of} at {iso(self.at_ms)}"


@dataclass(frozen=True, slots=True)
class Kept:
    """An event, what the bot decided on it, what a restart behind it would load, and what it did
    wrong: faults as the host words them."""

    event: Event
    decision: Decision | None
    saved: SavedBot
    faults: tuple[str, ...]


class Course:
    """Takes a bot through the ground. Bars named in `late` come behind the decision on their
    close; `kept` is what happened."""

    def __init__(self, ground: Ground, seat: Seat, late: Late = ()) -> None:
        self.ground = ground
        self.kept: list[Kept] = []
        self.stops = 0  # positions that were closed by a stop
        self._handle = seat.handle
        self._seat = seat
        self._late = late
        self._book = Book(seat.handle.name, None)
        self._venue = Venue(Terms(WALLET), [self._book], ground.instruments, self._told, (0,))
        self._ids: list[str] = []
        self._told_ms = 0
        self._faults = 0

    def run(self) -> Course:
        ground = self.ground
        step = ground.tape.interval_ms
        self._told_ms = ground.begin_ms - step
        ground.begin(self._handle)
        self._happen("start", self._told_ms)
        higher = self._higher()
        fed = {one.symbol for one in ground.subscriptions if one.interval_ms == step}
        for stretch in ground.tape.stretches({ground.begin_ms - step, ground.end_ms}, 4096):
            place = {symbol: number for number, (symbol, _) in enumerate(stretch.parts)}
            close_ms = stretch.start_ms
            if not ground.begin_ms - step <= close_ms < ground.end_ms:
                continue
            for row in ground.tape.rows(stretch):
                self._venue.fill_at_open(row, place)
                self._venue.watch(row, place)
                close_ms += step
                own = {bar.symbol: bar for bar in row if bar.symbol in fed}
                closes = [(step, own)] if own else []
                for interval_ms, bars in (*closes, *higher.get(close_ms, ())):
                    self._close(interval_ms, close_ms, bars)
                if self._handle.state is BotState.FAILED:
                    return self  # by its faults; nothing more is asked of it
        return self

    # -- what the host is told ----------------------------------------------------------------

    def _higher(self) -> dict[int, list[tuple[int, dict[str, Bar]]]]:
        """By close, finer intervals first: the bars that are not those of the tape."""
        found: dict[int, dict[int, dict[str, Bar]]] = {}
        for one in self.ground.subscriptions:
            if one.interval_ms != self.ground.tape.interval_ms:
                for bar in self.ground.bars[one.symbol, one.interval_ms]:
                    by_interval = found.setdefault(bar.close_ms, {})
                    by_interval.setdefault(one.interval_ms, {})[one.symbol] = bar
        return {at: sorted(by_interval.items()) for at, by_interval in found.items()}

    def _close(self, interval_ms: int, close_ms: int, bars: Mapping[str, Bar]) -> None:
        self._told_ms = close_ms
        late = {symbol: bar for symbol, bar in bars.items() if (symbol, close_ms) in self._late}
        ripe = {symbol: bar for symbol, bar in bars.items() if symbol not in late}
        for part in [{one: bar} for one, bar in ripe.items()] if self._alone else [ripe]:
            if part:
                self._happen("close", close_ms, interval_ms=interval_ms, bars=part)
        if late:
            self._happen("late", close_ms, interval_ms=interval_ms, bars=late)
        if self._handle.wants_timer:
            self._happen("timer", close_ms // MINUTE_MS * MINUTE_MS)

    @property
    def _alone(self) -> bool:
        return self._handle.per_symbol

    def _happen(
        self,
        kind: Literal["start", "close", "late", "fill", "order", "timer"],
        at_ms: int,
        *,
        interval_ms: int = 0,
        bars: Mapping[str, Bar] | None = None,
        filled: Fill | None = None,
        order: OrderRow | None = None,
    ) -> None:
        picture = self._picture(at_ms)
        event = Event(kind, at_ms, self._told_ms, picture, interval_ms, bars or {}, filled, order)
        decision = event.tell(self._handle)
        faults, self._faults = self._faults, self._seat.faults()
        wrong = self._seat.newest_faults() if self._faults > faults else ()
        self.kept.append(Kept(event, decision, self._handle.saved, wrong))
        if decision is not None:
            self._carry_out(decision, at_ms)

    def _picture(self, now_ms: int) -> Snapshot:
        book = self._book
        wallet, equity = self._venue.money(0)
        return Snapshot(
            now_ms,
            book.positions,
            book.pending_entries,
            book.pending_exits,
            wallet,
            equity,
            self.ground.instruments,
        )

    # -- what becomes of orders ---------------------------------------------------------------

    def _carry_out(self, decision: Decision, now_ms: int) -> None:
        for planned in decision.planned:
            intent, number = planned.intent, len(self._ids)
            self._ids.append(planned.order_link_id)
            if isinstance(intent, Enter):
                why = self._venue.enter(0, intent, number, now_ms)
            elif isinstance(intent, Exit):
                why = self._venue.exit(0, intent, number, now_ms)
            else:
                self._venue.move_stop(0, intent)
                continue
            if why is not None:
                row = refused_row(self, intent, number, why, now_ms)
                self._happen("order", now_ms, order=row)

    @property
    def bot_id(self) -> str:
        return self._handle.bot_id

    def link_id(self, reason: str, stamp: int) -> str:
        """The id of the order with that number; its reason is in it already."""
        return self._ids[stamp]

    def _told(self, done: Done) -> None:
        """A fill, and the end of its order."""
        self.stops += done.order is None
        self._happen("fill", done.at_ms, filled=fill_of(self, done))
        row = filled_row(self, done)
        if row is not None:
            self._happen("order", done.at_ms, order=row)
