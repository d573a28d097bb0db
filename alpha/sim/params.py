"""Reading request parameters: strings in, checked values out, Bybit's words on failure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from alpha.sim.model import Refusal

Value = str | int | float | bool | None

_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
#: Nothing is bought or sold for more, or in smaller parts.
_MOST, _LEAST = Decimal("1E18"), Decimal("1E-18")


class Params:
    """The query of a GET or the body of a POST."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    @property
    def values(self) -> Mapping[str, object]:
        return self._values

    def text(self, name: str, default: str = "") -> str:
        value = self._values.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, bool | int | float | str):
            return str(value)
        raise Refusal(10001, f"params error: {name} invalid")

    def needed(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise Refusal(10001, f"params error: {name} is required")
        return value

    def decimal(self, name: str) -> Decimal | None:
        """A plain number, None where it is absent or empty."""
        shown = self.text(name)
        if not shown:
            return None
        value = Decimal(shown) if _DECIMAL.fullmatch(shown) else None
        if value is None or abs(value) > _MOST or 0 < abs(value) < _LEAST:
            raise Refusal(10001, f"params error: {name} invalid")
        return value

    def integer(self, name: str, default: int) -> int:
        shown = self.text(name)
        if not shown:
            return default
        if not _INTEGER.fullmatch(shown):
            raise Refusal(10001, f"params error: {name} invalid")
        return int(shown)

    def limit(self, default: int, most: int) -> int:
        value = self.integer("limit", default)
        if not 1 <= value <= most:
            raise Refusal(10001, f"params error: limit must be within 1 and {most}")
        return value

    def flag(self, name: str) -> bool:
        return self.text(name).lower() == "true"

    def items(self, name: str) -> list[Params]:
        """The objects of a list, as batches carry them."""
        found = self._values.get(name)
        if not isinstance(found, list):
            raise Refusal(10001, f"params error: {name} is required")
        return [Params(item if isinstance(item, dict) else {}) for item in found]

    def linear(self) -> None:
        """Refuses every category but the one that is traded here."""
        category = self.text("category")
        if category != "linear":
            raise Refusal(10001, f"params error: Category is invalid, was {category!r}")

    def side(self) -> Literal["Buy", "Sell"]:
        side = self.text("side")
        if side == "Buy":
            return "Buy"
        if side == "Sell":
            return "Sell"
        raise Refusal(10001, "params error: side invalid")

    def order_type(self) -> Literal["Market", "Limit"]:
        kind = self.text("orderType")
        if kind == "Market":
            return "Market"
        if kind == "Limit":
            return "Limit"
        raise Refusal(10001, "params error: orderType invalid")
