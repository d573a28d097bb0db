"""ShortSeller's rules for entries, sizes and levels; what counts as a bar."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from alpha.bots import BotPosition, Enter, StopPlan
from alpha.core.instruments import Instrument
from alpha.errors import ConfigError
from tests.plugins.candles import BAR_MS
from tests.plugins.desk import INSTRUMENTS, shortseller
from tests.plugins.shortseller_tape import BTC, DAY, ENTRY, ETH, NOTHING, SOL, intents, tape

# -- entries ----------------------------------------------------------------------------------


def test_a_drop_through_both_averages_is_sold() -> None:
    market = tape()
    assert intents(market.close(101.0)) == NOTHING
    decision = market.close(99.0)
    assert intents(decision) == ENTRY
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, Enter)
    assert (intent.side, intent.price, intent.leverage) == ("Sell", Decimal("99.0"), Decimal(10))
    assert intent.notional == Decimal("7000.00")
    assert intent.stops == StopPlan(
        stop_loss=Decimal("0.010"),
        take_profit=Decimal("0.030"),
        trailing=Decimal("0.010"),
        activation=Decimal("0.020"),
    )
    assert intent.details["crossed"] == "240+600"
    assert intent.details["crosses"] == "2"
    assert market.state()["crosses"] == 2


def test_nothing_is_counted_before_the_first_evaluated_bar() -> None:
    market = tape()
    market.desk.handle.bar(market.bar(BTC, 101.0))
    market.start_ms += BAR_MS
    assert intents(market.close(99.0)) == ENTRY  # its predecessor comes from the warm-up


def test_a_close_on_the_average_neither_starts_nor_completes_a_cross() -> None:
    market = tape()
    market.close(100.0)
    assert intents(market.close(99.0)) == NOTHING
    market = tape()
    market.close(101.0)
    fast = 100 + 2 / 241
    assert intents(market.close(fast)) == NOTHING
    assert market.state()["crosses"] == 0


def test_a_cross_above_the_other_average_counts_and_does_not_sell() -> None:
    """600 bars of 110 lift the averages differently: the slow one is far below the fast one."""
    market = tape()
    market.flat(300, 110.0)
    before = market.state()["crosses"]
    assert intents(market.close(108.0)) == NOTHING  # under the fast, above the slow
    assert market.state()["crosses"] == int(str(before)) + 1


def test_the_twelfth_cross_of_the_day_is_refused() -> None:
    market = tape(start_ms=DAY, fills=False)
    for _ in range(5):
        assert intents(market.drop()) == ENTRY
    assert market.state()["crosses"] == 10
    assert intents(market.drop()) == NOTHING
    assert market.state()["crosses"] == 12


def test_the_eleventh_cross_is_taken() -> None:
    market = tape({"max_crosses_per_day": 12}, start_ms=DAY, fills=False)
    for _ in range(5):
        market.drop()
    market.close(100.5)
    # Between the averages' values only one of the two is crossed by this bar.
    state = json.loads(market.desk.handle.saved.state_json)
    state["assets"][BTC]["crosses"] = 9
    saved = replace(market.desk.handle.saved, state_json=json.dumps(state))
    market.desk.handle.restore(saved)
    assert intents(market.close(99.0)) == ENTRY
    assert market.state()["crosses"] == 11


def test_the_entry_window_may_be_wider() -> None:
    for window, expected in ((1, NOTHING), (2, NOTHING), (3, ENTRY)):
        market = tape({"entry_window_bars": window}, fills=False)
        market.desk.pending_entries = {BTC}
        market.drop()
        market.close(98.9)
        market.desk.pending_entries = set()
        assert intents(market.close(98.8)) == expected


def test_a_cross_before_the_first_evaluated_bar_permits_nothing() -> None:
    """With a wide window it would, were it not for the beginning."""
    market = tape({"entry_window_bars": 3}, fills=False)
    handle = market.desk.handle
    state = json.loads(handle.saved.state_json)
    handle.bar(market.bar(BTC, 101.0))
    market.start_ms += BAR_MS
    handle.bar(market.bar(BTC, 99.0))
    market.start_ms += BAR_MS
    assert intents(market.close(98.9)) == NOTHING
    # One that had decided earlier remembers.
    state["assets"][BTC]["first_ms"] = market.now - 10 * BAR_MS
    handle.restore(replace(handle.saved, state_json=json.dumps(state)))
    assert intents(market.close(98.8)) == ENTRY


def test_orders_of_one_close_come_in_the_order_of_the_setting() -> None:
    market = tape(symbols=(BTC, ETH, SOL))
    assert [symbol for _, symbol, _ in intents(market.drop())] == [BTC, ETH, SOL]
    ids = [planned.order_link_id for planned in market.desk.decisions[-4].planned]
    assert len(set(ids)) == 3
    assert all(len(one) <= 36 for one in ids)


@pytest.mark.parametrize("blocked", ["pending_entries", "pending_exits"])
def test_an_order_on_its_way_blocks_entries(blocked: str) -> None:
    market = tape()
    setattr(market.desk, blocked, {BTC})
    assert intents(market.drop()) == NOTHING


def test_a_long_position_blocks_entries_and_is_left_alone() -> None:
    market = tape()
    market.desk.positions[BTC] = BotPosition(BTC, Decimal(1), Decimal(150), DAY, "manual_entry")
    market.desk.closes[BTC] = Decimal(100)
    assert intents(market.drop()) == NOTHING
    market.flat(400, 90.0)
    assert market.desk.exits() == []


# -- sizes and levels -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "price", "qty"),
    [(BTC, "118000", "0.059"), (ETH, "3800", "1.83"), (SOL, "177", "39.4")],
)
def test_sizes_of_a_real_wallet(symbol: str, price: str, qty: str) -> None:
    market = tape(symbols=(symbol,), wallet=Decimal("9987.61"))
    decision = market.drop()
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, Enter)
    assert intent.notional == Decimal("6991.33")
    instrument: Instrument = INSTRUMENTS[symbol]
    assert instrument.size_order(intent.notional, Decimal(price)) == Decimal(qty)


@pytest.mark.parametrize("wallet", [Decimal(0), Decimal("-3")])
def test_an_empty_wallet_buys_nothing(wallet: Decimal) -> None:
    market = tape({"risk_gates": False}, wallet=wallet)
    assert intents(market.drop()) == NOTHING


@pytest.mark.parametrize(
    ("profile", "symbol", "sl", "tp", "trail", "activation"),
    [
        ("reference", BTC, "0.010", "0.030", "0.010", "0.020"),
        ("reference", ETH, "0.015", "0.045", "0.020", "0.020"),
        ("reference", SOL, "0.015", "0.060", "0.020", "0.030"),
        ("reference", "XRPUSDT", "0.015", "0.060", "0.020", "0.030"),
        ("demo", BTC, "0.010", "0.030", "0.010", "0.020"),
        ("demo", ETH, "0.015", "0.040", "0.020", "0.020"),
        ("demo", "XRPUSDT", "0.015", "0.050", "0.020", "0.030"),
    ],
)
def test_levels(profile: str, symbol: str, sl: str, tp: str, trail: str, activation: str) -> None:
    market = tape({"profile": profile}, symbols=(symbol,))
    decision = market.close(101.0)
    market.desk.fills = False
    decision = market.close(99.0)
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, Enter)
    assert intent.stops == StopPlan(
        stop_loss=Decimal(sl),
        take_profit=Decimal(tp),
        trailing=Decimal(trail),
        activation=Decimal(activation),
    )


def test_trailing_may_be_off_and_one_cell_of_the_table_changed() -> None:
    market = tape({"trailing": False, "levels": {BTC: {"tp": 0.05}}})
    decision = market.drop()
    assert decision is not None
    intent = decision.planned[0].intent
    assert isinstance(intent, Enter)
    assert intent.stops == StopPlan(stop_loss=Decimal("0.010"), take_profit=Decimal("0.05"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cooldown": 3}, "unknown setting 'cooldown'; the nearest is 'cooldown_bars'"),
        ({"cooldown_bars": "3"}, "setting cooldown_bars: expected a valid integer, was '3'"),
        ({"leverage": True}, "setting leverage: expected a number, was a truth value, was True"),
        ({"levels": {BTC: {"tq": 1}}}, "unknown setting 'levels.BTCUSDT.tq'; the nearest is 'tp'"),
        ({"profile": "wild"}, "setting profile: expected one of demo, reference, was 'wild'"),
        ({"ema_fast": 600}, "expected ema_fast below ema_slow, was 600 and 600"),
        ({"symbols": [BTC, BTC]}, "expected each symbol once"),
        ({"symbols": []}, "setting symbols: expected at least 1 item"),
    ],
)
def test_wrong_settings_are_named(settings: Mapping[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        shortseller(settings)
    assert message in str(caught.value)


# -- bars -------------------------------------------------------------------------------------


def test_an_open_bar_and_a_repeated_bar_change_nothing() -> None:
    market = tape(fills=False)
    market.close(101.0)
    handle = market.desk.handle
    saved = handle.saved
    handle.bar(msgspec.structs.replace(market.bar(BTC, 50.0), closed=False))
    last = msgspec.structs.replace(market.bar(BTC, 101.0), start_ms=market.start_ms - BAR_MS)
    snapshot = market.desk.snapshot(market.now)
    assert handle.close(BAR_MS, market.now, {BTC: last}, snapshot) is None
    assert handle.saved == saved
    assert intents(market.close(99.0)) == ENTRY


def test_no_cross_over_a_hole() -> None:
    market = tape()
    market.close(101.0)
    market.start_ms += BAR_MS
    assert intents(market.close(99.0)) == NOTHING
    assert market.state()["crosses"] == 0


def test_a_late_symbol_is_not_decided_and_not_counted() -> None:
    market = tape(symbols=(BTC, ETH))
    market.close(101.0)
    bars = {one: market.bar(one, 99.0) for one in (BTC, ETH)}
    assert intents(market.desk.close(bars[BTC])) == ENTRY
    market.desk.handle.bar(bars[ETH])
    assert market.state(ETH)["crosses"] == 0
