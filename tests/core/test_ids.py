"""Order ids: round trips, rejection, and ids that stand in earlier records and in recordings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alpha.core.ids import BOT_ID, MAX_STAMP, ParsedOrderId, canonical, next_stamp, parse, wire_id
from alpha.core.reasons import BUILTIN
from tests.core.examples import thorough

RECORDINGS = Path(__file__).resolve().parents[1] / "vectors" / "bybit"
#: What Bybit documents for orderLinkId (V5, Place Order).
ALLOWED = re.compile(r"[A-Za-z0-9_-]{1,36}")

bot_ids = st.from_regex(r"[a-z0-9_]{1,20}", fullmatch=True)
reasons = st.sampled_from(BUILTIN.names())
stamps = st.integers(0, MAX_STAMP)


@thorough
@given(bot_ids, reasons, stamps)
def test_what_goes_out_comes_back(bot_id: str, reason: str, stamp: int) -> None:
    wire = wire_id(bot_id, reason, stamp)
    assert ALLOWED.fullmatch(wire)
    assert len(wire) <= 33
    assert parse(wire) == ParsedOrderId(bot_id, reason, stamp)
    assert canonical(wire) == f"{bot_id}:{reason}:{stamp}"


def test_the_longest_id_has_33_characters() -> None:
    assert len(wire_id("b" * 20, "manual_entry", MAX_STAMP)) == 33
    assert MAX_STAMP == 36**8 - 1


@thorough
@given(bot_ids, reasons, st.integers(10**11, MAX_STAMP))
def test_the_canonical_form_reads_back(bot_id: str, reason: str, stamp: int) -> None:
    text = canonical(wire_id(bot_id, reason, stamp))
    assert text is not None
    assert parse(text) == ParsedOrderId(bot_id, reason, stamp)
    assert canonical(text) == text


@thorough
@given(
    st.sets(st.tuples(bot_ids, reasons, stamps), min_size=2, max_size=8),
)
def test_different_orders_have_different_ids(orders: set[tuple[str, str, int]]) -> None:
    assert len({wire_id(*order) for order in orders}) == len(orders)


@thorough
@given(
    events=st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 5)),  # ms since the event before, its orders
        min_size=1,
        max_size=12,
    ),
    first_ms=st.integers(10**12, 2 * 10**12),
)
def test_orders_of_one_millisecond_have_stamps_of_their_own(
    events: list[tuple[int, int]], first_ms: int
) -> None:
    """However many orders a bot's events bring within a few milliseconds; and the same events
    after the same last stamp give the same stamps."""

    def play() -> Iterator[int]:
        last, now = 0, first_ms
        for later, orders in events:
            now += later
            for ordinal in range(orders):
                last = next_stamp(now, ordinal, last)
                yield last

    given_out = list(play())
    assert given_out == sorted(set(given_out))
    assert given_out[0] == first_ms + events[0][0]
    assert given_out == list(play())


def test_a_stamp_is_the_events_time_plus_the_ordinal_above_the_last_one() -> None:
    assert next_stamp(1_000, 0, 0) == 1_000
    assert next_stamp(1_000, 2, 0) == 1_002
    assert next_stamp(1_000, 0, 1_000) == 1_001
    assert next_stamp(1_000, 1, 5_000) == 5_001  # an older event never goes back in time


@pytest.mark.parametrize(
    ("text", "reason", "unix_ms"),
    [
        ("shortseller_001:trailing_stop:1678886400", "trailing_stop", 1_678_886_400_000),
        ("momentum_001:volatility_breakout:1678886400", "volatility_breakout", 1_678_886_400_000),
        ("shortseller_001:entry:1678886400", "entry", 1_678_886_400_000),
        ("shortseller_001:manual_exit:1678886400", "manual_exit", 1_678_886_400_000),
        ("shortseller_001:all_bots_test:1761337222890", "all_bots_test", 1_761_337_222_890),
        ("lxalgo_001:rule_3:1761337222890", "rule_3", 1_761_337_222_890),
        ("a:entry:999999999", "entry", 999_999_999_000),
        ("a:entry:99999999999", "entry", 99_999_999_999_000),
        ("a:entry:100000000000", "entry", 100_000_000_000),
    ],
)
def test_ids_of_earlier_records(text: str, reason: str, unix_ms: int) -> None:
    """Seconds in the earliest records, milliseconds later."""
    bot_id = text.split(":")[0]
    assert parse(text) == ParsedOrderId(bot_id, reason, unix_ms)
    assert canonical(text) == f"{bot_id}:{reason}:{unix_ms}"


def test_an_unknown_code_still_yields_bot_and_time() -> None:
    wire = wire_id("momentum_001", "entry", 1_761_337_222_890).replace("-en-", "-zz9-")
    assert parse(wire) == ParsedOrderId("momentum_001", None, 1_761_337_222_890)
    assert canonical(wire) == "momentum_001:zz9:1761337222890"


def test_a_plugins_reason_is_read_with_its_book() -> None:
    book = BUILTIN.with_reason("regime_exit", "rx", is_entry=False)
    wire = wire_id("shortseller_001", "regime_exit", 1_761_337_222_890, book)
    assert parse(wire, book) == ParsedOrderId("shortseller_001", "regime_exit", 1_761_337_222_890)
    assert parse(wire) == ParsedOrderId("shortseller_001", None, 1_761_337_222_890)
    assert canonical(wire, book) == "shortseller_001:regime_exit:1761337222890"


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "-",
        "--",
        "rec-rest-1",
        "rec-stop-down",
        "test-order-001",
        "x-en-1234567",  # seven characters of time
        "x-en-123456789",
        "x-en-1234567A",
        "X-en-12345678",
        "x-EN-12345678",
        "x-9n-12345678",  # a code begins with a letter
        "x-enter-12345678",
        "x-en-12345678\n",
        " x-en-12345678",
        "-en-12345678",
        "b" * 21 + "-en-12345678",
        "x:entry:12345678",
        "x:entry:12345678901234",
        "x:Entry:1678886400",
        "x::1678886400",
        "x:entry:1678886400:1",
        "x:" + "r" * 25 + ":1678886400",
        "x:entry:١٦٧٨٨٨٦٤٠٠",  # digits of another script
        "x-en-١٢٣٤٥٦٧٨",
        "x-en-1234567²",
    ],
)
def test_foreign_ids_are_nobodys(foreign: str) -> None:
    assert parse(foreign) is None
    assert canonical(foreign) is None


def link_ids() -> set[str]:
    """Every orderLinkId of the recordings."""

    def walk(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in ("orderLinkId", "parentOrderLinkId") and isinstance(inner, str):
                    yield inner
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    return {
        found for path in RECORDINGS.glob("*.json") for found in walk(json.loads(path.read_text()))
    }


def test_no_recorded_id_of_another_program_is_taken_for_ours() -> None:
    recorded = link_ids()
    assert len(recorded) > 3
    assert {text for text in recorded if parse(text) is not None} == set()


@thorough
@given(st.text(max_size=40))
def test_random_text_is_never_an_error_and_hardly_ever_an_id(text: str) -> None:
    parsed = parse(text)
    assert (parsed is None) == (canonical(text) is None)
    if parsed is not None:
        assert BOT_ID.fullmatch(parsed.bot_id)


@thorough
@given(bot_ids, reasons, stamps, st.data())
def test_a_damaged_id_is_another_one_or_none(
    bot_id: str, reason: str, stamp: int, data: st.DataObject
) -> None:
    wire = wire_id(bot_id, reason, stamp)
    at = data.draw(st.integers(0, len(wire) - 1))
    damage = data.draw(st.characters())
    assume(damage != wire[at])
    assert parse(wire[:at] + damage + wire[at + 1 :]) != parse(wire)
    assert parse(wire[:-1]) is None
    assert parse(wire + "0") is None


@pytest.mark.parametrize(
    ("bot_id", "reason", "stamp", "expected"),
    [
        ("", "entry", 0, "bot id"),
        ("b" * 21, "entry", 0, "bot id"),
        ("Bot", "entry", 0, "bot id"),
        ("a-b", "entry", 0, "bot id"),
        ("a\n", "entry", 0, "bot id"),
        ("a", "because", 0, "because"),
        ("a", "entry", -1, "stamp"),
        ("a", "entry", MAX_STAMP + 1, "stamp"),
    ],
)
def test_what_has_no_wire_form_is_refused(
    bot_id: str, reason: str, stamp: int, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        wire_id(bot_id, reason, stamp)
