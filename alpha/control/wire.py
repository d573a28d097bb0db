"""JSON as every face of Alpha prints it: Decimals as plain text, never in scientific notation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal


def plain(number: Decimal) -> str:
    """`1500`, `0.001`: no exponent, no zeros at the end of the fraction."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def encode(document: object) -> str:
    """One line of JSON."""
    return json.dumps(document, default=_encode_other, separators=(",", ":"))


def _encode_other(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"expected what JSON can hold, was {type(value).__name__}")
