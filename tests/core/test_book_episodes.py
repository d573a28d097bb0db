"""Histories in which everyone is flat again and again: what a flat moment may be used for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from alpha.core.book import BeforeCheckpoint, Book
from alpha.core.events import Execution
from alpha.core.records import MANUAL, AttributionRules, BookChange
from alpha.core.steps import QtySteps
from tests.core import oracle
from tests.core.examples import thorough
from tests.core.histories import (
    ACCOUNT,
    STEP,
    SYMBOL,
    T0,
    Model,
    by,
    deliveries,
    execution,
    histories,
    knowledge,
)

#: Random rows of an episode lie within its first 13 s; then everyone closes.
EPISODE_MS, CLOSING_MS = 60_000, 20_000


@dataclass(frozen=True)
class Episodes:
    """Rows in which everyone is flat at each of `ends`, as long as `known` is what is known."""

    rows: list[Execution]
    ends: list[int]
    known: AttributionRules

    def after(self, end_ms: int) -> list[Execution]:
        return [row for row in self.rows if row.exec_time > end_ms]


@st.composite
def episodes(draw: st.DrawFn, least: int = 1) -> Episodes:
    known = draw(knowledge())
    rows: list[Execution] = []
    ends = []
    for number, part in enumerate(draw(st.lists(histories(7), min_size=least, max_size=4))):
        begin = number * EPISODE_MS
        rows += [_moved(row, len(rows) + i, begin) for i, row in enumerate(part)]
        rows += _closings(rows, known, T0 + begin + CLOSING_MS)
        ends.append(max(row.exec_time for row in rows))
    return Episodes(rows, ends, known)


def _moved(row: Execution, number: int, by_ms: int) -> Execution:
    order_id = row.order_id if row.order_id.startswith("known") else f"order-{number}"
    return replace(row, exec_id=f"e{number}", order_id=order_id, exec_time=row.exec_time + by_ms)


def _closings(rows: Sequence[Execution], known: AttributionRules, at_ms: int) -> list[Execution]:
    """Every bot sends what closes its position; what is left a person closes."""
    held = oracle.fold(rows, known, STEP).positions
    closings: list[Execution] = []
    for bot in sorted(held, key=lambda bot: (bot == MANUAL, bot)):
        exec_id = f"e{len(rows) + len(closings) + 100}"  # beyond the ids that overrides name
        side, qty = "Sell" if held[bot] > 0 else "Buy", abs(held[bot])
        size = str(Decimal(qty.numerator) / qty.denominator)
        row = execution(exec_id, "Sell" if side == "Sell" else "Buy", size)
        if bot != MANUAL:
            row = replace(row, order_link_id=by(bot, exec_id, "Buy", "1").order_link_id)
        closings.append(replace(row, exec_time=at_ms + len(closings), seq=1))
    return closings


def new_book() -> Book:
    return Book(ACCOUNT, SYMBOL, qty_steps=QtySteps.always(STEP))


@thorough
@given(day=episodes())
def test_everyone_is_flat_at_the_end_of_an_episode(day: Episodes) -> None:
    book = new_book()
    begin_ms = 0
    for end_ms in day.ends:
        fresh = [row for row in day.rows if begin_ms < row.exec_time <= end_ms]
        book.add(fresh, day.known)
        assert book.positions() == {}
        book.trim(end_ms)
        assert book.checkpoint_ms == end_ms
        assert book.rows == ()
        begin_ms = end_ms


@thorough
@given(data=st.data(), day=episodes())
def test_any_delivery_with_trims_between_ends_in_the_oracles_tables(
    data: st.DataObject, day: Episodes
) -> None:
    book, model = new_book(), Model()
    for frame in data.draw(deliveries(day.rows)):
        stored = list(model.executions.values())
        try:
            change = book.add(frame, day.known)
        except BeforeCheckpoint:
            book = new_book()
            book.add(stored, day.known)
            change = book.add(frame, day.known)
        model.write(change)
        if data.draw(st.booleans()):
            book.trim(data.draw(st.sampled_from([row.exec_time for row in day.rows])))
    model.agrees_with(oracle.fold(day.rows, day.known, STEP))
    assert book.positions() == {}


@thorough
@given(data=st.data(), day=episodes(least=2))
def test_a_late_row_touches_nothing_before_its_episode(data: st.DataObject, day: Episodes) -> None:
    before_ms = day.ends[-2]
    last = day.after(before_ms)
    late = data.draw(st.sampled_from(last))
    book, model = new_book(), Model()
    model.write(book.add([row for row in day.rows if row is not late], day.known))
    if data.draw(st.booleans()):
        book.trim(data.draw(st.sampled_from(day.ends)))
    try:
        change = book.add([late], day.known)
    except BeforeCheckpoint:
        # everyone was flat without it as well (funding, say), and the book forgot that far
        assert book.checkpoint_ms is not None and late.exec_time <= book.checkpoint_ms
        return
    assert change.replaced_after_ms is None or change.replaced_after_ms >= before_ms
    assert all(at > before_ms for at in _times(change))
    model.write(change)
    model.agrees_with(oracle.fold(day.rows, day.known, STEP))


@thorough
@given(data=st.data(), day=episodes(least=2))
def test_an_override_touches_nothing_before_its_episode(data: st.DataObject, day: Episodes) -> None:
    before_ms = day.ends[-2]
    moved = data.draw(st.sampled_from(day.after(before_ms)))
    owner = data.draw(st.sampled_from([*sorted(day.known.bots), MANUAL]))
    learned = replace(day.known, overrides={**day.known.overrides, moved.exec_id: owner})
    book, model = new_book(), Model()
    model.write(book.add(day.rows, day.known))
    change = book.reattribute(learned)
    assert change.replaced_after_ms is None or change.replaced_after_ms >= before_ms
    assert all(at > before_ms for at in _times(change))
    model.write(change)
    model.agrees_with(oracle.fold(day.rows, learned, STEP))


def _times(change: BookChange) -> list[int]:
    """The times by which the rows of a change are replaced."""
    return [
        *(row.exec_time for row in change.fills),
        *(row.exec_time for row in change.funding),
        *(row.entry_time for row in change.lots),
        *(row.exit_time for row in change.round_trips),
        *(row.opened_at for row in change.cycles),
    ]
