"""Whose an execution is: each rule by itself, and that the first that answers decides."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from alpha.core.attribution import attribute, reason_of
from alpha.core.book import Book
from alpha.core.events import Execution
from alpha.core.records import AttributionRules, OrderTag
from alpha.core.steps import QtySteps
from tests.core.histories import STEP, SYMBOL, by, execution, funding, rules

D = Decimal
ONE, TWO = rules("ann"), rules("ann", "bob")
OWNED = rules("ann", "bob", owners={SYMBOL: "bob"})
TAGGED = rules("ann", "bob", orders={"order-e1": OrderTag("bob", "entry", "order")})
PARENT = rules("ann", "bob", orders={"order-e1": OrderTag("bob", "entry", "parent")})
LONG, SHORT = D(2), D(-2)

SELL = execution("e1", "Sell", "1")
STOP = execution("e1", "Sell", "1", create_type="CreateByStopLoss", stop_order_type="StopLoss")
LIQUIDATION = execution("e1", "Sell", "1", create_type="CreateByLiq")
OURS = by("ann", "e1", "Sell", "1")
STRANGERS = by("zoe", "e1", "Sell", "1")
OVERRIDDEN = rules("ann", "bob", overrides={"e1": "manual"}, orders=TAGGED.orders)


@pytest.mark.parametrize(
    ("row", "known", "held", "owner", "how"),
    [
        # what somebody decided, what the row says, what the order says
        (OURS, OVERRIDDEN, {"bob": LONG}, "manual", "override"),
        (OURS, TAGGED, {"bob": LONG}, "ann", "id"),
        (SELL, TAGGED, {"ann": LONG}, "bob", "order"),
        (STOP, PARENT, {"ann": LONG, "bob": LONG}, "bob", "parent"),
        (STOP, PARENT, {"ann": SHORT}, "bob", "parent"),
        (STOP, PARENT, {}, "bob", "parent"),
        (STOP, PARENT, {"ann": LONG}, "ann", "open_lot"),
        (LIQUIDATION, TAGGED, {"ann": LONG}, "bob", "order"),
        # an id that names a bot of another account is nobody's here
        (STRANGERS, TAGGED, {}, "bob", "order"),
        (STRANGERS, ONE, {}, "manual", "manual"),
        (SELL, rules("ann", orders=TAGGED.orders), {}, "manual", "manual"),
        # a person opens: manual, whoever the account has
        (SELL, ONE, {}, "manual", "manual"),
        (SELL, ONE, {"ann": SHORT}, "manual", "manual"),
        (SELL, OWNED, {}, "manual", "manual"),
        (execution("e1", "Sell", "1", create_type="CreateByTWAP"), ONE, {}, "manual", "manual"),
        (
            execution("e1", "Sell", "1", create_type="CreateByStopOrder", stop_order_type="Stop"),
            ONE, {}, "manual", "manual",
        ),
        # a person closes
        (SELL, ONE, {"ann": LONG}, "ann", "sole_bot"),
        (SELL, ONE, {"ann": LONG, "manual": LONG}, "ann", "sole_bot"),
        (SELL, ONE, {"manual": LONG}, "manual", "open_lot"),
        (SELL, TWO, {"bob": LONG}, "bob", "open_lot"),
        (SELL, TWO, {"ann": SHORT, "bob": LONG}, "bob", "open_lot"),
        (SELL, TWO, {"ann": LONG, "bob": LONG}, "manual", "manual"),
        (SELL, OWNED, {"ann": LONG, "bob": LONG}, "bob", "symbol"),
        # the system closes or opens
        (STOP, ONE, {"ann": LONG}, "ann", "sole_bot"),
        (STOP, ONE, {}, "manual", "manual"),
        (STOP, TWO, {"ann": LONG}, "ann", "open_lot"),
        (STOP, TWO, {}, "manual", "manual"),
        (STOP, OWNED, {}, "bob", "symbol"),
        (LIQUIDATION, ONE, {"ann": LONG}, "ann", "sole_bot"),
        (LIQUIDATION, ONE, {"manual": LONG}, "manual", "open_lot"),
        (LIQUIDATION, TWO, {"bob": LONG}, "bob", "open_lot"),
        # funding
        (funding("e1", "1"), ONE, {"ann": LONG}, "ann", "sole_bot"),
        (funding("e1", "1"), TWO, {"bob": SHORT}, "bob", "open_lot"),
        (funding("e1", "1"), TWO, {}, "manual", "manual"),
        (funding("e1", "1"), OWNED, {}, "bob", "symbol"),
        (funding("e1", "1"), ONE, {}, "manual", "manual"),
    ],
)  # fmt: skip
def test_one_owner(
    row: Execution, known: AttributionRules, held: Mapping[str, Decimal], owner: str, how: str
) -> None:
    (share,) = attribute(row, known, held, STEP)
    assert (share.bot_id, share.attribution) == (owner, how)
    assert (share.signed_qty, share.fee) == (row.signed_qty, row.fee)


@pytest.mark.parametrize(
    ("exec_type", "create_type"),
    [
        ("BustTrade", "CreateByTakeOver_PassThrough"),
        ("AdlTrade", "CreateByAdl_PassThrough"),
        ("Settle", "CreateBySettle"),
        ("Delivery", ""),
        ("Trade", "CreateByLiq"),
    ],
)
def test_what_the_exchange_forces_is_everyones(exec_type: str, create_type: str) -> None:
    row = execution("e1", "Sell", "3", exec_type=exec_type, create_type=create_type, fee=D("0.09"))
    shares = attribute(row, TWO, {"ann": D(4), "manual": D(2)}, STEP)
    assert [(s.bot_id, s.signed_qty, s.fee, s.attribution) for s in shares] == [
        ("ann", D(-2), D("0.06"), "share"),
        ("manual", D(-1), D("0.03"), "share"),
    ]


def test_a_stop_of_a_bots_order_closes_what_a_person_has_added_for_that_person() -> None:
    """The exchange's stop closes its whole position: the bot's part of it turns nobody's."""
    row = execution(
        "e1", "Sell", "3", create_type="CreateByStopLoss", stop_order_type="StopLoss", fee=D("0.09")
    )
    shares = attribute(row, PARENT, {"bob": D(1), "manual": D(2)}, STEP)
    assert [(s.bot_id, s.signed_qty, s.fee, s.attribution) for s in shares] == [
        ("bob", D(-1), D("0.03"), "parent"),
        ("manual", D(-2), D("0.06"), "open_lot"),
    ]
    (share,) = attribute(row, PARENT, {"bob": D(1)}, STEP)
    assert (share.bot_id, share.signed_qty) == ("bob", D(-3)), "nobody else has anything to close"


