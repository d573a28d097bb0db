"""Whatever arrives, a decoder either reads it or says MalformedFrame; and what it reads is sane."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.bybit.fields import MalformedFrame
from alpha.bybit.messages import decode_private, decode_public
from alpha.bybit.recorded import decode_recorded
from alpha.core.events import Execution
from tests.bybit.recorded import FUNDING_ANSWER, FUNDING_FRAME, ORDER_FRAME, TRADE_FRAME, VECTORS

FRAMES = tuple(path.read_bytes() for path in sorted(VECTORS.glob("*.json"))) + tuple(
    text.encode() for text in (TRADE_FRAME, FUNDING_FRAME, ORDER_FRAME, FUNDING_ANSWER)
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "0", "NaN", "Infinity", "-0", "1e400", "Buy", "linear", "9" * 40]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def survives(raw: bytes | str) -> None:
    """Decodes `raw` every way there is."""
    for decode in (lambda: decode_private(raw, "main", 1), lambda: decode_public(raw)):
        try:
            events = decode()
        except MalformedFrame as e:
            assert e.problem
            assert len(e.raw) < 2100
            continue
        for event in events:
            if isinstance(event, Execution):
                check_execution(event)
    if isinstance(raw, bytes):
        try:
            decode_recorded(raw)
        except MalformedFrame as e:
            assert e.problem


def check_execution(event: Execution) -> None:
    """What the ledger relies on."""
    assert event.symbol and event.exec_id and event.exec_type
    assert event.side in ("Buy", "Sell")
    numbers = [event.price, event.qty, event.value, event.fee, event.leaves_qty]
    assert all(isinstance(number, Decimal) and number.is_finite() for number in numbers)
    assert -(2**63) <= event.seq < 2**63


@settings(max_examples=2000, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes(raw: bytes) -> None:
    survives(raw)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=100))
def test_arbitrary_text(raw: str) -> None:
    survives(raw)


@settings(max_examples=2000, deadline=None)
@given(st.sampled_from(FRAMES), st.data())
def test_recorded_frames_with_bytes_changed(frame: bytes, data: st.DataObject) -> None:
    changed = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["set", "cut", "drop", "insert"])):
            case "set":
                changed[at] = data.draw(st.integers(0, 255))
            case "cut":
                del changed[at + 1 :]
            case "drop":
                del changed[at : at + data.draw(st.integers(1, 20))]
            case _:
                changed[at:at] = data.draw(st.binary(max_size=6))
        if not changed:
            break
    survives(bytes(changed))


@settings(max_examples=2000, deadline=None)
@given(st.sampled_from(FRAMES), st.data())
def test_recorded_frames_with_values_replaced(frame: bytes, data: st.DataObject) -> None:
    document = json.loads(frame)
    places: list[tuple[dict[str, object] | list[object], str | int]] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                places.append((node, key))
                walk(value)
        elif isinstance(node, list):
            for index, value in enumerate(node):
                places.append((node, index))
                walk(value)

    walk(document)
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(JSON)  # type: ignore[index]  # key fits its holder
    survives(json.dumps(document).encode())
