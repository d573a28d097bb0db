"""Candles that somebody else's library wrote as Parquet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars
import pytest

from alpha.candles.files import CandleError, Candles
from alpha.candles.foreign import read_foreign

FIRST, STEP = 1_743_724_800_000, 300_000
COUNT = 40
PRICES = {
    "open": [100.0 + n for n in range(COUNT)],
    "high": [101.5 + n for n in range(COUNT)],
    "low": [99.25 + n for n in range(COUNT)],
    "close": [101.0 + n for n in range(COUNT)],
    "volume": [0.125 * n for n in range(COUNT)],
}
LEFT = ("start_ms", "open", "high", "low")
STARTS = [FIRST + n * STEP for n in range(COUNT)]


def read(frame: polars.DataFrame, folder: Path, *, repair: bool = False) -> Candles:
    path = folder / "ABCUSDT.parquet"
    frame.write_parquet(path)
    return read_foreign(path, "ABCUSDT", None, repair=repair)


def stamped(unit: str) -> dict[str, list[object]]:
    if unit == "ms":
        return {"start_ms": list(STARTS)}
    if unit == "s":
        return {"timestamp": [at // 1000 for at in STARTS]}
    zone = UTC if unit == "aware" else None
    moments = [datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=zone) for at in STARTS]
    return {"open_time": list(moments)}


@pytest.mark.parametrize("unit", ["ms", "s", "naive", "aware"])
def test_stamps_of_every_kind_give_the_same_candles(unit: str, tmp_path: Path) -> None:
    found = read(polars.DataFrame({**stamped(unit), **PRICES}), tmp_path)
    assert found.interval_ms == STEP and list(found.starts) == STARTS
    assert [list(column) for column in found.numbers()] == list(PRICES.values())


def test_other_orders_names_and_types_are_known(tmp_path: Path) -> None:
    frame = polars.DataFrame({**stamped("ms"), **PRICES}).reverse()
    frame = frame.with_columns(polars.col("close").cast(polars.Decimal(20, 4)))
    frame = frame.rename({"volume": "Vol", "close": "C"}).select(sorted(["Vol", "C", *LEFT]))
    found = read(frame, tmp_path)
    assert list(found.starts) == STARTS and list(found.closes) == PRICES["close"]


def test_a_cell_without_a_number_is_named_by_its_row(tmp_path: Path) -> None:
    frame = polars.DataFrame({**stamped("ms"), **PRICES})
    frame[6, "close"] = None
    with pytest.raises(CandleError, match=r"ABCUSDT.parquet:7: expected a number .* for close"):
        read(frame, tmp_path)
    assert len(read(frame, tmp_path, repair=True)) == COUNT - 1


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ABCUSDT.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(CandleError, match="expected a readable Parquet file"):
        read_foreign(path, "ABCUSDT", None, repair=False)
    with pytest.raises(CandleError, match="rename the column for volume"):
        read(polars.DataFrame({**stamped("ms"), **PRICES}).drop("volume"), tmp_path)
