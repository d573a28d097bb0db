"""Funding rates beside the candles: `...-SYMBOL-funding.csv`, plain or gzipped, with the header
`time_ms,rate`. Without such a file a backtest pays no funding."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from pathlib import Path

from alpha.backtest.engine import FundingRate
from alpha.candles.files import CandleError

HEADER = "time_ms,rate"
_NAME = re.compile(r"(?:.*-)?([A-Z0-9]+)-funding\.csv(?:\.gz)?")


def read_funding(folder: Path, symbols: Collection[str]) -> list[FundingRate]:
    """The rates of `symbols`, in the order of time per symbol."""
    found: list[FundingRate] = []
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match is not None and match[1] in symbols and path.is_file():
            found += _read(path, match[1])
    return found


def _read(path: Path, symbol: str) -> list[FundingRate]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.name.endswith(".gz") else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise CandleError(f"{path}: expected a readable file of rates, was {error}") from error
    lines = text.splitlines()
    if not lines or lines[0].replace(" ", "").lower() != HEADER:
        raise CandleError(f"{path}:1: expected the header {HEADER}, was {lines[:1]!r}")
    found: list[FundingRate] = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split(",")
        try:
            at_ms, rate = int(cells[0]), Decimal(cells[1])
            fits = len(cells) == 2 and rate.is_finite() and abs(rate) < 1
        except (ValueError, InvalidOperation, IndexError):
            fits = False
        if not fits or (found and at_ms <= found[-1].at_ms):
            raise CandleError(
                f"{path}:{number}: expected a later time in ms and a rate, was {line[:80]!r}"
            )
        found.append(FundingRate(symbol, at_ms, rate))
    return found
