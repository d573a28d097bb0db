"""What the earlier bots called things, in the words of the ledger."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from alpha.core.reasons import BUILTIN

#: Closed outside the bot's own orders: by the exchange's stop, a person, or nobody knows whom.
EXTERNAL = "external"

#: Texts that were in use, lower case, words joined by `_`, to reasons.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "exchange_stop_loss": "stop_loss",
        "sl": "stop_loss",
        "breakeven": "stop_loss",
        "breakeven_stop": "stop_loss",
        "tp": "take_profit",
        "trailing": "trailing_stop",
        "trailing_stop_loss": "trailing_stop",
        "regime_exit": "ma_exit",
        "8h_negative_pnl": "time_exit",
        "negative_pnl_8h": "time_exit",
        "risk_management": "risk_limit",
        "emergency_drawdown": "risk_limit",
        "daily_loss_limit": "risk_limit",
        "liquidation": "risk_limit",
        "system_shutdown": "manual_exit",
        "shutdown": "manual_exit",
        "kill_switch": "manual_exit",
        "manual": "manual_exit",
        "external_close": EXTERNAL,
        "closed_externally": EXTERNAL,
        EXTERNAL: EXTERNAL,
    }
)
#: Words that name a side and no reason.
_NO_REASON = frozenset(
    {"long_entry", "long_exit", "short_entry", "short_exit", "fill", "buy", "sell", "unknown"}
)
_RULE = re.compile(r"rule_?([1-8])")


def word_of(text: str | None) -> str:
    """Lower case, everything else than letters and digits as one `_`."""
    return re.sub(r"[^a-z0-9]+", "_", (text or "").lower()).strip("_")


def reason_of(text: str | None) -> str | None:
    """The reason that a text stands for; None for one that says nothing or is unknown."""
    word = word_of(text)
    rule = _RULE.fullmatch(word)
    if rule is not None:
        return f"rule_{rule[1]}"
    if word in _NO_REASON:
        return None
    if BUILTIN.get(word) is not None:
        return word
    return ALIASES.get(word)


def is_test(text: str | None) -> bool:
    """Orders of the earlier platform's own tests: `phase3_test`, `all_bots_test`."""
    return any(word_of(part).endswith("_test") for part in (text or "").split(":"))
