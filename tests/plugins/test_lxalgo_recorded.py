"""LXAlgo on recorded candles: it sees no future, and a restart changes nothing."""

from __future__ import annotations

import random  # noqa: TID251  (seeded)
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest

from alpha.bots.barrier import Close, CloseBarrier
from alpha.bots.host import SavedBot
from alpha.core.decisions import Decision
from alpha.core.events import Bar
from alpha.core.records import BotPosition
from tests.plugins.desk import INSTRUMENTS, Desk
from tests.plugins.lxalgo_tape import WARM, lxalgo
from tests.plugins.recorded import noise, rounds

#: The published threshold of 8 % is hardly ever reached by these symbols.
SETTINGS: dict[str, object] = {"symbols": list(INSTRUMENTS), "pump_threshold": 1.5}
#: Bars of noise that follow the last real one.
NOISE = 3

pytestmark = pytest.mark.shared_data


@dataclass(frozen=True)
class Moment:
    """What a restart finds."""

    saved: SavedBot
    positions: Mapping[str, BotPosition]
    wallet: Decimal
    closes: Mapping[str, Decimal]


def hand_on(desk: Desk, rounds: Sequence[tuple[Bar, ...]]) -> None:
    """As the market does, the worst way round: every symbol's bars are in before the last
    symbol brings its first."""
    barrier = CloseBarrier(desk.handle.subscriptions)
    for bars in zip(*rounds, strict=True):
        for bar in bars:
            for step in barrier.add(bar, 0.0):
                if isinstance(step, Close):
                    desk.close(*step.bars.values())
                else:
                    desk.handle.bar(step)


def test_no_decision_knows_what_comes_after_it() -> None:
    """200 seeded bars and every bar with a signal: with noise in place of all that follows, the
    decisions up to there are the same. One course is run over everything; the others start from
    what it had saved, with the 300 bars before."""
    real = rounds()
    course = Desk(lxalgo(SETTINGS))
    course.handle.start()
    for bars in real[:WARM]:
        for bar in bars:
            course.handle.bar(bar)
    course.handle.ready()
    draw = random.Random(4)
    chosen = set(draw.sample(range(WARM, len(real) - NOISE), 200))
    decided: dict[int, list[Decision]] = {}
    before: dict[int, Moment] = {}
    for place in range(WARM, len(real)):
        moment = Moment(
            course.handle.saved, dict(course.positions), course.wallet, dict(course.closes)
        )
        known = len(course.decisions)
        course.close(*real[place])
        made = course.decisions[known:]
        if place in chosen or any(one.planned for one in made):
            decided[place] = list(made)
            before[place] = moment
    assert len(course.entries()) > 50
    assert len(decided) > 250
    for place, made in decided.items():
        moment = before[place]
        desk = Desk(lxalgo(SETTINGS), wallet=moment.wallet, positions=dict(moment.positions))
        desk.closes = dict(moment.closes)
        desk.handle.restore(moment.saved)
        desk.handle.start()
        for bars in real[place - WARM : place]:
            for bar in bars:
                desk.handle.bar(bar)
        desk.handle.ready()
        future = [noise(draw, bars) for bars in real[place + 1 : place + 1 + NOISE]]
        hand_on(desk, [real[place], *future])
        assert desk.decisions[: len(made)] == made
