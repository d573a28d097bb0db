"""Input that nobody would send, made from input that somebody has sent."""

from __future__ import annotations

import json
import random  # noqa: TID251  handed in, seeded
from collections.abc import Sequence

#: What a field may suddenly hold. Literals are put into the text as they stand.
ODD_WORDS = (
    *("", " ", "0", "-0", "00", "1.", ".5", "+1", "-1", "1e5", "1e999999", "-1E-999999", "0x10"),
    *("NaN", "sNaN", "Infinity", "-Infinity", "1_000", "9" * 19, "9" * 40, "0." + "1" * 60),
    *("9" * 5000, "²", "١٢٣", "None", "null", "true", "UNKNOWN", "Buy", "Sell", "buy", "linear"),
    *("inverse", "BTCUSDT", "NOSUCHUSDT", "execution", "Funding", "SomethingNew", "1e999999999"),
    *("\x00", "\ud800", "a" * 3000, '"', "\\", "%", "%zz", "../..", "'; DROP", "1,2", "5m"),
)
ODD_VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, float("nan"), float("inf")),
    *(2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400, [], {}, [[]], [None], {"": None}),
    *([1, "2", {}], {"list": {}}, {"topic": "order"}),
)
DEEP = tuple(
    opening * depth + closing * depth
    for depth in (20, 900, 1200, 60_000)
    for opening, closing in (("[", "]"), ('{"a":', "}"))
)


def mutated(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """One of `seeds` with one to three things wrong with it; now and then something else."""
    raw = rng.choice(seeds)
    kind = rng.random()
    if kind < 0.03:
        return rng.randbytes(rng.randrange(60))
    if kind < 0.05:
        return rng.choice(DEEP).encode()
    if kind < 0.65:
        raw = _values_changed(raw, rng)
    if kind >= 0.45:
        for _ in range(rng.randint(1, 3)):
            raw = _bytes_changed(raw, rng)
    return raw


def _values_changed(raw: bytes, rng: random.Random) -> bytes:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return _bytes_changed(raw, rng)
    places: list[tuple[dict[str, object] | list[object], str | int]] = []
    _walk(document, places)
    deep = ""
    for _ in range(rng.randint(1, 3)):
        if places:
            deep = deep or _change(*rng.choice(places), rng)
    text = json.dumps(document)
    return (text.replace('"@deep@"', deep, 1) if deep else text).encode()


def _walk(node: object, places: list[tuple[dict[str, object] | list[object], str | int]]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            places.append((node, key))
            _walk(value, places)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            places.append((node, index))
            _walk(value, places)


def _change(holder: dict[str, object] | list[object], key: str | int, rng: random.Random) -> str:
    """Changes one place; returns what has to stand there where JSON's writer would not."""
    action = rng.randrange(10)
    if isinstance(holder, dict) and isinstance(key, str):
        if action == 0:
            holder.pop(key, None)
            return ""
        if action == 1:
            holder[rng.choice(ODD_WORDS)] = rng.choice(ODD_VALUES)
            return ""
        value: object = _odd(rng)
        if action == 2:
            value = "@deep@"
        holder[key] = value
    elif isinstance(holder, list) and isinstance(key, int) and key < len(holder):
        if action == 0:
            del holder[key]
        elif action == 1:
            holder.append(holder[key])
        else:
            holder[key] = "@deep@" if action == 2 else _odd(rng)
    return rng.choice(DEEP) if action == 2 else ""


def _odd(rng: random.Random) -> object:
    return rng.choice(ODD_WORDS) if rng.random() < 0.6 else rng.choice(ODD_VALUES)


def _bytes_changed(raw: bytes, rng: random.Random) -> bytes:
    if not raw:
        return b"{"
    at = rng.randrange(len(raw))
    match rng.randrange(6):
        case 0:
            return raw[:at]
        case 1:
            return raw[:at] + raw[at + rng.randint(1, 20) :]
        case 2:
            return raw[:at] + bytes((rng.randrange(256),)) + raw[at + 1 :]
        case 3:
            return raw[:at] + rng.choice((b"\xff", b"\xed\xa0\x80", b"\xc3", b"\x00", b'"', b"\\u"))
        case 4:
            return raw[:at] + rng.choice(ODD_WORDS).encode("utf-8", "replace") + raw[at:]
        case _:
            to = min(len(raw), at + rng.randint(1, 40))
            return raw[:to] + raw[at:]
