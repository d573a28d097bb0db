"""Trading rules of the simulated exchange's instruments.

The filters are those Bybit publishes for its USDT perpetuals (Get Instruments Info); fees are
the non-VIP derivatives rates. Liquidity is thinner than the real one, so that orders of a few
hundred USDT already fill in parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from alpha.sim.feeds.base import InstrumentSpec

# symbol: tick, quantity step (also the smallest quantity), largest limit and market quantity,
# highest leverage, maintenance rate, price limit, spread in ticks, quantity per price level
_TABLE = """
BTCUSDT      0.1        0.001  1190       119       100  0.005  0.01  1  0.02
ETHUSDT      0.01       0.01   7240       724       100  0.005  0.01  1  0.5
SOLUSDT      0.01       0.1    79770      7977      100  0.005  0.02  1  12
XRPUSDT      0.0001     0.1    3636840    363684    75   0.01   0.03  1  150
BNBUSDT      0.1        0.01   5410       541       75   0.01   0.03  1  0.3
DOGEUSDT     0.00001    1      26092000   2609200   75   0.01   0.03  1  3000
ADAUSDT      0.0001     1      3200000    320000    75   0.01   0.03  1  1200
AVAXUSDT     0.001      0.1    60510      6051      50   0.01   0.05  2  25
LINKUSDT     0.001      0.1    103540     10354     50   0.01   0.05  2  25
SUIUSDT      0.0001     10     1250000    125000    50   0.01   0.05  2  200
ARBUSDT      0.0001     0.1    1800000    180000    50   0.015  0.05  1  3000
OPUSDT       0.0001     0.1    735200     73520     50   0.015  0.05  1  1500
NEARUSDT     0.001      0.1    189000     18900     50   0.015  0.05  1  400
WIFUSDT      0.0001     1      350000     35000     25   0.02   0.05  2  1500
1000PEPEUSDT 0.0000001  100    160000000  16000000  50   0.015  0.05  3  80000
"""

MIN_NOTIONAL = Decimal(5)
TAKER_FEE = Decimal("0.00055")
MAKER_FEE = Decimal("0.0002")
FUNDING_INTERVAL_MIN = 480
_FINEST_STEP = 8  # decimals


def base_coin(symbol: str) -> str:
    """`BTC` of `BTCUSDT`; a symbol without a known quote coin is its own base coin."""
    for quote in ("USDT", "USDC", "PERP", "USD"):
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote)
    return symbol


def _row(line: str) -> InstrumentSpec:
    symbol, *cells = line.split()
    tick, step, largest, market, leverage, maintenance, limit, spread, depth = cells
    return InstrumentSpec(
        symbol=symbol,
        base_coin=base_coin(symbol),
        tick_size=Decimal(tick),
        qty_step=Decimal(step),
        min_qty=Decimal(step),
        max_qty=Decimal(largest),
        max_market_qty=Decimal(market),
        min_notional=MIN_NOTIONAL,
        max_leverage=Decimal(leverage),
        taker_fee=TAKER_FEE,
        maker_fee=MAKER_FEE,
        maintenance_rate=Decimal(maintenance),
        price_limit_ratio=Decimal(limit),
        funding_interval_min=FUNDING_INTERVAL_MIN,
        spread_ticks=int(spread),
        depth_qty=Decimal(depth),
    )


INSTRUMENTS: Mapping[str, InstrumentSpec] = {
    spec.symbol: spec for spec in map(_row, _TABLE.strip().splitlines())
}


def derived(
    symbol: str, price_decimals: int, volume_decimals: int, mean_volume: Decimal
) -> InstrumentSpec:
    """Rules for a symbol nobody described: the grid is as fine as its candles are written.

    `mean_volume` is that of one candle; a price level offers a two-thousandth of it.
    """
    step = Decimal(1).scaleb(-min(volume_decimals, _FINEST_STEP))
    depth = max(step, (mean_volume / 2000 // step) * step)
    largest = max(step, (mean_volume * 4 // step) * step)
    return InstrumentSpec(
        symbol=symbol,
        base_coin=base_coin(symbol),
        tick_size=Decimal(1).scaleb(-price_decimals),
        qty_step=step,
        min_qty=step,
        max_qty=largest,
        max_market_qty=largest,
        min_notional=MIN_NOTIONAL,
        max_leverage=Decimal(25),
        taker_fee=TAKER_FEE,
        maker_fee=MAKER_FEE,
        maintenance_rate=Decimal("0.02"),
        price_limit_ratio=Decimal("0.05"),
        funding_interval_min=FUNDING_INTERVAL_MIN,
        spread_ticks=1,
        depth_qty=depth,
    )


def overridden(spec: InstrumentSpec, values: Mapping[str, Decimal]) -> InstrumentSpec:
    """`spec` with some fields replaced; a new quantity step moves the smallest quantity too."""
    step = values.get("qty_step", spec.qty_step)
    return replace(
        spec,
        tick_size=values.get("tick_size", spec.tick_size),
        qty_step=step,
        min_qty=values.get("min_qty", max(step, spec.min_qty)),
        max_qty=values.get("max_qty", spec.max_qty),
        max_market_qty=values.get("max_market_qty", spec.max_market_qty),
        min_notional=values.get("min_notional", spec.min_notional),
        max_leverage=values.get("max_leverage", spec.max_leverage),
        taker_fee=values.get("taker_fee", spec.taker_fee),
        maker_fee=values.get("maker_fee", spec.maker_fee),
        maintenance_rate=values.get("maintenance_rate", spec.maintenance_rate),
        price_limit_ratio=values.get("price_limit_ratio", spec.price_limit_ratio),
        funding_interval_min=int(values.get("funding_interval_min", spec.funding_interval_min)),
        spread_ticks=int(values.get("spread_ticks", spec.spread_ticks)),
        depth_qty=values.get("depth_qty", spec.depth_qty),
    )
