"""Any history, delivered in any way, ends in the books that the oracle writes from the whole."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.core.book import BeforeCheckpoint, Book
from alpha.core.canonical import ledger_hash
from alpha.core.events import Execution
from alpha.core.past import PastPositions
from alpha.core.records import AttributionRules, BotPosition
from alpha.core.steps import QtySteps
from tests.core import oracle
from tests.core.examples import thorough
from tests.core.histories import (
    ACCOUNT,
    STEP,
    SYMBOL,
    Model,
    deliveries,
    histories,
    knowledge,
    quantity_steps,
)

ZERO = Decimal(0)


def new_book(checkpoint_ms: int | None = None) -> Book:
    return Book(ACCOUNT, SYMBOL, checkpoint_ms=checkpoint_ms, qty_steps=QtySteps.always(STEP))


def in_order(rows: list[Execution]) -> list[Execution]:
    return sorted(rows, key=lambda row: row.ledger_key)


def positions(book: Book) -> dict[str, Decimal]:
    return {bot: at.signed_qty for bot, at in book.positions().items()}


def test_the_oracle_shares_no_code_with_the_fold() -> None:
    tree = ast.parse(Path(str(oracle.__file__)).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    plain = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    ours = {name for name in imported | plain if name is not None and name.startswith("alpha")}
    assert ours == {"alpha.core.events", "alpha.core.records"}


@thorough
@given(rows=histories(), known=knowledge())
def test_row_by_row_equals_the_whole(rows: list[Execution], known: AttributionRules) -> None:
    book, model = new_book(), Model()
    for row in in_order(rows):
        change = book.add((row,), known)
        assert change.replaced_after_ms is None
        model.write(change)
    expected = oracle.fold(rows, known, STEP)
    model.agrees_with(expected)
    assert positions(book) == expected.positions


@thorough
@given(data=st.data(), rows=histories(), known=knowledge())
def test_any_order_split_and_duplication_gives_the_same_tables(
    data: st.DataObject, rows: list[Execution], known: AttributionRules
) -> None:
    book, model = new_book(), Model()
    for frame in data.draw(deliveries(rows)):
        model.write(book.add(frame, known))
    expected = oracle.fold(rows, known, STEP)
    model.agrees_with(expected)
    assert positions(book) == expected.positions
    assert book.rows == tuple(in_order(rows))
    assert ledger_hash(model.executions.values()) == ledger_hash(in_order(rows))


@thorough
@given(data=st.data(), rows=histories(), known=knowledge())
def test_what_is_learned_late_ends_as_if_known_from_the_start(
    data: st.DataObject, rows: list[Execution], known: AttributionRules
) -> None:
    book, model = new_book(), Model()
    early = replace(known, orders={}, overrides={}, owners={})
    first_part = data.draw(st.integers(0, len(rows)))
    for row in rows[:first_part]:
        model.write(book.add((row,), early))
    # order rows come one at a time, as the order stream brings them
    learned = early
    for order_id in data.draw(st.permutations(sorted(known.orders))):
        learned = replace(learned, orders={**learned.orders, order_id: known.orders[order_id]})
        model.write(book.reattribute(learned, order_id))
    model.agrees_with(oracle.fold(rows[:first_part], learned, STEP))
    # overrides and owners come from a person
    model.write(book.reattribute(known))
    for row in rows[first_part:]:
        model.write(book.add((row,), known))
    expected = oracle.fold(rows, known, STEP)
    model.agrees_with(expected)
    assert positions(book) == expected.positions
    again = book.reattribute(known)
    assert not (again.fills or again.funding or again.lots or again.round_trips or again.cycles)
    assert again.replaced_after_ms is None and again.corrections == ()


@thorough
@given(data=st.data(), rows=histories(), known=knowledge(), steps=quantity_steps())
def test_executions_orders_and_decisions_come_in_any_order_among_each_other(
    data: st.DataObject, rows: list[Execution], known: AttributionRules, steps: QtySteps
) -> None:
    """Funding, flips, forced fills, bots opposite to each other, adjustments, a quantity step that
    changes: whatever is learned before, between or after the executions."""
    book, model = Book(ACCOUNT, SYMBOL, qty_steps=steps), Model()
    news: list[list[Execution] | tuple[str, str]] = [*data.draw(deliveries(rows))]
    news += [("order", order_id) for order_id in known.orders]
    news += [("override", exec_id) for exec_id in known.overrides]
    news += [("owner", symbol) for symbol in known.owners]
    learned = replace(known, orders={}, overrides={}, owners={})
    for one in data.draw(st.permutations(news)):
        if isinstance(one, list):
            model.write(book.add(one, learned))
            continue
        what, key = one
        if what == "order":
            learned = replace(learned, orders={**learned.orders, key: known.orders[key]})
        elif what == "override":
            learned = replace(learned, overrides={**learned.overrides, key: known.overrides[key]})
        else:
            learned = replace(learned, owners={key: known.owners[key]})
        model.write(book.reattribute(learned, key if what == "order" else None))
    expected = oracle.fold(rows, known, steps.known)
    model.agrees_with(expected)
    assert positions(book) == expected.positions


@thorough
@given(data=st.data(), rows=histories(), known=knowledge())
def test_corrections_say_what_changed_under_a_bot(
    data: st.DataObject, rows: list[Execution], known: AttributionRules
) -> None:
    book = new_book()
    flat = BotPosition(SYMBOL, ZERO, None, None, None)
    for frame in data.draw(deliveries(rows)):
        before = book.positions()
        change = book.add(frame, known)
        after = book.positions()
        if change.replaced_after_ms is None:
            assert change.corrections == ()
            continue
        told = {c.bot_id: (c.before, c.after) for c in change.corrections}
        assert told == {
            bot: (before.get(bot, flat), after.get(bot, flat))
            for bot in before.keys() | after.keys()
            if before.get(bot) != after.get(bot)
        }


@thorough
@given(data=st.data(), rows=histories(), known=knowledge())
def test_every_sum_is_exact(
    data: st.DataObject, rows: list[Execution], known: AttributionRules
) -> None:
    book, model = new_book(), Model()
    for frame in data.draw(deliveries(rows)):
        model.write(book.add(frame, known))
    fees: dict[str, Decimal] = defaultdict(Decimal)
    moved: dict[str, Decimal] = defaultdict(Decimal)
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for fill in model.fills.values():
        fees[fill.exec_id] += fill.fee
        moved[fill.exec_id] += fill.qty if fill.side == "Buy" else -fill.qty
    for payment in model.funding.values():
        paid[payment.exec_id] += payment.amount
    for row in rows:
        if row.exec_type == "Funding":
            assert paid[row.exec_id] == -row.fee
        elif row.exec_type != "Novelty":
            assert fees[row.exec_id] == row.fee
            assert moved[row.exec_id] == row.signed_qty
    net = sum((row.signed_qty for row in rows if row.exec_type != "Novelty"), ZERO)
    assert book.net() == net == sum(positions(book).values(), ZERO)
    _lots_hold_the_position(book, model)
    _pieces_carry_all_cash(model)


def _lots_hold_the_position(book: Book, model: Model) -> None:
    held: dict[str, Decimal] = defaultdict(Decimal)
    closed: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for piece in model.round_trips.values():
        closed[(piece.entry_exec_id, piece.bot_id)] += piece.qty
    for lot in model.lots.values():
        held[lot.bot_id] += lot.remaining_qty if lot.side == "long" else -lot.remaining_qty
        assert lot.remaining_qty + closed[(lot.exec_id, lot.bot_id)] == lot.original_qty
    assert {bot: qty for bot, qty in held.items() if qty} == positions(book)
    sizes = {c.bot_id: c.size for c in model.cycles.values() if c.closed_at is None}
    assert sizes == {bot: abs(qty) for bot, qty in positions(book).items()}


def _pieces_carry_all_cash(model: Model) -> None:
    """Fees, funding and gross PnL of a bot are the same counted by fill, by piece and by cycle."""
    for bot in {fill.bot_id for fill in model.fills.values()}:
        fills = [row for row in model.fills.values() if row.bot_id == bot]
        lots = [row for row in model.lots.values() if row.bot_id == bot]
        pieces = [row for row in model.round_trips.values() if row.bot_id == bot]
        cycles = [row for row in model.cycles.values() if row.bot_id == bot]
        fees = sum((row.fee for row in fills), ZERO)
        left = sum((lot.entry_fee_left for lot in lots), ZERO)
        assert fees == left + sum((p.entry_fee + p.exit_fee for p in pieces), ZERO)
        assert fees == sum((cycle.fees for cycle in cycles), ZERO)
        accrued = sum((lot.funding_left for lot in lots), ZERO)
        accrued += sum((piece.funding for piece in pieces), ZERO)
        assert accrued == sum((cycle.funding for cycle in cycles), ZERO)
        held = [p for p in model.funding.values() if p.bot_id == bot and p.position]
        assert accrued == sum((payment.amount for payment in held), ZERO)
        realised = sum((row.realised for row in fills), ZERO)
        assert realised == sum((piece.gross_pnl for piece in pieces), ZERO)
        assert realised == sum((cycle.realised_pnl for cycle in cycles), ZERO)


@thorough
@given(data=st.data(), rows=histories(), known=knowledge())
def test_trimming_and_reloading_change_nothing(
    data: st.DataObject, rows: list[Execution], known: AttributionRules
) -> None:
    """A book may forget what lies before a flat moment, or be read again from one; a row from
    before it makes the caller read the book again from further back."""
    book, model = new_book(), Model()
    stored: list[Execution] = []
    for frame in data.draw(deliveries(rows)):
        try:
            change = book.add(frame, known)
        except BeforeCheckpoint as refused:
            fresh = [row for row in frame if row not in stored]
            assert any(row in frame for row in refused.rows)
            book = new_book()
            book.add(stored, known)
            change = book.add(fresh, known)
        model.write(change)
        stored = list({row.exec_id: row for row in [*stored, *frame]}.values())
        if data.draw(st.booleans()):
            book.trim(data.draw(st.sampled_from([row.exec_time for row in rows])))
            kept = [r for r in stored if r.exec_time > (book.checkpoint_ms or 0)]
            assert book.rows == tuple(in_order(kept))
    expected = oracle.fold(rows, known, STEP)
    model.agrees_with(expected)
    assert positions(book) == expected.positions


@thorough
@given(data=st.data(), rows=histories(), known=knowledge())
def test_a_past_position_is_that_of_the_rows_up_to_it(
    data: st.DataObject, rows: list[Execution], known: AttributionRules
) -> None:
    book = new_book()
    book.add(rows, known)
    ordered = in_order(rows)
    count = data.draw(st.integers(1, len(rows)))
    bot = data.draw(st.sampled_from(sorted(known.bots)))
    row = ordered[count - 1]
    past = new_book()
    past.add(ordered[:count], known)
    assert PastPositions(book, known).at(bot, row.exec_time, row.exec_id) == past.position(bot)
    by_time = new_book()
    by_time.add([r for r in rows if r.exec_time <= row.exec_time], known)
    elsewhere = PastPositions(book, known).at(bot, row.exec_time, "of another symbol")
    assert elsewhere == by_time.position(bot)


@thorough
@given(data=st.data(), rows=histories(), known=knowledge())
def test_the_past_may_be_walked_through(
    data: st.DataObject, rows: list[Execution], known: AttributionRules
) -> None:
    book = new_book()
    book.add(rows, known)
    moments = data.draw(st.lists(st.sampled_from(rows), min_size=1, max_size=8))
    walked = PastPositions(book, known)
    for row in [*in_order(moments), *moments]:
        for bot in sorted(known.bots):
            alone = PastPositions(book, known).at(bot, row.exec_time, row.exec_id)
            assert walked.at(bot, row.exec_time, row.exec_id) == alone


@thorough
@given(rows=histories(), known=knowledge(), cut=st.integers(0, 24))
def test_a_book_refuses_rows_up_to_its_checkpoint_whole(
    rows: list[Execution], known: AttributionRules, cut: int
) -> None:
    ordered = in_order(rows)
    checkpoint_ms = ordered[min(cut, len(ordered) - 1)].exec_time
    book = new_book(checkpoint_ms)
    with pytest.raises(BeforeCheckpoint) as refused:
        book.add(rows, known)
    assert list(refused.value.rows) == ordered
    assert book.rows == () and book.net() == 0
    later = [row for row in rows if row.exec_time > checkpoint_ms]
    assert {row.exec_id for row in book.add(later, known).executions} == {r.exec_id for r in later}


def newest_flat(rows: list[Execution], known: AttributionRules, before_ms: int) -> int:
    """The newest moment before `before_ms` after which nobody holds anything; -1: none."""
    moments = {row.exec_time for row in rows if row.exec_time < before_ms}
    flat = (
        at
        for at in moments
        if not oracle.fold([row for row in rows if row.exec_time <= at], known, STEP).positions
    )
    return max(flat, default=-1)


@thorough
@given(data=st.data(), rows=histories(), known=knowledge(), tidy=st.booleans())
def test_a_late_row_replaces_no_more_than_it_must(
    data: st.DataObject, rows: list[Execution], known: AttributionRules, tidy: bool
) -> None:
    book = new_book()
    if tidy:  # the newest row that a trimmed book has forgotten is a flat moment as well
        book.add(rows[::2], known)
        book.trim(data.draw(st.sampled_from(rows[::2])).exec_time)
    seen = rows[::2] if tidy else []
    frames = data.draw(deliveries(rows[1::2] or rows if tidy else rows))
    for frame in frames:
        fresh = [row for row in frame if row not in seen]
        try:
            change = book.add(frame, known)
        except BeforeCheckpoint:
            continue
        seen = list({row.exec_id: row for row in [*seen, *fresh]}.values())
        if change.replaced_after_ms is not None:
            oldest = min(row.exec_time for row in fresh)
            assert change.replaced_after_ms == newest_flat(seen, known, oldest)


@thorough
@given(rows=histories(), known=knowledge())
def test_new_knowledge_replaces_no_more_than_it_must(
    rows: list[Execution], known: AttributionRules
) -> None:
    early = replace(known, orders={}, overrides={}, owners={})
    book = new_book()
    book.add(rows, early)
    change = book.reattribute(known)
    was, now = oracle.fold(rows, early, STEP), oracle.fold(rows, known, STEP)
    told = {**was.fills, **was.funding}, {**now.fills, **now.funding}
    differs = {key[0] for key in told[0].keys() | told[1].keys()
               if told[0].get(key) != told[1].get(key)}  # fmt: skip
    if not differs:
        assert change.replaced_after_ms is None
        return
    oldest = min(row.exec_time for row in rows if row.exec_id in differs)
    assert change.replaced_after_ms == newest_flat(rows, known, oldest)
