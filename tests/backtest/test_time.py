"""Warm-up, windows of time, holes, higher intervals: which bars a bot decides on."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest

from alpha.backtest.engine import FundingRate
from alpha.backtest.tape import aggregate
from alpha.bots import Bar, Snapshot, Subscription, hookimpl
from alpha.errors import NeedsOperator
from tests.backtest.stage import BTC, ETH, STEP, Row, Scripted, candles, enter, flat, plan, run

HOUR = 12 * STEP


class Watcher:
    """Notes what it is shown, in order."""

    per_symbol = False

    def __init__(self, *subscriptions: Subscription) -> None:
        self._subscriptions = subscriptions
        self.events: list[tuple[str, int]] = []
        self.closes: list[tuple[int, list[tuple[str, int]]]] = []

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return self._subscriptions

    @hookimpl
    def on_start(self, now_ms: int, snapshot: Snapshot) -> None:
        self.events.append(("start", now_ms))

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        self.events.append((f"bar {bar.symbol}", bar.start_ms))

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot) -> None:
        assert snapshot.now_ms == close_ms
        self.events.append(("close", close_ms))
        self.closes.append((close_ms, [(one, bar.start_ms) for one, bar in bars.items()]))

    @hookimpl
    def on_timer(self, now_ms: int) -> None:
        self.events.append(("timer", now_ms))


def test_the_first_decision_is_on_the_bar_of_the_warm_ups_number() -> None:
    watcher = Watcher(Subscription(BTC, STEP, 3))
    run(watcher, [candles(BTC, flat(100.0, 4))])
    assert watcher.events == [
        ("bar BTCUSDT", 0),
        ("bar BTCUSDT", STEP),
        ("start", 2 * STEP),
        ("bar BTCUSDT", 2 * STEP),
        ("close", 3 * STEP),
        ("timer", 3 * STEP),
        ("bar BTCUSDT", 3 * STEP),
        ("close", 4 * STEP),
        ("timer", 4 * STEP),
    ]


def test_a_symbol_that_is_not_warm_is_left_out_of_a_close() -> None:
    watcher = Watcher(Subscription(BTC, STEP, 1), Subscription(ETH, STEP, 2))
    late = candles(ETH, flat(10.0, 3), start_ms=STEP)
    run(watcher, [candles(BTC, flat(100.0, 4)), late])
    assert [[symbol for symbol, _ in bars] for _, bars in watcher.closes] == [
        [BTC],
        [BTC],
        [BTC, ETH],
        [BTC, ETH],
    ]


def test_too_little_warm_up_says_how_many_bars_are_needed() -> None:
    watcher = Watcher(Subscription(BTC, STEP, 300))
    with pytest.raises(NeedsOperator, match=r"expected at least 300 bars of 5m .* found 4 of BTC"):
        run(watcher, [candles(BTC, flat(100.0, 4))])


def test_bars_before_the_window_warm_up_and_those_behind_it_are_left_out() -> None:
    watcher = Watcher(Subscription(BTC, STEP, 2))
    result = run(watcher, [candles(BTC, flat(100.0, 9))], from_ms=4 * STEP, until_ms=7 * STEP)
    assert [close for close, _ in watcher.closes] == [5 * STEP, 6 * STEP, 7 * STEP]
    assert watcher.events[:4] == [("bar BTCUSDT", n * STEP) for n in range(4)]
    assert list(result.curve.close_ms) == [5 * STEP, 6 * STEP, 7 * STEP]


def test_a_window_off_the_grid_begins_with_the_next_bar() -> None:
    watcher = Watcher(Subscription(BTC, STEP, 1))
    run(watcher, [candles(BTC, flat(100.0, 6))], from_ms=2 * STEP + 1, until_ms=4 * STEP + 1)
    assert watcher.closes == [(n * STEP, [(BTC, (n - 1) * STEP)]) for n in (4, 5)]


def test_funding_within_a_bar_is_paid_at_the_next_open() -> None:
    script = Scripted({0: [enter("Buy", 100.0)]}, interval_ms=HOUR)
    rows: list[Row] = [(100.0, 100.0, 100.0, 100.0)] * 2 + [(110.0, 110.0, 110.0, 110.0)]
    rate = FundingRate(BTC, HOUR + STEP, Decimal("0.01"))
    result = run(script, [candles(BTC, rows, step=HOUR)], funding=[rate])
    assert result.funding == Decimal(-11)


def test_a_hole_stays_one() -> None:
    market = candles(BTC, [*flat(100.0, 3), *flat(90.0, 3)])
    market.starts = array("q", [0, STEP, 2 * STEP, 5 * STEP, 6 * STEP, 7 * STEP])
    script = Scripted({2: [enter("Buy", 100.0)]})
    result = run(script, [market])
    assert list(script.pictures) == [0, 1, 2, 5, 6, 7]
    (left,) = result.open_positions
    assert (left.entry_ms, float(left.entry_price)) == (
        5 * STEP,
        90.0,
    )  # the next bar that there is


def test_symbols_that_begin_and_end_apart_share_the_closes_that_they_have() -> None:
    watcher = Watcher(Subscription(BTC, STEP, 1), Subscription(ETH, STEP, 1))
    run(watcher, [candles(BTC, flat(100.0, 3)), candles(ETH, flat(10.0, 3), start_ms=2 * STEP)])
    assert [(close // STEP, len(bars)) for close, bars in watcher.closes] == [
        (1, 1),
        (2, 1),
        (3, 2),
        (4, 1),
        (5, 1),
    ]


# -- higher intervals -------------------------------------------------------------------------


def test_a_higher_bar_needs_all_its_parts() -> None:
    rows: list[Row] = [(100.0 + n, 105.0 + n, 95.0 + n, 101.0 + n) for n in range(30)]
    market = candles(BTC, rows, start_ms=5 * STEP)
    bars = aggregate(market, HOUR, len(market))
    # The first hour lacks its beginning, the third its end.
    assert list(bars) == [2 * HOUR]
    bar = bars[2 * HOUR]
    assert (bar.start_ms, bar.interval_ms, bar.open) == (HOUR, HOUR, 107.0)
    assert (bar.high, bar.low, bar.close) == (105.0 + 18, 95.0 + 7, 101.0 + 18)
    assert (bar.volume, bar.turnover) == (12.0, sum(101.0 + n for n in range(7, 19)))


def test_a_hole_costs_the_higher_bar_that_it_lies_in() -> None:
    market = candles(BTC, flat(100.0, 35))
    market.starts = array("q", [n * STEP for n in range(36) if n != 13])
    assert list(aggregate(market, HOUR, len(market))) == [HOUR, 3 * HOUR]


def test_decisions_on_higher_bars_fill_at_the_next_fine_open() -> None:
    rows = flat(100.0, 12) + [(101.0, 101.0, 101.0, 101.0)] * 3
    script = Scripted({0: [enter("Buy", 100.0, plan(sl="0.02"))]}, interval_ms=HOUR)
    result = run(script, [candles(BTC, [*rows, (101.0, 101.0, 98.0, 100.0), *flat(100.0, 1)])])
    (trade,) = result.trades
    assert (trade.entry_ms, float(trade.entry_price)) == (HOUR, 101.0)
    # 101 * 0.98 = 98.98: met inside the second hour, on its fourth part
    assert (trade.exit_ms, float(trade.exit_price)) == (HOUR + 3 * STEP, 99.0)
    assert [one.bar_ms for one in result.signals] == [0]


def test_higher_bars_come_behind_the_fine_ones_of_the_same_close() -> None:
    watcher = Watcher(Subscription(BTC, STEP, 1), Subscription(BTC, HOUR, 2))
    run(watcher, [candles(BTC, flat(100.0, 24))])
    closes = [bars[0][1] for close, bars in watcher.closes if close == 2 * HOUR]
    assert closes == [23 * STEP, HOUR]
    assert sum(close == HOUR for close, _ in watcher.closes) == 1  # one hour does not warm it up


def test_candles_too_coarse_for_a_bot_are_named() -> None:
    watcher = Watcher(Subscription(BTC, STEP, 1))
    with pytest.raises(NeedsOperator, match=r"expected candles of 5m or a part of it .* found 1h"):
        run(watcher, [candles(BTC, flat(100.0, 3), step=HOUR)])
