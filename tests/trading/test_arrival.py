"""Whatever reaches an account in whatever order, by stream, REST or both, waiting or not: the
books, and what is queued to the ledger, end as those of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from alpha.clock import ManualClock
from alpha.core.events import Execution, OrderEvent
from alpha.core.ids import wire_id
from alpha.core.records import AttributionRules, Commit, OrderTag
from alpha.core.steps import QtySteps
from alpha.trading.account import Account
from alpha.trading.waiting import WAIT_S
from tests.core import oracle
from tests.core.examples import thorough
from tests.core.histories import (
    ACCOUNT,
    REASONS,
    STEP,
    SYMBOL,
    T0,
    Model,
    deliveries,
    histories,
    knowledge,
)

SOURCES: st.SearchStrategy[Literal["stream", "rest"]] = st.sampled_from(("stream", "rest"))
#: Of a sequence of events: rows of one frame, an order row, or milliseconds of wall time.
News = list[Execution] | OrderEvent | int


class Written:
    """The ledger as tables; it takes everything."""

    def __init__(self) -> None:
        self.model = Model()

    def put(self, commit: Commit) -> bool:
        if commit.change is not None:
            self.model.write(commit.change)
        return True


def account_of(known: AttributionRules, ledger: Written, clock: ManualClock) -> Account:
    account = Account(
        ACCOUNT,
        bots={bot: frozenset({SYMBOL}) for bot in known.bots},
        known_bots=known.bots,
        owners=known.owners,
        ledger=ledger,
        clock=clock,
        qty_steps={SYMBOL: QtySteps.always(STEP)},
        overrides=known.overrides,
        reasons=REASONS,
    )
    account.release()
    account.seek = lambda: None  # somebody seeks orders: rows wait for theirs
    return account


def order_of(order_id: str, tag: OrderTag) -> OrderEvent:
    """The order row from which the tag is learned."""
    link = wire_id(tag.bot_id, tag.reason or "entry", T0, REASONS)
    own = tag.source == "order"
    return OrderEvent(
        account=ACCOUNT,
        symbol=SYMBOL,
        order_id=order_id,
        order_link_id=link[:-1] + order_id[-1] if own else "",
        parent_link_id="" if own else link,
        side="Sell",
        order_type="Market",
        status="New",
        qty=Decimal(9),
        cum_exec_qty=Decimal(0),
        avg_price=None,
        price=None,
        trigger_price=None,
        stop_order_type="",
        create_type="CreateByUser",
        cancel_type="",
        reject_reason="",
        reduce_only=False,
        position_idx=0,
        created_ms=T0,
        updated_ms=T0,
    )


@st.composite
def news(draw: st.DrawFn, rows: Sequence[Execution], known: AttributionRules) -> list[News]:
    found: list[News] = [*draw(deliveries(rows))]
    found += [order_of(order_id, tag) for order_id, tag in known.orders.items()]
    found += draw(st.lists(st.integers(1, 3_000), max_size=5))
    return draw(st.permutations(found))


@thorough
@given(data=st.data(), rows=histories(), known=knowledge())
def test_any_arrival_ends_in_the_same_books(
    data: st.DataObject, rows: list[Execution], known: AttributionRules
) -> None:
    # A trade carries no order id of another's order, and an order's id names its reason.
    tags = {
        order_id: replace(tag, reason=tag.reason or "entry")
        for order_id, tag in known.orders.items()
        if tag.bot_id in known.bots
    }
    known = replace(known, orders=tags)
    clock, ledger = ManualClock(T0), Written()
    account = account_of(known, ledger, clock)
    for one in data.draw(news(rows, known)):
        if isinstance(one, list):
            account.receive([replace(row, source=data.draw(SOURCES)) for row in one])
        elif isinstance(one, int):
            clock.advance(one)
            account.fold_settled()
        else:
            account.receive_order(one)
        waiting = {entry.row.exec_id for entry in account.waiting.rows()}
        assert not waiting & ledger.model.executions.keys()
    clock.advance(round(WAIT_S * 1000))
    account.fold_settled()
    assert not account.waiting
    expected = oracle.fold(rows, known, STEP)
    book = account.book(SYMBOL)
    assert {b: at.signed_qty for b, at in book.positions().items()} == expected.positions
    assert {row.exec_id for row in book.rows} == {row.exec_id for row in rows}
    stored = {row.exec_id: replace(row, source="stream") for row in book.rows}
    assert stored == {row.exec_id: row for row in rows}
    ledger.model.agrees_with(expected)


@thorough
@given(data=st.data(), rows=histories(), known=knowledge())
def test_a_row_with_an_id_waits_only_for_those_before_it(
    data: st.DataObject, rows: list[Execution], known: AttributionRules
) -> None:
    clock, ledger = ManualClock(T0), Written()
    account = account_of(replace(known, orders={}), ledger, clock)
    for frame in data.draw(deliveries(rows)):
        account.receive(frame)
        entries = account.waiting.rows()
        for entry in entries:
            if entry.until is not None:
                assert entry.until - clock.monotonic() <= WAIT_S
                continue
            assert any(
                one.until is not None and one.row.ledger_key < entry.row.ledger_key
                for one in entries
            )
    assert len(account.book(SYMBOL).rows) + len(account.waiting.rows()) == len(rows)
