"""ShortSeller's rules, each on a flat market at 100 that is then moved by hand.

On such a market both averages are exactly 100. A close of 101 and then one of 99 is a drop
through both: two crosses, and an entry where nothing forbids it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import msgspec
import pytest

from alpha.bots import Bar, BotPosition, Enter, StopPlan
from alpha.bots.host import BotState
from alpha.core.decisions import Decision
from alpha.core.instruments import Instrument
from alpha.core.records import Correction
from alpha.errors import ConfigError
from tests.plugins.candles import BAR_MS
from tests.plugins.desk import INSTRUMENTS, Desk, shortseller

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
#: A day's start: 2025-09-30 00:00 UTC, so that the next midnight ends a month.
DAY = 1_759_190_400_000
WARM = 3000
BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"


@dataclass
class Tape:
    """Bars of a desk's symbols, one close after the other. `start_ms` is the next bar's start."""

    desk: Desk
    symbols: tuple[str, ...]
    start_ms: int

    def bar(self, symbol: str, close: float) -> Bar:
        return Bar(symbol, BAR_MS, self.start_ms, close, close, close, close, 1.0, close)

    def close(self, *closes: float) -> Decision | None:
        """One close; a single price is every symbol's."""
        prices = closes * len(self.symbols) if len(closes) == 1 else closes
        bars = [self.bar(one, close) for one, close in zip(self.symbols, prices, strict=True)]
        self.start_ms += BAR_MS
        return self.desk.close(*bars)

    def drop(self) -> Decision | None:
        """Two bars: above both averages, then below."""
        self.close(101.0)
        return self.close(99.0)

    def flat(self, bars: int, price: float = 100.0) -> None:
        for _ in range(bars):
            self.close(price)

    @property
    def now(self) -> int:
        """The newest close."""
        return self.start_ms

    def state(self, symbol: str = BTC) -> Mapping[str, object]:
        state: Mapping[str, object] = json.loads(self.desk.handle.saved.state_json)["assets"][
            symbol
        ]
        return state


def tape(
    settings: Mapping[str, object] | None = None,
    *,
    symbols: tuple[str, ...] = (BTC,),
    start_ms: int = DAY + 12 * HOUR_MS,
    **desk: object,
) -> Tape:
    """Warm: the next bar is the first that is decided, except for one."""
    handle = shortseller({"symbols": list(symbols), **(settings or {})})
    found = Tape(Desk(handle, **desk), symbols, start_ms - (WARM - 1) * BAR_MS)  # type: ignore[arg-type]
    handle.start()
    while found.start_ms < start_ms:
        for symbol in symbols:
            handle.bar(found.bar(symbol, 100.0))
        found.start_ms += BAR_MS
    handle.ready()
    return found


def intents(decision: Decision | None) -> list[tuple[str, str, str]]:
    assert decision is not None
    return [(p.intent.kind, p.intent.symbol, p.intent.reason) for p in decision.planned]


ENTRY = [("enter", BTC, "ema_cross")]
NOTHING: list[tuple[str, str, str]] = []


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


# -- days -------------------------------------------------------------------------------------


def test_the_counter_belongs_to_the_day_of_the_bars_start() -> None:
    """The last bar of September is decided at 00:00 of October and counts for September."""
    market = tape(start_ms=DAY + DAY_MS - 2 * BAR_MS, fills=False)
    market.drop()
    assert market.now == DAY + DAY_MS
    assert market.state()["crosses"] == 2
    assert market.state()["day"] == DAY // DAY_MS
    market.close(101.0)
    assert market.state() == {
        "crosses": 0,
        "day": DAY // DAY_MS + 1,
        "entry_ms": None,
        "first_ms": DAY + DAY_MS - BAR_MS,
        "ordered": None,
    }


