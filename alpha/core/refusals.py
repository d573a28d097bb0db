"""Why an intent of a bot has become no trade: a sentence for people, and the rule that spoke."""

from __future__ import annotations

from typing import Literal, get_args

RejectedBy = Literal[
    "bot_state",  # the bot does not take entries: paused, reduce_only, warming, failed
    "plugin_fault",  # the intent is not one that a plugin may return
    "stale_bar",  # its event came late, after a start or a gap
    "account",  # the account is not live
    "ledger",  # PostgreSQL, Redis or the lease is away
    "symbol_blocked",  # a difference to the exchange is open, or the symbol is not traded
    "symbol_conflict",  # another bot of the account is on the other side
    "stop_limit",  # its stops find no room on the exchange
    "rounding",  # no quantity fits the instrument's rules
    "notional_limit",
    "risk",
    "nothing_to_close",
    "repeated",  # its order id was used up before
    "rate_limit",
    "exchange",  # the exchange has refused the order
    "connection",  # nothing has reached the exchange
]
REJECTED_BY: tuple[str, ...] = get_args(RejectedBy)


class Refusal(str):
    """The sentence, with the rule that it comes from."""

    __slots__ = ("by",)
    by: RejectedBy

    def __new__(cls, by: RejectedBy, why: str) -> Refusal:
        made = super().__new__(cls, why)
        made.by = by
        return made


def rejected_by(why: str) -> RejectedBy:
    """The rule behind a sentence; one that does not name its rule is a limit's."""
    return why.by if isinstance(why, Refusal) else "risk"
