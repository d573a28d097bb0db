"""The canonical ledger: what a line holds, and what the hash does and does not depend on."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alpha.core.canonical import (
    EXECUTION_FIELDS,
    Override,
    execution_line,
    ledger_hash,
    override_line,
    plain,
)
from alpha.core.events import Execution
from tests.core.examples import thorough

D = Decimal
ROW = Execution(
    account="main",
    symbol="ETHUSDT",
    exec_id="85406bdb-e365-5031-b5f0-5d60da7ebaf6",
    order_id="65d1cc50-3b63-4c52-8f31-60cf5bb82f5e",
    order_link_id="shortseller_001-ec-lf9pm51c",
    side="Sell",
    exec_type="Trade",
    price=D("2739.590"),
    qty=D("1E-2"),
    value=D("27.3959"),
    fee=D("0.010958360000"),
    fee_currency="USDT",
    fee_rate=D("0.0004"),
    leaves_qty=D("0.00"),
    closed_size=None,
    is_maker=False,
    create_type="CreateByUser",
    order_type="Market",
    stop_order_type="",
    exec_time=1_791_270_948_650,
    seq=12_078_223_981,
)
LINE = (
    "execution|main|ETHUSDT|85406bdb-e365-5031-b5f0-5d60da7ebaf6"
    "|65d1cc50-3b63-4c52-8f31-60cf5bb82f5e|shortseller_001-ec-lf9pm51c|Sell|Trade"
    "|2739.59|0.01|27.3959|0.01095836|USDT|0.0004|0||false|CreateByUser|Market|"
    "|1791270948650|12078223981"
)
#: Known of a row only on one of its two ways here.
ASIDE = {"exec_pnl", "mark_price", "source", "received_ms"}


def test_a_line_is_what_it_was_in_every_release() -> None:
    assert execution_line(ROW) == LINE
    assert override_line(Override("main", "e1", "manual")) == "override|main|e1|manual"
    assert ledger_hash([ROW]) == hashlib.sha256(LINE.encode() + b"\n").hexdigest()
    assert ledger_hash([]) == hashlib.sha256(b"").hexdigest()


def test_every_field_but_those_of_the_way_counts() -> None:
    assert set(EXECUTION_FIELDS) | ASIDE == {field.name for field in fields(Execution)}
    assert not set(EXECUTION_FIELDS) & ASIDE


def test_the_way_by_which_a_row_came_does_not_count() -> None:
    other = replace(
        ROW, source="rest", received_ms=5, exec_pnl=D(1), mark_price=D(2), qty=D("0.0100")
    )
    assert execution_line(other) == execution_line(ROW)


@pytest.mark.parametrize(
    "changed",
    [
        replace(ROW, account="other"),
        replace(ROW, symbol="BTCUSDT"),
        replace(ROW, exec_id="e"),
        replace(ROW, order_id="o"),
        replace(ROW, order_link_id=""),
        replace(ROW, side="Buy"),
        replace(ROW, exec_type="BustTrade"),
        replace(ROW, price=D("2739.591")),
        replace(ROW, qty=D("0.011")),
        replace(ROW, value=D("27.39")),
        replace(ROW, fee=D("-0.01095836")),
        replace(ROW, fee_currency="MNT"),
        replace(ROW, fee_rate=None),
        replace(ROW, leaves_qty=D("0.01")),
        replace(ROW, closed_size=D(0)),
        replace(ROW, is_maker=True),
        replace(ROW, create_type="CreateByLiq"),
        replace(ROW, order_type="Limit"),
        replace(ROW, stop_order_type="Stop"),
        replace(ROW, exec_time=1_791_270_948_651),
        replace(ROW, seq=12_078_223_982),
    ],
    ids=EXECUTION_FIELDS,
)
def test_a_change_of_any_field_changes_the_hash(changed: Execution) -> None:
    assert ledger_hash([changed]) != ledger_hash([ROW])


texts = st.text(alphabet="ab|\\\n", max_size=4)


@thorough
@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_different_rows_have_different_lines(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assume(one != other)

    def line(words: tuple[str, str, str]) -> str:
        first, second, third = words
        row = replace(ROW, order_id=first, order_link_id=second, create_type=third)
        return execution_line(row)

    assert line(one) != line(other)
    assert "\n" not in line(one)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+2", "100"),
        ("100", "100"),
        ("0.10", "0.1"),
        ("-0", "0"),
        ("0E-12", "0"),
        ("-0.0000100", "-0.00001"),
        ("1E-12", "0.000000000001"),
        ("1234567890123456.123456789012", "1234567890123456.123456789012"),
        ("12345678901234567890123456789.5", "12345678901234567890123456789.5"),
    ],
)
def test_decimals_are_plain(value: str, text: str) -> None:
    assert plain(D(value)) == text
    with localcontext(prec=3):
        assert plain(D(value)) == text


@thorough
@given(st.decimals(allow_nan=False, allow_infinity=False, places=12), st.integers(0, 6))
def test_equal_decimals_have_one_text(value: Decimal, zeros: int) -> None:
    with localcontext(prec=60):
        longer = value.quantize(D(1).scaleb(-12 - zeros))
        assert plain(longer) == plain(value)
        assert D(plain(value)) == value


@st.composite
def rows(draw: st.DrawFn) -> Execution:
    return replace(
        ROW,
        exec_id=f"e{draw(st.integers(0, 99))}",
        symbol=draw(st.sampled_from(["BTCUSDT", "ETHUSDT"])),
        account=draw(st.sampled_from(["main", "second"])),
        exec_time=draw(st.integers(1, 3)),
        seq=draw(st.integers(1, 3)),
        leaves_qty=draw(st.sampled_from([D(0), D("0.5")])),
    )


@thorough
@given(
    st.lists(rows(), unique_by=lambda row: (row.account, row.symbol, row.exec_id), max_size=12),
    st.data(),
)
def test_the_order_of_arrival_does_not_count(ledger: list[Execution], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(ledger))
    assert ledger_hash(shuffled) == ledger_hash(ledger)
    if ledger:
        assert ledger_hash(ledger[1:]) != ledger_hash(ledger)


def test_ledger_order_within_account_and_symbol() -> None:
    """By time, sequence, order, larger rests first, then id; accounts and symbols sorted."""
    ordered = [
        replace(ROW, symbol="BTCUSDT", exec_time=9),
        replace(ROW, exec_time=1, seq=9),
        replace(ROW, exec_time=2, seq=1, order_id="z"),
        replace(ROW, exec_time=2, seq=2, order_id="a", leaves_qty=D(2)),
        replace(ROW, exec_time=2, seq=2, order_id="a", leaves_qty=D(1), exec_id="a"),
        replace(ROW, exec_time=2, seq=2, order_id="a", leaves_qty=D(1), exec_id="b"),
        replace(ROW, exec_time=2, seq=2, order_id="b", leaves_qty=D(3)),
        replace(ROW, account="second", exec_time=0),
    ]
    text = "".join(execution_line(row) + "\n" for row in ordered)
    assert ledger_hash(reversed(ordered)) == hashlib.sha256(text.encode()).hexdigest()


def test_overrides_count_in_the_order_in_which_they_were_given() -> None:
    first, second = Override("main", "e1", "a"), Override("main", "e1", "b")
    assert ledger_hash([ROW], [first, second]) != ledger_hash([ROW], [second, first])
    assert ledger_hash([ROW], [first]) != ledger_hash([ROW])
