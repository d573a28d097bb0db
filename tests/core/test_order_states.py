"""The states of an order move forward, whatever the order in which they are heard of."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.core.orders import FROM_EXCHANGE, TERMINAL, OrderState, advance, is_terminal
from tests.core.examples import thorough

S = OrderState
#: What our own sending proposes, and what only the exchange can say.
OWN = (S.PENDING, S.SENT, S.UNKNOWN, S.ACKED, S.NEVER_ACCEPTED)
SHOWN = tuple(state for state in OrderState if state not in OWN)

#: Lives of an order as the exchange tells them.
LIVES: tuple[tuple[tuple[OrderState, ...], OrderState], ...] = (
    ((S.SENT, S.ACKED, S.OPEN, S.PARTIALLY_FILLED, S.FILLED), S.FILLED),
    ((S.SENT, S.UNKNOWN, S.OPEN, S.CANCELLED), S.CANCELLED),
    ((S.SENT, S.ACKED, S.OPEN, S.PARTIALLY_FILLED, S.CANCELLED), S.CANCELLED),
    ((S.SENT, S.ACKED, S.REJECTED), S.REJECTED),
    ((S.SENT, S.ACKED, S.OPEN, S.DEACTIVATED), S.DEACTIVATED),
    # A cancel that lost the race against the fill.
    ((S.SENT, S.ACKED, S.OPEN, S.CANCELLED, S.FILLED), S.FILLED),
    # Believed absent, and then it is there after all.
    ((S.SENT, S.UNKNOWN, S.NEVER_ACCEPTED, S.OPEN), S.OPEN),
    ((S.SENT, S.UNKNOWN, S.NEVER_ACCEPTED, S.OPEN, S.PARTIALLY_FILLED), S.PARTIALLY_FILLED),
    ((S.UNKNOWN, S.NEVER_ACCEPTED, S.FILLED), S.FILLED),
)


@pytest.mark.parametrize(("life", "end"), LIVES)
def test_a_life_ends_the_same_in_whatever_order_it_is_heard(
    life: tuple[OrderState, ...], end: OrderState
) -> None:
    for heard in permutations(life):
        assert reduce(advance, heard, S.PENDING) is end, heard


@thorough
@given(
    own=st.lists(st.sampled_from(OWN), max_size=6),
    shown=st.lists(st.sampled_from(SHOWN), min_size=1, max_size=6),
    data=st.data(),
)
def test_once_the_exchange_has_spoken_the_order_of_words_is_nothing(
    own: list[OrderState], shown: list[OrderState], data: st.DataObject
) -> None:
    heard = data.draw(st.permutations([*own, *shown]))
    end = reduce(advance, heard, S.PENDING)
    assert end is reduce(advance, shown, S.PENDING)
    assert end in shown
    if S.FILLED in shown:
        assert end is S.FILLED
    if any(is_terminal(state) for state in shown):
        assert is_terminal(end)


@given(st.lists(st.sampled_from([state for state in OWN if state is not S.NEVER_ACCEPTED])))
def test_without_the_exchange_the_furthest_own_step_counts(heard: list[OrderState]) -> None:
    furthest = max([S.PENDING, *heard], key=OWN.index)
    assert reduce(advance, heard, S.PENDING) is furthest


def test_an_answer_that_says_absent_does_not_undo_a_frame_that_came_in_meanwhile() -> None:
    for shown in SHOWN:
        assert advance(shown, S.NEVER_ACCEPTED) is shown


def test_absent_orders_stay_absent_for_everything_but_the_exchange() -> None:
    for own in (S.PENDING, S.SENT, S.UNKNOWN):
        assert advance(S.NEVER_ACCEPTED, own) is S.NEVER_ACCEPTED
        assert advance(own, S.NEVER_ACCEPTED) is S.NEVER_ACCEPTED
    # A late answer to the request itself: the order may live, and counts as exposure again.
    assert advance(S.NEVER_ACCEPTED, S.ACKED) is S.ACKED


def test_finished_states() -> None:
    assert {
        S.NEVER_ACCEPTED,
        S.REJECTED,
        S.DEACTIVATED,
        S.CANCELLED,
        S.FILLED,
    } == TERMINAL
    for finished in TERMINAL - {S.NEVER_ACCEPTED}:
        for working in set(OrderState) - TERMINAL:
            assert advance(finished, working) is finished


def test_every_status_of_the_exchange_has_a_word() -> None:
    """Bybit V5, enum orderStatus, with the older Created and PendingCancel."""
    open_, closed = (
        {"New", "PartiallyFilled", "Untriggered", "Triggered"},
        {
            "Rejected": S.REJECTED,
            "PartiallyFilledCanceled": S.CANCELLED,
            "Filled": S.FILLED,
            "Cancelled": S.CANCELLED,
            "Deactivated": S.DEACTIVATED,
        },
    )
    for status in open_ | {"Created", "Active", "PendingCancel"}:
        assert not is_terminal(FROM_EXCHANGE[status]), status
    for status, state in closed.items():
        assert FROM_EXCHANGE[status] is state
