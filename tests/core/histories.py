"""Executions for tests of the fold: one at a time by hand, or random histories of a symbol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st

from alpha.core.events import Execution, Side
from alpha.core.ids import wire_id
from alpha.core.reasons import BUILTIN
from alpha.core.records import (
    AttributionRules,
    BookChange,
    Fill,
    FundingPayment,
    Lot,
    OrderTag,
    PositionCycle,
    RoundTrip,
)
from alpha.core.steps import QtySteps
from tests.core.oracle import Tables

ACCOUNT, SYMBOL = "main", "ETHUSDT"
STEP = Decimal("0.01")
BOTS = ("ann", "bob", "cyd")
REASONS = BUILTIN.with_reason("own_exit", "x1", is_entry=False)
T0 = 1_760_000_000_000


def execution(
    exec_id: str, side: Side, qty: str, price: str = "100", **fields: object
) -> Execution:
    """A plain market fill without an id of ours; `fields` replace what is given here. Executions
    of tests follow each other by the number in their id: e1, e2, ..."""
    size, at = Decimal(qty), int(exec_id.lstrip("e"))
    row = Execution(
        account=ACCOUNT,
        symbol=SYMBOL,
        exec_id=exec_id,
        order_id=f"order-{exec_id}",
        order_link_id="",
        side=side,
        exec_type="Trade",
        price=Decimal(price),
        qty=size,
        value=size * Decimal(price),
        fee=Decimal(0),
        fee_currency="USDT",
        fee_rate=None,
        leaves_qty=Decimal(0),
        closed_size=None,
        is_maker=False,
        create_type="CreateByUser",
        order_type="Market",
        stop_order_type="",
        exec_time=T0 + at * 1_000,
        seq=at,
    )
    return replace(row, **fields)  # type: ignore[arg-type]  # a test's own field names


def by(
    bot: str, exec_id: str, side: Side, qty: str, price: str = "100", **fields: object
) -> Execution:
    """A fill of a bot's own order; the reason is `entry` unless `reason` says otherwise."""
    reason = str(fields.pop("reason", "entry"))
    at = int(exec_id.lstrip("e"))
    link = wire_id(bot, reason, T0 + at, REASONS)
    return replace(execution(exec_id, side, qty, price, **fields), order_link_id=link)


def funding(exec_id: str, fee: str, **fields: object) -> Execution:
    """A funding payment of the account: `fee` > 0 is paid."""
    cash: dict[str, object] = {"exec_type": "Funding", "create_type": "", "fee": Decimal(fee)}
    return execution(exec_id, "Buy", "1", "100", **(cash | fields))


def rules(*bots: str, **known: object) -> AttributionRules:
    named = AttributionRules(ACCOUNT, frozenset(bots or BOTS), reasons=REASONS)
    return replace(named, **known)  # type: ignore[arg-type]  # a test's own field names


# -- random ones ----------------------------------------------------------------------------------

#: (what creates it, execType, createType, stopOrderType); own orders most often.
_KINDS = (
    *[("own", "Trade", "CreateByUser", "")] * 6,
    ("tagged", "Trade", "CreateByUser", ""),
    ("child", "Trade", "CreateByStopLoss", "StopLoss"),
    ("foreign", "Trade", "CreateByUser", ""),
    ("person", "Trade", "", ""),
    ("person", "Trade", "CreateByClosing", ""),
    ("person", "Trade", "CreateByTWAP", ""),
    ("person", "Trade", "CreateByStopOrder", "Stop"),
    ("stop", "Trade", "CreateByTakeProfit", "TakeProfit"),
    ("stop", "Trade", "", "TrailingStop"),
    ("forced", "Trade", "CreateByLiq", ""),
    ("forced", "BustTrade", "CreateByTakeOver_PassThrough", ""),
    ("forced", "AdlTrade", "CreateByAdl_PassThrough", ""),
    ("forced", "Settle", "", ""),
    ("forced", "Trade", "CreateBySettle", ""),
    ("funding", "Funding", "", ""),
    ("funding", "Funding", "", ""),
    ("odd", "Novelty", "", ""),
    ("adjustment", "Adjustment", "somebody", ""),
)
_LINKS = ("en", "ec", "si", "ts", "x1", "zz")


def _random(number: int, drawn: _Drawn) -> Execution:
    (kind, exec_type, create_type, stop_type), bot, code, known, qty, price, fee, at = drawn
    owner = {"own": BOTS[bot], "foreign": "stranger"}.get(kind)
    tagged = kind in ("tagged", "child") or (kind == "own" and known % 2)
    return execution(
        f"e{number}",
        "Buy" if qty > 0 else "Sell",
        str(abs(qty) * STEP),
        str(Decimal(price) / 100),
        order_id=f"known-{known}" if tagged else f"order-{number}",
        order_link_id=f"{owner}-{_LINKS[code]}-{number:08d}" if owner else "",
        exec_type=exec_type,
        create_type=create_type,
        stop_order_type=stop_type,
        fee=Decimal(fee) * Decimal("1E-8"),
        leaves_qty=fee % 2 * STEP,
        exec_time=T0 + at // 2 * 1_000,
        seq=at % 2,
    )


