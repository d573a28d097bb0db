"""The exchange of a replay: it fills what the recording says was filled, when and for how much.

The fill model of a backtest is a guess at prices inside a bar. Where stops hang on the price of an
entry, that guess decides whether a later bar sets them off, and from there on two runs hold other
positions. To compare decisions, executions are taken for what they are: input that was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import msgspec

from alpha.backtest.holding import ZERO
from alpha.backtest.venue import Book, Done, Order, Terms, Venue
from alpha.core.events import Bar
from alpha.core.instruments import Instrument
from alpha.core.records import Fill
from alpha.parity.story import Track


class Group(NamedTuple):
    """What one order brought between two closes, as one fill: at the price of its average."""

    fill: Fill
    qty: Decimal
    price: Decimal
    closes: int  # that the bot had been asked for when it came


@dataclass(slots=True)
class Feed:
    """The fills of one bot that are still to come, oldest first. `link_id` gives the id of an
    order of the backtest's."""

    track: Track
    link_id: Callable[[str, int], str]
    groups: list[Group] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)  # by close_ms, of the last close of it

    def __post_init__(self) -> None:
        for number, key in enumerate(self.track.closes):
            self.places[key.close_ms] = number
        self.groups = list(_grouped(self.track))[::-1]

    def due(self, close_ms: int) -> list[Group]:
        """What the bot knew of at its close of that time; between its closes what had happened."""
        place = self.places.get(close_ms)
        found = []
        while self.groups:
            group = self.groups[-1]
            known = group.closes <= place if place is not None else group.fill.exec_time < close_ms
            if not known:
                break
            found.append(self.groups.pop())
        return found


def _grouped(track: Track) -> list[Group]:
    found: list[list[tuple[int, Fill]]] = []
    newest: dict[tuple[str, str, str, int], list[tuple[int, Fill]]] = {}
    for closes, fill in track.fills:
        key = (fill.symbol, fill.order_id, fill.effect, closes)
        if key not in newest:
            newest[key] = []
            found.append(newest[key])
        newest[key].append((closes, fill))
    groups = []
    for parts in found:
        closes, first = parts[0]
        qty = sum((fill.qty for _, fill in parts), ZERO)
        worth = sum((fill.qty * fill.price for _, fill in parts), ZERO)
        groups.append(Group(first, qty, worth / qty, closes))
    return groups


class RecordedVenue(Venue):
    """Orders wait for nothing: what becomes of them is in `feeds`, one a bot."""

    fed = True

    def __init__(
        self,
        terms: Terms,
        books: Sequence[Book],
        instruments: Mapping[str, Instrument],
        told: Callable[[Done], None],
        listening: Container[int],
        feeds: Sequence[Feed],
        step_ms: int,
    ) -> None:
        super().__init__(terms, books, instruments, told, listening)
        self._feeds = feeds
        self._step_ms = step_ms
        self._sent: dict[str, Order] = {}
        #: (bar open - price paid) / price, signed so that above 0 is worse than the model.
        self.slipped: list[Decimal] = []

    def fill_at_open(self, row: Sequence[Bar], place: Mapping[str, int]) -> None:
        for order in self.pending:
            self._sent[self._feeds[order.owner].link_id(order.reason, order.stamp)] = order
        self.pending = []
        start_ms = row[0].start_ms
        for owner, feed in enumerate(self._feeds):
            self._note_pending(owner)
            if feed.groups:
                for group in feed.due(start_ms + self._step_ms):
                    self._take(owner, group, row, place, start_ms)

    def watch(self, row: Sequence[Bar], place: Mapping[str, int]) -> None:
        """Stops are set off by the recording alone."""
        for held in self.holdings:
            number = place.get(held.symbol)
            if number is not None:
                held.mark = row[number].close

    def _take(
        self,
        owner: int,
        group: Group,
        row: Sequence[Bar],
        place: Mapping[str, int],
        start_ms: int,
    ) -> None:
        fill = group.fill
        number = place.get(fill.symbol)
        if number is None:
            return
        bar = row[number]
        order = self._sent.get(fill.order_link_id)
        if order is not None and order.decided_ms == start_ms:
            worse = group.price - Decimal(repr(bar.open))
            self.slipped.append((worse if fill.side == "Buy" else -worse) / group.price)
        at_ms = fill.exec_time
        bar = msgspec.structs.replace(bar, start_ms=at_ms)
        held = self.books[owner].holdings.get(fill.symbol)
        qty = group.qty
        if held is not None and held.is_long is not (fill.side == "Buy"):
            part = min(qty, abs(held.qty))
            self._close(held, part, group.price, fill.reason, bar, order)
            qty -= part
        if qty:
            opening = order or Order(
                owner,
                fill.symbol,
                fill.side,
                qty,
                fill.reason,
                at_ms,
                at_ms,
                is_exit=False,
            )
            self._open(opening, qty, group.price, bar)
