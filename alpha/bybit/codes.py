"""What each retCode means for the caller (Bybit V5, Error Codes, linear part).

The table holds classes, not actions: the action depends on whether the request could have
changed something. `classify` answers that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from alpha.bybit.fields import without_secrets
from alpha.errors import AlphaError, AuthRejected, OutcomeUnknown, RetryLater, VenueRejected


class ErrorClass(StrEnum):
    OK = "ok"
    THROTTLED = "throttled"  # refused before processing; again after a pause
    BANNED = "banned"  # this address is shut out for minutes
    BUSY = "busy"  # a read that may be repeated
    AMBIGUOUS = "ambiguous"  # a write that may have happened
    CLOCK = "clock"  # outside the recv_window: once more with a fresh stamp
    ALREADY = "already"  # the wanted state holds already: success
    GONE = "gone"  # the order to cancel or amend is finished; read its final state
    DUPLICATE = "duplicate"  # this client id was used before: our earlier send exists
    AUTH = "auth"  # key, signature, permission, address: no retry loop
    FUNDS = "funds"
    PRICE = "price"
    SIZE = "size"
    STATE = "state"  # the symbol does not trade like this
    DANGER = "danger"  # near liquidation
    POSITION_MODE = "position_mode"
    PROGRAMMING = "programming"  # our request was wrong
    UNLISTED = "unlisted"


#: Codes that say "not processed, come back": busy for reads and writes alike.
_THROTTLED = (10006, 10403, 20003)
#: Codes after which a write may or may not have happened; for reads merely busy.
_MAYBE = (
    *(429, 10000, 10016, 10019, 10429, 110079),
    *(40004, 170007, 170032, 170146, 170147, 170222, 170310, 500000),
)
_AUTH = (
    *(-2015, 10003, 10004, 10005, 10007, 10008, 10009, 10010, 10024, 10027, 10028, 10029, 10032),
    *(33004, 100028, 110066, 110123, 110124, 110125, 110132),
)
_FUNDS = (110004, 110006, 110007, 110012, 110014, 110044, 110045, 110051, 110052, 110053)
_PRICE = (*(30208, 30209, 110003, 110092, 110093, 110108, 110109, 110118, 110120, 110121),)
_SIZE = (
    *(110009, 110013, 110017, 110020, 110021, 110022, 110058, 110060, 110061, 110064),
    *(110085, 110086, 110089, 110090, 110094),
)
_STATE = (
    *(30228, 110023, 110042, 110063, 110074, 110095, 110096, 110097, 110098, 110099),
    *(110100, 110103),
)

_ROWS: tuple[tuple[ErrorClass, tuple[int, ...]], ...] = (
    (ErrorClass.OK, (0,)),
    (ErrorClass.THROTTLED, _THROTTLED),
    (ErrorClass.AMBIGUOUS, _MAYBE),
    (ErrorClass.CLOCK, (-1, 10002)),
    (ErrorClass.ALREADY, (34040, 110025, 110026, 110027, 110043, 110075)),
    (ErrorClass.GONE, (110001, 110008, 110010, 170139, 170142, 170213)),
    (ErrorClass.DUPLICATE, (10014, 20006, 110072, 170141)),
    (ErrorClass.AUTH, _AUTH),
    (ErrorClass.FUNDS, _FUNDS),
    (ErrorClass.PRICE, _PRICE),
    (ErrorClass.SIZE, _SIZE),
    (ErrorClass.STATE, _STATE),
    (ErrorClass.DANGER, (110011, 110039, 110040, 110046)),
    (ErrorClass.POSITION_MODE, (110024, 110028, 110029, 110036, 110038)),
    (ErrorClass.PROGRAMMING, (10001, 10017, 10404, 110032, 110057, 181017)),
)


def build_table(
    rows: Iterable[tuple[ErrorClass, tuple[int, ...]]],
) -> Mapping[int, ErrorClass]:
    """Code -> class. Raises ValueError when a code is listed twice."""
    table: dict[int, ErrorClass] = {}
    for error_class, codes in rows:
        for code in codes:
            if code in table:
                raise ValueError(
                    f"retCode {code}: expected one class, was {table[code]} and {error_class}"
                )
            table[code] = error_class
    return MappingProxyType(table)


TABLE: Mapping[int, ErrorClass] = build_table(_ROWS)

#: Bybit shuts an address out for at least ten minutes after a 403 "access too frequent".
BAN_SECONDS = 600.0


#: Refusals of a size or price, and of a contract that does not trade (any longer).
_RULES = frozenset({110003, 110022, 110023, 110074, 110094})


def doubts_rules(code: int, message: str) -> bool:
    """Whether a refusal says that we may have old trading rules of the symbol."""
    words = message.lower()
    return code in _RULES or (code == 10001 and ("qty" in words or "price" in words))


def classify(ret_code: int | None, ret_msg: str, http_status: int, *, write: bool) -> ErrorClass:
    """The class of one answer. `ret_code` is None when the body was no V5 envelope."""
    if http_status == 403 and "frequent" in ret_msg.lower():
        return ErrorClass.BANNED
    if ret_code is None or (ret_code == 0 and http_status >= 400):
        return _classify_status(http_status, write=write)
    listed = TABLE.get(ret_code)
    if listed is ErrorClass.AMBIGUOUS and not write:
        return ErrorClass.BUSY
    if listed is ErrorClass.PROGRAMMING and "position idx" in ret_msg:
        return ErrorClass.POSITION_MODE
    if listed is ErrorClass.PROGRAMMING and "Qty invalid" in ret_msg:
        return ErrorClass.SIZE
    if listed is not None:
        return listed
    # 110xxx are the matching engine's own refusals; other strangers may mean anything.
    if 110000 <= ret_code <= 110999:
        return ErrorClass.UNLISTED
    return ErrorClass.AMBIGUOUS if write else ErrorClass.UNLISTED


def _classify_status(http_status: int, *, write: bool) -> ErrorClass:
    if http_status in (401, 403):
        return ErrorClass.AUTH
    if http_status in (400, 404, 405):
        return ErrorClass.PROGRAMMING
    return ErrorClass.AMBIGUOUS if write else ErrorClass.BUSY


class ClockRefused(VenueRejected):
    """The stamp lay outside the recv_window. Nothing happened; a caller that stamps its own
    requests stamps afresh and sends once more, then alarms: the machine's clock is wrong."""


