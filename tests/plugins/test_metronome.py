from __future__ import annotations

from pathlib import Path

from alpha.bots.discovery import Catalog
from alpha.bots.opening import open_bot
from tests.plugins.candles import BAR_MS, walk
from tests.plugins.desk import Desk


def test_it_enters_and_leaves_by_turns() -> None:
    plugin = Catalog([Path(__file__).parent], {}).get("metronome")
    handle = open_bot(
        plugin,
        name="metronome",
        bot_id="metronome_001",
        account="main",
        settings={"symbols": ["BTCUSDT"], "every": 3, "interval_ms": BAR_MS, "notional": 500},
    )
    desk = Desk(handle).run()
    for bar in walk(12, 7, 0.004, 60000):
        desk.close(bar)
    assert [at // BAR_MS for at, _ in desk.entries()] == [3, 9]
    assert [(at // BAR_MS, reason) for at, _, reason in desk.exits()] == [
        (6, "time_exit"),
        (12, "time_exit"),
    ]
    assert handle.saved.state_json == '{"closes":12,"fills":4}'
    assert handle.leverage("BTCUSDT") == 5
