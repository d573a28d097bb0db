"""LXAlgo and Momentum in the backtest, trade by trade against oracles."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.backtest.engine import Engine
from alpha.backtest.instruments import instruments_of
from alpha.backtest.result import Result
from alpha.backtest.seat import Seat
from alpha.backtest.tape import Tape
from alpha.backtest.venue import Terms
from alpha.bots.discovery import Catalog
from alpha.candles.files import Candles
from alpha.resources import plugins_folder
from tests.backtest.long_oracles import Candle, Desk, LXRules, Trade, lxalgo, momentum
from tests.backtest.test_shortseller import Draws

MINUTE = 60_000
HOUR = 60 * MINUTE
#: A Thursday, at the start of a 4-hour bar.
START = 1_743_638_400_000
COINS = ("ADAUSDT", "APTUSDT", "ATOMUSDT", "AVAXUSDT", "DOTUSDT", "LINKUSDT", "LTCUSDT", "SOLUSDT")
TICK, LOT = Decimal("0.001"), Decimal("0.1")


def lively(symbol: str, count: int, step: int, seed: int, size: int) -> Candles:
    """A market of calm and of bursts, in thousandths: a burst has a direction, and volume."""
    made = Candles(symbol, step, Path(f"{symbol}-5m.csv"))
    made.starts = array("q", range(START, START + count * step, step))
    draws, price = Draws(seed), 100_000
    burst, lean = 0, 0
    for _ in range(count):
        if not burst and draws.below(90) == 0:
            burst, lean = 4 + draws.below(14), draws.below(3) - 1
        most = max(price * size // 100_000 * (4 if burst else 1), 3)
        opened = max(price + draws.below(most // 4 + 1) - most // 8, 500)
        close = max(
            opened + draws.below(2 * most + 1) - most + (lean * most // 3 if burst else 0), 500
        )
        high = max(opened, close) + draws.below(most // 2 + 1)
        low = max(min(opened, close) - draws.below(most // 2 + 1), 400)
        volume = (1 + draws.below(100)) * (8 if burst else 1)
        prices = [one / 1000 for one in (opened, high, low, close)]
        for column, number in zip(made.numbers(), (*prices, float(volume)), strict=True):
            column.append(number)
        price, burst = close, max(burst - 1, 0)
    return made


def market_of(count: int, step: int, seed: int, size: int) -> dict[str, Candles]:
    return {
        symbol: lively(symbol, count, step, seed * 100 + number, size)
        for number, symbol in enumerate(COINS)
    }


def rows_of(candles: Candles) -> list[Candle]:
    return list(zip(candles.starts, *candles.numbers(), strict=True))


def backtest(
    bot: str, market: Mapping[str, Candles], settings: Mapping[str, object], slippage: int
) -> Result:
    plugin = Catalog([plugins_folder()], {}).get(bot)
    seat = Seat(bot, bot, plugin.maker(settings, bot=bot), plugin=bot)
    seat.choose(sorted(market))
    step = next(iter(market.values())).interval_ms
    filters = {
        symbol: replace(one, tick=TICK, qty_step=LOT, min_qty=LOT)
        for symbol, one in instruments_of({}, market.values()).items()
    }
    terms = Terms(slippage_bps=Decimal(slippage))
    return Engine([seat], Tape(market, step), filters, terms).run()


def assert_equal(result: Result, expected: list[Trade], desk: Desk, fewest: int) -> set[str]:
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
    assert result.final_balance == desk.wallet
    assert len(result.open_positions) == len(desk.held)
    return {one.exit_reason for one in result.trades}


@pytest.mark.parametrize(("seed", "slippage"), [(1, 0), (3, 4)])
def test_every_trade_of_momentum_is_the_oracles(seed: int, slippage: int) -> None:
    market = market_of(4000, HOUR, seed, 900)
    desk = Desk(TICK, LOT, HOUR, slippage)
    expected = momentum({symbol: rows_of(one) for symbol, one in market.items()}, desk)
    result = backtest("momentum", market, {"symbols": list(COINS)}, slippage)
    assert_equal(result, expected, desk, fewest=20)


LX_CASES: Sequence[tuple[int, LXRules, Mapping[str, object], int]] = (
    (4, LXRules(pump=4.0), {"pump_threshold": 4.0}, 0),
    (
        5,
        LXRules(
            pump=3.0,
            base=Decimal(600),
            most=3,
            stop=Decimal("0.03"),
            profit=Decimal("0.06"),
            arms=Decimal("0.04"),
            offset=Decimal("0.015"),
            breakeven=Decimal("0.02"),
        ),
        {
            "pump_threshold": 3.0,
            "base_size": 600,
            "max_active_trades": 3,
            "sl": "0.03",
            "tp": "0.06",
            "activation": "0.04",
            "offset": "0.015",
            "be_trigger": "0.02",
        },
        3,
    ),
    (
        6,
        LXRules(pump=3.0, base=Decimal(4000), stop=Decimal("0.04")),
        {"pump_threshold": 3.0, "base_size": 4000, "sl": "0.04"},
        0,
    ),
)


@pytest.mark.parametrize(("seed", "rules", "settings", "slippage"), LX_CASES)
def test_every_trade_of_lxalgo_is_the_oracles(
    seed: int, rules: LXRules, settings: Mapping[str, object], slippage: int
) -> None:
    market = market_of(5000, 5 * MINUTE, seed, 500)
    desk = Desk(TICK, LOT, 5 * MINUTE, slippage)
    rows = {symbol: rows_of(market[symbol]) for symbol in sorted(market)}
    expected = lxalgo(rows, desk, rules)
    result = backtest("lxalgo", market, settings, slippage)
    reasons = assert_equal(result, expected, desk, fewest=20)
    if rules.base == 600:
        assert reasons >= {"stop_loss", "take_profit", "trailing_stop", "time_exit"}
    if rules.base == 4000:
        assert "risk_limit" in reasons
