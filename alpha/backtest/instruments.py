"""Instrument filters of a backtest: an `instruments.json` beside the candles, else the table of
well-known symbols, else as fine as the candles are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from alpha.candles.files import Candles
from alpha.candles.instruments import Rules
from alpha.core.instruments import Instrument

#: symbol: tick, quantity step, which is the smallest quantity too.
_KNOWN = {
    "BTCUSDT": ("0.1", "0.001"),
    "ETHUSDT": ("0.01", "0.01"),
    "SOLUSDT": ("0.01", "0.1"),
    "XRPUSDT": ("0.0001", "0.1"),
    "BNBUSDT": ("0.1", "0.01"),
}
#: No limit that an account of this world would meet.
_BIG = Decimal(10) ** 12
_MIN_NOTIONAL = Decimal(5)
_MAX_LEVERAGE = Decimal(100)


def instruments_of(rows: Rules, candles: Iterable[Candles]) -> dict[str, Instrument]:
    """The filters of every symbol that has candles; `rows` are those told beside them."""
    found: dict[str, Instrument] = {}
    for one in candles:
        values = rows.get(one.symbol, {})
        complete = "tick_size" in values and "qty_step" in values
        base = _plain(one.symbol, "1", "1") if complete else _default(one)
        found[one.symbol] = _changed(base, values)
    return found


def _plain(symbol: str, tick: str, step: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        base_coin=symbol.removesuffix("USDT"),
        tick=Decimal(tick),
        qty_step=Decimal(step),
        min_qty=Decimal(step),
        max_qty=_BIG,
        max_market_qty=_BIG,
        min_notional=_MIN_NOTIONAL,
        max_leverage=_MAX_LEVERAGE,
    )


def _default(candles: Candles) -> Instrument:
    known = _KNOWN.get(candles.symbol)
    if known is not None:
        return _plain(candles.symbol, *known)
    prices = (candles.opens, candles.highs, candles.lows, candles.closes)
    tick = _unit(max(_decimals(column) for column in prices))
    return _plain(candles.symbol, tick, _unit(_decimals(candles.volumes)))


def _decimals(numbers: Iterable[float]) -> int:
    """Digits after the point of the one that needs the most."""
    return max(_digits(repr(number)) for number in set(numbers))


def _digits(text: str) -> int:
    if "e" in text:
        exponent = Decimal(text).as_tuple().exponent
        return max(-exponent, 0) if isinstance(exponent, int) else 0
    fraction = text.partition(".")[2]
    return 0 if fraction == "0" else len(fraction)


def _unit(digits: int) -> str:
    return str(Decimal(1).scaleb(-digits))


def _changed(base: Instrument, values: Mapping[str, Decimal]) -> Instrument:
    """A new quantity step moves the smallest quantity too, unless that is told."""
    step = values.get("qty_step", base.qty_step)
    return replace(
        base,
        tick=values.get("tick_size", base.tick),
        qty_step=step,
        min_qty=values.get("min_qty", step if "qty_step" in values else base.min_qty),
        max_qty=values.get("max_qty", base.max_qty),
        max_market_qty=values.get("max_market_qty", values.get("max_qty", base.max_market_qty)),
        min_notional=values.get("min_notional", base.min_notional),
        max_leverage=values.get("max_leverage", base.max_leverage),
        taker_fee=values.get("taker_fee", base.taker_fee),
    )
