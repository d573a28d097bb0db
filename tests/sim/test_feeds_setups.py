"""Every bot finds work: the published entry rules, applied to what the market offers."""

from __future__ import annotations

import pytest

from alpha.sim.feeds import Feed, build_feed
from tests.sim.feeds_entry_rules import (
    BAR_4H,
    BAR_5M,
    DAY,
    MINUTE,
    Setup,
    breakouts,
    ema_crosses,
    pumps,
)

MAJORS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def setups(feed: Feed, span_ms: int) -> dict[str, list[Setup]]:
    """What each bot would enter at closes after the market opened, from its own warm-up on."""
    end = feed.open_ms + span_ms
    found: dict[str, list[Setup]] = {"shortseller": [], "lxalgo": [], "momentum": []}
    for spec in feed.instruments:
        symbol = spec.symbol
        if symbol in MAJORS:
            bars = feed.candles(symbol, BAR_5M, feed.open_ms - 3000 * BAR_5M, end)
            found["shortseller"] += ema_crosses(symbol, bars)
        bars = feed.candles(symbol, BAR_5M, feed.open_ms - 300 * BAR_5M, end)
        found["lxalgo"] += pumps(symbol, bars)
        bars = feed.candles(symbol, BAR_4H, feed.open_ms - 200 * BAR_4H, end)
        found["momentum"] += [
            setup for setup in breakouts(symbol, bars) if setup.close_ms > feed.open_ms
        ]
    return found


def test_each_bot_finds_a_setup_in_the_first_two_hours_of_the_default_seed() -> None:
    feed = build_feed("synthetic", seed=1, data=None, start_ms=None)
    found = setups(feed, 120 * MINUTE)
    for bot, offers in found.items():
        assert offers, bot
        # late enough for a bot that needs wall time to warm up at 600 times speed
        assert max(setup.close_ms for setup in offers) >= feed.open_ms + 60 * MINUTE, bot


def test_every_bot_keeps_finding_setups() -> None:
    days, seeds = 10, (1, 2, 3)
    crosses, episodes, breaks = [], [], []
    for seed in seeds:
        feed = build_feed("synthetic", seed=seed, data=None, start_ms=None)
        found = setups(feed, days * DAY)
        crosses.append(len(found["shortseller"]))
        episodes.append(len({(s.symbol, s.close_ms // BAR_4H) for s in found["lxalgo"]}))
        breaks.append(len(found["momentum"]))
    assert min(crosses) >= days
    assert min(episodes) >= 1 and sum(episodes) >= len(seeds) * days / 2
    assert sum(breaks) >= len(seeds) * days / 7


@pytest.mark.parametrize("seed", [11, 12])
def test_setups_do_not_come_with_every_bar(seed: int) -> None:
    """The market serves no rule: most days offer no coin a pump, most weeks no breakout."""
    feed = build_feed("synthetic", seed=seed, data=None, start_ms=None)
    found = setups(feed, 6 * DAY)
    pumped = {(s.symbol, s.close_ms // DAY) for s in found["lxalgo"]}
    assert len(pumped) < 6 * 15 / 4
    assert len({setup.symbol for setup in found["momentum"]}) < 8
