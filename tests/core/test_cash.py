"""Cash by the average entry price: as the exchange books it, and in the end as the books do."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given

from alpha.core.book import Book
from alpha.core.cash import SMALLEST, AverageCost
from alpha.core.events import ADJUSTMENT, Execution
from alpha.core.steps import QtySteps
from tests.core.examples import thorough
from tests.core.histories import ACCOUNT, STEP, SYMBOL, by, funding, histories, rules

D = Decimal


def test_reductions_keep_the_average_and_a_flip_begins_anew() -> None:
    cash = AverageCost()
    rows = [
        by("ann", "e1", "Buy", "1", "100", fee=D("0.05")),
        by("ann", "e2", "Buy", "2", "103"),
        by("ann", "e3", "Sell", "1", "110"),  # 102 on average
        by("ann", "e4", "Sell", "5", "99"),  # closes 2, opens 3 short
        funding("e5", "-0.25"),
        by("ann", "e6", "Buy", "3", "100"),
    ]
    moved = [cash.take(row) for row in rows]
    assert [one.realised for one in moved] == [0, 0, 8, -6, 0, -3]
    assert moved[0].change == D("-0.05")
    assert moved[4].change == D("0.25")
    assert cash.open_costs() == {}


def test_it_goes_on_from_what_was_open() -> None:
    first = AverageCost()
    first.take(by("ann", "e1", "Sell", "3", "100"))
    first.take(by("ann", "e2", "Sell", "4", "101"))
    later = AverageCost(first.open_costs())
    assert first.open_costs() == {SYMBOL: (D(-7), D(704))}
    assert later.take(by("ann", "e3", "Buy", "1", "99")).realised == D("1.57142857")
    assert later.take(by("ann", "e4", "Buy", "6", "99")).realised == D("9.42857143")


@thorough
@given(rows=histories())
def test_from_flat_to_flat_it_comes_to_what_the_books_realise(rows: list[Execution]) -> None:
    rows = sorted(
        (row for row in rows if row.exec_type != ADJUSTMENT), key=lambda row: row.ledger_key
    )
    cash, book = AverageCost(), Book(ACCOUNT, SYMBOL, qty_steps=QtySteps.always(STEP))
    realised = booked = D(0)
    for count, row in enumerate(rows, start=1):
        realised += cash.take(row).realised
        booked += sum((fill.realised for fill in book.add((row,), rules()).fills), D(0))
        held = sum((size for size, _ in cash.open_costs().values()), D(0))
        assert held == book.net()
        if not book.positions():
            assert abs(realised - booked) <= count * SMALLEST