class Throttled(RetryLater):
    """We have asked too often."""


class OrderGone(VenueRejected):
    """The order to cancel or amend is finished or unknown; read its final state, it may have
    filled."""


class DuplicateOrder(VenueRejected):
    """The client order id was used before: the earlier send exists; query it."""


def error_for(
    error_class: ErrorClass, ret_code: int | None, ret_msg: str, *, status: int, action: str
) -> AlphaError:
    """The exception that tells the caller what to do about an answer of `error_class`."""
    message = without_secrets(ret_msg)[:300]
    code = status if ret_code is None else ret_code
    what = f"{action}: HTTP {status}, retCode {ret_code}, {message!r}"
    match error_class:
        case ErrorClass.AMBIGUOUS:
            return OutcomeUnknown(f"expected a definite answer to {what}; ask by id")
        case ErrorClass.BANNED:
            return Throttled(f"this address is shut out for {what}", after_s=BAN_SECONDS)
        case ErrorClass.THROTTLED:
            return Throttled(f"expected an answer to {what}; try again later", after_s=1.0)
        case ErrorClass.BUSY:
            return RetryLater(f"expected an answer to {what}; try again later", after_s=1.0)
        case ErrorClass.CLOCK:
            return ClockRefused(code, message, action=action)
        case ErrorClass.GONE:
            return OrderGone(code, message, action=action)
        case ErrorClass.DUPLICATE:
            return DuplicateOrder(code, message, action=action)
        case ErrorClass.AUTH:
            return AuthRejected(code, message, action=action)
        case _:
            return VenueRejected(code, message, action=action)
