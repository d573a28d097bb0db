"""Momentum's rules, each on a market that is moved by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

import msgspec
import pytest

from alpha.bots import BotPosition, Enter, Market, StopPlan
from alpha.bots.host import BotState
from alpha.core.decisions import Decision
from alpha.errors import ConfigError
from plugins.momentum import MomentumSettings
from plugins.momentum.settings import SYMBOLS
from tests.plugins.breakouts import (
    BAR_MS,
    BNB,
    BREAKOUT,
    BTC,
    DAY_MS,
    ETH,
    MONDAY,
    NOTHING,
    SOL,
    XRP,
    Tape,
    bought,
    intents,
    market,
)
from tests.plugins.desk import momentum

ALL = (BTC, ETH, SOL, XRP, BNB)


def entry(decision: Decision | None, place: int = 0) -> Enter:
    assert decision is not None
    intent = decision.planned[place].intent
    assert isinstance(intent, Enter)
    return intent


def held(symbol: str, opened_ms: int, qty: str = "1") -> BotPosition:
    return BotPosition(symbol, Decimal(qty), Decimal(100), opened_ms, "volatility_breakout")


# -- entries ----------------------------------------------------------------------------------


def test_a_breakout_is_bought() -> None:
    tape = market()
    assert intents(tape.close()) == NOTHING
    found = entry(tape.close({BTC: BREAKOUT}))
    assert (found.side, found.price, found.leverage) == ("Buy", Decimal("100.6"), Decimal(2))
    assert found.reason == "volatility_breakout"
    assert found.notional == Decimal(2000)
    assert found.stops == StopPlan(trailing=Decimal("0.10"))
    assert set(found.details) == {"pct", "rvr", "upper", "sma", "strength", "rank", "multiplier"}
    assert found.details["rank"] == "1"


@pytest.mark.parametrize(
    ("settings", "close", "expected"),
    [
        ({}, BREAKOUT, True),
        ({}, (100.4, 6.0), False),  # inside the bands
        ({}, (100.6, 2.1), False),  # 2.1 / 1.055: its own volume is in the mean
        ({}, (100.6, 2.12), True),
        ({}, (99.4, 6.0), False),  # a breakout downwards
        ({}, (115.0, 6.0), False),  # so violent that it widens the bands itself
    ],
)
def test_what_a_breakout_is(
    settings: Mapping[str, object], close: tuple[float, float], expected: bool
) -> None:
    assert intents(market(settings).close({BTC: close})) == (bought(BTC) if expected else NOTHING)


def test_limits_of_a_breakout_are_strict() -> None:
    """At a limit that equals the figure there is no entry, just beside it there is one."""
    details = entry(market().close({BTC: BREAKOUT})).details
    places = round(float(details["pct"]) * 89)
    assert float(details["pct"]) == pytest.approx(places / 89, abs=1e-6)
    for name, limit, beside in (
        ("bbw_pct", places / 89, places / 89 + 1e-9),
        ("rvr", 6 * 20 / 25, 6 * 20 / 25 - 1e-9),
    ):
        assert intents(market({name: repr(limit)}).close({BTC: BREAKOUT})) == NOTHING
        assert intents(market({name: repr(beside)}).close({BTC: BREAKOUT})) == bought(BTC)


def test_the_strongest_come_first_and_equal_ones_in_the_order_of_the_setting() -> None:
    tape = market(symbols=ALL)
    prints = {BTC: BREAKOUT, ETH: (100.7, 6.0), SOL: BREAKOUT, XRP: (100.65, 6.0)}
    decision = tape.close(prints)
    assert intents(decision) == bought(ETH, XRP, BTC)
    assert [entry(decision, place).details["rank"] for place in range(3)] == ["1", "2", "3"]
    assert len({planned.order_link_id for planned in decision.planned}) == 3  # type: ignore[union-attr]
    tape = market({"max_positions": 2}, symbols=(SOL, BTC))
    assert intents(tape.close({BTC: BREAKOUT, SOL: BREAKOUT})) == bought(SOL, BTC)


def test_volume_beyond_five_times_makes_nobody_stronger() -> None:
    """25 x 20 / 44 and 100 x 20 / 119 are both above 5; the higher close is the stronger one."""
    tape = market({"max_positions": 1}, symbols=(BTC, ETH))
    assert intents(tape.close({BTC: (100.6, 100.0), ETH: (100.61, 25.0)})) == bought(ETH)


@pytest.mark.parametrize("orders", ["positions", "pending_entries"])
def test_positions_and_orders_on_their_way_take_slots(orders: str) -> None:
    tape = market(symbols=ALL, fills=False)
    tape.close()
    if orders == "positions":
        tape.desk.positions = {one: held(one, tape.now, "-1") for one in (XRP, BNB)}
    else:
        tape.desk.pending_entries = {XRP, BNB}
    prints = {BTC: BREAKOUT, ETH: BREAKOUT, XRP: BREAKOUT}
    assert intents(tape.close(prints)) == bought(BTC)


def test_an_exit_at_the_same_close_frees_its_slot() -> None:
    tape = market(symbols=ALL, fills=False)
    tape.close()
    tape.desk.positions = {one: held(one, tape.now - BAR_MS) for one in (SOL, XRP, BNB)}
    prints = {BTC: BREAKOUT, ETH: BREAKOUT, SOL: (99.0, 1.0), XRP: (101.0, 1.0), BNB: (101.0, 1.0)}
    assert intents(tape.close(prints)) == [("exit", SOL, "ma_exit"), *bought(BTC)]


def test_an_exit_still_on_its_way_frees_nothing() -> None:
    tape = market({"max_positions": 1}, symbols=(BTC, ETH), fills=False)
    tape.close()
    tape.desk.positions = {ETH: held(ETH, tape.now - BAR_MS)}
    tape.desk.pending_exits = {ETH}
    assert intents(tape.close({BTC: BREAKOUT, ETH: (99.0, 1.0)})) == NOTHING


@pytest.mark.parametrize("blocked", ["pending_entries", "pending_exits"])
def test_an_order_on_its_way_blocks_entries(blocked: str) -> None:
    tape = market()
    tape.close()
    setattr(tape.desk, blocked, {BTC})
    assert intents(tape.close({BTC: BREAKOUT})) == NOTHING


def test_an_order_too_small_to_be_sent_takes_no_slot() -> None:
    """BNB's least quantity at 100 is worth 5 USDT, more than an equity of 20 may buy."""
    tape = market({"max_positions": 1}, symbols=(SOL, XRP), fills=False, wallet=Decimal(20))
    assert intents(tape.close({SOL: (100.7, 6.0), XRP: BREAKOUT})) == bought(SOL, XRP)
    tape = market({"max_positions": 1}, symbols=(SOL, XRP), fills=False, wallet=Decimal(60))
    assert intents(tape.close({SOL: (100.7, 6.0), XRP: BREAKOUT})) == bought(SOL)


