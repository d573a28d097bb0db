"""Why an order was sent or a position closed: one vocabulary for bots, books and messages.

Each reason has a code of one to three characters that travels in the order id. The table is
append-only: ids on the exchange live for ever, so a code never changes its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_REASON = re.compile(r"[a-z0-9_]{1,24}")
_CODE = re.compile(r"[a-z][a-z0-9]{0,2}")


@dataclass(frozen=True, slots=True)
class Reason:
    name: str
    code: str
    is_entry: bool


_ENTRIES = {
    "entry": "en",
    "scale_in": "si",
    "manual_entry": "men",
    "rule_1": "r1",
    "rule_2": "r2",
    "rule_3": "r3",
    "rule_4": "r4",
    "rule_5": "r5",
    "rule_6": "r6",
    "rule_7": "r7",
    "rule_8": "r8",
    "volatility_breakout": "vb",
    "ema_cross": "ec",
}
_EXITS = {
    "trailing_stop": "ts",
    "take_profit": "tp",
    "stop_loss": "sl",
    "ma_exit": "ma",
    "time_exit": "te",
    "risk_limit": "rl",
    "manual_exit": "mx",
}

#: createType of system-made orders -> reason (Bybit V5, enum createType).
_BY_CREATE_TYPE: Mapping[str, str] = MappingProxyType(
    {
        "CreateByStopLoss": "stop_loss",
        "CreateByPartialStopLoss": "stop_loss",
        "CreateByTakeProfit": "take_profit",
        "CreateByPartialTakeProfit": "take_profit",
        "CreateByTrailingStop": "trailing_stop",
        "CreateByTrailingProfit": "trailing_stop",
        "CreateByLiq": "risk_limit",
        "CreateByTakeOver_PassThrough": "risk_limit",
        "CreateByAdl_PassThrough": "risk_limit",
        "CreateByClosing": "manual_exit",
        "CreateByMmRateClose": "manual_exit",
        "CreateByAdminClosing": "manual_exit",
        "CreateBySettle": "manual_exit",
    }
)
_BY_EXEC_TYPE: Mapping[str, str] = MappingProxyType(
    {
        "BustTrade": "risk_limit",
        "AdlTrade": "risk_limit",
        "Settle": "manual_exit",
        "Delivery": "manual_exit",
    }
)
#: stopOrderType, for rows that name no createType.
_BY_STOP_TYPE: Mapping[str, str] = MappingProxyType(
    {
        "StopLoss": "stop_loss",
        "PartialStopLoss": "stop_loss",
        "TakeProfit": "take_profit",
        "PartialTakeProfit": "take_profit",
        "TrailingStop": "trailing_stop",
        "MmRateClose": "manual_exit",
    }
)


class ReasonBook:
    """The reasons that are known: the built-in ones and those that plugins add."""

    def __init__(self, reasons: Mapping[str, Reason] | None = None) -> None:
        self._by_name = dict(reasons) if reasons is not None else dict(_builtin())
        self._by_code = {reason.code: reason for reason in self._by_name.values()}

    def with_reason(self, name: str, code: str, *, is_entry: bool) -> ReasonBook:
        """A book with one more reason. The same reason again is fine; ValueError when the name
        or the code means something else already."""
        reason = Reason(name, code, is_entry)
        if self._by_name.get(name) == reason:
            return self
        if not _REASON.fullmatch(name):
            raise ValueError(f"expected a reason of 1 to 24 of a-z, 0-9 and _, was {name!r}")
        if not _CODE.fullmatch(code):
            raise ValueError(f"expected a code such as 'ab' or 'x1' (1 to 3), was {code!r}")
        if name in self._by_name or code in self._by_code:
            taken = self._by_name.get(name) or self._by_code[code]
            raise ValueError(f"expected a free reason and code, {name}/{code} clashes with {taken}")
        return ReasonBook({**self._by_name, name: reason})

    def names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    def reasons(self) -> tuple[Reason, ...]:
        return tuple(self._by_name.values())

    def get(self, name: str) -> Reason | None:
        return self._by_name.get(name)

    def by_code(self, code: str) -> Reason | None:
        return self._by_code.get(code)

    def is_entry(self, name: str) -> bool:
        """Class of a reason; an unknown one counts as an exit."""
        reason = self._by_name.get(name)
        return reason is not None and reason.is_entry


def _builtin() -> dict[str, Reason]:
    entries = {name: Reason(name, code, True) for name, code in _ENTRIES.items()}
    exits = {name: Reason(name, code, False) for name, code in _EXITS.items()}
    return {**entries, **exits}


BUILTIN = ReasonBook()


def from_exchange(exec_type: str, create_type: str, stop_order_type: str) -> str | None:
    """The reason that the exchange itself names; None for an order that a person or a program
    sent (createType CreateByUser, or none)."""
    return (
        _BY_EXEC_TYPE.get(exec_type)
        or _BY_CREATE_TYPE.get(create_type)
        or (_BY_STOP_TYPE.get(stop_order_type) if create_type in ("", "UNKNOWN") else None)
    )
