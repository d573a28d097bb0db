"""Walks bars past the bots, a close at a time.

Each step takes one bar of every symbol that has one: orders decided before fill at its open, stops
are looked at over its range, indicators see it, the bots decide on it. Higher intervals follow
behind the step that closes them. Nothing is computed ahead of time but those bars themselves.

Speed decides the shape: what is the same for a whole stretch of bars (who is warm, which symbols
are there) is settled before it, and the loop inside does only what a bar can change.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from alpha.backtest.result import Curve, Refused, Result, Signal
from alpha.backtest.seat import HookRaised, Seat, raised, where
from alpha.backtest.tape import Stretch, Tape
from alpha.backtest.telling import fill_of, filled_row, refused_row
from alpha.backtest.venue import Book, Done, Terms, Venue
from alpha.bots.plugin import HookFunction
from alpha.candles.files import interval_name
from alpha.clock import iso
from alpha.core.events import Bar
from alpha.core.instruments import Instrument
from alpha.core.intents import Enter, Exit
from alpha.core.snapshot import Snapshot
from alpha.errors import NeedsOperator

MINUTE_MS = 60_000
#: Steps between two reports of progress.
LONGEST = 4096


#: Makes the exchange of a run; its last two arguments are whom to tell of fills, and which bots.
MakeVenue = Callable[
    [Terms, Sequence[Book], Mapping[str, Instrument], Callable[[Done], None], Container[int]], Venue
]


@dataclass(frozen=True, slots=True)
class FundingRate:
    """What longs pay shorts at `at_ms` on the worth of the position."""

    symbol: str
    at_ms: int
    rate: Decimal


@dataclass(slots=True)
class _Bot:
    """A seat with its part of the account, and how warm it is. `warm_ms` holds the start of the
    bar from which a symbol of the base interval is decided on; `higher` the bars of other
    intervals by close, `seen` how many of them it has had."""

    number: int
    seat: Seat
    book: Book
    warm_ms: dict[str, int] = field(default_factory=dict)
    fed: tuple[str, ...] = ()  # symbols of the base interval
    higher: dict[int, dict[str, dict[int, Bar]]] = field(default_factory=dict)
    seen: dict[tuple[int, str], int] = field(default_factory=dict)
    wanted: dict[tuple[int, str], int] = field(default_factory=dict)
    started: bool = False


class _Shift:
    """What one bot does at each step of a stretch. `feed` are the places in the row of bars that
    `on_bar` sees, `decide` symbols and places of those that `on_close` gets."""

    __slots__ = ("_decide", "_engine", "_feed", "_per_symbol", "_single", "bot")

    def __init__(
        self, engine: Engine, bot: _Bot, feed: tuple[int, ...], decide: tuple[tuple[str, int], ...]
    ) -> None:
        self.bot = bot
        self._engine = engine
        self._feed = feed if bot.seat.on_bar is not None else ()
        self._decide = decide
        self._per_symbol = bot.seat.per_symbol
        self._single = decide[0] if len(decide) == 1 else None

    @property
    def decides(self) -> bool:
        return bool(self._decide)

    def turn(self, row: tuple[Bar, ...], close_ms: int) -> None:
        """Takes the bot through one close."""
        bot, engine = self.bot, self._engine
        seat = bot.seat
        hook, number = "on_bar", -1
        try:
            on_bar = seat.on_bar
            if on_bar is not None:
                for number in self._feed:
                    on_bar(row[number])
            if not self._decide:
                return
            hook, number = "on_close", -1
            on_close = seat.on_close
            if on_close is not None:
                if self._single is not None:
                    symbol, number = self._single
                    picture = engine.picture(bot, close_ms)
                    answer = on_close(close_ms, {symbol: row[number]}, picture)
                    if answer:
                        hook = ""
                        engine.carry_out(bot, answer, close_ms)
                elif self._per_symbol:
                    for symbol, number in self._decide:
                        picture = engine.picture(bot, close_ms)
                        answer = on_close(close_ms, {symbol: row[number]}, picture)
                        if answer:
                            hook = ""
                            engine.carry_out(bot, answer, close_ms)
                            hook = "on_close"
                else:
                    close = {symbol: row[place] for symbol, place in self._decide}
                    answer = on_close(close_ms, close, engine.picture(bot, close_ms))
                    if answer:
                        hook = ""
                        engine.carry_out(bot, answer, close_ms)
            halted = seat.halted
            if halted is not None:
                hook = "halted"
                why = halted()
                if why is not None:
                    seat.note_halt(why)
        except HookRaised:
            raise
        except Exception as error:
            if not hook:  # the plugin had returned
                raise
            bars = row if number < 0 or hook == "halted" else (row[number],)
            raise raised(seat.name, hook, where(bars), error) from error
        if seat.on_timer is not None:
            engine.tick(bot, close_ms)


class Engine:
    """One run. `from_ms` is the start of the first bar that may be decided on; the bars before it
    warm the bots up. `progress` is told how many bars more have been read."""

    def __init__(
        self,
        seats: Sequence[Seat],
        tape: Tape,
        instruments: Mapping[str, Instrument],
        terms: Terms,
        *,
        capital: Mapping[str, Decimal] | None = None,
        from_ms: int | None = None,
        funding: Sequence[FundingRate] = (),
        progress: Callable[[int], None] | None = None,
        venue: MakeVenue = Venue,
    ) -> None:
        capital = capital or {}
        self._tape = tape
        self._step_ms = tape.interval_ms
        self._from_ms = tape.start_ms if from_ms is None else tape.on_grid(from_ms)
        self._instruments = instruments
        self._balance = terms.balance
        self._progress = progress or (lambda _: None)
        books = [Book(seat.name, capital.get(seat.name)) for seat in seats]
        listening = [number for number, one in enumerate(seats) if one.on_fill or one.on_order]
        self._venue = venue(terms, books, instruments, self._told, listening)
        self._bots = [_Bot(number, seat, books[number]) for number, seat in enumerate(seats)]
        self._signals: list[Signal] = []
        self._refused: list[Refused] = []
        self._curve = Curve()
        self._funding: dict[int, list[FundingRate]] = {}
        for rate in funding:
            self._funding.setdefault(tape.on_grid(rate.at_ms), []).append(rate)
        for bot in self._bots:
            self._seat_bot(bot)

    def run(self) -> Result:
        """HookRaised when a plugin does; NeedsOperator when no bot has enough bars to begin."""
        begins = self._first_decision()
        self._refuse_cold(begins)
        cuts = set(self._funding) | {self._from_ms}
        for bot in self._bots:
            cuts.update(bot.warm_ms.values())
            for by_symbol in bot.higher.values():
                for bars in by_symbol.values():
                    cuts.update(bars)
        read = 0
        for stretch in self._tape.stretches(cuts, LONGEST):
            self._pay_funding(stretch)
            self._walk(stretch)
            for bot in self._bots:
                if bot.higher:
                    self._close_higher(bot, stretch.end_ms)
            read += stretch.steps * len(stretch.parts)
            self._progress(stretch.steps * len(stretch.parts))
        venue = self._venue
        return Result(
            balance=self._balance,
            final_balance=venue.wallet,
            trades=venue.trades,
            signals=self._signals,
            open_positions=venue.open_positions(),
            refused=self._refused,
            fees=venue.fees,
            funding=venue.funding,
            curve=self._curve,
            bars=read,
            notes=self._notes(begins),
        )

    # -- before the first bar -----------------------------------------------------------------

    def _seat_bot(self, bot: _Bot) -> None:
        fed = []
        for one in bot.seat.subscriptions:
            if one.interval_ms == self._step_ms:
                fed.append(one.symbol)
                warm = self._tape.nth_start(one.symbol, max(one.warmup_bars, 1))
                if warm is not None:
                    bot.warm_ms[one.symbol] = max(warm, self._from_ms)
                continue
            if one.interval_ms % self._step_ms:
                raise NeedsOperator(
                    f"bot {bot.seat.name}: expected candles of {interval_name(one.interval_ms)} "
                    f"or a part of it for {one.symbol}, found {interval_name(self._step_ms)}; get "
                    "finer candles"
                )
            bars = self._tape.higher(one.symbol, one.interval_ms)
            bot.higher.setdefault(one.interval_ms, {})[one.symbol] = bars
            bot.wanted[one.interval_ms, one.symbol] = max(one.warmup_bars, 1)
        bot.fed = tuple(fed)

    def _first_decision(self) -> dict[str, int]:
        """Close of the first bar that each bot decides on; bots without any are left out."""
        found: dict[str, int] = {}
        for bot in self._bots:
            closes = [at + self._step_ms for at in bot.warm_ms.values()]
            for (interval_ms, symbol), wanted in bot.wanted.items():
                ready = sorted(bot.higher[interval_ms][symbol])[wanted - 1 :]
                closes += [at for at in ready if at - interval_ms >= self._from_ms][:1]
            if closes:
                found[bot.seat.name] = min(closes)
        return found

    def _refuse_cold(self, begins: Mapping[str, int]) -> None:
        for bot in self._bots:
            if bot.seat.name in begins:
                continue
            most = max(bot.seat.subscriptions, key=lambda one: one.warmup_bars)
            count = self._tape.count[most.symbol] * self._step_ms // most.interval_ms
            raise NeedsOperator(
                f"bot {bot.seat.name}: expected at least {most.warmup_bars} bars of "
                f"{interval_name(most.interval_ms)} before its first decision, found {count} of "
                f"{most.symbol}; give it more candles or a shorter warm-up"
            )

    def _notes(self, begins: Mapping[str, int]) -> list[str]:
        notes = []
        for bot in self._bots:
            seat, begin = bot.seat, begins[bot.seat.name]
            if begin > self._from_ms + self._step_ms:
                most = max(one.warmup_bars for one in seat.subscriptions)
                notes.append(
                    f"bot {seat.name} needs {most} bars to warm up: decisions begin at {iso(begin)}"
                )
            notes += [f"bot {seat.name}: {fault}" for fault in dict.fromkeys(seat.faults)]
            if not seat.state.takes_entries:
                notes.append(f"bot {seat.name} has stopped its entries: {seat.state_reason}")
        return notes

    # -- a stretch of bars --------------------------------------------------------------------

    def _pay_funding(self, stretch: Stretch) -> None:
        """At the opening price of the bar that starts at that moment, or next."""
        rates = self._funding.get(stretch.start_ms, ())
        places = dict(stretch.parts)
        for rate in rates:
            place = places.get(rate.symbol)
            if place is not None:
                price = self._tape.candles[rate.symbol].opens[place]
                self._venue.pay_funding(rate.symbol, rate.rate, Decimal(repr(price)))

    def _shift(self, bot: _Bot, stretch: Stretch) -> _Shift | None:
        """What the bot has to do in a stretch; None for nothing."""
        place = {symbol: number for number, (symbol, _) in enumerate(stretch.parts)}
        there = [symbol for symbol in bot.fed if symbol in place]
        if not there:
            return None
        decided: list[str] = []
        if stretch.start_ms >= self._from_ms:
            cold = stretch.end_ms  # later than any bar of the stretch starts
            decided = [one for one in there if bot.warm_ms.get(one, cold) <= stretch.start_ms]
        feed = tuple(place[symbol] for symbol in there)
        return _Shift(self, bot, feed, tuple((symbol, place[symbol]) for symbol in decided))

    def _walk(self, stretch: Stretch) -> None:
        venue, curve, step_ms = self._venue, self._curve, self._step_ms
        place = {symbol: number for number, (symbol, _) in enumerate(stretch.parts)}
        shifts = [one for one in (self._shift(bot, stretch) for bot in self._bots) if one]
        for shift in shifts:
            if shift.decides:
                self._begin(shift.bot, stretch.start_ms)
        turns = [shift.turn for shift in shifts]
        counted = stretch.start_ms >= self._from_ms and any(bot.started for bot in self._bots)
        note_equity, note_open = curve.equity.append, curve.open_positions.append
        close_ms = stretch.start_ms
        for row in self._tape.rows(stretch):
            if venue.pending or venue.fed:
                venue.fill_at_open(row, place)
            if venue.holdings:
                venue.watch(row, place)
            close_ms += step_ms
            for turn in turns:
                turn(row, close_ms)
            if counted:
                holdings = venue.holdings
                note_equity(venue.equity_float() if holdings else venue.wallet_float)
                note_open(len(holdings))
        if counted:
            first = stretch.start_ms + step_ms
            curve.close_ms.extend(range(first, stretch.end_ms + step_ms, step_ms))

    def _begin(self, bot: _Bot, now_ms: int) -> None:
        if bot.started:
            return
        bot.started = True
        answer = bot.seat.start(now_ms, self.picture(bot, now_ms), iso(now_ms))
        self.carry_out(bot, answer, now_ms)

    def tick(self, bot: _Bot, close_ms: int) -> None:
        function = bot.seat.on_timer
        if function is not None:
            now_ms = close_ms // MINUTE_MS * MINUTE_MS
            picture = self.picture(bot, now_ms)
            answer = bot.seat.call("on_timer", function, iso(now_ms), now_ms, picture)
            self.carry_out(bot, answer, close_ms)

    # -- higher intervals ---------------------------------------------------------------------

    def _close_higher(self, bot: _Bot, close_ms: int) -> None:
        seat = bot.seat
        for interval_ms, by_symbol in sorted(bot.higher.items()):
            warm: dict[str, Bar] = {}
            for symbol, bars in by_symbol.items():
                bar = bars.get(close_ms)
                if bar is None:
                    continue
                if seat.on_bar is not None:
                    seat.call("on_bar", seat.on_bar, where([bar]), bar)
                key = (interval_ms, symbol)
                bot.seen[key] = seen = bot.seen.get(key, 0) + 1
                if seen >= bot.wanted[key] and bar.start_ms >= self._from_ms:
                    warm[symbol] = bar
            if warm and seat.on_close is not None:
                self._decide_higher(bot, seat.on_close, close_ms, interval_ms, warm)

    def _decide_higher(
        self,
        bot: _Bot,
        on_close: HookFunction,
        close_ms: int,
        interval_ms: int,
        warm: Mapping[str, Bar],
    ) -> None:
        self._begin(bot, close_ms - interval_ms)
        seat, at = bot.seat, where(list(warm.values()))
        closes = [{one: bar} for one, bar in warm.items()] if seat.per_symbol else [dict(warm)]
        for bars in closes:
            picture = self.picture(bot, close_ms)
            answer = seat.call("on_close", on_close, at, close_ms, bars, picture)
            self.carry_out(bot, answer, close_ms, interval_ms)
        if seat.halted is not None:
            seat.note_halt(seat.call("halted", seat.halted, at))
        if seat.on_timer is not None and not bot.fed:
            self.tick(bot, close_ms)

    # -- decisions ----------------------------------------------------------------------------

    def picture(self, bot: _Bot, now_ms: int) -> Snapshot:
        book = bot.book
        wallet, equity = self._venue.money(bot.number)
        return Snapshot(
            now_ms,
            book.positions,
            book.pending_entries,
            book.pending_exits,
            wallet,
            equity,
            self._instruments,
        )

    def carry_out(
        self, bot: _Bot, answer: object, now_ms: int, interval_ms: int | None = None
    ) -> None:
        """Hands what a hook wants to the venue. It was decided on the bar of `interval_ms` (that
        of the candles if None) that closed at `now_ms`."""
        if not answer:
            return
        seat, venue = bot.seat, self._venue
        bar_ms = now_ms - (self._step_ms if interval_ms is None else interval_ms)
        for wanted in seat.answer(answer, bot.book.positions, now_ms):
            intent = wanted.intent
            if isinstance(intent, Enter):
                self._note(seat, intent, bar_ms)
                why = venue.enter(bot.number, intent, wanted.stamp, now_ms)
            elif isinstance(intent, Exit):
                self._note(seat, intent, bar_ms)
                why = venue.exit(bot.number, intent, wanted.stamp, now_ms)
            else:
                why = venue.move_stop(bot.number, intent)
            if why is not None:
                self._refused.append(Refused(seat.name, intent.symbol, bar_ms, why))
                if isinstance(intent, Enter | Exit):
                    self._tell_refused(bot, intent, wanted.stamp, why, now_ms)

    def _note(self, seat: Seat, intent: Enter | Exit, bar_ms: int) -> None:
        kind = intent.kind
        self._signals.append(
            Signal(
                seat.name,
                intent.symbol,
                bar_ms,
                "entry" if kind == "enter" else "exit",
                intent.reason,
            )
        )

    # -- what bots are told -------------------------------------------------------------------

    def _told(self, done: Done) -> None:
        """A fill: the bot hears of it, and of its order's end, with the picture behind it."""
        bot = self._bots[done.owner]
        seat = bot.seat
        if seat.on_fill is None and seat.on_order is None:
            return
        now_ms = done.at_ms  # the close before its bar
        at = f"the fill of {done.symbol} in the bar of {iso(done.at_ms)}"
        if seat.on_fill is not None:
            picture = self.picture(bot, now_ms)
            fill = fill_of(seat, done)
            answer = seat.call("on_fill", seat.on_fill, at, fill, picture)
            self.carry_out(bot, answer, now_ms)
        if seat.on_order is None:
            return
        row = filled_row(seat, done)
        if row is not None:
            picture = self.picture(bot, now_ms)
            answer = seat.call("on_order", seat.on_order, at, row, picture)
            self.carry_out(bot, answer, now_ms)

    def _tell_refused(
        self, bot: _Bot, intent: Enter | Exit, stamp: int, why: str, now_ms: int
    ) -> None:
        seat = bot.seat
        if seat.on_order is None:
            return
        row = refused_row(seat, intent, stamp, why, now_ms)
        picture = self.picture(bot, now_ms)
        answer = seat.call("on_order", seat.on_order, iso(now_ms), row, picture)
        self.carry_out(bot, answer, now_ms)