def test_reentry_is_allowed_at_the_next_breakout() -> None:
    tape = market()
    assert intents(tape.close({BTC: BREAKOUT})) == bought(BTC)
    position = tape.desk.positions[BTC]
    tape.desk.fill(BTC, -position.signed_qty, Decimal(91), tape.now + 60_000, "trailing_stop", "x")
    assert tape.desk.positions == {}
    assert intents(tape.close({BTC: (101.0, 8.0)})) == bought(BTC)


# -- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("risk", "trail", "notional"),
    [("0.02", "0.20", "1000"), ("0.05", "0.10", "2000"), ("0.03", "0.10", "2000")],
)
def test_sizes(risk: str, trail: str, notional: str) -> None:
    tape = market({"risk_per_trade": risk, "trail": trail})
    assert entry(tape.close({BTC: BREAKOUT})).notional == Decimal(notional)


def test_sizes_follow_the_equity_of_the_close() -> None:
    tape = market(symbols=(BTC, ETH), fills=False)
    tape.desk.equity = Decimal("9987.61")
    decision = tape.close({BTC: BREAKOUT, ETH: BREAKOUT})
    assert [entry(decision, place).notional for place in (0, 1)] == [Decimal("1997.522")] * 2


@pytest.mark.parametrize("equity", [Decimal(0), Decimal("-3")])
def test_an_empty_account_buys_nothing_and_halts_nothing(equity: Decimal) -> None:
    tape = market(wallet=equity)
    assert intents(tape.close({BTC: BREAKOUT})) == NOTHING
    assert tape.desk.handle.state is BotState.RUNNING
    tape.desk.wallet = Decimal(10_000)
    assert intents(tape.close({BTC: (101.0, 8.0)})) == bought(BTC)


