from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpha.core.bandwidth import PercentRank, RelativeVolume
from alpha.core.events import Bar
from plugins.momentum import MomentumSettings
from plugins.momentum.figures import Figures
from tests.plugins.candles import draws
from tests.plugins.desk import Desk, momentum

BAR_MS = 14_400_000
SYMBOL = "BTCUSDT"
VECTORS = Path(__file__).parents[1] / "vectors" / "golden_vectors.json"
CASES = json.loads(VECTORS.read_text())["momentum"]["cases"]


def bars(seed: int, jump: float, volumes: float) -> list[Bar]:
    """139 bars that calm down, then one that jumps."""
    draw = draws(seed)
    found: list[Bar] = []
    before = 10.0
    for place in range(139):
        amp = 0.02 if place < 100 else 0.004
        u, h, low, v = islice(draw, 4)
        close = before * (1 + (u - 0.5) * 2 * amp)
        found.append(
            Bar(
                SYMBOL,
                BAR_MS,
                place * BAR_MS,
                before,
                max(before, close) * (1 + h * amp / 2),
                min(before, close) * (1 - low * amp / 2),
                close,
                1e6 * (0.5 + v),
                0.0,
            )
        )
        before = close
    close = before * (1 + jump)
    volume = 1e6 * volumes
    found.append(
        Bar(SYMBOL, BAR_MS, 139 * BAR_MS, before, close * 1.001, before * 0.999, close, volume, 0.0)
    )
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"seed{case['seed']}")
def test_golden_figures(case: dict[str, float]) -> None:
    figures = Figures(MomentumSettings())
    for bar in bars(int(case["seed"]), case["jump"], case["vol_mult"]):
        figures.add(bar)
    upper, mean = figures.upper, figures.mean
    assert upper is not None and mean is not None
    found = {
        "bbwidth": 2 * (upper - mean) / mean,
        "bbwidth_percentile": figures.rank,
        "upper": upper,
        "sma20": mean,
        "rvr": figures.volume,
        "strength": figures.strength,
    }
    expected = {name: case[name] for name in found}
    assert found == pytest.approx(expected, abs=1e-9)  # the vectors have ten decimals
    assert figures.breaks_out == case["entry"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"seed{case['seed']}")
def test_golden_entries(case: dict[str, float]) -> None:
    desk = Desk(momentum({"symbols": [SYMBOL]}), fills=False).run()
    tape = bars(int(case["seed"]), case["jump"], case["vol_mult"])
    for bar in tape[:-1]:
        desk.close(bar)
    known = len(desk.entries())
    decision = desk.close(tape[-1])
    assert decision is not None
    assert len(desk.entries()) - known == int(case["entry"])
    if case["entry"]:
        details = decision.planned[0].intent.model_dump()["details"]
        assert float(details["pct"]) == pytest.approx(case["bbwidth_percentile"], rel=1e-5)
        assert float(details["rvr"]) == pytest.approx(case["rvr"], rel=1e-5)
        assert float(details["strength"]) == pytest.approx(case["strength"], rel=1e-5)


def test_decides_from_the_109th_bar_on() -> None:
    desk = Desk(momentum({"symbols": [SYMBOL]}), fills=False).run()
    tape = bars(12, 0.025, 6.0)
    for bar in tape[:108]:
        assert desk.close(bar) is None
    assert desk.handle.state == "warming"
    assert "expected 109 bars, was 108" in desk.handle.state_reason
    assert desk.close(tape[108]) is not None
    assert desk.handle.state == "running"


# -- the indicators against their definitions -------------------------------------------------

LEVELS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


@given(LEVELS, st.integers(2, 12))
def test_percent_rank_counts_what_is_smaller(levels: list[int], length: int) -> None:
    rank = PercentRank(length)
    for place, level in enumerate(levels):
        found = rank.update(float(level))
        window = levels[max(0, place + 1 - length) : place + 1]
        if len(window) < length:
            assert found is None
        else:
            assert found == sum(one < level for one in window) / (length - 1)


@given(LEVELS, st.integers(1, 12))
def test_relative_volume_has_its_own_bar_in_the_mean(levels: list[int], length: int) -> None:
    relative = RelativeVolume(length)
    for place, level in enumerate(levels):
        found = relative.update(float(level))
        window = levels[max(0, place + 1 - length) : place + 1]
        if len(window) < length:
            assert found is None
        else:
            assert found == pytest.approx(level / fmean(window), rel=1e-12)


def test_no_volume_at_all_is_undefined() -> None:
    relative = RelativeVolume(2)
    assert [relative.update(x) for x in (0.0, 0.0, 3.0)] == [None, None, 2.0]


def test_figures_of_a_long_walk_equal_their_definitions() -> None:
    """Rounding does not add up: after 3000 bars the figures are those of the last 109."""
    draw = draws(5)
    figures = Figures(MomentumSettings())
    closes: list[float] = []
    volumes: list[float] = []
    price = 100.0
    for place in range(3000):
        price *= 1 + (next(draw) - 0.5) * 0.04
        closes.append(price)
        volumes.append(next(draw) * 10 ** (6 * next(draw)))
        figures.add(
            Bar(SYMBOL, BAR_MS, place * BAR_MS, price, price, price, price, volumes[-1], 0.0)
        )
        if place < 108 or place % 97:
            continue
        widths = [
            4 * stdev(closes[end - 20 : end]) / fmean(closes[end - 20 : end])
            for end in range(place + 1 - 89, place + 2)
        ]
        assert figures.rank == sum(one < widths[-1] for one in widths) / 89
        assert figures.mean == pytest.approx(fmean(closes[-20:]), rel=1e-12)
        assert figures.upper == pytest.approx(
            fmean(closes[-20:]) + 2 * stdev(closes[-20:]), rel=1e-12
        )
        assert figures.volume == pytest.approx(volumes[-1] / fmean(volumes[-20:]), rel=1e-9)
