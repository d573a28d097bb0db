"""A restart of LXAlgo in any state decides the same next thing as no restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from alpha.bots import Bar
from alpha.bots.host import SavedBot
from alpha.core.decisions import Decision
from alpha.core.records import BotPosition
from tests.plugins.candles import BAR_MS, walk
from tests.plugins.desk import Desk
from tests.plugins.lxalgo_tape import BTC, DAY_MS, ETH, TUESDAY, WARM, lxalgo

SYMBOLS = (BTC, ETH)
CLOSES = 2500
AFTER = 30

#: Restless settings: entries, additions, breakeven, every software exit.
RESTLESS: Mapping[str, object] = {
    "symbols": list(SYMBOLS),
    "pump_threshold": 1,
    "be_trigger": 0.01,
    "max_entries_per_symbol": 3,
    "cooldown_hours": 1,
    "negative_hours": "1.5",
    "max_hours": 6,
}
#: The same with stakes that trip the limits.
RECKLESS: Mapping[str, object] = {
    **RESTLESS,
    "base_size": 8000,
    "day_loss": "0.05",
    "week_reduce": "0.02",
    "week_loss": "0.05",
}


@dataclass(frozen=True)
class Moment:
    """What a restart finds."""

    saved: SavedBot
    positions: Mapping[str, BotPosition]
    wallet: Decimal


@dataclass(frozen=True)
class Course:
    """A run without a restart: the decisions of each close, and the moment after it."""

    bars: Sequence[tuple[Bar, ...]]
    decisions: Sequence[Sequence[Decision]]
    moments: Sequence[Moment]


@cache
def course(reckless: bool) -> Course:
    start_ms = TUESDAY + 5 * DAY_MS - WARM * BAR_MS  # over a Sunday's end
    symbols = [
        [
            replace(bar, start_ms=start_ms + bar.start_ms)
            for bar in walk(WARM + CLOSES, seed, 0.006, 100.0, symbol)
        ]
        for seed, symbol in zip((21, 22), SYMBOLS, strict=True)
    ]
    bars = list(zip(*symbols, strict=True))
    desk = Desk(lxalgo(RECKLESS if reckless else RESTLESS))
    desk.handle.start()
    for close in bars[:WARM]:
        for bar in close:
            desk.handle.bar(bar)
    desk.handle.ready()
    decisions, moments = [], []
    for close in bars[WARM:]:
        known = len(desk.decisions)
        desk.close(*close)
        decisions.append(desk.decisions[known:])
        moments.append(Moment(desk.handle.saved, dict(desk.positions), desk.wallet))
    return Course(bars, decisions, moments)


def assert_same_from(place: int, *, reckless: bool) -> None:
    """A fresh bot with what was saved after close `place` and the last 300 bars."""
    run = course(reckless)
    moment = run.moments[place]
    desk = Desk(
        lxalgo(RECKLESS if reckless else RESTLESS),
        wallet=moment.wallet,
        positions=dict(moment.positions),
    )
    desk.closes = {bar.symbol: Decimal(repr(bar.close)) for bar in run.bars[WARM + place]}
    desk.handle.restore(moment.saved)
    desk.handle.start()
    for close in run.bars[place + 1 : WARM + place + 1]:
        for bar in close:
            desk.handle.bar(bar)
    desk.handle.ready()
    for later in range(place + 1, min(place + 1 + AFTER, CLOSES)):
        known = len(desk.decisions)
        desk.close(*run.bars[WARM + later])
        assert desk.decisions[known:] == run.decisions[later]


@pytest.mark.parametrize("reckless", [False, True])
def test_the_course_is_eventful(reckless: bool) -> None:
    run = course(reckless)
    planned = [
        planned.intent for close in run.decisions for one in close for planned in one.planned
    ]
    reasons = {(intent.kind, intent.reason) for intent in planned}
    assert ("enter", "rule_8") in reasons
    if reckless:
        details = {intent.model_dump()["details"].get("detail") for intent in planned}
        assert details >= {"day", "week"}
    else:
        assert reasons >= {("enter", "scale_in"), ("exit", "time_exit"), ("move_stop", "stop_loss")}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, CLOSES - 2), st.booleans())
def test_a_restart_anywhere_decides_the_same(place: int, reckless: bool) -> None:
    assert_same_from(place, reckless=reckless)


@pytest.mark.parametrize("reckless", [False, True])
def test_state_holds_no_indicator(reckless: bool) -> None:
    for moment in course(reckless).moments[::100]:
        assert "rsi" not in moment.saved.state_json
        assert len(moment.saved.state_json) < 2_000
