"""Candle files as columns of whole units: exact sums for a market that is played."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from alpha.candles.files import CandleError, Candles, candle_files, read_candles
from alpha.sim.feeds.base import FeedError
from alpha.sim.feeds.columns import Columns


@dataclass(frozen=True, slots=True)
class CandleFile:
    """One file's candles; `columns` count in the finest decimals that the file uses."""

    path: Path
    symbol: str
    columns: Columns
    price_decimals: int
    volume_decimals: int
    sha256: str


def read_folder(data: Path) -> list[CandleFile]:
    """Every candle file of a folder, or the one that `data` is, by symbol. Raises `FeedError`
    for what is not whole, naming file and line."""
    if data.is_file():
        return [_read(data)]
    if not data.is_dir():
        raise FeedError(f"{data}: expected a folder of candle files, was nothing; check --data")
    paths = candle_files(data)
    if not paths:
        raise FeedError(
            f"{data}: expected files like bybit-linear-BTCUSDT-5m.csv.gz, was none; check --data"
        )
    files: dict[str, CandleFile] = {}
    for path in paths:
        file = _read(path)
        if file.symbol in files:
            other = files[file.symbol].path.name
            raise FeedError(f"{path}: expected one file for {file.symbol}, was {other} as well")
        files[file.symbol] = file
    return [files[symbol] for symbol in sorted(files)]


def _read(path: Path) -> CandleFile:
    try:
        candles = read_candles(path)
    except CandleError as error:
        raise FeedError(str(error)) from error
    prices = [candles.opens, candles.highs, candles.lows, candles.closes]
    price_decimals, volume_decimals = _decimals(prices), _decimals([candles.volumes])
    opens, highs, lows, closes = (_units(column, price_decimals) for column in prices)
    columns = Columns(
        candles.starts[0],
        candles.interval_ms,
        Decimal(1).scaleb(-price_decimals),
        Decimal(1).scaleb(-volume_decimals),
        opens,
        highs,
        lows,
        closes,
        _units(candles.volumes, volume_decimals),
    )
    return CandleFile(
        path, candles.symbol, columns, price_decimals, volume_decimals, _digest(candles)
    )


def _decimals(columns: Iterable[Sequence[float]]) -> int:
    """Digits after the point of the number that needs the most. Floats print as they were
    written."""
    return max(_digits(repr(number)) for column in columns for number in set(column))


def _digits(text: str) -> int:
    if "e" in text:
        exponent = Decimal(text).as_tuple().exponent
        return max(-exponent, 0) if isinstance(exponent, int) else 0
    fraction = text.partition(".")[2]
    return 0 if fraction == "0" else len(fraction)


def _units(numbers: array[float], decimals: int) -> list[int]:
    return [int(Decimal(repr(number)).scaleb(decimals)) for number in numbers]


def _digest(candles: Candles) -> str:
    digest = hashlib.sha256(candles.starts.tobytes())
    for column in candles.numbers():
        digest.update(column.tobytes())
    return digest.hexdigest()
