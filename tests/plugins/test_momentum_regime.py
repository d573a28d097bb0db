"""The BTC filter against its definition, and what it does to entries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from math import sin

import pytest

from alpha.bots import Bar
from alpha.core.directional import DirectionalIndex
from plugins.momentum.regime import Regime
from tests.plugins.breakouts import BAR_MS, BREAKOUT, BTC, DAY_MS, ETH, MONDAY, Tape, bought
from tests.plugins.breakouts import intents as intents_of
from tests.plugins.candles import draws
from tests.plugins.desk import Desk, momentum

#: high, low, close
Day = tuple[float, float, float]


def days(count: int, seed: int, drift: float) -> list[Day]:
    draw, price = draws(seed), 100.0
    found = []
    for place in range(count):
        price *= 1 + (next(draw) - 0.5) * 0.06 + drift * sin(place / 25)
        up, down = islice(draw, 2)
        found.append((price * (1 + up * 0.03), price * (1 - down * 0.03), price))
    return found


def smoothed(values: Sequence[float]) -> list[float]:
    """pandas: `ewm(alpha=1 / 14, adjust=False).mean()`."""
    found = [values[0]]
    for value in values[1:]:
        found.append(found[-1] * 13 / 14 + value / 14)
    return found


def adx(some: Sequence[Day]) -> list[float]:
    """Of all days from the second on."""
    ranges = [some[0][0] - some[0][1]]
    ups, downs = [0.0], [0.0]
    for (high_before, low_before, before), (high, low, _) in pairwise(some):
        ranges.append(max(high - low, abs(high - before), abs(low - before)))
        rise, fall = high - high_before, low_before - low
        ups.append(rise if rise > fall and rise > 0 else 0.0)
        downs.append(fall if fall > rise and fall > 0 else 0.0)
    mean = smoothed(ranges)
    plus = [100 * up / one for up, one in zip(smoothed(ups), mean, strict=True)]
    minus = [100 * down / one for down, one in zip(smoothed(downs), mean, strict=True)]
    moved = [(p, m) for p, m in zip(plus, minus, strict=True) if p + m > 0]
    return smoothed([100 * abs(p - m) / (p + m) for p, m in moved])


def test_adx_equals_its_definition() -> None:
    some = days(400, 3, 0.01)
    index = DirectionalIndex(14)
    found = [index.update(*day) for day in some]
    known = [one for one in found if one is not None]
    assert known == pytest.approx(adx(some), abs=1e-9)
    assert 0 < min(known) < 20 < 30 < max(known) <= 100


def test_adx_without_any_movement_is_undefined() -> None:
    index = DirectionalIndex(14)
    assert [index.update(5.0, 5.0, 5.0) for _ in range(3)] == [None] * 3
    assert index.update(6.0, 5.0, 6.0) == 100.0
    with pytest.raises(ValueError, match="expected a length of at least 1, was 0"):
        DirectionalIndex(0)


def parts(day: Day, number: int) -> list[Bar]:
    """Six bars that make a day; the extremes are in the third and the fourth."""
    high, low, close = day
    middle = (high + low) / 2
    rows = [(middle, middle, middle)] * 6
    rows[2], rows[3], rows[5] = (
        (high, middle, middle),
        (middle, low, middle),
        (middle, close, close),
    )
    return [
        Bar(
            BTC,
            BAR_MS,
            number * DAY_MS + place * BAR_MS,
            middle,
            max(top, last),
            min(bottom, last),
            last,
            1.0,
            1.0,
        )
        for place, (top, bottom, last) in enumerate(rows)
    ]


@pytest.mark.parametrize("ma_length", [10, 50])
def test_the_regime_equals_its_definition(ma_length: int) -> None:
    some = days(400, 5, 0.012)
    regime = Regime(ma_length, 25.0)
    seen = set()
    for number, day in enumerate(some):
        before = regime.is_favourable
        for bar in parts(day, number):
            assert regime.is_favourable == before  # a day counts once it is over
            regime.add(bar)
        closes = [close for _, _, close in some[: number + 1]]
        highs = [high for high, _, _ in some[: number + 1]]
        expected = (
            number + 1 >= max(ma_length, 28)
            and closes[-1] > sum(closes[-ma_length:]) / ma_length
            and max(highs[-5:]) >= max(highs[-25:-5])
            and adx(some[: number + 1])[-1] > 25
        )
        assert regime.is_favourable == expected
        seen.add(expected)
    assert seen == {False, True}


def test_a_hole_begins_the_regime_anew() -> None:
    regime = Regime(10, 0.0)
    for number in range(60):
        day = (101.0 + number, 99.0 + number, 100.5 + number)
        for bar in parts(day, number):
            regime.add(bar)
    assert regime.is_favourable
    regime.add(parts((200.0, 190.0, 199.0), 60)[1])
    assert not regime.is_favourable
    for number in range(61, 61 + 27):
        for bar in parts((200.0 + number, 190.0 + number, 199.0 + number), number):
            regime.add(bar)
    assert not regime.is_favourable  # 27 whole days
    for bar in parts((300.0, 298.0, 299.0), 88):
        regime.add(bar)
    assert regime.is_favourable


def test_the_filter_needs_its_own_bars() -> None:
    handle = momentum({"symbols": [ETH], "btc_filter": True})
    wanted = {one.symbol: (one.warmup_bars, one.wanted_bars) for one in handle.subscriptions}
    assert wanted == {ETH: (109, 200), BTC: (1206, 2406)}


@pytest.mark.parametrize("rising", [True, False])
def test_entries_need_a_favourable_regime(rising: bool) -> None:
    """ETH breaks out after 30 days in which BTC has gone one way."""
    handle = momentum({"symbols": [ETH], "btc_filter": True, "btc_ma_length": 10})
    warm = 30 * 6
    tape = Tape(Desk(handle, fills=False), (ETH,), MONDAY - warm * BAR_MS, calm_from=warm - 34)
    tape.desk.run()
    for place in range(warm):
        price = 100.0 + (place if rising else -place) / 4
        bar = Bar(BTC, BAR_MS, tape.start_ms, price, price + 1, price - 1, price, 1.0, price)
        eth = tape.bar(ETH, *(BREAKOUT if place == warm - 1 else (tape.usual(), 1.0)))
        tape.step()
        tape.desk.close(bar, eth)
    assert intents_of(tape.desk.decisions[-1]) == (bought(ETH) if rising else [])
