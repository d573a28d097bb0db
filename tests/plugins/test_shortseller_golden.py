from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.plugins.candles import BAR_MS, walk
from tests.plugins.desk import Desk, shortseller

GOLDEN = json.loads((Path(__file__).parents[1] / "vectors" / "golden_vectors.json").read_text())


def test_golden_entries() -> None:
    desk = Desk(shortseller({"symbols": ["BTCUSDT"], "ema_mode": "window_1000"}), fills=False).run()
    crosses, day = 0, 0
    for bar in walk(1400, 303, 0.004, 60000):
        desk.close(bar)
        state = json.loads(desk.handle.saved.state_json)["assets"]["BTCUSDT"]
        if state["day"] == day:
            crosses_today = state["crosses"]
        else:
            crosses += crosses_today
            day, crosses_today = state["day"], state["crosses"]
    entries = [close_ms // BAR_MS - 1 for close_ms, _ in desk.entries()]
    assert entries == GOLDEN["shortseller_entry_idx"]["entry_t"]
    assert crosses + crosses_today == GOLDEN["shortseller_entry_idx"]["cross_count_end"]


def test_decides_from_the_first_evaluated_bar_on() -> None:
    """With 1000 bars of warm-up the 1000th is the first that is decided."""
    desk = Desk(shortseller({"symbols": ["BTCUSDT"], "ema_mode": "window_1000"})).run()
    bars = walk(1001, 303, 0.004, 60000)
    for bar in bars[:999]:
        assert desk.close(bar) is None
    assert desk.handle.state == "warming"
    assert "expected 1000 bars, was 999" in desk.handle.state_reason
    assert desk.close(bars[999]) is not None
    assert desk.handle.state == "running"
    assert desk.handle.cursor.last_close(BAR_MS) == 1000 * BAR_MS


@pytest.mark.parametrize("mode", ["converged", "window_1000"])
def test_state_holds_no_indicator(mode: str) -> None:
    desk = Desk(shortseller({"symbols": ["BTCUSDT"], "ema_mode": mode})).run()
    for bar in walk(3200, 303, 0.004, 60000):
        desk.close(bar)
    state = msgspec.json.decode(desk.handle.saved.state_json)
    assert set(state) == {"assets", "day", "day_equity", "peak", "halted_ms", "halted_equity"}
    keys = {"first_ms", "entry_ms", "day", "crosses", "ordered"}
    assert set(state["assets"]["BTCUSDT"]) == keys
