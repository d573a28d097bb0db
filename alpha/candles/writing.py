"""Writing candle files: whole or not at all."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

from alpha.candles.files import HEADER, TURNOVER, Candles, number_text


def replace_file(path: Path, content: bytes) -> None:
    """Puts `content` in the place of `path` in one step, durable: a reader sees the old file or
    the new one."""
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_candles(path: Path, candles: Candles) -> None:
    """Writes candles as a file of `path`'s name; the same candles give the same bytes."""
    header = HEADER if candles.turnovers is None else f"{HEADER},{TURNOVER}"
    cells = [map(str, candles.starts), *(map(number_text, one) for one in candles.numbers())]
    lines = map(",".join, zip(*cells, strict=True))
    text = "\n".join([header, *lines]).encode() + b"\n"
    replace_file(path, gzip.compress(text, mtime=0) if path.name.endswith(".gz") else text)


def repair(candles: Candles) -> Path:
    """Replaces the file that candles were read from, to be repaired, by what is sound of it. The
    original stays beside it; returns its name."""
    path = candles.path
    number = 0
    while (kept := path.with_name(f"{path.name}.orig{number or ''}")).exists():
        number += 1
    shutil.copy2(path, kept)
    write_candles(path, candles)
    return kept
