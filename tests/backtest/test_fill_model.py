"""The fill model, a sentence at a time, with numbers computed by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpha.backtest.result import Result
from alpha.bots import Exit, MoveStop
from alpha.core.events import Side
from tests.backtest.stage import BTC, STEP, Row, Scripted, candles, enter, flat, plan, run

D = Decimal
#: 1000 USDT at 100 are 10 BTC.
TEN = D(10)


def short_trade(*rows: Row, slippage_bps: str = "0", **levels: str) -> Result:
    """Sells 10 at the open of bar 1, which is 100; `rows` are the bars from there on."""
    script = Scripted({0: [enter("Sell", 100.0, plan(**levels))]})
    return run(script, [candles(BTC, [*flat(100.0, 1), *rows])], slippage_bps=slippage_bps)


def long_trade(*rows: Row, slippage_bps: str = "0", **levels: str) -> Result:
    script = Scripted({0: [enter("Buy", 100.0, plan(**levels))]})
    return run(script, [candles(BTC, [*flat(100.0, 1), *rows])], slippage_bps=slippage_bps)


CALM: Row = (100.0, 100.0, 100.0, 100.0)


# -- market orders ----------------------------------------------------------------------------


def test_a_decision_at_a_close_fills_at_the_next_open() -> None:
    rows: list[Row] = [(100, 101, 99, 100.5), (102.3, 104, 102, 103), (103.7, 105, 103, 104)]
    script = Scripted(
        {0: [enter("Buy", 100.5)], 1: [Exit(symbol=BTC, reason="ma_exit")]}, symbols=(BTC,)
    )
    result = run(script, [candles(BTC, rows)])
    (trade,) = result.trades
    # 1000 / 100.5 = 9.9502..., floored to 0.001
    assert trade.qty == D("9.950")
    assert (trade.entry_ms, trade.entry_price) == (STEP, D("102.3"))
    assert (trade.exit_ms, trade.exit_price) == (2 * STEP, D("103.7"))
    assert (trade.side, trade.entry_reason, trade.exit_reason) == ("long", "entry", "ma_exit")
    fees = D("9.95") * D("0.00055") * (D("102.3") + D("103.7"))
    assert trade.fees == fees
    assert trade.net_pnl == D("9.95") * D("1.4") - fees
    assert result.final_balance == D(10_000) + trade.net_pnl


@pytest.mark.parametrize(
    ("side", "entry", "out"),
    [("Buy", D("100.02"), D("99.98")), ("Sell", D("99.98"), D("100.02"))],
)
def test_slippage_works_against_market_orders(side: Side, entry: Decimal, out: Decimal) -> None:
    script = Scripted({0: [enter(side, 100.0)], 1: [Exit(symbol=BTC, reason="ma_exit")]})
    result = run(script, [candles(BTC, flat(100.0, 3))], slippage_bps="2")
    (trade,) = result.trades
    assert (trade.entry_price, trade.exit_price) == (entry, out)


def test_stops_know_no_slippage_and_are_anchored_to_the_fill_behind_it() -> None:
    # Entry at 100 * 1.001 = 100.1; stop loss 1 % below it is 99.099, on the tick 99.1.
    result = long_trade(CALM, (100.0, 100.0, 99.0, 99.5), sl="0.01", slippage_bps="10")
    (trade,) = result.trades
    assert trade.entry_price == D("100.1")
    assert trade.exit_price == D("99.1")


def test_a_pending_exit_fills_at_the_open_before_stops_are_looked_at() -> None:
    script = Scripted(
        {
            0: [enter("Buy", 100.0, plan(sl="0.02"))],
            1: [Exit(symbol=BTC, reason="ma_exit")],
        }
    )
    rows = [*flat(100.0, 2), (97.0, 97.0, 90.0, 95.0)]
    result = run(script, [candles(BTC, rows)])
    (trade,) = result.trades
    assert (trade.exit_reason, trade.exit_price) == ("ma_exit", D(97))


def test_a_decision_on_the_last_bar_fills_nowhere() -> None:
    result = run(Scripted({1: [enter("Buy", 100.0)]}), [candles(BTC, flat(100.0, 2))])
    assert not result.trades and not result.open_positions
    assert [one.kind for one in result.signals] == ["entry"]
    assert result.final_balance == 10_000


# -- stop loss and take profit ----------------------------------------------------------------


@pytest.mark.parametrize("low", [99.0, 98.0])
def test_a_stop_fills_at_its_trigger_when_the_range_touches_it(low: float) -> None:
    (trade,) = long_trade(CALM, (100.0, 100.0, low, 99.5), sl="0.01").trades
    assert (trade.exit_price, trade.exit_reason) == (D(99), "stop_loss")
    assert trade.exit_ms == 2 * STEP


def test_a_stop_that_is_not_touched_holds() -> None:
    result = long_trade(CALM, (100.0, 100.0, 99.1, 99.5), sl="0.01")
    assert not result.trades
    (left,) = result.open_positions
    assert (left.qty, left.entry_price, left.mark_price) == (TEN, D(100), D("99.5"))
    assert left.unrealised_pnl == D("-5.0")
    assert result.final_balance == D(10_000) - D("0.55")  # the entry's fee


def test_a_stop_behind_a_gap_fills_at_the_open() -> None:
    (trade,) = long_trade(CALM, (98.3, 98.5, 97.0, 98.0), sl="0.01").trades
    assert (trade.exit_price, trade.exit_reason) == (D("98.3"), "stop_loss")
    (trade,) = short_trade(CALM, (101.7, 103.0, 101.0, 102.0), sl="0.01").trades
    assert (trade.exit_price, trade.exit_reason) == (D("101.7"), "stop_loss")


def test_a_take_profit_fills_at_its_trigger_or_the_better_open() -> None:
    (trade,) = long_trade(CALM, (100.0, 102.0, 100.0, 101.0), tp="0.02").trades
    assert (trade.exit_price, trade.exit_reason) == (D(102), "take_profit")
    (trade,) = long_trade(CALM, (103.4, 104.0, 103.0, 103.0), tp="0.02").trades
    assert trade.exit_price == D("103.4")
    (trade,) = short_trade(CALM, (96.6, 97.0, 96.0, 97.0), tp="0.02").trades
    assert (trade.exit_price, trade.exit_reason) == (D("96.6"), "take_profit")


def test_of_stop_and_profit_in_one_bar_the_stop_counts() -> None:
    (trade,) = long_trade(CALM, (100.0, 105.0, 98.0, 101.0), sl="0.01", tp="0.02").trades
    assert (trade.exit_price, trade.exit_reason) == (D(99), "stop_loss")
    # even where the open lies beyond the take profit
    (trade,) = short_trade(CALM, (97.0, 101.5, 96.0, 97.0), sl="0.01", tp="0.02").trades
    assert (trade.exit_price, trade.exit_reason) == (D(101), "stop_loss")


def test_the_bar_of_the_entry_is_checked_over_its_whole_range() -> None:
    (trade,) = long_trade((100.0, 100.0, 98.0, 99.5), sl="0.01").trades
    assert (trade.entry_ms, trade.exit_ms, trade.exit_price) == (STEP, STEP, D(99))
    (trade,) = short_trade((100.0, 100.0, 97.0, 97.5), tp="0.02").trades
    assert (trade.exit_ms, trade.exit_price, trade.exit_reason) == (STEP, D(98), "take_profit")


def test_levels_lie_on_the_nearest_tick_ties_to_even() -> None:
    # 100.1 * 0.995 = 99.5995 -> 99.6; 100.5 * 0.99 = 99.495 -> 99.5
    script = Scripted({0: [enter("Buy", 100.0, plan(sl="0.01"))]})
    (trade,) = run(script, [candles(BTC, [*flat(100.0, 1), (100.5, 100.5, 99.5, 100.0)])]).trades
    assert trade.exit_price == D("99.5")
    # 100.5 * (1 + 0.01) = 101.505 -> 101.5; a tie: 101 * 0.9995 = 100.9495; 100 * 1.0005 = 100.05
    (trade,) = short_trade(CALM, (100.0, 100.2, 100.0, 100.1), sl="0.0005").trades
    assert trade.exit_price == D("100.0")  # 100.05 lies between 100.0 and 100.1: to even


# -- trailing stops ---------------------------------------------------------------------------


def test_a_trailing_level_is_checked_first_and_moved_then() -> None:
    # Distance 2. The bar that runs to 105 and falls to 100 meets the old level 98 only; from then
    # on the level is 103.
    result = long_trade(
        CALM, (100.0, 105.0, 100.0, 104.0), (104.0, 104.5, 103.0, 103.5), trail="0.02"
    )
    (trade,) = result.trades
    assert (trade.exit_price, trade.exit_ms, trade.exit_reason) == (
        D(103),
        3 * STEP,
        "trailing_stop",
    )


def test_a_trailing_stop_without_activation_holds_from_the_entry_on() -> None:
    (trade,) = short_trade((100.0, 102.0, 99.0, 99.0), trail="0.02").trades
    assert (trade.exit_price, trade.exit_ms, trade.exit_reason) == (D(102), STEP, "trailing_stop")


def test_the_entry_bars_extreme_moves_the_trailing_stop() -> None:
    # Bar 1 rises to 103 without touching 98; from then on the level is 101.
    (trade,) = long_trade(
        (100.0, 103.0, 98.1, 102.0), (102.0, 102.0, 101.0, 101.5), trail="0.02"
    ).trades
    assert (trade.exit_price, trade.exit_ms) == (D(101), 2 * STEP)


def test_a_trailing_stop_is_armed_by_the_extreme_that_reaches_its_activation() -> None:
    # Activation 102, distance 1. 101.9 does not arm it: the bar that falls to 100.5 passes.
    rows: list[Row] = [
        (100.0, 101.9, 100.0, 101.5),
        (101.5, 101.5, 100.5, 101.0),
        (101.0, 102.0, 101.0, 101.8),  # reaches it: level 101.0 for the next bar
        (101.8, 101.9, 101.0, 101.2),
    ]
    (trade,) = long_trade(*rows, trail="0.01", activation="0.02").trades
    assert (trade.exit_price, trade.exit_ms) == (D(101), 4 * STEP)


def test_an_armed_trailing_stop_never_moves_back() -> None:
    rows: list[Row] = [
        (100.0, 100.0, 96.0, 96.0),  # extreme 96: level 98
        (96.0, 97.5, 96.5, 97.0),  # no new extreme
        (97.0, 98.0, 96.8, 97.5),
    ]
    (trade,) = short_trade(*rows, trail="0.02").trades
    assert (trade.exit_price, trade.exit_ms, trade.exit_reason) == (
        D(98),
        3 * STEP,
        "trailing_stop",
    )


def test_a_trailing_stop_behind_a_gap_fills_at_the_open() -> None:
    (trade,) = long_trade(
        (100.0, 110.0, 100.0, 109.0), (105.0, 106.0, 104.0, 105.0), trail="0.02"
    ).trades
    assert (trade.exit_price, trade.exit_reason) == (D(105), "trailing_stop")


def test_of_stop_loss_and_trailing_stop_the_nearer_counts() -> None:
    # Trailing at 108 (110 less 2), stop loss at 99: a fall through both meets 108 first.
    fall: Row = (109.0, 109.0, 90.0, 91.0)
    (trade,) = long_trade((100.0, 110.0, 100.0, 109.0), fall, sl="0.01", trail="0.02").trades
    assert (trade.exit_price, trade.exit_reason) == (D(108), "trailing_stop")
    # Here the stop loss at 99 is nearer than the trailing stop at 95.
    (trade,) = long_trade(CALM, (100.0, 100.0, 90.0, 91.0), sl="0.01", trail="0.05").trades
    assert (trade.exit_price, trade.exit_reason) == (D(99), "stop_loss")


def test_a_trailing_distance_is_at_least_one_tick() -> None:
    # 100 * 0.0002 = 0.02 lies below the tick of 0.1.
    (trade,) = long_trade(
        (100.0, 101.0, 100.0, 101.0), (101.0, 101.0, 100.5, 100.6), trail="0.0002"
    ).trades
    assert trade.exit_price in (D("99.9"), D("100.9"))
    assert trade.exit_price == D("100.9")


def test_a_moved_stop_counts_from_the_next_bar() -> None:
    script = Scripted(
        {
            0: [enter("Buy", 100.0, plan(sl="0.08"))],
            1: [MoveStop(symbol=BTC, stop_loss=D("100.13"), reason="stop_loss")],
        }
    )
    rows: list[Row] = [CALM, (100.0, 109.0, 100.0, 108.0), (108.0, 108.0, 100.1, 101.0)]
    (trade,) = run(script, [candles(BTC, rows)]).trades
    assert (trade.exit_price, trade.exit_ms, trade.exit_reason) == (
        D("100.1"),
        2 * STEP,
        "stop_loss",
    )


# -- what follows -----------------------------------------------------------------------------


def test_a_stopped_out_symbol_is_flat_at_that_close_and_may_enter_again() -> None:
    script = Scripted(
        {
            0: [enter("Buy", 100.0, plan(sl="0.01"))],
            2: [enter("Buy", 99.0, plan(sl="0.01"))],
        }
    )
    rows = [CALM, CALM, (100.0, 100.0, 98.0, 99.0), (99.2, 99.5, 99.0, 99.3)]
    result = run(script, [candles(BTC, rows)])
    assert [trade.exit_ms for trade in result.trades] == [2 * STEP]
    assert script.pictures[2].is_flat(BTC)
    (left,) = result.open_positions
    assert (left.entry_ms, left.entry_price) == (3 * STEP, D("99.2"))


def test_a_symbol_with_a_pending_exit_is_not_flat() -> None:
    seen = []
    script = Scripted(
        {
            0: [enter("Buy", 100.0)],
            1: [Exit(symbol=BTC, reason="ma_exit")],
        }
    )
    # A symbol without a bar at the next open keeps its order.
    market = [candles(BTC, flat(100.0, 2)), candles("ETHUSDT", flat(10.0, 4))]
    script.symbols = (BTC, "ETHUSDT")
    run(script, market)
    seen.append(script.pictures[2])
    assert script.pictures[2].pending_exits == frozenset({BTC})
    assert BTC in script.pictures[2].positions


def test_fills_are_told_with_their_effect() -> None:
    script = Scripted({0: [enter("Sell", 100.0, plan(sl="0.01"))]})
    run(script, [candles(BTC, [CALM, CALM, (100.0, 102.0, 100.0, 101.0)])])
    first, second = script.fills
    assert (first.effect, first.side, first.position_after) == ("entry", "Sell", -TEN)
    assert first.order_link_id == "scripted-en-00006fhc"  # 300000 in base 36
    assert (second.effect, second.side, second.reason) == ("exit", "Buy", "stop_loss")
    assert (second.realised, second.position_after) == (D(-10), D(0))
