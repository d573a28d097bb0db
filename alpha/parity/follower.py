"""One bot of a backtest that follows its recording.

It is shown the bars that it was shown then, in the same order: those of its warm-up before anything
else, late ones behind their close. What it decides is its own, and is compared with what it
decided then. Entries that the daemon closed to it for reasons of the moment (a close that came too
late, a person's pause) go nowhere here either: they are compared, and dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from alpha.backtest.seat import Seat
from alpha.bots.vetting import AnyIntent
from alpha.bots.warmup import WarmUp
from alpha.clock import iso
from alpha.core.events import Bar
from alpha.core.intents import Enter, Exit, MoveStop
from alpha.core.records import BotPosition, Fill
from alpha.core.snapshot import Snapshot
from alpha.parity.difference import Apart, Divergence, Sizes, differing, sides, unlike
from alpha.parity.story import Close, Key, Track, Wish

ONE = Decimal(1)
NOTHING: tuple[AnyIntent, ...] = ()


@dataclass(slots=True)
class Tally:
    """What has been compared so far. `apart_closes` are those at which the positions differed."""

    closes: int = 0
    decisions: int = 0
    kept_back: int = 0
    apart_closes: int = 0
    #: Closes behind which the bots would have been saved differently, and the first.
    states_apart: int = 0
    state: str | None = None
    divergences: int = 0
    first: Divergence | None = None
    apart: Apart | None = None
    sizes: Sizes = field(default_factory=Sizes)


class Follower:
    """Sits between the engine and the hooks of `seat`."""

    def __init__(self, seat: Seat, track: Track, *, as_recorded: bool) -> None:
        """`as_recorded`: what the account's stream brought is input too, taken as it was: wallet,
        equity, and which orders are under way."""
        self.seat = seat
        self.track = track
        self._as_recorded = as_recorded
        self._live_fills = [fill for _, fill in track.fills]
        self.tally = Tally()
        self.fills: list[Fill] = []
        #: Where the positions are apart now, by symbol, and since when.
        self._apart: dict[str, Apart] = {}
        self._on_bar, self._on_close, self._on_fill = seat.on_bar, seat.on_close, seat.on_fill
        self._to_show = track.shown[::-1]
        self._agreed_ms = 0
        self._choices = list(track.choices)
        self._places = {key: number for number, key in enumerate(track.closes)}
        self._todo = dict(track.called)
        self.last_ms = max(key.close_ms for key in self._todo)
        joined = track.joined[0]
        if joined.ordinal:
            seat.strategy.load(bytes(joined.state).decode())
        self._states = (bytes(joined.state), bytes(joined.state))
        self._warmup = WarmUp(joined.subscriptions)
        self._bring_to(min(self._places[key] for key in self._todo))
        seat.on_bar = None  # bars come in the order of the recording
        seat.on_close = self.on_close
        seat.on_fill = self.on_fill

    @property
    def unreached(self) -> list[Key]:
        """Closes that were decided then, and never came here."""
        return sorted(self._todo)

    # -- hooks --------------------------------------------------------------------------------

    def on_fill(self, fill: Fill, snapshot: Snapshot) -> object:
        self.fills.append(fill)
        return None if self._on_fill is None else self._on_fill(fill, snapshot)

    def on_close(self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot) -> object:
        interval_ms = next(iter(bars.values())).interval_ms
        key = Key(close_ms, interval_ms, next(iter(bars)) if self.seat.per_symbol else "")
        close = self._todo.pop(key, None)
        if close is None:
            return NOTHING
        self._bring_to(self._places[key])
        return self._decide(key, close, bars, snapshot)

    # -- inside -------------------------------------------------------------------------------

    def _bring_to(self, closes: int) -> None:
        """Everything that came before the close of that number: choices of symbols, and bars."""
        self._choose(closes)
        waiting = self._to_show
        while waiting and waiting[-1][0] <= closes:
            bar = waiting.pop()[1]
            if self._warmup.take(bar) and self._on_bar is not None:
                self._on_bar(bar)

    def _choose(self, closes: int) -> None:
        """Has the bot choose its symbols as often as it did then, among the same markets."""
        while self._choices and self._choices[0][0] <= closes:
            _, choice = self._choices.pop(0)
            held = frozenset(choice.held)
            self._warmup.choose(self.seat.strategy.choose(choice.now_ms, choice.markets, held))

    def _decide(
        self, key: Key, close: Close, bars: Mapping[str, Bar], snapshot: Snapshot
    ) -> Sequence[AnyIntent]:
        asked = close.asked
        own = (snapshot.wallet, snapshot.equity)
        if self._as_recorded:
            snapshot = msgspec.structs.replace(
                snapshot,
                wallet=asked.wallet,
                equity=asked.equity,
                pending_entries=frozenset(asked.pending_entries),
                pending_exits=frozenset(asked.pending_exits),
            )
        there = {symbol: bar for symbol, bar in bars.items() if symbol in asked.symbols}
        warm, _ = self._warmup.split(key.interval_ms, there, whole=not key.symbol)
        self._compare_positions(key, asked.positions, snapshot.positions)
        sizes = self.tally.sizes
        sizes.see_money(key.close_ms, (asked.wallet, asked.equity), own)
        answer: object = None
        if warm and self._on_close is not None:
            answer = self._on_close(key.close_ms, warm, snapshot)
        intents = [one for one in _sequence(answer) if isinstance(one, Enter | Exit | MoveStop)]
        live = close.wishes
        ours = [wish_of(intent) for intent in intents]
        self.tally.closes += 1
        self.tally.decisions += len(live)
        if [one.words for one in live] != [one.words for one in ours]:
            self._diverge(key, close, live, ours, set(warm), snapshot)
        else:
            for then, now in zip(live, ours, strict=True):
                sizes.compare(self.track.bot.name, key.close_ms, then, now)
        self._note_states(key, close)
        return self._kept(intents, live, replayed=asked.replayed)

    def _kept(
        self, intents: Sequence[AnyIntent], live: Sequence[Wish], *, replayed: bool
    ) -> Sequence[AnyIntent]:
        """Without the entries that were closed to the bot then."""
        entries = [one for one in live if one.kind == "enter"]
        closed = {one.symbol for one in entries if replayed or one.dropped is not None}
        if not closed:
            return intents
        kept = [one for one in intents if not (isinstance(one, Enter) and one.symbol in closed)]
        self.tally.kept_back += len(intents) - len(kept)
        return kept

    def _note_states(self, key: Key, close: Close) -> None:
        """Both are canonical JSON: the same states are the same text, but for rounded numbers."""
        own = self.seat.strategy.state().encode()
        self._states = (close.state, own)
        if close.state == own:
            return
        found = next(unlike(*map(msgspec.json.decode, self._states)), None)
        if found is not None:
            self.tally.states_apart += 1
            at = f"behind the close of {iso(key.close_ms)}: {found}"
            self.tally.state = self.tally.state or at

    # -- differences --------------------------------------------------------------------------

    def _compare_positions(
        self,
        key: Key,
        live: Mapping[str, BotPosition],
        own: Mapping[str, BotPosition],
    ) -> None:
        apart = self._apart
        if live or own or apart:
            for symbol in {*live, *own, *apart}:
                then, now = sides(live.get(symbol), own.get(symbol))
                if then == now:
                    apart.pop(symbol, None)
                elif symbol not in apart:
                    apart[symbol] = Apart(
                        self.track.bot.name,
                        symbol,
                        key.close_ms,
                        live.get(symbol),
                        own.get(symbol),
                        self._fills_since(self._live_fills, symbol, key.close_ms),
                        self._fills_since(self.fills, symbol, key.close_ms),
                        self._order_of(symbol, key.close_ms, holds=symbol in live),
                    )
                    self.tally.apart = self.tally.apart or apart[symbol]
        if apart:
            self.tally.apart_closes += 1
        else:
            self._agreed_ms = key.close_ms

    def _fills_since(self, fills: Sequence[Fill], symbol: str, until_ms: int) -> list[Fill]:
        """Of the symbol, since the positions were last the same."""
        found = []
        for fill in reversed(fills):
            if fill.exec_time < self._agreed_ms:
                break
            if fill.symbol == symbol and fill.exec_time <= until_ms:
                found.append(fill)
        return found[::-1]

    def _order_of(self, symbol: str, until_ms: int, *, holds: bool) -> str | None:
        """What became of the daemon's order, sent since the positions were last the same, that
        was not filled: an exit where it still `holds` the position, else an entry."""
        purpose = "exit" if holds else "entry"
        for row in reversed(self.track.orders.values()):
            ours = row.symbol == symbol and row.purpose == purpose
            if ours and self._agreed_ms <= row.decided_ms < until_ms and not row.filled_qty:
                why = row.reject_reason or row.reject_code or "not filled"
                return f"order {row.client_order_id} was {row.state}: {why}"
        return None

    def _diverge(
        self,
        key: Key,
        close: Close,
        live: list[Wish],
        own: list[Wish],
        warm: set[str],
        snapshot: Snapshot,
    ) -> None:
        self.tally.divergences += 1
        if self.tally.first is not None:
            return
        asked = close.asked
        symbols = differing(live, own)
        self.tally.first = Divergence(
            self.track.bot.name,
            key.close_ms,
            key.interval_ms,
            symbols,
            live,
            own,
            absent=sorted(symbols - warm),
            apart=next((self._apart[one] for one in sorted(self._apart) if one in symbols), None)
            or next(iter(self._apart.values()), None),
            pending=(
                sorted({*asked.pending_entries, *asked.pending_exits}),
                sorted(snapshot.pending_entries | snapshot.pending_exits),
            ),
            equity=(asked.equity, snapshot.equity),
            states=self._states,
            others=[one for one in self.track.others if one.event_ms >= self._agreed_ms][:1],
        )


def _sequence(answer: object) -> Sequence[object]:
    return answer if isinstance(answer, Sequence) and not isinstance(answer, str | bytes) else ()


def wish_of(intent: AnyIntent) -> Wish:
    return Wish(
        intent.kind,
        intent.symbol,
        intent.reason,
        side=intent.side if isinstance(intent, Enter) else None,
        notional=intent.notional if isinstance(intent, Enter) else None,
        price=intent.price if isinstance(intent, Enter) else None,
        qty=intent.qty if isinstance(intent, Exit) else None,
        stop_loss=intent.stop_loss if isinstance(intent, MoveStop) else None,
        details=dict(intent.details),
    )