def test_both_profiles_trade_a_fifth_of_the_equity() -> None:
    for profile, risk in (("reference", "0.05"), ("demo", "0.03")):
        tape = market({"profile": profile})
        assert entry(tape.close({BTC: BREAKOUT})).notional == Decimal(2000)
        tape = market({"profile": profile, "max_fraction": 1})
        assert entry(tape.close({BTC: BREAKOUT})).notional == 100_000 * Decimal(risk)


# -- exits ------------------------------------------------------------------------------------


def test_a_close_under_the_mean_is_sold() -> None:
    tape = market()
    tape.close({BTC: BREAKOUT})
    assert intents(tape.close({BTC: (100.2, 1.0)})) == NOTHING
    assert intents(tape.close({BTC: (99.9, 1.0)})) == [("exit", BTC, "ma_exit")]
    assert tape.desk.positions == {}


def test_a_close_on_the_mean_is_held() -> None:
    tape = market({"ma_length": 2, "lookback": 2}, fills=False)
    tape.desk.positions[BTC] = held(BTC, MONDAY)
    tape.close({BTC: (100.5, 1.0)})
    assert intents(tape.close({BTC: (100.5, 1.0)})) == NOTHING
    assert intents(tape.close({BTC: (100.25, 1.0)})) == [("exit", BTC, "ma_exit")]


def test_a_position_is_tested_from_the_first_close_after_its_entry() -> None:
    tape = market(fills=False)
    tape.close()
    close_ms = tape.start_ms + BAR_MS
    tape.desk.positions[BTC] = held(BTC, close_ms)  # filled while the close was being waited for
    assert intents(tape.close({BTC: (99.0, 1.0)})) == NOTHING
    assert intents(tape.close({BTC: (98.9, 1.0)})) == [("exit", BTC, "ma_exit")]


def test_an_exit_on_its_way_is_not_repeated() -> None:
    tape = market(fills=False)
    tape.desk.positions[BTC] = held(BTC, MONDAY)
    assert intents(tape.close({BTC: (99.0, 1.0)})) == [("exit", BTC, "ma_exit")]
    tape.desk.pending_exits = {BTC}
    assert intents(tape.close({BTC: (98.0, 1.0)})) == NOTHING


def test_a_short_position_blocks_entries_and_is_left_alone() -> None:
    tape = market(fills=False)
    tape.desk.positions[BTC] = held(BTC, MONDAY, "-1")
    assert intents(tape.close({BTC: (99.0, 1.0)})) == NOTHING
    assert intents(tape.close({BTC: (103.0, 9.0)})) == NOTHING


def peaking(opened: int = 0) -> Tape:
    """Bars of basis peak; the position was opened `opened` bars before the next one."""
    tape = market({"trail_basis": "peak"}, fills=False)
    tape.close()
    tape.desk.positions[BTC] = held(BTC, tape.now - opened * BAR_MS)
    return tape


def test_the_peak_trails_from_the_entrys_bar_on() -> None:
    tape = peaking()
    assert intents(tape.close({BTC: (120.0, 1.0)})) == NOTHING
    assert intents(tape.close({BTC: (108.01, 1.0)})) == NOTHING
    assert intents(tape.close({BTC: (108.0, 1.0)})) == [("exit", BTC, "trailing_stop")]


def test_highs_before_the_entrys_bar_do_not_count() -> None:
    tape = peaking(opened=-1)
    tape.close({BTC: (120.0, 1.0)})  # closes when the position is opened
    assert intents(tape.close({BTC: (107.0, 1.0)})) == NOTHING


def test_trailing_comes_before_the_mean() -> None:
    tape = peaking()
    tape.close({BTC: (120.0, 1.0)})
    assert intents(tape.close({BTC: (90.0, 1.0)})) == [("exit", BTC, "trailing_stop")]


