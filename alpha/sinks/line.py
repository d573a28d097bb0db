"""InfluxDB's line protocol, as its reference describes it (InfluxDB 2, "Line protocol").

measurement,tag=value field=1.5,count=2i,word="text" 1762492500000
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

Value = Decimal | float | int | bool | str

_ENDS = str.maketrans({"\n": " ", "\r": " "})


def line(
    measurement: str, tags: Mapping[str, str], fields: Mapping[str, Value | None], at_ms: int
) -> str:
    """One point without its line end; "" where no field has a value. Tags without a value are
    left out: the protocol knows no empty ones.

    Decimals and floats travel as binary64, the only fraction that Influx has: from the 16th digit
    on they differ. What is not finite, and is no number there, is left out."""
    written = [
        f"{_key(name)}={text}"
        for name, value in fields.items()
        if value is not None and (text := _field(value))
    ]
    if not written:
        return ""
    named = "".join(f",{_key(name)}={_key(value)}" for name, value in sorted(tags.items()) if value)
    return f"{_measurement(measurement)}{named} {','.join(written)} {at_ms}"


def _measurement(text: str) -> str:
    return _unbroken(text).replace(",", "\\,").replace(" ", "\\ ")


def _key(text: str) -> str:
    """Tag keys, tag values and field keys."""
    return _measurement(text).replace("=", "\\=")


def _unbroken(text: str) -> str:
    """No line ends, and no backslash before the end of a word: it would hide what ends it."""
    text = text.translate(_ENDS)
    return text.replace("\\", "\\\\") if text.endswith("\\") else text


def _field(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, int):
        return f"{value}i"
    number = float(value)
    return repr(number) if math.isfinite(number) else ""
