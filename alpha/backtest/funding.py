"""Funding rates of a backtest: those that lie beside the candles. Without a file of them it pays
no funding."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from alpha.backtest.engine import FundingRate
from alpha.candles.funding import funding_files, read_rates


def read_funding(folder: Path, symbols: Collection[str]) -> list[FundingRate]:
    """The rates of `symbols`, in the order of time per symbol."""
    return [
        FundingRate(symbol, at_ms, rate)
        for path, symbol in funding_files(folder).items()
        if symbol in symbols
        for at_ms, rate in read_rates(path).items()
    ]
