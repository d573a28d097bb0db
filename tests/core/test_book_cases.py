"""The fold on small histories that were worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpha.core.book import BeforeCheckpoint, Book
from alpha.core.events import Execution, Side
from alpha.core.past import PastPositions
from alpha.core.records import AttributionRules, BookChange, BotPosition, Fill, OrderTag, RoundTrip
from alpha.core.steps import QtySteps
from tests.core.histories import ACCOUNT, STEP, SYMBOL, T0, Model, by, execution, funding, rules

D = Decimal
KNOWN = rules()


def booked(*rows: Execution, known: AttributionRules = KNOWN) -> tuple[Book, BookChange]:
    book = Book(ACCOUNT, SYMBOL, qty_steps=QtySteps.always(STEP))
    return book, book.add(rows, known)


def pieces(change: BookChange) -> list[tuple[str, str, Decimal, Decimal]]:
    return [(p.entry_exec_id, p.exit_exec_id, p.qty, p.net_pnl) for p in change.round_trips]


def legs(change: BookChange) -> list[tuple[str, str, int, Decimal]]:
    return [(f.exec_id, f.bot_id, f.leg, f.qty) for f in change.fills]


def at(number: int) -> int:
    return T0 + number * 1_000


def test_a_long_round_trip() -> None:
    book, change = booked(
        by("ann", "e1", "Buy", "2", "100", fee=D("0.11"), reason="ema_cross"),
        by("ann", "e2", "Sell", "2", "110", fee=D("0.121"), reason="take_profit"),
    )
    entry, exit_ = change.fills
    assert (entry.effect, entry.reason, entry.reason_source) == ("entry", "ema_cross", "id")
    assert (exit_.effect, exit_.reason, exit_.realised) == ("exit", "take_profit", D(20))
    assert (entry.position_after, exit_.position_after) == (D(2), D(0))
    (piece,) = change.round_trips
    assert piece == RoundTrip(
        account=ACCOUNT, symbol=SYMBOL, bot_id="ann", side="long", entry_exec_id="e1",
        exit_exec_id="e2", qty=D(2), entry_price=D(100), exit_price=D(110), entry_time=at(1),
        exit_time=at(2), entry_reason="ema_cross", exit_reason="take_profit", gross_pnl=D(20),
        entry_fee=D("0.11"), exit_fee=D("0.121"), funding=D(0), entry_order_id="order-e1",
        exit_order_id="order-e2", entry_link_id=entry.order_link_id,
        exit_link_id=exit_.order_link_id,
    )  # fmt: skip
    assert piece.net_pnl == D("19.769")
    (cycle,) = change.cycles
    assert (cycle.opened_at, cycle.closed_at) == (at(1), at(2))
    assert (cycle.size, cycle.max_size) == (D(0), D(2))
    assert (cycle.realised_pnl, cycle.fees) == (D(20), D("0.231"))
    assert (cycle.entry_reason, cycle.exit_reason) == ("ema_cross", "take_profit")
    assert book.position("ann") == BotPosition(SYMBOL, D(0), None, None, None)


def test_a_short_wins_when_the_price_falls() -> None:
    _, change = booked(by("ann", "e1", "Sell", "3", "100"), by("ann", "e2", "Buy", "3", "90"))
    assert [(f.effect, f.position_after) for f in change.fills] == [
        ("entry", D(-3)),
        ("exit", D(0)),
    ]
    (piece,) = change.round_trips
    assert (piece.side, piece.gross_pnl) == ("short", D(30))


def test_partial_exits_close_the_oldest_lot_first() -> None:
    """Lots of 2 at 100 and 1 at 130; exits of 1 and 2 take 1 + (1, 1)."""
    book, change = booked(
        by("ann", "e1", "Buy", "2", "100", fee=D("0.2")),
        by("ann", "e2", "Buy", "1", "130", fee=D("0.13"), reason="scale_in"),
        by("ann", "e3", "Sell", "1", "120", fee=D("0.12")),
        by("ann", "e4", "Sell", "2", "120", fee=D("0.25")),
    )
    assert pieces(change) == [
        ("e1", "e3", D(1), D(20) - D("0.1") - D("0.12")),
        ("e1", "e4", D(1), D(20) - D("0.1") - D("0.125")),
        ("e2", "e4", D(1), D(-10) - D("0.13") - D("0.125")),
    ]
    (cycle,) = change.cycles
    assert cycle.avg_entry_price == D(110)
    assert (cycle.max_size, cycle.fees, cycle.realised_pnl) == (D(3), D("0.70"), D(30))
    assert [lot.remaining_qty for lot in change.lots] == [D(0), D(0)]
    assert book.net() == 0


def test_a_position_keeps_its_average_on_reductions() -> None:
    book, _ = booked(
        by("ann", "e1", "Buy", "2", "100"),
        by("ann", "e2", "Buy", "1", "130"),
        by("ann", "e3", "Sell", "2", "500"),
    )
    assert book.position("ann") == BotPosition(SYMBOL, D(1), D(110), at(1), "entry")


def test_thirds_of_a_fee_add_up() -> None:
    _, change = booked(
        by("ann", "e1", "Buy", "3", "100", fee=D("0.1")),
        by("ann", "e2", "Sell", "1", "100"),
        by("ann", "e3", "Sell", "1", "100"),
        by("ann", "e4", "Sell", "1", "100"),
    )
    fees = [piece.entry_fee for piece in change.round_trips]
    assert fees == [D("0.033333333333"), D("0.033333333333"), D("0.033333333334")]


def test_a_flip_closes_and_opens() -> None:
    book, change = booked(
        by("ann", "e1", "Buy", "1", "100"),
        by("ann", "e2", "Sell", "3", "120", fee=D("0.1"), reason="trailing_stop"),
    )
    _, closing, opening = change.fills
    assert (closing.leg, closing.qty, closing.effect, closing.realised) == (0, D(1), "exit", D(20))
    assert (opening.leg, opening.qty, opening.effect, opening.realised) == (1, D(2), "entry", D(0))
    assert (closing.fee, opening.fee) == (D("0.033333333333"), D("0.066666666667"))
    assert (closing.position_after, opening.position_after) == (D(0), D(-2))
    closed, opened = change.cycles
    assert (closed.side, closed.closed_at) == ("long", at(2))
    assert (opened.side, opened.opened_by, opened.closed_at) == ("short", "e2", None)
    assert book.position("ann") == BotPosition(SYMBOL, D(-2), D(120), at(2), "trailing_stop")


def test_funding_goes_to_the_lots_by_what_is_left_of_them() -> None:
    _, change = booked(
        by("ann", "e1", "Buy", "3", "100"),
        by("ann", "e2", "Sell", "1", "100"),
        by("ann", "e3", "Buy", "1", "100"),
        funding("e4", "0.30", fee_rate=D("0.0001")),
        by("ann", "e5", "Sell", "1", "100"),
        by("ann", "e6", "Sell", "2", "100"),
    )
    (payment,) = change.funding
    assert (payment.bot_id, payment.amount, payment.position) == ("ann", D("-0.30"), D(3))
    assert payment.rate == D("0.0001")
    assert [(p.entry_exec_id, p.qty, p.funding) for p in change.round_trips] == [
        ("e1", D(1), D(0)),
        ("e1", D(1), D("-0.1")),
        ("e1", D(1), D("-0.1")),
        ("e3", D(1), D("-0.1")),
    ]
    assert change.cycles[0].funding == D("-0.30")
    assert "e4" not in {fill.exec_id for fill in change.fills}


def test_funding_when_nobody_holds_is_kept_without_a_lot() -> None:
    _, change = booked(funding("e1", "-0.5"), known=rules("ann"))
    (payment,) = change.funding
    assert (payment.bot_id, payment.amount, payment.position) == ("manual", D("0.5"), D(0))
    assert change.lots == () and change.cycles == ()


def test_funding_is_shared_by_signed_position() -> None:
    """Long 3 and short 1: the account pays for 2, the short receives."""
    _, change = booked(
        by("ann", "e1", "Buy", "3"), by("bob", "e2", "Sell", "1"), funding("e3", "0.02")
    )
    assert [(p.bot_id, p.amount, p.position) for p in change.funding] == [
        ("ann", D("-0.03"), D(3)),
        ("bob", D("0.01"), D(-1)),
    ]


def forced(exec_id: str, side: Side, qty: str, fee: str = "0", **fields: object) -> Execution:
    what = {"exec_type": "BustTrade", "create_type": "CreateByTakeOver_PassThrough"} | fields
    return execution(exec_id, side, qty, "50", fee=D(fee), **what)


def test_a_liquidation_closes_everyone() -> None:
    book, change = booked(
        by("ann", "e1", "Buy", "0.03"),
        by("bob", "e2", "Buy", "0.01"),
        execution("e3", "Buy", "0.02"),
        forced("e4", "Sell", "0.06", "0.06"),
    )
    shares = change.fills[3:]
    assert [(f.bot_id, f.qty, f.fee) for f in shares] == [
        ("ann", D("0.03"), D("0.03")),
        ("bob", D("0.01"), D("0.01")),
        ("manual", D("0.02"), D("0.02")),
    ]
    assert {(f.attribution, f.reason, f.reason_source, f.effect) for f in shares} == {
        ("share", "risk_limit", "exchange", "exit")
    }
    assert book.positions() == {} and len(change.round_trips) == 3


def shares_of(*held: tuple[str, str], cut: tuple[Side, str]) -> dict[str, Decimal]:
    """Signed quantities by bot when the exchange trades `cut` out of what is `held`."""
    entries = [by(bot, f"e{n}", _side(qty), qty.lstrip("-")) for n, (bot, qty) in enumerate(held)]
    side, size = cut
    _, change = booked(*entries, forced("e90", side, size), known=rules("ann", "bob", "cyd", "dee"))
    taken = [fill for fill in change.fills if fill.exec_id == "e90"]
    return {fill.bot_id: fill.qty if fill.side == "Buy" else -fill.qty for fill in taken}


def _side(qty: str) -> Side:
    return "Sell" if qty.startswith("-") else "Buy"


def test_odd_steps_go_to_the_largest_remainders() -> None:
    # 5 of 10 steps: 2.5, 1.5 and 1 exactly; of equal remainders the first name
    held = (("ann", "0.05"), ("bob", "0.03"), ("cyd", "0.02"))
    assert shares_of(*held, cut=("Sell", "0.05")) == {
        "ann": D("-0.03"), "bob": D("-0.01"), "cyd": D("-0.01"),
    }  # fmt: skip
    # 1 of 10 steps: 0.5, 0.3, 0.2; whoever gets nothing has no fill
    assert shares_of(*held, cut=("Sell", "0.01")) == {"ann": D("-0.01")}


def test_a_remainder_of_five_thirds_ties_with_one_of_two_thirds() -> None:
    # net 3 steps; the exchange buys back 1: 5/3, -4/3 and 2/3 of a step
    held = (("ann", "-0.02"), ("bob", "-0.05"), ("cyd", "0.04"))
    assert shares_of(*held, cut=("Buy", "0.01")) == {
        "ann": D("0.01"), "bob": D("0.02"), "cyd": D("-0.02"),
    }  # fmt: skip


def test_nobodys_share_is_a_step_off_when_bots_are_opposite() -> None:
    """Net 10 steps, 1 sold: exact shares -2.9, 1.7, 0.7 and -0.5."""
    held = (("ann", "0.29"), ("bob", "-0.17"), ("cyd", "-0.07"), ("dee", "0.05"))
    assert shares_of(*held, cut=("Sell", "0.01")) == {
        "ann": D("-0.03"), "bob": D("0.02"), "cyd": D("0.01"), "dee": D("-0.01"),
    }  # fmt: skip


def test_a_step_that_was_made_coarser_leaves_nothing_behind() -> None:
    held = (("ann", "0.005"), ("bob", "0.015"))
    assert shares_of(*held, cut=("Sell", "0.02")) == {"ann": D("-0.005"), "bob": D("-0.015")}


def test_an_exit_larger_than_its_bots_position_flips_that_bot_alone() -> None:
    book, _ = booked(
        by("ann", "e1", "Buy", "2"), by("bob", "e2", "Buy", "2"), by("ann", "e3", "Sell", "3")
    )
    assert book.position("ann").signed_qty == -1
    assert book.position("bob") == BotPosition(SYMBOL, D(2), D(100), at(2), "entry")
    assert book.net() == 1


def test_a_type_that_is_not_known_changes_nothing_and_is_named() -> None:
    odd = execution("e2", "Sell", "1", exec_type="Novelty")
    book, change = booked(by("ann", "e1", "Buy", "1"), odd)
    assert change.quarantined == (odd,)
    assert change.executions[1] == odd and "e2" in book
    assert book.net() == 1 and len(change.fills) == 1


def test_a_late_entry_makes_the_exit_an_exit() -> None:
    """The sell was seen first and looked like a short; then the buy before it comes by REST."""
    book, change = booked(by("ann", "e2", "Sell", "1", "110"))
    assert change.fills[0].effect == "entry"
    model = Model()
    model.write(change)
    change = book.add([by("ann", "e1", "Buy", "1", "100")], KNOWN)
    assert change.replaced_after_ms == -1
    assert [row.exec_id for row in change.executions] == ["e1"]
    model.write(change)
    assert sorted(model.fills) == [("e1", "ann", 1), ("e2", "ann", 0)]
    assert sorted(model.lots) == [("e1", "ann")] and sorted(model.cycles) == [("ann", "e1")]
    (correction,) = change.corrections
    assert correction.bot_id == "ann"
    assert (correction.before.signed_qty, correction.after.signed_qty) == (D(-1), D(0))


def test_a_late_row_replaces_only_what_follows_the_last_flat_moment() -> None:
    book, _ = booked(
        by("ann", "e1", "Buy", "1"),
        by("ann", "e2", "Sell", "1"),
        by("ann", "e5", "Buy", "1"),
    )
    change = book.add([by("ann", "e4", "Buy", "1")], KNOWN)
    assert change.replaced_after_ms == at(2)
    assert legs(change) == [("e4", "ann", 1, D(1)), ("e5", "ann", 1, D(1))]
    # the flat moment is still one for the next late row
    assert book.add([by("ann", "e3", "Buy", "1")], KNOWN).replaced_after_ms == at(2)


def test_rows_of_one_millisecond_are_never_torn_apart() -> None:
    """Flat after e2, but e3 trades in the same millisecond: the moment before counts."""
    book, _ = booked(
        by("ann", "e1", "Buy", "1"),
        by("ann", "e2", "Sell", "1", exec_time=at(2)),
        by("ann", "e3", "Buy", "1", exec_time=at(2)),
        by("ann", "e5", "Sell", "1"),
        by("ann", "e9", "Buy", "1"),
    )
    change = book.add([by("ann", "e4", "Buy", "1")], KNOWN)
    assert change.replaced_after_ms == -1
    book.trim(at(2))
    assert book.checkpoint_ms is None
    book.trim(at(9))
    assert book.checkpoint_ms is None  # with e4, ann has held something ever since


def test_what_is_known_already_changes_nothing() -> None:
    row = by("ann", "e1", "Buy", "1")
    book, _ = booked(row)
    assert book.add([row, row], KNOWN) == BookChange(ACCOUNT, SYMBOL)
    assert book.net() == 1


def test_trimming_moves_to_the_newest_flat_moment_and_older_rows_are_refused() -> None:
    book, _ = booked(
        by("ann", "e1", "Buy", "1"),
        by("ann", "e2", "Sell", "1"),
        by("ann", "e3", "Buy", "1"),
        by("ann", "e4", "Sell", "1"),
        by("ann", "e5", "Buy", "1"),
    )
    book.trim(at(1))
    assert book.checkpoint_ms is None
    book.trim(at(3))
    assert book.checkpoint_ms == at(2)
    older = by("ann", "e0", "Buy", "1")
    fine = by("ann", "e6", "Sell", "1")
    with pytest.raises(BeforeCheckpoint) as refused:
        book.add([fine, older], KNOWN)
    assert refused.value.rows == (older, fine)
    assert book.net() == 1 and "e6" not in book
    book.add([fine], KNOWN)
    assert book.net() == 0
    assert [row.exec_id for row in book.rows] == ["e3", "e4", "e5", "e6"]
    # what was trimmed is not remembered, and flat moments after it still count
    assert "e1" not in book and "e3" in book
    with pytest.raises(BeforeCheckpoint):
        book.add([by("ann", "e1", "Buy", "1")], KNOWN)
    late = by("ann", "e7", "Buy", "1", exec_time=at(4) + 500)
    assert book.add([late], KNOWN).replaced_after_ms == at(4)
    assert book.reattribute(rules(overrides={"e7": "bob"})).replaced_after_ms == at(4)
    book.add([by("bob", "e8", "Sell", "1")], KNOWN)
    book.trim(at(99))
    assert book.checkpoint_ms == at(8) and book.rows == ()


# -- learned later --------------------------------------------------------------------------------


def last_fill(book: Book, bot: str) -> Fill:
    return book.fills_of(bot)[-1]


def test_an_override_moves_a_fill_and_says_so() -> None:
    book, change = booked(execution("e1", "Buy", "1"))
    assert change.fills[0].bot_id == "manual"
    change = book.reattribute(rules(overrides={"e1": "bob"}))
    assert change.replaced_after_ms == -1 and change.executions == ()
    assert [(f.bot_id, f.attribution) for f in change.fills] == [("bob", "override")]
    assert [c.bot_id for c in change.corrections] == ["bob", "manual"]


def test_a_stop_whose_parent_is_learned_after_its_fill() -> None:
    """Two bots hold the symbol: the stop's fill alone does not say whose it was."""
    stop = execution(
        "e3", "Sell", "1", create_type="CreateByStopLoss", stop_order_type="StopLoss", order_id="s"
    )
    book, _ = booked(by("ann", "e1", "Buy", "1"), by("bob", "e2", "Buy", "1"), stop)
    assert last_fill(book, "manual").exec_id == "e3"
    learned = rules(orders={"s": OrderTag("bob", "entry", "parent")})
    assert book.reattribute(learned, "another order") == BookChange(ACCOUNT, SYMBOL)
    book.reattribute(learned, "s")
    fill = last_fill(book, "bob")
    assert (fill.exec_id, fill.effect, fill.attribution) == ("e3", "exit", "parent")
    # its own reason, not that of the entry it was attached to
    assert (fill.reason, fill.reason_source) == ("stop_loss", "exchange")
    assert sorted(book.positions()) == ["ann"]


