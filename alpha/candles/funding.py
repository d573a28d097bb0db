"""Funding rates beside candles: `...-SYMBOL-funding.csv`, plain or gzipped, with the header
`time_ms,rate`; times ascend, rates are fractions (0.0001 = 0.01 %)."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from alpha.candles.files import CandleError
from alpha.candles.writing import replace_file

HEADER = "time_ms,rate"
_NAME = re.compile(r"(?:.*-)?([A-Z0-9]+)-funding\.csv(?:\.gz)?")


def funding_files(folder: Path) -> dict[Path, str]:
    """The files of rates in a folder, by name, and their symbols."""
    matches = {path: _NAME.fullmatch(path.name) for path in sorted(folder.iterdir())}
    return {path: match[1] for path, match in matches.items() if match and path.is_file()}


def funding_name(symbol: str) -> str:
    return f"bybit-linear-{symbol}-funding.csv.gz"


def read_rates(path: Path) -> dict[int, Decimal]:
    """Rate by time in ms, ascending. Raises CandleError naming file and line."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.name.endswith(".gz") else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise CandleError(f"{path}: expected a readable file of rates, was {error}") from error
    lines = text.splitlines()
    if not lines or lines[0].replace(" ", "").lower() != HEADER:
        raise CandleError(f"{path}:1: expected the header {HEADER}, was {lines[:1]!r}")
    found: dict[int, Decimal] = {}
    newest = -1
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split(",")
        try:
            at_ms, rate = int(cells[0]), Decimal(cells[1])
            fits = len(cells) == 2 and rate.is_finite() and abs(rate) < 1
        except (ValueError, InvalidOperation, IndexError):
            fits = False
        if not fits or at_ms <= newest:
            raise CandleError(
                f"{path}:{number}: expected a later time in ms and a rate, was {line[:80]!r}"
            )
        found[at_ms] = rate
        newest = at_ms
    return found


def write_rates(path: Path, rates: Mapping[int, Decimal]) -> None:
    """Writes the file anew, whole or not at all."""
    lines = [f"{at_ms},{rate:f}" for at_ms, rate in sorted(rates.items())]
    text = "\n".join([HEADER, *lines]).encode() + b"\n"
    replace_file(path, gzip.compress(text, mtime=0) if path.name.endswith(".gz") else text)
