"""Funding rates of a backtest: those that lie beside the candles. Without a file of them it pays
no funding."""

from __future__ import annotations

from collections.abc import Collection

from alpha.backtest.engine import FundingRate
from alpha.backtest.tape import Folder


def funding_of(folder: Folder, symbols: Collection[str]) -> list[FundingRate]:
    """The rates of `symbols`, in the order of time per symbol."""
    return [
        FundingRate(symbol, at_ms, rate)
        for symbol, rates in folder.rates(symbols)
        for at_ms, rate in rates.items()
    ]
