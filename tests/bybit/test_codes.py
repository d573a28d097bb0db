"""What each refusal of the exchange means."""

from __future__ import annotations

import pytest

from alpha.bybit.codes import (
    TABLE,
    ClockRefused,
    DuplicateOrder,
    ErrorClass,
    OrderGone,
    Throttled,
    build_table,
    classify,
    error_for,
)
from alpha.errors import AlphaError, AuthRejected, OutcomeUnknown, RetryLater, VenueRejected


# The bodies in quotes were recorded on testnet.
@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (0, "SUCCESS", ErrorClass.OK),
        (110072, "OrderLinkedID is duplicate", ErrorClass.DUPLICATE),
        (110007, "CheckMarginRatio fail! InsufficientAB", ErrorClass.FUNDS),
        (10001, "Qty invalid", ErrorClass.SIZE),
        (110092, "expect Rising, but trigger_price[859411000] <= current", ErrorClass.PRICE),
        (10001, "params error: symbol invalid NOPEUSDT", ErrorClass.PROGRAMMING),
        (10001, "position idx not match position mode", ErrorClass.POSITION_MODE),
        (110001, "order not exists or too late to cancel", ErrorClass.GONE),
        (110003, "price is invalid", ErrorClass.PRICE),
        (10004, "error sign! origin_string[1]", ErrorClass.AUTH),
        (10003, "API key is invalid.", ErrorClass.AUTH),
        (110043, "Set leverage has not been modified.", ErrorClass.ALREADY),
        (34040, "not modified", ErrorClass.ALREADY),
        (10002, "invalid request, please check your server timestamp", ErrorClass.CLOCK),
        (10006, "Too many visits!", ErrorClass.THROTTLED),
        (110017, "current position is zero, cannot fix reduce-only order qty", ErrorClass.SIZE),
        (110094, "Order does not meet minimum order value", ErrorClass.SIZE),
        (110074, "This contract is not live", ErrorClass.STATE),
        (110999, "something new from the matching engine", ErrorClass.UNLISTED),
    ],
)
def test_codes_that_mean_the_same_for_reads_and_writes(
    code: int, message: str, expected: ErrorClass
) -> None:
    assert classify(code, message, 200, write=True) is expected
    assert classify(code, message, 200, write=False) is expected


@pytest.mark.parametrize("code", [10000, 10016, 10019, 429, 10429, 170007, 500000])
def test_busy_answers_leave_a_write_ambiguous(code: int) -> None:
    assert classify(code, "", 200, write=True) is ErrorClass.AMBIGUOUS
    assert classify(code, "", 200, write=False) is ErrorClass.BUSY


def test_a_stranger_may_mean_anything_after_a_write() -> None:
    assert classify(987654, "?", 200, write=True) is ErrorClass.AMBIGUOUS
    assert classify(987654, "?", 200, write=False) is ErrorClass.UNLISTED


@pytest.mark.parametrize(
    ("status", "text", "write", "expected"),
    [
        (500, "", True, ErrorClass.AMBIGUOUS),
        (502, "<html>", False, ErrorClass.BUSY),
        (429, "", True, ErrorClass.AMBIGUOUS),
        (429, "", False, ErrorClass.BUSY),
        (401, "", True, ErrorClass.AUTH),
        (403, "The Amazon CloudFront distribution is configured to block", True, ErrorClass.AUTH),
        (403, "access too frequent", True, ErrorClass.BANNED),
        (404, "", False, ErrorClass.PROGRAMMING),
        (200, "<html>", True, ErrorClass.AMBIGUOUS),
    ],
)
def test_answers_without_an_envelope(
    status: int, text: str, write: bool, expected: ErrorClass
) -> None:
    assert classify(None, text, status, write=write) is expected


@pytest.mark.parametrize(
    ("error_class", "expected"),
    [
        (ErrorClass.AMBIGUOUS, OutcomeUnknown),
        (ErrorClass.THROTTLED, Throttled),
        (ErrorClass.BUSY, RetryLater),
        (ErrorClass.BANNED, Throttled),
        (ErrorClass.CLOCK, ClockRefused),
        (ErrorClass.GONE, OrderGone),
        (ErrorClass.DUPLICATE, DuplicateOrder),
        (ErrorClass.AUTH, AuthRejected),
        (ErrorClass.FUNDS, VenueRejected),
        (ErrorClass.UNLISTED, VenueRejected),
    ],
)
def test_each_class_has_its_error(error_class: ErrorClass, expected: type[AlphaError]) -> None:
    error = error_for(error_class, 10004, "no", status=200, action="/v5/order/create")
    assert type(error) is expected
    assert "/v5/order/create" in str(error)


def test_an_address_ban_asks_for_ten_minutes() -> None:
    error = error_for(ErrorClass.BANNED, None, "", status=403, action="/v5/order/create")
    assert isinstance(error, RetryLater) and error.after_s == 600


def test_the_echoed_sign_string_is_not_kept() -> None:
    error = error_for(
        ErrorClass.AUTH, 10004, "error sign! origin_string[17my-key5000{}]", status=200, action="x"
    )
    assert "my-key" not in str(error)


def test_a_code_listed_twice_is_refused() -> None:
    rows = ((ErrorClass.OK, (0,)), (ErrorClass.AUTH, (10003, 0)))
    with pytest.raises(ValueError, match="retCode 0: expected one class, was ok and auth"):
        build_table(rows)


def test_the_table_covers_the_documented_codes() -> None:
    assert len(TABLE) > 100
    assert TABLE[10404] is ErrorClass.PROGRAMMING