_Drawn = tuple[tuple[str, str, str, str], int, int, int, int, int, int, int]
_DRAWN: st.SearchStrategy[_Drawn] = st.tuples(
    st.sampled_from(_KINDS),
    st.integers(0, len(BOTS) - 1),
    st.integers(0, len(_LINKS) - 1),
    st.integers(0, 3),
    st.sampled_from((-3, -2, -1, 1, 2, 3)),
    st.integers(9_000, 11_000),
    st.integers(-10_000, 99_999),
    st.integers(2, 25),
)


def histories(most: int = 24) -> st.SearchStrategy[list[Execution]]:
    """Rows that share moments, sequence numbers and orders, of bots that are often flat."""
    return st.lists(_DRAWN, min_size=1, max_size=most).map(
        lambda all_drawn: [_random(number, drawn) for number, drawn in enumerate(all_drawn)]
    )


@st.composite
def knowledge(draw: st.DrawFn) -> AttributionRules:
    """Bots of the account, and what is known about orders, owners and overrides."""
    bots = draw(st.sampled_from((BOTS, BOTS[:2], BOTS[:1])))
    tags = st.builds(
        OrderTag,
        bot_id=st.sampled_from(BOTS),
        reason=st.sampled_from(("scale_in", "own_exit", "")),
        source=st.sampled_from(("order", "parent")),
    )
    return rules(
        *bots,
        owners={SYMBOL: bots[0]} if draw(st.booleans()) else {},
        orders=draw(st.dictionaries(st.sampled_from([f"known-{n}" for n in range(4)]), tags)),
        overrides=draw(
            st.dictionaries(
                st.sampled_from([f"e{n}" for n in range(8)]), st.sampled_from(bots), max_size=2
            )
        ),
    )


def quantity_steps() -> st.SearchStrategy[QtySteps]:
    """The exchange makes the step finer or coarser while it all happens."""
    later = st.tuples(st.integers(2, 13), st.sampled_from((1, 2, 3, 5, 10)))
    return st.lists(later, max_size=2, unique_by=lambda one: one[0]).map(
        lambda drawn: QtySteps.of(
            [(0, STEP), *((T0 + at * 1_000, STEP * size / 2) for at, size in drawn)]
        )
    )


@st.composite
def deliveries(draw: st.DrawFn, rows: Iterable[Execution]) -> list[list[Execution]]:
    """The rows in any order, some of them twice, cut into frames anywhere."""
    known = list(rows)
    repeated = draw(st.lists(st.sampled_from(known), max_size=4))
    stream = draw(st.permutations([*known, *repeated]))
    cuts = sorted(draw(st.sets(st.integers(1, len(stream)), max_size=len(stream))))
    return [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]


# -- the tables -----------------------------------------------------------------------------------

Projection = Fill | FundingPayment | Lot | RoundTrip | PositionCycle
R = TypeVar("R", Fill, FundingPayment, Lot, RoundTrip, PositionCycle)


class Model:
    """The ledger's tables as dictionaries, written as the ledger writes them: what a change
    replaces is deleted first, then rows are upserted on their keys."""

    def __init__(self) -> None:
        self.executions: dict[str, Execution] = {}
        self.fills: dict[tuple[object, ...], Fill] = {}
        self.funding: dict[tuple[object, ...], FundingPayment] = {}
        self.lots: dict[tuple[object, ...], Lot] = {}
        self.round_trips: dict[tuple[object, ...], RoundTrip] = {}
        self.cycles: dict[tuple[object, ...], PositionCycle] = {}

    def write(self, change: BookChange) -> None:
        after = change.replaced_after_ms
        if after is not None:
            _delete(self.fills, lambda row: row.exec_time > after)
            _delete(self.funding, lambda row: row.exec_time > after)
            _delete(self.lots, lambda row: row.entry_time > after)
            _delete(self.round_trips, lambda row: row.exit_time > after)
            _delete(self.cycles, lambda row: row.opened_at > after)
        for row in change.executions:
            self.executions.setdefault(row.exec_id, row)
        self.fills |= {(r.exec_id, r.bot_id, r.leg): r for r in change.fills}
        self.funding |= {(r.exec_id, r.bot_id): r for r in change.funding}
        self.lots |= {(r.exec_id, r.bot_id): r for r in change.lots}
        for piece in change.round_trips:
            key = (piece.entry_exec_id, piece.exit_exec_id, piece.bot_id)
            self.round_trips[key] = piece
        self.cycles |= {(r.bot_id, r.opened_by): r for r in change.cycles}

    def agrees_with(self, expected: Tables) -> None:
        """Row for row and field for field."""
        _same("fills", self.fills, expected.fills)
        _same("funding", self.funding, expected.funding)
        _same("lots", self.lots, expected.lots)
        _same("round trips", self.round_trips, expected.round_trips)
        _same("cycles", self.cycles, expected.cycles)


def _delete(table: dict[tuple[object, ...], R], gone: Callable[[R], bool]) -> None:
    for key in [key for key, row in table.items() if gone(row)]:
        del table[key]


def _same(
    name: str,
    written: Mapping[tuple[object, ...], Projection],
    expected: Mapping[tuple[object, ...], dict[str, object]],
) -> None:
    assert {key: asdict(row) for key, row in written.items()} == expected, name
