"""Order ids: who sent an order, why and when, readable on any machine without a lookup.

Canonical, in the database and in logs: `{bot_id}:{reason}:{unix_ms}`. On the wire Bybit allows
36 characters of letters, digits, '-' and '_' and wants them unique for ever (V5, Place Order,
orderLinkId), so the wire form is `{bot_id}-{code}-{stamp}`: the reason's code and the stamp in
base 36, eight characters. The longest id has 33 characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from alpha.core.reasons import BUILTIN, ReasonBook

STAMP_LENGTH = 8
MAX_STAMP = 36**STAMP_LENGTH - 1
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

BOT_ID = re.compile(r"[a-z0-9_]{1,20}")
_WIRE = re.compile(r"([a-z0-9_]{1,20})-([a-z][a-z0-9]{0,2})-([0-9a-z]{8})")
_COLON = re.compile(r"([a-z0-9_]{1,20}):([a-z0-9_]{1,24}):([0-9]{9,13})")
#: A stamp of the old form below this is in seconds.
_SECONDS_BELOW = 100_000_000_000


@dataclass(frozen=True, slots=True)
class ParsedOrderId:
    """`reason` is None when the code is not in the book: bot and time are known all the same."""

    bot_id: str
    reason: str | None
    unix_ms: int


def wire_id(bot_id: str, reason: str, stamp: int, book: ReasonBook = BUILTIN) -> str:
    """The id that travels. ValueError for a bot id, reason or stamp that has no wire form."""
    if not BOT_ID.fullmatch(bot_id):
        raise ValueError(f"expected a bot id of 1 to 20 of a-z, 0-9 and _, was {bot_id!r}")
    known = book.get(reason)
    if known is None:
        raise ValueError(f"expected one of {', '.join(book.names())}, was {reason!r}")
    return f"{bot_id}-{known.code}-{_base36(stamp)}"


def canonical(text: str, book: ReasonBook = BUILTIN) -> str | None:
    """`{bot_id}:{reason}:{unix_ms}` of either form; None for a foreign id. An unknown code
    stands in the reason's place as it is."""
    parsed = parse(text, book)
    if parsed is None:
        return None
    code = text.split("-")[1] if parsed.reason is None else parsed.reason
    return f"{parsed.bot_id}:{code}:{parsed.unix_ms}"


def parse(text: str, book: ReasonBook = BUILTIN) -> ParsedOrderId | None:
    """Reads the wire form and the older colon form (seconds or milliseconds); None for an id
    that is not one of ours. Never raises."""
    found = _WIRE.fullmatch(text)
    if found is not None:
        bot_id, code, stamp = found.groups()
        reason = book.by_code(code)
        return ParsedOrderId(bot_id, reason.name if reason else None, int(stamp, 36))
    found = _COLON.fullmatch(text)
    if found is None:
        return None
    bot_id, name, stamp = found.groups()
    at = int(stamp)
    return ParsedOrderId(bot_id, name, at * 1000 if at < _SECONDS_BELOW else at)


def next_stamp(event_ms: int, ordinal: int, last_stamp: int) -> int:
    """The stamp of a decision's `ordinal`-th order: the event's time plus the ordinal, raised
    above the bot's last stamp, so that it is unique and the same when the event is repeated."""
    return max(event_ms + ordinal, last_stamp + 1)


def _base36(stamp: int) -> str:
    if not 0 <= stamp <= MAX_STAMP:
        raise ValueError(f"expected a stamp of 0 to {MAX_STAMP} ms, was {stamp}")
    digits = []
    for _ in range(STAMP_LENGTH):
        stamp, rest = divmod(stamp, 36)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))