def test_the_day_begins_with_the_close_at_midnight() -> None:
    """A loss of 5 % since the day's first close, which is the one at 00:00, ends entries."""
    market = tape(start_ms=DAY + DAY_MS - 3 * BAR_MS, fills=False)
    market.desk.equity = Decimal(10_000)
    market.close(100.0)  # 23:50, the first evaluated bar: an anchor of its own
    market.desk.equity = Decimal(9_600)
    assert intents(market.drop()) == ENTRY  # 23:55 and 00:00; the latter is the new anchor
    market.desk.equity = Decimal(9_121)  # 4.99 % below it, 8.8 % below the first one
    assert intents(market.drop()) == ENTRY
    market.desk.equity = Decimal(9_120)  # 5 %
    assert intents(market.drop()) == NOTHING
    market.desk.equity = Decimal(9_121)
    assert intents(market.drop()) == ENTRY  # tested at each entry, not latched


# -- gates ------------------------------------------------------------------------------------


def test_three_slots_fit_the_exposure_limit_and_no_more() -> None:
    symbols = (BTC, ETH, SOL)
    assert len(intents(tape(symbols=symbols).drop())) == 3
    less = tape({"exposure_limit": "2.09"}, symbols=symbols)
    assert [symbol for _, symbol, _ in intents(less.drop())] == [BTC, ETH]
    off = tape({"exposure_limit": "2.09", "risk_gates": False}, symbols=symbols)
    assert len(intents(off.drop())) == 3


def test_exposure_counts_positions_at_entry_and_orders_on_their_way() -> None:
    market = tape({"exposure_limit": "1.39"}, symbols=(BTC, ETH), fills=False)
    market.close(101.0, 100.0)
    assert intents(market.close(99.0, 100.0)) == ENTRY
    market.desk.pending_entries = {BTC}
    market.close(98.0, 101.0)
    assert intents(market.close(98.0, 99.0)) == NOTHING
    market.desk.pending_entries = set()
    short = BotPosition(BTC, Decimal("-70.7"), Decimal(99), market.now, "ema_cross")
    market.desk.positions[BTC] = short
    market.desk.equity = Decimal(10_000)
    market.close(98.0, 101.0)
    assert intents(market.close(98.0, 99.0)) == NOTHING
    del market.desk.positions[BTC]
    market.close(98.0, 101.0)
    assert intents(market.close(98.0, 99.0)) == [("enter", ETH, "ema_cross")]


def test_a_drawdown_of_15_percent_closes_everything_until_reset() -> None:
    market = tape(symbols=(BTC, ETH), fills=False)
    desk = market.desk
    desk.equity = Decimal(10_000)
    market.close(100.0)
    desk.equity = Decimal(12_000)  # the peak
    market.close(100.0)
    for symbol in (BTC, ETH):
        desk.positions[symbol] = BotPosition(symbol, Decimal(-1), Decimal(100), DAY, "ema_cross")
    desk.equity = Decimal("10_200.01")
    assert intents(market.close(99.0)) == NOTHING
    desk.equity = Decimal(10_200)
    tripped = market.close(99.0)
    assert intents(tripped) == [("exit", BTC, "risk_limit"), ("exit", ETH, "risk_limit")]
    assert desk.handle.state is BotState.PAUSED
    assert "equity 10200 fell to 85% of its peak 12000" in desk.handle.state_reason
    desk.pending_exits = {BTC}
    assert intents(market.close(100.0)) == [("exit", ETH, "risk_limit")]
    desk.pending_exits = set()
    desk.positions.clear()
    desk.equity = Decimal(13_000)
    assert intents(market.drop()) == NOTHING
    desk.equity = Decimal(10_000)
    market.close(99.0)
    assert desk.handle.start()
    assert desk.handle.state_reason == ""
    assert len(intents(market.drop())) == 2


def test_gates_may_be_off() -> None:
    market = tape({"risk_gates": False}, fills=False)
    market.desk.equity = Decimal(10_000)
    market.close(100.0)
    market.desk.equity = Decimal(1)
    assert intents(market.drop()) == ENTRY
    assert market.desk.handle.state is BotState.RUNNING
