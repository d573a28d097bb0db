"""No bot sees the future: other bars behind a moment change no decision up to it.

The recorded candles are cut at a moment, noise follows, and what was decided until then must be
what a run over all of them had decided. The moments: bars drawn with a seed, and bars on which
there was a signal. ALPHA_LOOKAHEAD=all takes 200 drawn ones and every signal; else a sample.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from alpha.backtest.engine import Engine
from alpha.backtest.instruments import instruments_of
from alpha.backtest.result import Signal
from alpha.backtest.seat import Seat
from alpha.backtest.tape import Tape
from alpha.backtest.venue import Terms
from alpha.bots.discovery import Catalog
from alpha.candles.files import Candles, read_candles
from alpha.resources import plugins_folder
from tests.backtest.oracle import GRID
from tests.backtest.test_shortseller import Draws

STEP = 300_000
#: Steps of noise behind the moment, more than a 4-hour bar.
NOISE = 60
ALL = os.environ.get("ALPHA_LOOKAHEAD") == "all"
#: Bot, settings under which it does enough, moments drawn, signals looked at.
CASES: Sequence[tuple[str, Mapping[str, object], int, int]] = (
    ("shortseller", {"risk_gates": False}, 8, 12),
    ("lxalgo", {"pump_threshold": 3.0}, 4, 8),
    ("momentum", {}, 12, 24),
)


def signals(
    bot: str, settings: Mapping[str, object], market: Mapping[str, Candles]
) -> list[Signal]:
    plugin = Catalog([plugins_folder()], {}).get(bot)
    seat = Seat(bot, bot, plugin.maker(settings, bot=bot), plugin=bot)
    seat.choose(sorted(market))
    seat.keep([one for one in seat.subscriptions if one.symbol in market])
    filters = instruments_of({}, market.values())
    return Engine([seat], Tape(market, STEP), filters, Terms()).run().signals


def spoilt(candles: Candles, moment_ms: int, draws: Draws) -> Candles:
    """The candles that have closed at the moment, and wild ones behind them."""
    kept = bisect_right(candles.starts, moment_ms - STEP)
    made = Candles(candles.symbol, STEP, candles.path, candles.starts[:kept])
    for whole, column in zip(candles.numbers(), made.numbers(), strict=True):
        column.extend(whole[:kept])
    price = candles.closes[kept - 1]
    first = made.starts[-1] + STEP
    made.starts.extend(array("q", range(first, first + NOISE * STEP, STEP)))
    for _ in range(NOISE):
        opened, close = (price * (0.9 + draws.below(2001) / 10_000) for _ in range(2))
        row = (opened, max(opened, close) * 1.01, min(opened, close) * 0.99, close)
        for column, number in zip(made.numbers(), row, strict=False):
            column.append(round(number, 1))
        made.volumes.append(float(draws.below(10**6)))
        price = close
    return made


@pytest.mark.shared_data
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("bot", "settings", "drawn", "signalled"), CASES, ids=[c[0] for c in CASES]
)
def test_bars_behind_a_moment_change_no_decision_up_to_it(
    bot: str,
    settings: Mapping[str, object],
    drawn: int,
    signalled: int,
    shared_data: Path,
) -> None:
    market = {
        symbol: read_candles(shared_data / f"bybit-linear-{symbol}-5m.csv.gz") for symbol in GRID
    }
    expected = signals(bot, settings, market)
    interval = 48 * STEP if bot == "momentum" else STEP
    closes = sorted({one.bar_ms + interval for one in expected})
    assert len(closes) >= 8
    starts, draws = market["BTCUSDT"].starts, Draws(7)
    moments = [starts[draws.below(len(starts))] + STEP for _ in range(200 if ALL else drawn)]
    moments += closes if ALL else closes[:: max(1, len(closes) // signalled)]
    for moment_ms in moments:
        noisy = {symbol: spoilt(one, moment_ms, draws) for symbol, one in market.items()}
        try:
            found = signals(bot, settings, noisy)
        except Exception as error:  # too early for a first decision
            assert "before its first decision" in str(error), moment_ms
            found = []
        assert until(found, moment_ms, interval) == until(expected, moment_ms, interval), moment_ms


def until(found: Sequence[Signal], moment_ms: int, interval_ms: int) -> list[Signal]:
    return [one for one in found if one.bar_ms + interval_ms <= moment_ms]
