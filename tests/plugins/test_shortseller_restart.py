"""A restart in any state decides the same next thing as no restart."""

from __future__ import annotations

import copy
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
from tests.plugins.candles import walk
from tests.plugins.desk import Desk, shortseller

SYMBOLS = ("BTCUSDT", "ETHUSDT")
WARM = 3000
CLOSES = 1500
#: How many closes are compared after a restart.
AFTER = 40

#: Restless settings: many trades, crosses past the limit on most days, time exits.
RESTLESS: Mapping[str, object] = {
    "symbols": list(SYMBOLS),
    "ema_fast": 8,
    "ema_slow": 20,
    "max_hold_hours": "1.2",
    "entry_window_bars": 2,
    "levels": {"BTCUSDT": {"tp": 0.015}},
}
#: The same with stakes that trip the gates.
RECKLESS: Mapping[str, object] = {**RESTLESS, "leverage": 60, "exposure_limit": 20}


@dataclass(frozen=True)
class Moment:
    """What a restart finds: the saved bot and the account's picture."""

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
    symbols = [
        walk(WARM + CLOSES, seed, 0.006, 1000.0, symbol)
        for seed, symbol in zip((11, 12), SYMBOLS, strict=True)
    ]
    bars = list(zip(*symbols, strict=True))
    desk = Desk(shortseller(RECKLESS if reckless else RESTLESS))
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


def restarted(run: Course, reckless: bool, place: int) -> Desk:
    """A fresh bot with what was saved after close `place`, warmed up to there."""
    moment = run.moments[place]
    desk = Desk(
        shortseller(RECKLESS if reckless else RESTLESS),
        wallet=moment.wallet,
        positions=copy.copy(dict(moment.positions)),
    )
    desk.closes = {bar.symbol: Decimal(repr(bar.close)) for bar in run.bars[WARM + place]}
    desk.handle.restore(moment.saved)
    desk.handle.start()
    for close in run.bars[: WARM + place + 1]:
        for bar in close:
            desk.handle.bar(bar)
    desk.handle.ready()
    return desk


def assert_same_from(place: int, *, reckless: bool) -> None:
    run = course(reckless)
    desk = restarted(run, reckless, place)
    for later in range(place + 1, min(place + 1 + AFTER, CLOSES)):
        known = len(desk.decisions)
        desk.close(*run.bars[WARM + later])
        assert desk.decisions[known:] == run.decisions[later]


@pytest.mark.parametrize("reckless", [False, True])
def test_the_course_is_eventful(reckless: bool) -> None:
    """What the property below runs through: entries, every software exit, and with higher stakes
    the drawdown gate."""
    decisions = [one for close in course(reckless).decisions for one in close]
    reasons = {planned.intent.reason for one in decisions for planned in one.planned}
    assert sum(bool(one.planned) for one in decisions) > 10
    if reckless:
        assert "risk_limit" in reasons
    else:
        assert reasons >= {"ema_cross", "ma_exit", "time_exit", "stop_loss", "take_profit"}
        counted = [one.row.state_json for one in decisions if '"crosses":11' in one.row.state_json]
        assert counted


COOLDOWN_MS = 12 * 300_000


@settings(max_examples=60)
@given(st.integers(0, CLOSES - 2), st.booleans())
def test_a_restart_anywhere_decides_the_same(place: int, reckless: bool) -> None:
    assert_same_from(place, reckless=reckless)


def test_a_restart_with_eleven_crosses_counted_and_a_cooldown_running() -> None:
    tried = 0
    for place, moment in enumerate(course(False).moments):
        assets = json.loads(moment.saved.state_json)["assets"].values()
        close_ms = max(json.loads(moment.saved.cursor_json)["closes"].values())
        cooling = any(
            one["entry_ms"] is not None and close_ms - one["entry_ms"] < COOLDOWN_MS
            for one in assets
        )
        if cooling and any(one["crosses"] == 11 for one in assets):
            assert_same_from(place, reckless=False)
            tried += 1
    assert tried, "expected a close with 11 crosses and a cooldown running"
