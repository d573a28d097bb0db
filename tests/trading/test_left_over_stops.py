"""The stops of a position end with it, also when the stream loses their end."""

from __future__ import annotations

import msgspec

from alpha.clock import ManualClock
from alpha.core.orders import OrderState
from tests.trading.life import Life
from tests.trading.test_faults import BTC, enter, hear, leave


def tells_of_stops(frame: bytes) -> bool:
    message = msgspec.json.decode(frame)
    return message["topic"] == "order" and any(row["stopOrderType"] for row in message["data"])


def open_stops(life: Life) -> list[str]:
    rows = life.account.tracker.working()
    return [row.client_order_id for row in rows if row.purpose == "stop"]


async def test_stops_whose_end_was_lost_are_asked_for(life: Life, clock: ManualClock) -> None:
    await enter(life)
    await hear(life)
    assert len(open_stops(life)) == 2
    await leave(life)
    while frames := life.exchange.take_frames():
        for frame in frames:
            if not tells_of_stops(frame):
                life.hear(frame)
        await life.quiet()
    assert life.account.position("beat_001", BTC).signed_qty == 0
    stops = open_stops(life)
    assert len(stops) == 2, "nothing has told of their end"
    recovery = life.service.recovery
    asked: list[str] = []
    recovery.comparison._ask = asked.append  # how often the exchange is asked
    for _ in range(30):
        recovery.comparison.compare()
        clock.advance(1_000)
    assert len(asked) == 3 * len(stops), "three times, then it is left to the sweeps"
    await life.sweep()
    assert open_stops(life) == []
    ended = [life.account.tracker.get(stop) for stop in stops]
    assert {row.state for row in ended if row is not None} == {OrderState.DEACTIVATED}


async def test_stops_of_a_position_that_is_held_are_left_alone(
    life: Life, clock: ManualClock
) -> None:
    await enter(life)
    await hear(life)
    asked: list[str] = []
    life.service.recovery.comparison._ask = asked.append
    for _ in range(30):
        life.service.recovery.comparison.compare()
        clock.advance(1_000)
    assert asked == []