def test_a_code_that_is_not_known_gets_its_reason_from_the_order() -> None:
    row = execution("e1", "Buy", "1", order_link_id="ann-zz-00000001", order_id="o")
    book, change = booked(row)
    assert (change.fills[0].bot_id, change.fills[0].reason) == ("ann", "manual_entry")
    book.reattribute(rules(orders={"o": OrderTag("ann", "scale_in", "order")}), "o")
    assert last_fill(book, "ann").reason == "scale_in"


def test_what_is_learned_late_leaves_what_was_before_alone() -> None:
    book, _ = booked(
        by("ann", "e1", "Buy", "1"),
        by("ann", "e2", "Sell", "1"),
        execution("e3", "Buy", "1"),
    )
    change = book.reattribute(rules(overrides={"e3": "ann"}))
    assert change.replaced_after_ms == at(2)
    assert legs(change) == [("e3", "ann", 1, D(1))]


def test_positions_of_the_past() -> None:
    book, _ = booked(
        by("ann", "e1", "Buy", "1", "100"),
        by("bob", "e2", "Sell", "1", "100"),
        by("ann", "e3", "Buy", "1", "120"),
    )
    assert PastPositions(book, KNOWN).at("ann", at(0), "e0").signed_qty == 0
    assert PastPositions(book, KNOWN).at("ann", at(1), "e1") == BotPosition(
        SYMBOL, D(1), D(100), at(1), "entry"
    )
    assert PastPositions(book, KNOWN).at("ann", at(2), "e2").signed_qty == 1
    assert PastPositions(book, KNOWN).at("ann", at(3), "e3").avg_price == 110
    assert PastPositions(book, KNOWN).at("bob", at(9), "of another symbol").signed_qty == -1
    assert book.net() == 1
