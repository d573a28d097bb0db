"""Random histories of one account and symbol, for two implementations to agree on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from alpha.core.events import Execution, Side
from alpha.core.ids import wire_id
from alpha.core.records import AttributionRules, OrderTag
from alpha.ledger.audit import Facts
from tests.ledger.conftest import ACCOUNT, BOTS
from tests.ledger.samples import T0, execution

SYMBOL = "BTCUSDT"
STEP = Decimal("0.001")
KINDS = (
    *("ours", "ours", "ours", "tagged", "child", "stop", "person", "funding", "forced", "odd"),
    "adjustment",
)


@st.composite
def executions(draw: st.DrawFn, max_rows: int = 14) -> list[Execution]:
    count = draw(st.integers(1, max_rows))
    return [_execution(draw, number) for number in range(count)]


@st.composite
def flat_often(draw: st.DrawFn, max_rows: int = 10) -> list[Execution]:
    """One or two bots, one unit at a time: flat, and through zero, again and again."""
    rows = []
    for number in range(draw(st.integers(1, max_rows))):
        side: Side = draw(st.sampled_from(("Buy", "Sell")))
        bot = draw(st.sampled_from((BOTS[0], BOTS[0], BOTS[1])))
        qty = draw(st.sampled_from(("0.001", "0.001", "0.002")))
        second = draw(st.integers(0, 9))
        row = execution(
            f"e{number}",
            T0 + second * 1_000,
            side,
            qty,
            order_link_id=wire_id(bot, "ema_cross", T0 + number),
            seq=number,
        )
        # A stop without an id belongs to whoever holds what it closes: to the history before it.
        if draw(st.integers(0, 4)) == 0:
            row = replace(row, order_link_id="", create_type="CreateByStopLoss")
        rows.append(row)
    return rows


def _execution(draw: st.DrawFn, number: int) -> Execution:
    kind = draw(st.sampled_from(KINDS))
    bot = draw(st.sampled_from((*BOTS, "stranger")))
    reason = draw(st.sampled_from(("ema_cross", "stop_loss", "entry")))
    ours = wire_id(bot, reason, T0 + number) if kind == "ours" else ""
    qty = draw(st.one_of(st.integers(1, 2), st.integers(1, 40))) * STEP  # often flat again
    price = Decimal(draw(st.integers(9_000, 11_000))) / 100
    exec_type, create_type, stop = "Trade", "CreateByUser", ""
    order_id = f"order-{number}"
    if kind in ("tagged", "child"):
        order_id = f"{kind}-{draw(st.integers(0, 2))}"
    elif kind == "stop":
        create_type, stop = "CreateByStopLoss", "StopLoss"
    elif kind == "funding":
        exec_type, create_type = "Funding", ""
    elif kind == "forced":
        exec_type = draw(st.sampled_from(("BustTrade", "AdlTrade", "Settle", "Trade")))
        create_type = "CreateByLiq"
    elif kind == "odd":
        exec_type = draw(st.sampled_from(("BlockTrade", "UNKNOWN")))
    row = Execution(
        account=ACCOUNT,
        symbol=SYMBOL,
        exec_id=f"e{number}",
        order_id=order_id,
        order_link_id=ours,
        side=draw(st.sampled_from(("Buy", "Sell"))),
        exec_type=exec_type,
        price=price,
        qty=qty,
        value=price * qty,
        fee=Decimal(draw(st.integers(-50, 999))) / 1000,
        fee_currency="USDT",
        fee_rate=Decimal("0.00055"),
        leaves_qty=draw(st.integers(0, 2)) * STEP,
        closed_size=None,
        is_maker=False,
        create_type=create_type,
        order_type="Market",
        stop_order_type=stop,
        # Few moments, so that rows share one; sequence numbers tie as well.
        exec_time=T0 + draw(st.integers(0, 9)) * 1_000,
        seq=draw(st.integers(1, 3)),
        received_ms=T0,
    )
    return _adjustment(row, number) if kind == "adjustment" else row


def _adjustment(row: Execution, number: int) -> Execution:
    """The same as a difference that a person has accepted."""
    return replace(
        row,
        exec_id=f"adjustment-{number}",
        order_id="",
        order_link_id="",
        exec_type="Adjustment",
        fee=Decimal(0),
        fee_rate=None,
        leaves_qty=Decimal(0),
        create_type="somebody",
        order_type="why",
        seq=0,
        source="import",
    )


@st.composite
def knowledge(draw: st.DrawFn) -> AttributionRules:
    bots = draw(st.sampled_from((frozenset(BOTS), frozenset(BOTS[:1]))))
    orders = {}
    for number in range(3):
        owner = draw(st.sampled_from((*BOTS, None)))
        if owner is not None:
            orders[f"tagged-{number}"] = OrderTag(owner, "ema_cross", "order")
            orders[f"child-{number}"] = OrderTag(owner, "ema_cross", "parent")
    return AttributionRules(
        account=ACCOUNT,
        bots=bots,
        owners={SYMBOL: BOTS[0]} if draw(st.booleans()) else {},
        orders=orders,
        overrides=draw(
            st.dictionaries(st.sampled_from(("e0", "e2", "e5")), st.sampled_from(sorted(bots)))
        ),
    )


def facts_of(rules: AttributionRules, qty_step: Decimal | None = STEP) -> Facts:
    """The same knowledge as the audit takes it."""
    return Facts(
        bots=rules.bots,
        owners=rules.owners,
        orders={key: (tag.bot_id, tag.reason, tag.source) for key, tag in rules.orders.items()},
        overrides=rules.overrides,
        codes={"ec": "ema_cross", "sl": "stop_loss", "en": "entry"},
        qty_steps=((0, qty_step),) if qty_step is not None else (),
    )