def test_opposite_positions_that_cancel_have_no_shares() -> None:
    """The exchange knows no position then; a forced trade follows its effect."""
    forced = execution("e1", "Sell", "1", exec_type="BustTrade")
    (share,) = attribute(forced, TWO, {"ann": LONG, "bob": SHORT}, STEP)
    assert (share.bot_id, share.attribution) == ("ann", "open_lot")


@pytest.mark.parametrize(("known", "owner"), [(TWO, "manual"), (OWNED, "bob")])
def test_funding_on_positions_that_cancel_is_whole(known: AttributionRules, owner: str) -> None:
    """There should be none; if there is, it is the symbol's owner's, or nobody's."""
    (share,) = attribute(funding("e1", "0.5"), known, {"ann": LONG, "bob": SHORT}, STEP)
    assert (share.bot_id, share.signed_qty, share.fee) == (owner, D(0), D("0.5"))


def test_funding_of_opposite_positions_is_signed() -> None:
    """The long pays more than the account does, and the short receives the difference."""
    shares = attribute(funding("e1", "0.1"), TWO, {"ann": D(4), "bob": D(-2)}, STEP)
    assert [(s.bot_id, s.fee) for s in shares] == [("ann", D("0.2")), ("bob", D("-0.1"))]


def test_the_cash_of_shares_is_exact_to_the_last_digit() -> None:
    shares = attribute(funding("e1", "0.1"), TWO, {"ann": D(1), "bob": D(1), "manual": D(1)}, STEP)
    assert [s.fee for s in shares[:2]] == [D("0.033333333333")] * 2
    assert sum(s.fee for s in shares) == D("0.1")


