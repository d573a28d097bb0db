"""ShortSeller on recorded candles, without its gates, which would end the run half-way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from alpha.core.decisions import Decision
from tests.plugins.desk import Desk, shortseller
from tests.plugins.recorded import rounds

#: The first bar that is decided: 11 days after the first candle.
BEGIN = 11 * 288
CLOSES = 9_000
#: What a restart loads (`history_bars`).
HISTORY = 6_000

pytestmark = pytest.mark.shared_data


def warm(desk: Desk, first: int, last: int) -> None:
    for close in rounds()[first:last]:
        for bar in close:
            desk.handle.bar(bar)
    desk.handle.start()
    desk.handle.ready()


def told(decisions: Sequence[Decision]) -> list[object]:
    """Events, states, order ids; not the averages among an order's details, whose last digits
    still know where they were seeded."""
    return [
        (one.row.event_key, one.row.state_json, [planned.order_link_id for planned in one.planned])
        for one in decisions
    ]


def test_a_restart_with_its_own_history_decides_the_same() -> None:
    """The run without restart has averages seeded with the first candles, a restarted bot those
    of the last 6000: every decision of the days after it is the same all the same."""
    desk = Desk(shortseller({"risk_gates": False}))
    desk.handle.start()
    warm(desk, 0, BEGIN)
    restarted: list[Desk] = []
    restarts = {BEGIN + 6_000, BEGIN + 7_000, BEGIN + 8_000}
    for place in range(BEGIN, BEGIN + CLOSES):
        known = len(desk.decisions)
        desk.close(*rounds()[place])
        for other in restarted:
            known_of_other = len(other.decisions)
            other.close(*rounds()[place])
            assert told(other.decisions[known_of_other:]) == told(desk.decisions[known:])
        if place in restarts:
            other = Desk(
                shortseller({"risk_gates": False}),
                wallet=desk.wallet,
                positions=dict(desk.positions),
            )
            other.closes = dict(desk.closes)
            other.handle.restore(desk.handle.saved)
            other.handle.start()
            warm(other, place + 1 - HISTORY, place + 1)
            restarted.append(other)
    assert len(restarted) == 3
    assert len(desk.entries()) > 20
    assert len(restarted[0].entries()) > 5
