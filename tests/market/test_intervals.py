"""Longer bars against the shorter ones that they are made of."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.core.events import Bar
from alpha.market.intervals import IntervalCheck

MINUTE, FIVE, HOUR, WEEK = 60_000, 300_000, 3_600_000, 604_800_000
T0 = 1_759_190_400_000
Told = list[tuple[Bar, int, str]]


def parts(number: int = 0, step: int = FIVE, whole: int = HOUR) -> list[Bar]:
    """The shorter bars of the longer bar with this number."""
    start = T0 + number * whole
    return [
        Bar(
            "AAAUSDT",
            step,
            start + at * step,
            100.0 + at,
            103.0 + at,
            98.0 - at,
            101.0 + at,
            0.1,
            9,
        )
        for at in range(whole // step)
    ]


def whole(number: int = 0, step: int = FIVE, length: int = HOUR) -> Bar:
    made = parts(number, step, length)
    return Bar(
        "AAAUSDT",
        length,
        made[0].start_ms,
        made[0].open,
        max(one.high for one in made),
        min(one.low for one in made),
        made[-1].close,
        0.1 * len(made),
        9.0 * len(made),
    )


def checking(*intervals: int) -> tuple[IntervalCheck, Told]:
    told: Told = []
    check = IntervalCheck(lambda bar, shorter, what: told.append((bar, shorter, what)))
    for interval_ms in intervals:
        check.expect("AAAUSDT", interval_ms)
    return check, told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"open": 99.0}, "open 99.0, its parts make 100.0"),
        ({"high": 200.0}, "high 200.0, its parts make 114.0"),
        ({"low": 1.0}, "low 1.0, its parts make 87.0"),
        ({"close": 111.0}, "close 111.0, its parts make 112.0"),
        ({"volume": 1.3}, "volume 1.3, its parts make 1.2000000000000002"),
    ],
)
def test_what_differs_is_told(change: dict[str, float], words: str) -> None:
    check, told = checking(FIVE, HOUR)
    bar = msgspec.structs.replace(whole(), **change)
    for one in (*parts(), bar):
        check.add(one)
    assert told == [(bar, FIVE, words)]


@given(st.permutations([whole(0), *parts(0), whole(1), *parts(1)]))
def test_what_agrees_says_nothing_in_any_order(coming: list[Bar]) -> None:
    check, told = checking(FIVE, HOUR)
    for bar in (*coming, *coming[:9]):
        check.add(bar)
    assert (check.compared, told) == (2, [])


def test_a_hole_is_not_compared_and_not_kept() -> None:
    check, told = checking(FIVE, HOUR)
    for number in range(50):
        for one in (*parts(number)[1:], whole(number)):
            check.add(one)
    assert (check.compared, told) == (0, [])
    assert sum(len(sums) for sums in check._sums.values()) <= 3


def test_all_pairs_of_a_symbol_are_compared_weeks_from_monday() -> None:
    check, told = checking(MINUTE, FIVE, HOUR, 7 * 24 * HOUR)
    monday = T0 - (T0 - 4 * 86_400_000) % WEEK
    for at in range(7 * 24):
        check.add(Bar("AAAUSDT", HOUR, monday + at * HOUR, 1.0, 2.0, 0.5, 1.5, 1.0, 1.0))
    check.add(Bar("AAAUSDT", WEEK, monday, 1.0, 2.0, 0.5, 1.5, 168.0, 168.0))
    assert (check.compared, told) == (1, [])
    for interval_ms in (WEEK, HOUR):
        check.forget("AAAUSDT", interval_ms)
    assert not check._sums


def test_one_interval_alone_costs_nothing() -> None:
    check, _ = checking(FIVE)
    for one in parts():
        check.add(one)
    assert not check._sums