@pytest.mark.parametrize(
    ("known", "held", "qty", "parts"),
    [
        # a person adds to a bot's position, then closes everything: both are flat
        (ONE, {"ann": D(1), "manual": D(1)}, "2",
         [("ann", "-1", "sole_bot"), ("manual", "-1", "open_lot")]),
        (ONE, {"ann": D(1), "manual": D(3)}, "2",
         [("ann", "-1", "sole_bot"), ("manual", "-1", "open_lot")]),
        # more than anybody holds: the rest was opened by no bot
        (ONE, {"ann": D(2)}, "3", [("ann", "-2", "sole_bot"), ("manual", "-1", "manual")]),
        (ONE, {"manual": D(2)}, "3", [("manual", "-3", "open_lot")]),
        (TWO, {"bob": D(2)}, "3", [("bob", "-2", "open_lot"), ("manual", "-1", "manual")]),
        (TWO, {"ann": D(2), "manual": D(1)}, "3",
         [("manual", "-1", "manual"), ("ann", "-2", "open_lot")]),
        (OWNED, {"ann": D(2), "bob": D(1)}, "3",
         [("bob", "-1", "symbol"), ("ann", "-2", "open_lot")]),
        # whose it is nobody can tell
        (TWO, {"ann": D(2), "bob": D(1)}, "3", [("manual", "-3", "manual")]),
        (TWO, {"ann": D(2), "bob": D(1), "manual": D(1)}, "4", [("manual", "-4", "manual")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("create_type", ["CreateByUser", "CreateByClosing"])
def test_nobody_closes_more_than_it_holds(
    known: AttributionRules,
    held: Mapping[str, Decimal],
    qty: str,
    parts: list[tuple[str, str, str]],
    create_type: str,
) -> None:
    row = execution("e1", "Sell", qty, create_type=create_type, fee=D("0.1"))
    shares = attribute(row, known, held, STEP)
    assert [(s.bot_id, s.signed_qty, s.attribution) for s in shares] == [
        (bot, D(signed), how) for bot, signed, how in parts
    ]
    assert sum(s.fee for s in shares) == row.fee


def test_an_adjustment_is_manuals_whatever_anybody_says() -> None:
    row = execution("e1", "Sell", "1", exec_type="Adjustment", create_type="somebody")
    known = rules("ann", "bob", orders=TAGGED.orders, overrides={"e1": "bob"})
    (share,) = attribute(row, known, {"ann": LONG, "bob": LONG}, STEP)
    assert (share.bot_id, share.attribution) == ("manual", "manual")


def test_a_forced_row_may_be_given_to_one_bot_whole() -> None:
    forced = execution("e1", "Sell", "2", exec_type="AdlTrade")
    known = rules("ann", "bob", overrides={"e1": "bob"})
    (share,) = attribute(forced, known, {"ann": LONG, "bob": LONG}, STEP)
    assert (share.bot_id, share.signed_qty, share.attribution) == ("bob", D(-2), "override")


@pytest.mark.parametrize(
    ("exec_type", "create_type", "stop_order_type", "reason"),
    [
        ("Trade", "CreateByTakeProfit", "TakeProfit", "take_profit"),
        ("Trade", "CreateByPartialTakeProfit", "PartialTakeProfit", "take_profit"),
        ("Trade", "CreateByStopLoss", "StopLoss", "stop_loss"),
        ("Trade", "CreateByPartialStopLoss", "PartialStopLoss", "stop_loss"),
        ("Trade", "CreateByTrailingStop", "TrailingStop", "trailing_stop"),
        ("Trade", "CreateByTrailingProfit", "TrailingStop", "trailing_stop"),
        ("Trade", "", "TakeProfit", "take_profit"),
        ("Trade", "UNKNOWN", "PartialStopLoss", "stop_loss"),
        ("Trade", "CreateByLiq", "", "risk_limit"),
        ("Trade", "CreateByTakeOver_PassThrough", "", "risk_limit"),
        ("Trade", "CreateByAdl_PassThrough", "", "risk_limit"),
        ("BustTrade", "", "", "risk_limit"),
        ("AdlTrade", "", "", "risk_limit"),
        ("Trade", "CreateByClosing", "", "manual_exit"),
        ("Trade", "CreateByAdminClosing", "", "manual_exit"),
        ("Trade", "CreateByMmRateClose", "MmRateClose", "manual_exit"),
        ("Trade", "CreateBySettle", "", "manual_exit"),
        ("Settle", "", "", "manual_exit"),
        ("Delivery", "", "", "manual_exit"),
    ],
)
def test_the_exchange_names_the_reason_and_the_bot_that_holds_has_it(
    exec_type: str, create_type: str, stop_order_type: str, reason: str
) -> None:
    row = execution(
        "e1", "Sell", "1", exec_type=exec_type, create_type=create_type,
        stop_order_type=stop_order_type,
    )  # fmt: skip
    for known, held, how in ((ONE, "ann", "sole_bot"), (TWO, "bob", "open_lot")):
        (share,) = attribute(row, known, {held: LONG}, STEP)
        assert (share.bot_id, share.attribution) == (held, how)
        assert reason_of(row, known, "exit") == (reason, "exchange")


@pytest.mark.parametrize("reason", ["entry", "stop_loss"])
def test_the_effect_decides_what_a_fill_is_not_its_side_or_tag(reason: str) -> None:
    book = Book("main", SYMBOL, qty_steps=QtySteps.always(STEP))
    rows = [
        by("ann", "e1", "Sell", "1", reason=reason),  # opens a short
        by("ann", "e2", "Buy", "3", reason=reason),  # closes it and opens a long: two fills
        by("bob", "e3", "Sell", "1", reason=reason),  # opens bob's short beside ann's long
    ]
    fills = book.add(rows, TWO).fills
    assert [(f.bot_id, f.effect, f.leg, f.qty, f.reason) for f in fills] == [
        ("ann", "entry", 1, D(1), reason),
        ("ann", "exit", 0, D(1), reason),
        ("ann", "entry", 1, D(2), reason),
        ("bob", "entry", 1, D(1), reason),
    ]


@pytest.mark.parametrize(
    ("row", "known", "effect", "reason"),
    [
        (by("ann", "e1", "Buy", "1", reason="scale_in"), TAGGED, "entry", ("scale_in", "id")),
        # the opening half of a flip keeps the reason of the order that caused it
        (by("ann", "e1", "Buy", "1", reason="stop_loss"), ONE, "entry", ("stop_loss", "id")),
        (by("zoe", "e1", "Buy", "1", reason="scale_in"), ONE, "entry", ("manual_entry", "effect")),
        (SELL, TAGGED, "exit", ("entry", "id")),
        (STOP, PARENT, "exit", ("stop_loss", "exchange")),
        (SELL, PARENT, "exit", ("manual_exit", "effect")),
        (LIQUIDATION, ONE, "exit", ("risk_limit", "exchange")),
        (SELL, ONE, "entry", ("manual_entry", "effect")),
        (SELL, ONE, "exit", ("manual_exit", "effect")),
    ],
)
def test_reasons(
    row: Execution, known: AttributionRules, effect: str, reason: tuple[str, str]
) -> None:
    assert reason_of(row, known, "entry" if effect == "entry" else "exit") == reason
