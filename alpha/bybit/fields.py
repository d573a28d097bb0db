"""Single values of the wire: numbers that arrive as text, and what absent ones look like.

Bybit writes prices, amounts and row times as strings; "" means absent, and for prices so does
"0" on some endpoints. Everything else must be a plain number: NaN, infinities, underscores,
blanks and exponents of absurd size are refused here, so no part behind this one meets them.
"""

from __future__ import annotations

import re
from decimal import Decimal

from alpha.errors import AlphaError

#: What a numeric field may be in JSON. Floats are refused: they would have lost digits already.
Number = str | int | None

_DECIMAL = re.compile(r"-?[0-9]{1,24}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_INT64 = 1 << 63

_SECRET_VALUE = re.compile(
    r'("(?:api_?key|api_?secret|secret|sign|signature|token|password)"\s*:\s*")[^"]*', re.IGNORECASE
)
_ORIGIN_STRING = re.compile(r"origin_string\[[^\]]*\]?")
#: Of a request that is sent back: key and signature, where it was an auth. Nothing else that
#: arrives has arguments worth keeping.
_ARGUMENTS = re.compile(r'("args"\s*:\s*\[)[^\]]*')
_SIGNATURE = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_KEPT_CHARACTERS = 2000


def without_secrets(text: str) -> str:
    """`text` fit for a log: keys, signatures and echoed sign strings blanked, length bounded."""
    text = _SECRET_VALUE.sub(r"\1***", text)
    text = _ORIGIN_STRING.sub("origin_string[***]", text)
    text = _ARGUMENTS.sub(r"\1***", text)
    text = _SIGNATURE.sub("***", text)
    if len(text) > _KEPT_CHARACTERS:
        return f"{text[:_KEPT_CHARACTERS]}... ({len(text)} characters)"
    return text


class MalformedFrame(AlphaError):
    """A frame or answer that does not say what the protocol says. Carries the raw text without
    secrets. Never fatal to a stream; what it may have hidden is fetched by backfill."""

    def __init__(self, problem: str, raw: bytes | str) -> None:
        text = raw if isinstance(raw, str) else bytes(raw).decode("utf-8", "replace")
        self.problem = without_secrets(problem)
        self.raw = without_secrets(text)
        super().__init__(f"malformed frame: {self.problem}")


class BadField(Exception):
    """One value is not what its field may hold. Becomes a MalformedFrame with the frame's text."""

    def __init__(self, name: str, expected: str, value: object) -> None:
        super().__init__(f"{name}: expected {expected}, was {str(value)[:80]!r}")


def decimal(name: str, value: Number) -> Decimal:
    """A number that must be there."""
    found = decimal_or_none(name, value)
    if found is None:
        raise BadField(name, "a number", value)
    return found


def decimal_or_none(name: str, value: Number) -> Decimal | None:
    """A number, or None for "" and null."""
    if isinstance(value, str):
        if _DECIMAL.fullmatch(value):
            return Decimal(value)
        if value == "":
            return None
    elif value is None:
        return None
    elif -_INT64 <= value < _INT64:
        return Decimal(value)
    raise BadField(name, "a decimal number", value)


def positive(name: str, value: Number) -> Decimal:
    """A number above zero: a tick, a step."""
    found = decimal(name, value)
    if found <= 0:
        raise BadField(name, "a number above zero", value)
    return found


def price_or_none(name: str, value: Number) -> Decimal | None:
    """A price or distance: "", null and "0" all mean that there is none."""
    return decimal_or_none(name, value) or None


def integer(name: str, value: Number) -> int:
    """A whole number that must be there: a time in ms, a sequence number, a small enum."""
    if isinstance(value, str):
        if _INTEGER.fullmatch(value):
            return int(value)
    elif value is not None and -_INT64 <= value < _INT64:
        return value
    raise BadField(name, "a whole number", value)


def integer_or(name: str, value: Number, default: int) -> int:
    """A whole number, or `default` for "" and null."""
    return default if value is None or value == "" else integer(name, value)


def quote(name: str, value: Number) -> float:
    """A candle's number. Floats on purpose: candles feed indicators, never the books."""
    return float(decimal(name, value))


def word(value: str | None) -> str:
    """An enum word of the exchange; its placeholders for "none" become ""."""
    return "" if value is None or value == "UNKNOWN" else value
