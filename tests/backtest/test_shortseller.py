"""ShortSeller in the backtest, trade by trade against an oracle."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.backtest.engine import Engine
from alpha.backtest.instruments import instruments_of
from alpha.backtest.result import Result
from alpha.backtest.seat import Seat
from alpha.backtest.tape import Tape
from alpha.backtest.venue import Terms
from alpha.candles.files import Candles, number_text, read_candles
from plugins.shortseller import plugin
from tests.backtest.oracle import GRID, Candle, Oracle, Rules

STEP = 300_000
START = 1_743_699_900_000
PRICES = {"BTCUSDT": 84_000.0, "ETHUSDT": 1_800.0, "SOLUSDT": 120.0}


class Draws:
    """A linear congruential generator: the same numbers everywhere."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, most: int) -> int:
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % most


def walk(symbol: str, count: int, seed: int, drift: int = 0) -> Candles:
    """Candles of a market that moves by up to a third of a percent a bar, with gaps at opens."""
    made = Candles(symbol, STEP, Path(f"{symbol}-5m.csv"))
    made.starts = array("q", range(START, START + count * STEP, STEP))
    tick = GRID[symbol][0]
    draws, price = Draws(seed), int(Decimal(PRICES[symbol]) / tick)
    for _ in range(count):
        most = max(price // 300, 2)
        opened = price + draws.below(most // 3 + 1) - most // 6
        close = opened + draws.below(2 * most + 1) - most - drift * most // 100
        high = max(opened, close) + draws.below(most)
        low = min(opened, close) - draws.below(most)
        row = [float(one * tick) for one in (opened, high, low, close)]
        for column, number in zip(made.numbers(), (*row, 1.0), strict=True):
            column.append(number)
        price = close
    return made


def rows_of(candles: Candles) -> list[Candle]:
    texts = [map(number_text, column) for column in candles.numbers()[:4]]
    return list(zip(candles.starts, *texts, strict=True))


def backtest(
    market: Mapping[str, Candles], settings: Mapping[str, object], slippage_bps: str = "0"
) -> Result:
    made = plugin.maker(settings, bot="shortseller")
    seat = Seat("shortseller", "shortseller_001", made, plugin="shortseller")
    engine = Engine(
        [seat],
        Tape(market, STEP),
        instruments_of({}, market.values()),
        Terms(slippage_bps=Decimal(slippage_bps)),
    )
    return engine.run()


def assert_equal(
    market: Mapping[str, Candles],
    rules: Rules,
    settings: Mapping[str, object],
    fewest: int,
) -> set[str]:
    """The reasons of the exits."""
    oracle = Oracle({symbol: rows_of(one) for symbol, one in market.items()}, rules)
    expected = oracle.run()
    result = backtest(market, settings, str(rules.slippage_bps))
    found = [
        (
            one.symbol,
            one.qty,
            one.entry_ms,
            one.entry_price,
            one.exit_ms,
            one.exit_price,
            one.exit_reason,
            one.net_pnl,
        )
        for one in result.trades
    ]
    assert sorted(found) == sorted(expected)
    assert len(found) >= fewest
    assert result.final_balance == oracle.wallet
    return {one.exit_reason for one in result.trades}


NO_GATES: Mapping[str, object] = {"risk_gates": False}
CASES: Sequence[tuple[Rules, Mapping[str, object]]] = (
    (Rules(), {}),
    (Rules(risk_gates=False), NO_GATES),
    (Rules(risk_gates=False, trailing=False), {**NO_GATES, "trailing": False}),
    (
        Rules(risk_gates=False, window=3, slippage_bps=2),
        {**NO_GATES, "entry_window_bars": 3},
    ),
    (Rules(risk_gates=False, cooldown=3), {**NO_GATES, "cooldown_bars": 3}),
)
NAMES = ("default", "no gates", "no trailing", "slippage and a wider window", "short cooldown")


@pytest.mark.parametrize(("rules", "settings"), CASES, ids=NAMES)
def test_every_trade_is_the_oracles(rules: Rules, settings: Mapping[str, object]) -> None:
    market = {symbol: walk(symbol, 6000, seed) for seed, symbol in enumerate(GRID, start=11)}
    reasons = assert_equal(market, rules, settings, fewest=20)
    if rules == Rules(risk_gates=False):
        assert reasons >= {"ma_exit", "stop_loss", "take_profit", "trailing_stop"}


@pytest.mark.shared_data
@pytest.mark.parametrize(("rules", "settings"), CASES, ids=NAMES)
def test_every_trade_on_real_candles_is_the_oracles(
    rules: Rules, settings: Mapping[str, object], shared_data: Path
) -> None:
    market = {
        symbol: read_candles(shared_data / f"bybit-linear-{symbol}-5m.csv.gz") for symbol in GRID
    }
    assert_equal(market, rules, settings, fewest=90)
