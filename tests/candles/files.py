"""Candle files for tests."""

from __future__ import annotations

import gzip
from pathlib import Path

HEADER = "start_ms,open,high,low,close,volume"
STEP = 300_000
FIRST = 1_743_724_800_000  # 2025-04-04T00:00:00Z
NAME = "bybit-linear-ABCUSDT-5m.csv.gz"


def row(number: int, close: float = 10.5) -> str:
    return f"{FIRST + number * STEP},10.0,11.0,9.5,{close},{number + 0.25}"


def rows(*numbers: int) -> list[str]:
    return [row(number) for number in numbers]


def write(folder: Path, lines: list[str], name: str = NAME, header: str = HEADER) -> Path:
    path = folder / name
    text = "\n".join([header, *lines]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def read_text(path: Path) -> list[str]:
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.name.endswith(".gz") else raw).decode().split("\n")
