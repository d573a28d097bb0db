"""When ShortSeller leaves a position, and how long it waits before the next."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.bots import BotPosition
from alpha.core.records import Correction
from tests.plugins.candles import BAR_MS
from tests.plugins.shortseller_tape import BTC, DAY, ENTRY, HOUR_MS, NOTHING, intents, tape

# -- cooldown ---------------------------------------------------------------------------------


def test_the_cooldown_runs_twelve_bars_from_the_entry() -> None:
    market = tape({"max_crosses_per_day": 100})
    market.drop()
    entered = market.now
    assert market.state()["entry_ms"] == entered
    # The exchange's stop ends the trade at once, in the middle of the next bar.
    market.desk.fill(BTC, Decimal("70.707"), Decimal(100), market.now + 60_000, "stop_loss", "x")
    assert market.desk.positions == {}
    while market.now < entered + 10 * BAR_MS:
        assert intents(market.drop()) == NOTHING
    assert intents(market.drop()) == ENTRY
    assert market.now == entered + 12 * BAR_MS


def test_a_partial_fill_starts_the_cooldown_once() -> None:
    market = tape(fills=False)
    market.drop()
    market.desk.pending_entries = {BTC}
    first = market.now
    market.desk.fill(BTC, Decimal(-10), Decimal(99), first + 1000, "ema_cross", "a")
    market.close(99.0)
    market.desk.fill(BTC, Decimal(-20), Decimal(99), market.now + 1000, "ema_cross", "a")
    market.desk.pending_entries = set()
    assert market.state()["entry_ms"] == first
    assert market.desk.positions[BTC].signed_qty == Decimal(-30)
    market.desk.fills = True
    decision = market.close(90.0)
    assert intents(decision) == [("exit", BTC, "take_profit")]
    assert market.desk.positions == {}


def test_an_unfilled_entry_starts_no_cooldown() -> None:
    market = tape(fills=False)
    assert intents(market.drop()) == ENTRY
    assert intents(market.drop()) == ENTRY


# -- exits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("close", "expected"),
    [
        (96.03, "take_profit"),  # 99 x 0.97, exactly
        (96.04, None),
        (99.99, "stop_loss"),  # 99 x 1.01, exactly
        (99.98, None),
    ],
)
def test_backups_of_the_exchange_stops(close: float, expected: str | None) -> None:
    market = tape()
    market.drop()
    assert intents(market.close(close)) == ([("exit", BTC, expected)] if expected else NOTHING)


def test_time_exit_comes_after_more_than_24_hours() -> None:
    market = tape()
    market.drop()
    entered = market.now
    while market.now < entered + 24 * HOUR_MS:
        assert intents(market.close(98.0)) == NOTHING
    assert intents(market.close(98.0)) == [("exit", BTC, "time_exit")]


def test_ma_exit_waits_for_the_end_of_the_cooldown() -> None:
    market = tape({"levels": {BTC: {"sl": 0.5}}})
    market.drop()
    entered = market.now
    while market.now < entered + 11 * BAR_MS:
        assert intents(market.close(101.0)) == NOTHING
    assert intents(market.close(101.0)) == [("exit", BTC, "ma_exit")]


def test_exits_in_their_order() -> None:
    """A position to which everything applies is closed for the first reason in the list."""
    market = tape()
    opened = market.now - 30 * HOUR_MS
    cases = ((200, 101.0, "take_profit"), (50, 101.0, "stop_loss"), (101, 101.0, "time_exit"))
    for entry, close, reason in cases:
        position = BotPosition(BTC, Decimal(-1), Decimal(entry), opened, "ema_cross")
        market.desk.positions[BTC] = position
        assert intents(market.close(close)) == [("exit", BTC, reason)]
        assert market.desk.positions == {}


def test_an_exit_on_its_way_is_not_repeated() -> None:
    market = tape(fills=False)
    market.desk.positions[BTC] = BotPosition(BTC, Decimal(-1), Decimal(50), DAY, "ema_cross")
    assert intents(market.close(100.0)) == [("exit", BTC, "stop_loss")]
    market.desk.pending_exits = {BTC}
    assert intents(market.close(100.0)) == NOTHING


def test_an_unknown_short_is_adopted_with_its_own_age() -> None:
    market = tape()
    opened = market.now - 24 * HOUR_MS - 1
    position = BotPosition(BTC, Decimal(-1), Decimal(100), opened, "manual_entry")
    market.desk.positions[BTC] = position
    assert intents(market.close(99.5)) == [("exit", BTC, "time_exit")]


def test_a_correction_moves_the_entry() -> None:
    market = tape()
    market.drop()
    before = market.desk.positions[BTC]
    after = replace(before, opened_ms=market.now - 23 * HOUR_MS)
    market.desk.positions[BTC] = after
    snapshot = market.desk.snapshot(market.now)
    market.desk.handle.correction(Correction("shortseller_001", before, after), snapshot)
    assert market.state()["entry_ms"] == market.now - 23 * HOUR_MS
