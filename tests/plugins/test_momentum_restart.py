"""A restart of Momentum in any state decides the same next thing as no restart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.bots import Bar
from alpha.bots.host import SavedBot
from alpha.core.decisions import Decision
from alpha.core.records import BotPosition
from tests.plugins.breakouts import BAR_MS, BTC, ETH, MONDAY
from tests.plugins.candles import draws
from tests.plugins.desk import Desk, momentum

SYMBOLS = (BTC, ETH)
#: What a restart loads (`history_bars`).
HISTORY = 200
CLOSES = 1500
#: How many closes are compared after a restart.
AFTER = 25

EAGER: Mapping[str, object] = {"symbols": list(SYMBOLS), "bbw_pct": "0.95", "rvr": "1.2"}
#: Each with stakes and limits that trip something else.
WAYS: Mapping[str, Mapping[str, object]] = {
    "eager": EAGER,
    "peak": {**EAGER, "trail_basis": "peak", "trail": "0.05"},
    "reckless": {**EAGER, "max_fraction": 3, "risk_per_trade": "0.9", "drawdown": "0.99"},
    "to the end": {**EAGER, "max_fraction": 1, "risk_per_trade": "0.9", "drawdown": "0.05"},
    "filtered": {**EAGER, "btc_filter": True, "btc_ma_length": 5, "btc_adx": 10},
}


#: Closes with orders.
LEAST = {"eager": 20, "peak": 20, "reckless": 20, "to the end": 2, "filtered": 5}


@dataclass(frozen=True)
class Moment:
    """What a restart finds: the saved bot and the account's picture."""

    saved: SavedBot
    positions: Mapping[str, BotPosition]
    wallet: Decimal
    closes: Mapping[str, Decimal]


@dataclass(frozen=True)
class Course:
    """A run without a restart: the decisions of each close, and the moment after it."""

    decisions: Sequence[Sequence[Decision]]
    moments: Sequence[Moment]


def moody(symbol: str, seed: int) -> list[Bar]:
    """Days of calm and days of storm, now and then much volume."""
    draw, price, amp = draws(seed), 100.0, 0.01
    bars: list[Bar] = []
    for place in range(HISTORY + CLOSES):
        if place % 18 == 0:
            amp = 0.003 if next(draw) < 0.6 else 0.03
        first = price
        price *= 1 + (next(draw) - 0.5) * 2 * amp
        price *= (100.0 / price) ** 0.002
        high, low = max(first, price) * 1.001, min(first, price) * 0.999
        volume = (0.5 + next(draw)) * (5.0 if next(draw) < 0.15 else 1.0)
        start_ms = MONDAY + place * BAR_MS
        bars.append(Bar(symbol, BAR_MS, start_ms, first, high, low, price, volume, volume * price))
    return bars


@cache
def rounds() -> list[tuple[Bar, ...]]:
    return list(zip(*(moody(one, seed) for one, seed in ((BTC, 31), (ETH, 32))), strict=True))


def warm(desk: Desk, first: int, last: int) -> None:
    desk.handle.start()
    for bars in rounds()[first:last]:
        for bar in bars:
            desk.handle.bar(bar)
    desk.handle.ready()


@cache
def course(way: str) -> Course:
    desk = Desk(momentum(WAYS[way]))
    warm(desk, 0, HISTORY)
    decisions, moments = [], []
    for bars in rounds()[HISTORY:]:
        known = len(desk.decisions)
        desk.close(*bars)
        decisions.append(desk.decisions[known:])
        moments.append(
            Moment(desk.handle.saved, dict(desk.positions), desk.wallet, dict(desk.closes))
        )
    return Course(decisions, moments)


def restarted(way: str, place: int) -> Desk:
    """A fresh bot with what was saved after close `place`, and no more bars than it asks for."""
    moment = course(way).moments[place]
    desk = Desk(
        momentum(WAYS[way]),
        wallet=moment.wallet,
        positions=dict(moment.positions),
        closes=dict(moment.closes),
    )
    desk.handle.restore(moment.saved)
    wanted = max(one.wanted_bars for one in desk.handle.subscriptions)
    warm(desk, max(0, HISTORY + place + 1 - wanted), HISTORY + place + 1)
    return desk


def told(decisions: Sequence[Decision]) -> list[object]:
    """Events, states, order ids; not the figures among an order's details, whose last digits
    still know where rounding began."""
    return [
        (one.row.event_key, one.row.state_json, [planned.order_link_id for planned in one.planned])
        for one in decisions
    ]


@pytest.mark.parametrize("way", WAYS)
def test_the_course_is_eventful(way: str) -> None:
    decisions = [one for close in course(way).decisions for one in close]
    reasons = {planned.intent.reason for one in decisions for planned in one.planned}
    assert sum(bool(one.planned) for one in decisions) >= LEAST[way]
    assert "ma_exit" in reasons
    states = [json.loads(one.saved.state_json) for one in course(way).moments]
    if way == "peak":
        assert "trailing_stop" in reasons
    if way == "reckless":
        for latch in ("day_stopped", "week_reduced", "month_stopped"):
            assert {state[latch] for state in states} == {False, True}, latch
    if way == "to the end":
        assert states[-1]["halted_ms"] is not None


def assert_same_from(way: str, place: int) -> None:
    desk = restarted(way, place)
    for later in range(place + 1, min(place + 1 + AFTER, CLOSES)):
        known = len(desk.decisions)
        desk.close(*rounds()[HISTORY + later])
        assert told(desk.decisions[known:]) == told(course(way).decisions[later])


@settings(max_examples=60)
@given(st.sampled_from(sorted(WAYS)), st.integers(0, CLOSES - 2))
def test_a_restart_anywhere_decides_the_same(way: str, place: int) -> None:
    assert_same_from(way, place)


@pytest.mark.parametrize(
    ("way", "latch"),
    [
        ("reckless", "day_stopped"),
        ("reckless", "week_reduced"),
        ("reckless", "month_stopped"),
        ("to the end", "halted_ms"),
    ],
)
def test_a_restart_where_a_limit_has_just_been_reached(way: str, latch: str) -> None:
    states = [json.loads(one.saved.state_json) for one in course(way).moments]
    place = next(place for place, state in enumerate(states) if state[latch])
    for near in range(max(0, place - 2), place + 3):
        assert_same_from(way, near)


def test_saved_are_anchors_and_latches_alone() -> None:
    assert set(json.loads(course("eager").moments[-1].saved.state_json)) == {
        *("day", "day_equity", "day_stopped"),
        *("week", "week_equity", "week_reduced"),
        *("month", "month_equity", "month_stopped"),
        *("peak", "halted_ms", "halted_equity"),
    }


def test_a_state_that_is_none_is_refused() -> None:
    desk = Desk(momentum(EAGER))
    desk.handle.restore(SavedBot(1, '{"peak": "1", "top": "2"}', 0, "{}"))
    assert desk.handle.state == "failed"
    assert "saved state was not taken" in desk.handle.state_reason
