from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from alpha.bots import Bar, Enter
from alpha.core.indicators import CutlerRsi
from plugins.lxalgo.figures import BUFFER_BARS, Gauge
from plugins.lxalgo.settings import LXAlgoSettings
from tests.plugins.candles import BAR_MS, draws, walk
from tests.plugins.desk import Desk
from tests.plugins.lxalgo_tape import BTC, lxalgo


class Case(msgspec.Struct):
    """One case of the golden vectors; `rule` is that at a threshold of 8 %."""

    seed: int
    ramp: float
    pump: float
    rsi: float
    volatility: float
    spread: float
    price_change: float
    volume_change: float
    score: int
    rule: str | None
    rsi_cutler: float
    rule_at_6pct: str | None
    pump_12bars: float


VECTORS = Path(__file__).parents[1] / "vectors" / "golden_vectors.json"
CASES = msgspec.convert(json.loads(VECTORS.read_text())["lxalgo"]["cases"], list[Case])
NAMES = {"Rule 8": "rule_8", "Rule 6": "rule_6", None: None}


def candles(seed: int, ramp: float) -> list[Bar]:
    """187 bars of a walk, then 13 that climb."""
    bars = [
        Bar(b.symbol, b.interval_ms, b.start_ms, b.open, b.high, b.low, b.close, v, v * b.close)
        for b in walk(187, seed, 0.004, 1.0)
        for v in (50_000 * b.volume,)
    ]
    draw, margin = draws(seed + 100), 0.018 if seed == 4 else 0.002
    for _ in range(13):
        open_ = bars[-1].close
        close = open_ * (1 + ramp * (0.7 + 0.6 * next(draw)))
        high, low = max(open_, close) * (1 + margin), min(open_, close) * (1 - margin)
        volume = 50_000 * (1 + 4 * next(draw))
        start_ms = bars[-1].close_ms
        bars.append(Bar(BTC, BAR_MS, start_ms, open_, high, low, close, volume, volume * close))
    return bars


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"seed {case.seed}")
def test_golden_figures(case: Case) -> None:
    gauge, shorter, cutler = Gauge(12), Gauge(11), CutlerRsi(84)
    for bar in candles(case.seed, case.ramp):
        gauge.add(bar)
        shorter.add(bar)
        cutler.update(bar.close)
    figures = gauge.figures()
    for name in ("pump", "rsi", "volatility", "spread", "price_change", "volume_change"):
        assert getattr(figures, name) == pytest.approx(getattr(case, name), abs=1e-9), name
    assert figures.score == case.score
    assert cutler.value == pytest.approx(case.rsi_cutler, abs=1e-9)
    assert shorter.pump == pytest.approx(case.pump_12bars, abs=1e-9)
    assert figures.pump is not None
    assert (figures.rule if figures.pump >= 8 else None) == NAMES[case.rule]
    assert (figures.rule if figures.pump >= 6 else None) == NAMES[case.rule_at_6pct]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"seed {case.seed}")
@pytest.mark.parametrize(("profile", "key"), [("reference", "rule"), ("demo", "rule_at_6pct")])
def test_golden_rules_through_the_host(case: Case, profile: str, key: str) -> None:
    """The walk is preceded by 100 standing bars, which no look-back of the last bar but that of
    the RSI reaches: the rules are the same."""
    bars = candles(case.seed, case.ramp)
    first, count = bars[0], BUFFER_BARS - len(bars)
    desk = Desk(lxalgo({"symbols": [BTC], "profile": profile})).run()
    for place in range(count):
        start_ms = first.start_ms + place * BAR_MS
        p = first.open
        desk.handle.bar(Bar(BTC, BAR_MS, start_ms, p, p, p, p, 50_000.0, p))
    for bar in bars:
        start_ms = bar.start_ms + count * BAR_MS
        moved = Bar(
            BTC,
            BAR_MS,
            start_ms,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            bar.turnover,
        )
        decision = desk.close(moved)
    assert decision is not None
    found = [one.intent for one in decision.planned if isinstance(one.intent, Enter)]
    rule = NAMES[getattr(case, key)]
    assert [one.reason for one in found] == ([rule] if rule else [])
    if found:
        size = LXAlgoSettings().base_size if profile == "reference" else 150
        assert found[0].notional == size
