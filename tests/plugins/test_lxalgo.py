"""LXAlgo's rules for entries: figures, ranks, slots, windows, scale-in; its settings."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from msgspec import structs

from alpha.bots import Enter, MoveStop, StopPlan
from alpha.bots.host import BotState
from alpha.core.events import Bar
from alpha.errors import ConfigError
from plugins.lxalgo.figures import Figures, Gauge
from tests.plugins.candles import BAR_MS
from tests.plugins.desk import Desk
from tests.plugins.lxalgo_tape import (
    BTC,
    ETH,
    HOUR_MS,
    NOTHING,
    RULE_6,
    RULE_8,
    SOL,
    TUESDAY,
    WARM,
    Tape,
    held,
    intents,
    lxalgo,
    stopped_out,
    tape,
)

# -- figures ----------------------------------------------------------------------------------


def test_a_rise_is_measured_from_the_open_of_the_thirteenth_last_bar() -> None:
    gauge = Gauge(12)
    for place in range(20):
        price = 100.0 + place
        start_ms = place * BAR_MS
        gauge.add(Bar(BTC, BAR_MS, start_ms, price, price + 1, price, price + 1, 1.0, 1.0))
    assert gauge.pump == pytest.approx((120 / 107 - 1) * 100)


def test_what_is_undefined_satisfies_nothing() -> None:
    none = Figures(None, None, None, None, None, None)
    assert (none.score, none.rule) == (0, None)
    assert replace(none, rsi=99.0, volatility=1.0).rule == "rule_6"
    assert replace(none, rsi=99.0, spread=3.9).rule is None


@pytest.mark.parametrize(
    ("before", "now", "counts"), [(0.0, 5.0, True), (0.0, 0.0, False), (2.0, 3.0, False)]
)
def test_volume_after_none_counts_as_growth(before: float, now: float, counts: bool) -> None:
    gauge = Gauge(12)
    for place in range(145):
        volume = now if place == 144 else before
        gauge.add(Bar(BTC, BAR_MS, place * BAR_MS, 1.0, 2.0, 1.0, 2.0, volume, 1.0))
    growth = gauge.figures().volume_change
    assert (growth is not None and growth > 50) is counts


@pytest.mark.parametrize(
    ("figures", "rule"),
    [
        (Figures(9.0, 50.0, 0.5, 2.9, 0.0, 0.0), "rule_8"),
        (Figures(9.0, 50.0, 0.5, 3.0, 0.0, 0.0), None),
        (Figures(9.0, 60.1, 0.5, 3.9, 0.0, 0.0), "rule_8"),
        (Figures(9.0, 60.0, 0.5, 3.9, 0.0, 0.0), "rule_6"),  # score 1
        (Figures(9.0, 55.1, 0.5, 4.0, 9.0, 99.0), "rule_6"),
        (Figures(9.0, 55.0, 0.5, 4.0, 9.0, 99.0), None),
    ],
)
def test_rule_8_goes_before_rule_6(figures: Figures, rule: str | None) -> None:
    assert figures.rule == rule


def test_a_hole_starts_the_figures_anew() -> None:
    market = tape()
    market.start_ms += BAR_MS
    assert intents(market.close(109.0)) == NOTHING
    market.flat(WARM - 2)
    assert intents(market.close(109.0)) == RULE_8


# -- entries ----------------------------------------------------------------------------------


def test_a_rise_under_rule_8_is_bought() -> None:
    market = tape()
    assert intents(market.close(107.9)) == NOTHING
    decision = tape().close(109.0)
    assert intents(decision) == RULE_8
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, Enter)
    assert (intent.side, intent.price, intent.notional) == ("Buy", Decimal("109.0"), Decimal(200))
    assert intent.leverage == 5
    assert intent.stops == StopPlan(
        stop_loss=Decimal("0.08"),
        take_profit=Decimal("0.30"),
        trailing=Decimal("0.10"),
        activation=Decimal("0.20"),
    )
    assert intent.details["rule"] == "rule_8"
    assert float(intent.details["pump"]) == pytest.approx(9)
    assert intent.details["score"] == "4"


def test_a_rise_with_a_wide_bar_is_bought_under_rule_6() -> None:
    assert intents(tape().close(109.0, spread=5)) == RULE_6


def test_the_threshold_itself_is_enough() -> None:
    assert intents(tape().close(108.0)) == RULE_8
    assert intents(tape({"pump_threshold": 9.5}).close(109.0)) == NOTHING


def test_the_profile_demo() -> None:
    decision = tape({"profile": "demo"}).close(106.5)
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, Enter) and intent.stops is not None
    assert intent.notional == 150
    stops = intent.stops
    assert [str(x) for x in (stops.stop_loss, stops.take_profit, stops.activation)] == [
        "0.08",
        "0.25",
        "0.15",
    ]
    assert str(stops.trailing) == "0.08"


def test_without_trailing() -> None:
    decision = tape({"trailing": False}).close(109.0)
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, Enter) and intent.stops is not None
    assert (intent.stops.trailing, intent.stops.activation) == (None, None)


def test_the_first_evaluated_bar_is_the_300th() -> None:
    desk = Desk(lxalgo({"symbols": [BTC]})).run()
    market = Tape(desk, (BTC,), TUESDAY)
    for _ in range(WARM - 2):
        market.close(100.0)
    assert market.close(109.0) is None
    assert desk.handle.state is BotState.WARMING
    assert intents(market.close(109.0)) == RULE_8


def test_signals_of_one_close_are_ranked() -> None:
    """Rule 8 before rule 6, the greater rise first; slots are short."""
    symbols = (BTC, ETH, SOL)
    market = tape(symbols=symbols)
    assert intents(market.close(109.0, 111.0, 110.0)) == [
        ("enter", ETH, "rule_8"),
        ("enter", SOL, "rule_8"),
        ("enter", BTC, "rule_8"),
    ]
    market = tape({"max_active_trades": 2}, symbols=symbols)
    bars = [market.bar(BTC, 109.0), market.bar(ETH, 115.0, spread=5), market.bar(SOL, 110.0)]
    assert intents(market.desk.close(*bars)) == [
        ("enter", SOL, "rule_8"),
        ("enter", BTC, "rule_8"),
    ]


def test_equal_rises_go_by_turnover_then_by_name() -> None:
    market = tape({"max_active_trades": 2}, symbols=(BTC, ETH, SOL))
    bars = [
        market.bar(BTC, 109.0),
        structs.replace(market.bar(ETH, 109.0), turnover=5e6),
        market.bar(SOL, 109.0),
    ]
    decision = market.desk.close(*bars)
    assert [symbol for _, symbol, _ in intents(decision)] == [ETH, BTC]


def test_positions_and_pending_entries_take_slots_at_breakeven_too() -> None:
    both = tape({"max_active_trades": 1}, symbols=(BTC, ETH))
    assert intents(both.close(109.0, 100.0)) == RULE_8
    assert intents(both.close(118.0, 109.0)) == [("move_stop", BTC, "stop_loss")]
    waiting = tape({"max_active_trades": 1}, symbols=(BTC, ETH))
    waiting.desk.pending_entries.add(ETH)
    assert intents(waiting.close(109.0, 100.0)) == NOTHING


def test_a_symbol_with_a_position_is_not_bought_again() -> None:
    market = held(tape())
    market.flat(60, 109.0)
    assert intents(market.close(117.5)) == NOTHING  # another window, a rise of 7.8 %...
    assert intents(market.close(119.0))[0][0] == "move_stop"  # ...and of 9 %: only breakeven


def test_a_symbol_with_a_pending_exit_is_not_flat() -> None:
    market = tape()
    market.desk.pending_exits.add(BTC)
    assert intents(market.close(109.0)) == NOTHING


def test_a_symbol_is_entered_once_per_window_of_four_hours() -> None:
    """The window is that of the close: the bar before 16:00 closes in the next one."""
    market = held(tape(start_ms=TUESDAY + 13 * HOUR_MS))
    stopped_out(market)
    market.until(TUESDAY + 16 * HOUR_MS - 2 * BAR_MS)
    assert intents(market.close(109.0)) == NOTHING  # 15:55
    assert intents(market.close(109.0)) == RULE_8  # 16:00


def test_the_window_is_not_taken_up_by_an_entry_that_never_filled() -> None:
    market = tape()
    market.desk.fills = False
    assert intents(market.close(109.0)) == RULE_8
    market.desk.fills = True
    assert intents(market.close(109.0)) == RULE_8


def test_windows_of_another_length() -> None:
    market = held(tape({"cooldown_hours": 1}, start_ms=TUESDAY + 13 * HOUR_MS))
    stopped_out(market)
    market.until(TUESDAY + 14 * HOUR_MS - BAR_MS)
    assert intents(market.close(109.0)) == RULE_8


# -- scale-in ---------------------------------------------------------------------------------


def adding(entries: int = 3) -> Tape:
    return held(tape({"max_entries_per_symbol": entries}, start_ms=TUESDAY + 15 * HOUR_MS))


def test_the_same_rule_waits_for_breakeven() -> None:
    market = adding()
    market.until(TUESDAY + 17 * HOUR_MS, 109.0)
    assert intents(market.close(117.7)) == NOTHING  # 7.98 %: neither threshold nor breakeven
    assert intents(market.close(117.72))[0][0] == "move_stop"


def test_another_rule_adds_and_keeps_the_take_profit() -> None:
    market = adding()
    market.until(TUESDAY + 17 * HOUR_MS, 105.0)
    decision = market.close(113.5, spread=5)
    assert intents(decision) == [("enter", BTC, "scale_in")]
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, Enter) and intent.stops is not None
    assert intent.details["rule"] == "rule_6"
    assert intent.stops.take_profit_price == Decimal("141.700")
    assert intent.stops.stop_loss_price is None
    trade = market.book.trades[BTC]
    assert (trade.entries, trade.rules) == (2, ["rule_8", "rule_6"])


def test_an_addition_never_lowers_the_stop_at_breakeven() -> None:
    market = adding()
    market.until(TUESDAY + 17 * HOUR_MS, 109.0)
    decision = market.close(118.0)
    assert intents(decision) == [
        ("move_stop", BTC, "stop_loss"),
        ("enter", BTC, "scale_in"),  # the trade is no longer active: the same rule may add
    ]
    assert decision is not None
    move, entry = (planned.intent for planned in decision.planned)
    assert isinstance(move, MoveStop) and isinstance(entry, Enter) and entry.stops is not None
    assert entry.stops.stop_loss_price == move.stop_loss == Decimal("109.1")
    average = market.desk.positions[BTC].avg_price
    assert average is not None and average > 113
    # At 8 % above the new average the stop moves up to it, once.
    assert intents(market.close(120.0)) == NOTHING
    decision = market.close(float(average) * 1.09)
    assert intents(decision)[0] == ("move_stop", BTC, "stop_loss")
    assert decision is not None
    again = decision.planned[0].intent
    assert isinstance(again, MoveStop)
    assert again.stop_loss == pytest.approx(average * Decimal("1.0013"), abs=Decimal("0.06"))
    assert intents(market.close(float(average) * 1.1)) == NOTHING


def test_no_more_entries_than_configured_and_one_per_window() -> None:
    market = adding(entries=2)
    market.until(TUESDAY + 17 * HOUR_MS, 105.0)
    assert intents(market.close(113.5, spread=5)) == [("enter", BTC, "scale_in")]
    assert intents(market.close(114.0, spread=5)) == NOTHING
    market.until(TUESDAY + 21 * HOUR_MS, 105.0)
    assert intents(market.close(114.0, spread=5)) == NOTHING


# -- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pump_treshold": 8}, "nearest is 'pump_threshold'"),
        ({"sl": 8}, "setting sl: expected less than 1"),
        ({"max_active_trades": 0}, "setting max_active_trades"),
        ({"week_reduce": 0.06}, "expected week_reduce below week_loss, was 0.06 and 0.06"),
        ({"negative_hours": 80}, "expected negative_hours of at most max_hours, was 80 and 72"),
        ({"symbols": [BTC, BTC]}, "expected each symbol once"),
        ({"profile": "bold"}, "expected one of demo, reference"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        lxalgo(settings)