def test_with_basis_peak_the_exchange_holds_a_stop_further_away() -> None:
    tape = market({"trail_basis": "peak"})
    assert entry(tape.close({BTC: BREAKOUT})).stops == StopPlan(stop_loss=Decimal("0.20"))


# -- limits -----------------------------------------------------------------------------------

HOUR_MS = 3_600_000
#: The close that a market of the tests below decides next: 04:00.
START = MONDAY


def falling(settings: Mapping[str, object] | None = None) -> Tape:
    """Monday 04:00 has been decided at an equity of 10 000."""
    tape = market(settings, start_ms=START, symbols=ALL, fills=False)
    tape.desk.equity = Decimal(10_000)
    tape.close()
    assert tape.now == START + 4 * HOUR_MS
    return tape


def saved(tape: Tape) -> dict[str, object]:
    state: dict[str, object] = json.loads(tape.desk.handle.saved.state_json)
    return state


def test_a_days_loss_ends_entries_until_midnight() -> None:
    tape = falling()
    tape.desk.equity = Decimal("9700.01")
    assert intents(tape.close({BTC: BREAKOUT})) == bought(BTC)
    tape.desk.equity = Decimal(9700)
    tape.desk.positions[ETH] = held(ETH, START)
    prints = {SOL: BREAKOUT, ETH: (99.0, 1.0)}
    assert intents(tape.close(prints)) == [("exit", ETH, "ma_exit")]  # managed all the same
    tape.desk.positions.clear()
    tape.desk.equity = Decimal(9990)
    assert intents(tape.close({XRP: BREAKOUT})) == NOTHING  # latched
    tape.until(START + DAY_MS)
    assert intents(tape.close({BNB: BREAKOUT})) == bought(BNB)  # the close at 00:00 is Tuesday's
    assert tape.now == START + DAY_MS
    assert saved(tape)["day_equity"] == "9990"


def test_a_weeks_loss_halves_entries_until_monday() -> None:
    tape = falling({"day_loss": "0.5"})
    tape.desk.equity = Decimal(9200)
    found = entry(tape.close({BTC: BREAKOUT}))
    assert found.notional == Decimal("9200") * Decimal("0.2") / 2
    assert found.details["multiplier"] == "0.5"
    tape.desk.equity = Decimal(9900)
    assert entry(tape.close({ETH: BREAKOUT})).notional == Decimal(990)  # latched
    tape.until(START + 7 * DAY_MS)
    assert intents(tape.close({SOL: BREAKOUT})) == bought(SOL)
    assert tape.now == START + 7 * DAY_MS
    assert tape.desk.decisions[-1].planned[0].intent.model_dump()["notional"] == Decimal(1980)


def test_a_months_loss_ends_entries_until_the_next_one() -> None:
    """Two days of September are left; limits of the day are lifted on the way."""
    tape = falling()
    tape.desk.equity = Decimal(8500)
    assert intents(tape.close({BTC: BREAKOUT})) == NOTHING
    tape.until(START + DAY_MS)
    assert intents(tape.close({ETH: BREAKOUT})) == NOTHING
    state = saved(tape)
    assert (state["day_stopped"], state["month_stopped"]) == (False, True)
    tape.until(START + 2 * DAY_MS)
    assert intents(tape.close({SOL: BREAKOUT})) == bought(SOL)
    assert tape.now == START + 2 * DAY_MS  # 00:00 of 1 October
    assert saved(tape)["month_equity"] == "8500"
    assert saved(tape)["week_reduced"] is True


def test_a_drawdown_of_20_percent_ends_entries_until_reset() -> None:
    loose = {"day_loss": "0.9", "month_loss": "0.9", "week_loss": "0.9"}
    tape = falling(loose)
    tape.desk.equity = Decimal(12_000)  # the peak
    tape.close()
    tape.desk.equity = Decimal("9600.01")
    assert intents(tape.close({BTC: BREAKOUT})) == bought(BTC)
    tape.desk.equity = Decimal(9600)
    tape.desk.positions[ETH] = held(ETH, START)
    assert intents(tape.close({SOL: BREAKOUT})) == NOTHING  # nothing is flattened
    handle = tape.desk.handle
    assert handle.state is BotState.PAUSED
    assert "equity 9600 fell to 80% of its peak 12000" in handle.state_reason
    assert intents(tape.close({ETH: (99.0, 1.0)})) == [("exit", ETH, "ma_exit")]
    tape.desk.positions.clear()
    tape.desk.equity = Decimal(11_900)
    assert intents(tape.close({XRP: BREAKOUT})) == NOTHING
    assert handle.start()
    assert handle.state_reason == ""
    assert intents(tape.close({BNB: BREAKOUT})) == bought(BNB)
    assert saved(tape)["peak"] == "11900"


