"""Whose an execution is: each rule by itself, and that the first that answers decides."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from alpha.core.attribution import attribute, reason_of
from alpha.core.events import Execution
from alpha.core.records import AttributionRules, OrderTag
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
        (STOP, PARENT, {"ann": LONG}, "bob", "parent"),
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
        (STOP, ONE, {}, "ann", "sole_bot"),
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
        (funding("e1", "1"), ONE, {}, "ann", "sole_bot"),
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


def test_opposite_positions_that_cancel_have_no_shares() -> None:
    """The exchange knows no position then; a forced trade follows its effect."""
    forced = execution("e1", "Sell", "1", exec_type="BustTrade")
    (share,) = attribute(forced, TWO, {"ann": LONG, "bob": SHORT}, STEP)
    assert (share.bot_id, share.attribution) == ("ann", "open_lot")


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
