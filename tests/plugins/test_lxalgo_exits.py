"""What LXAlgo does with a position: breakeven, exits, fills that come in parts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from msgspec import structs

from alpha.bots import BotPosition, Exit, MoveStop
from alpha.core.records import Correction
from tests.plugins.candles import BAR_MS
from tests.plugins.lxalgo_tape import (
    BTC,
    ETH,
    HOUR_MS,
    NOTHING,
    RULE_8,
    Tape,
    held,
    intents,
    stopped_out,
    tape,
)

# -- exits and breakeven ----------------------------------------------------------------------


def test_breakeven_moves_the_stop_once() -> None:
    market = held(tape(), 110.0)
    assert intents(market.close(118.7)) == NOTHING
    decision = market.close(118.8)
    assert intents(decision) == [("move_stop", BTC, "stop_loss")]
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, MoveStop)
    # 110 x (1 + 2 x 0.00055 + 0.0002) = 110.143, to the nearest tick
    assert intent.stop_loss == Decimal("110.1")
    assert intent.details == {"detail": "breakeven"}
    assert intents(market.close(119.0)) == NOTHING
    assert market.book.trades[BTC].stop == Decimal("110.1")


def test_breakeven_waits_for_the_rest_of_the_entry() -> None:
    market = held(tape(), 110.0)
    market.desk.pending_entries.add(BTC)
    assert intents(market.close(119.0)) == NOTHING
    market.desk.pending_entries.clear()
    assert intents(market.close(119.0)) == [("move_stop", BTC, "stop_loss")]


def exit_of(market: Tape, price: float) -> Exit:
    decision = market.close(price)
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, Exit)
    return intent


def test_a_loss_of_eight_hours_is_cut() -> None:
    """The age runs from the start of the bar in which the entry filled."""
    market = held(tape())
    opened_ms = market.start_ms
    market.until(opened_ms + 8 * HOUR_MS - BAR_MS, 108.9)
    assert market.desk.exits() == []
    decision = market.close(108.9)
    assert market.start_ms == opened_ms + 8 * HOUR_MS
    assert intents(decision) == [("exit", BTC, "time_exit")]
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, Exit)
    assert intent.details == {"detail": "neg_8h"}


def test_what_stands_at_its_average_is_not_cut() -> None:
    market = held(tape())
    market.flat(100, 109.0)
    assert market.desk.exits() == []
    assert exit_of(market, 108.99).details == {"detail": "neg_8h"}


def test_a_gain_is_closed_after_72_hours() -> None:
    market = held(tape())
    opened_ms = market.start_ms
    market.until(opened_ms + 72 * HOUR_MS - BAR_MS, 112.0)
    assert market.desk.exits() == []
    assert exit_of(market, 112.0).details == {"detail": "max_age"}


def test_time_goes_before_breakeven() -> None:
    market = held(tape({"max_hours": 9}))
    market.until(market.start_ms + 9 * HOUR_MS - BAR_MS, 110.0)
    assert intents(market.close(119.0)) == [("exit", BTC, "time_exit")]


def test_a_pending_exit_is_not_sent_twice() -> None:
    market = held(tape())
    market.flat(100, 109.0)
    market.desk.pending_exits.add(BTC)
    assert intents(market.close(108.0)) == NOTHING


def test_an_exit_takes_the_slot_with_it_only_when_filled() -> None:
    market = tape({"max_active_trades": 1}, symbols=(BTC, ETH))
    market.close(109.0, 100.0)
    for _ in range(95):
        market.close(109.0, 100.0)
    assert intents(market.close(108.0, 109.0)) == [("exit", BTC, "time_exit")]
    assert intents(market.close(108.0, 110.0)) == [("enter", ETH, "rule_8")]


# -- fills ------------------------------------------------------------------------------------


def test_a_partial_entry_is_one_entry_and_its_stop_follows_what_filled() -> None:
    market = tape({"max_entries_per_symbol": 2})
    market.desk.fills = False
    assert intents(market.close(109.0)) == RULE_8
    for price in ("109", "111"):
        market.desk.fill(BTC, Decimal("0.5"), Decimal(price), market.start_ms, "rule_8", "one")
    trade = market.book.trades[BTC]
    assert (trade.entries, trade.rules) == (1, ["rule_8"])
    assert intents(market.close(118.9))[0][0] == "move_stop"  # 8 % above 110, not above 109


def test_a_partial_close_keeps_the_rest_managed() -> None:
    market = held(tape())
    half = market.desk.positions[BTC].signed_qty / 2
    market.flat(95, 109.0)
    market.desk.fill(BTC, -half, Decimal(109), market.start_ms, "stop_loss", "part")
    assert exit_of(market, 108.0).reason == "time_exit"


def test_a_stop_of_the_exchange_ends_the_trade_at_once() -> None:
    market = held(tape())
    stopped_out(market)
    assert market.book.trades == {}
    assert market.desk.positions == {}


def test_a_position_that_was_found_is_adopted_with_its_own_age() -> None:
    market = tape()
    opened_ms = market.start_ms - 8 * HOUR_MS + BAR_MS
    market.desk.positions[BTC] = BotPosition(BTC, Decimal(1), Decimal(101), opened_ms, None)
    assert exit_of(market, 100.0).details == {"detail": "neg_8h"}


def test_a_short_is_left_alone_and_blocks_entries() -> None:
    market = tape()
    market.desk.positions[BTC] = BotPosition(BTC, Decimal(-1), Decimal(100), 0, None)
    assert intents(market.close(109.0)) == NOTHING


def test_a_correction_of_the_opening_moves_the_age() -> None:
    market = held(tape())
    position = market.desk.positions[BTC]
    earlier = replace(position, opened_ms=market.start_ms - HOUR_MS)
    change = Correction("lxalgo_001", position, earlier)
    market.desk.handle.correction(change, market.desk.snapshot(market.start_ms))
    assert market.book.trades[BTC].entry_ms == market.start_ms - HOUR_MS


def test_a_bar_that_comes_twice_or_is_open_changes_nothing() -> None:
    market = tape()
    market.close(100.0)
    saved, bar = market.desk.handle.saved, market.bar(BTC, 109.0)
    market.desk.handle.bar(structs.replace(bar, closed=False))
    assert market.desk.handle.saved == saved
    assert intents(market.close(107.0)) == NOTHING  # the open bar's price has left no trace
    bar = market.bar(BTC, 109.0)
    assert intents(market.close(109.0)) == RULE_8
    saved = market.desk.handle.saved
    market.desk.handle.bar(bar)
    assert market.desk.close(bar) is None
    assert market.desk.handle.saved == saved