# -- bars -------------------------------------------------------------------------------------


def test_an_open_bar_and_a_repeated_bar_change_nothing() -> None:
    tape = market(fills=False)
    tape.close()
    handle = tape.desk.handle
    before = handle.saved
    handle.bar(msgspec.structs.replace(tape.bar(BTC, 150.0, 50.0), closed=False))
    last = msgspec.structs.replace(tape.bar(BTC, 99.0), start_ms=tape.start_ms - BAR_MS)
    snapshot = tape.desk.snapshot(tape.now)
    assert handle.close(BAR_MS, tape.now, {BTC: last}, snapshot) is None
    assert handle.saved == before
    assert intents(tape.close({BTC: BREAKOUT})) == bought(BTC)


def test_figures_begin_anew_after_a_hole() -> None:
    tape = market(fills=False)
    tape.close()
    tape.step()
    assert intents(tape.close({BTC: BREAKOUT})) == NOTHING
    tape.desk.positions[BTC] = held(BTC, MONDAY)
    for _ in range(18):
        assert intents(tape.close({BTC: (90.0, 1.0)})) == NOTHING  # no mean of 20 bars yet
    assert intents(tape.close({BTC: (89.0, 1.0)})) == [("exit", BTC, "ma_exit")]


def test_a_late_symbol_is_not_decided() -> None:
    tape = market(symbols=(BTC, ETH), fills=False)
    tape.close()
    decision = tape.desk.close(tape.bar(BTC, *BREAKOUT))
    assert intents(decision) == bought(BTC)
    tape.desk.handle.bar(tape.bar(ETH, *BREAKOUT))
    tape.step()
    assert intents(tape.close({ETH: (100.1, 1.0)})) == NOTHING


# -- settings ---------------------------------------------------------------------------------


def test_the_published_list() -> None:
    assert len(SYMBOLS) == 44
    assert MomentumSettings().symbols == SYMBOLS
    assert "XPLUSDT" in SYMBOLS and "1000PEPEUSDT" in SYMBOLS
    handle = momentum()
    assert {(s.interval_ms, s.warmup_bars) for s in handle.subscriptions} == {(BAR_MS, 109)}
    assert min(s.wanted_bars for s in handle.subscriptions) == 200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trial": 3}, "unknown setting 'trial'; the nearest is 'trail'"),
        ({"trail": 1}, "setting trail: expected less than 1, was 1"),
        ({"trail_basis": "top"}, "setting trail_basis: expected 'entry' or 'peak', was 'top'"),
        ({"max_positions": 0}, "setting max_positions: expected greater than or equal to 1, was 0"),
        ({"leverage": True}, "setting leverage: expected a number, was a truth value, was True"),
        ({"profile": "wild"}, "setting profile: expected one of demo, reference, was 'wild'"),
        ({"symbols": [BTC, BTC]}, "expected each symbol once"),
        ({"symbols": ["BTC"]}, "setting symbols.0: "),
    ],
)
def test_wrong_settings_are_named(settings: Mapping[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        momentum(settings)
    assert message in str(caught.value)


def test_only_what_the_exchange_lists_is_followed() -> None:
    handle = momentum({"symbols": [SOL, BTC, XRP]})
    assert handle.wants_universe
    assert handle.choose(0, [Market(BTC), Market(ETH), Market(SOL)])
    assert [one.symbol for one in handle.subscriptions] == [SOL, BTC]
    assert handle.choose(BAR_MS, [Market(BTC), Market(XRP)], {SOL})
    assert [one.symbol for one in handle.subscriptions] == [BTC, XRP, SOL]
