"""The reason table: what it holds, that its codes stay what they are, and how it grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.core.reasons import BUILTIN, Reason, ReasonBook, from_exchange

ENTRIES = {
    "entry", "scale_in", "manual_entry", "volatility_breakout", "ema_cross",
    *(f"rule_{number}" for number in range(1, 9)),
}  # fmt: skip
EXITS = {
    "trailing_stop", "take_profit", "stop_loss", "ma_exit", "time_exit", "risk_limit",
    "manual_exit",
}  # fmt: skip
#: Codes travel in ids that live on the exchange for ever: a released one never changes.
RELEASED = {
    "entry": "en", "scale_in": "si", "manual_entry": "men", "rule_1": "r1", "rule_2": "r2",
    "rule_3": "r3", "rule_4": "r4", "rule_5": "r5", "rule_6": "r6", "rule_7": "r7",
    "rule_8": "r8", "volatility_breakout": "vb", "ema_cross": "ec", "trailing_stop": "ts",
    "take_profit": "tp", "stop_loss": "sl", "ma_exit": "ma", "time_exit": "te",
    "risk_limit": "rl", "manual_exit": "mx",
}  # fmt: skip


def test_the_reasons_and_their_classes() -> None:
    assert set(BUILTIN.names()) >= ENTRIES | EXITS
    assert {name for name in BUILTIN.names() if BUILTIN.is_entry(name)} == ENTRIES
    assert not BUILTIN.is_entry("never_heard_of")


def test_released_codes_never_change() -> None:
    codes = {reason.name: reason.code for reason in BUILTIN.reasons()}
    assert {name: codes[name] for name in RELEASED} == RELEASED


def test_codes_are_unique_short_and_lower_case() -> None:
    codes = [reason.code for reason in BUILTIN.reasons()]
    assert len(codes) == len(set(codes))
    for reason in BUILTIN.reasons():
        assert 1 <= len(reason.code) <= 3
        assert reason.code.isalnum() and reason.code == reason.code.lower()
        assert BUILTIN.by_code(reason.code) == reason == BUILTIN.get(reason.name)


def test_a_book_grows_without_changing_the_one_before() -> None:
    grown = BUILTIN.with_reason("regime_exit", "rx", is_entry=False)
    assert grown.get("regime_exit") == Reason("regime_exit", "rx", False)
    assert grown.by_code("rx") == Reason("regime_exit", "rx", False)
    assert BUILTIN.get("regime_exit") is None and BUILTIN.by_code("rx") is None
    assert grown.with_reason("regime_exit", "rx", is_entry=False) is grown
    assert set(grown.names()) == set(BUILTIN.names()) | {"regime_exit"}


@pytest.mark.parametrize(
    ("name", "code", "is_entry", "expected"),
    [
        ("entry", "en", False, "clashes"),  # known, as an entry
        ("entry", "xx", True, "clashes"),
        ("another", "en", True, "clashes"),
        ("Upper", "up", True, "reason of 1 to 24"),
        ("", "up", True, "reason of 1 to 24"),
        ("r" * 25, "up", True, "reason of 1 to 24"),
        ("fine", "", True, "code"),
        ("fine", "long", True, "code"),
        ("fine", "UP", True, "code"),
        ("fine", "1a", True, "code"),
        ("fine", "a-b", True, "code"),
    ],
)
def test_what_cannot_be_added(name: str, code: str, is_entry: bool, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        BUILTIN.with_reason(name, code, is_entry=is_entry)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-c_]{1,2}", fullmatch=True),
            st.from_regex(r"[x-z][0-1]?", fullmatch=True),
            st.booleans(),
        ),
        max_size=10,
    )
)
def test_whatever_is_added_codes_stay_unique(added: list[tuple[str, str, bool]]) -> None:
    book: ReasonBook = BUILTIN
    for name, code, is_entry in added:
        try:
            book = book.with_reason(name, code, is_entry=is_entry)
        except ValueError:
            assert book.get(name) is not None or book.by_code(code) is not None
    for reason in book.reasons():
        assert book.by_code(reason.code) == reason
        assert book.get(reason.name) == reason


@pytest.mark.parametrize(
    ("exec_type", "create_type", "stop_order_type", "reason"),
    [
        ("Trade", "CreateByStopLoss", "StopLoss", "stop_loss"),
        ("Trade", "CreateByPartialStopLoss", "PartialStopLoss", "stop_loss"),
        ("Trade", "CreateByTakeProfit", "TakeProfit", "take_profit"),
        ("Trade", "CreateByPartialTakeProfit", "PartialTakeProfit", "take_profit"),
        ("Trade", "CreateByTrailingStop", "TrailingStop", "trailing_stop"),
        ("Trade", "CreateByTrailingProfit", "", "trailing_stop"),
        ("Trade", "CreateByLiq", "", "risk_limit"),
        ("BustTrade", "CreateByTakeOver_PassThrough", "UNKNOWN", "risk_limit"),
        ("AdlTrade", "CreateByAdl_PassThrough", "", "risk_limit"),
        ("BustTrade", "", "", "risk_limit"),
        ("AdlTrade", "", "", "risk_limit"),
        ("Trade", "CreateByClosing", "", "manual_exit"),
        ("Trade", "CreateByMmRateClose", "MmRateClose", "manual_exit"),
        ("Trade", "CreateByAdminClosing", "", "manual_exit"),
        ("Trade", "", "StopLoss", "stop_loss"),
        ("Trade", "", "TakeProfit", "take_profit"),
        ("Trade", "", "TrailingStop", "trailing_stop"),
        ("Trade", "CreateByUser", "", None),
        ("Trade", "CreateByUser", "UNKNOWN", None),
        ("Trade", "CreateByStopOrder", "Stop", None),
        ("Trade", "", "", None),
        ("Trade", "CreateBySomethingNew", "SomethingNew", None),
        ("Funding", "", "UNKNOWN", None),
    ],
)
def test_the_exchanges_own_words(
    exec_type: str, create_type: str, stop_order_type: str, reason: str | None
) -> None:
    assert from_exchange(exec_type, create_type, stop_order_type) == reason


def test_the_exchange_never_names_an_entry() -> None:
    words = {
        from_exchange(exec_type, create_type, stop)
        for exec_type in ("Trade", "BustTrade", "AdlTrade", "Settle", "Delivery")
        for create_type in ("", "CreateByStopLoss", "CreateByTakeProfit", "CreateBySettle")
        for stop in ("", "StopLoss", "PartialTakeProfit", "TrailingStop", "MmRateClose")
    } - {None}
    assert words <= EXITS
