"""Candle files: read as written, refused or repaired line by line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.candles.files import (
    CandleError,
    Candles,
    file_name,
    interval_name,
    longest_ascent,
    name_parts,
    number_text,
    read_candles,
)
from alpha.candles.writing import repair, write_candles
from tests.candles.files import FIRST, HEADER, STEP, read_text, row, rows, write


def starts(candles: Candles) -> list[int]:
    return [(start - FIRST) // STEP for start in candles.starts]


def test_a_file_is_read_by_column_and_written_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, rows(*range(5)))
    candles = read_candles(path)
    assert (candles.symbol, candles.interval_ms, len(candles)) == ("ABCUSDT", STEP, 5)
    assert starts(candles) == [0, 1, 2, 3, 4] and candles.end_ms == FIRST + 5 * STEP
    assert [column[2] for column in candles.numbers()] == [10.0, 11.0, 9.5, 10.5, 2.25]
    copy = tmp_path / "ABCUSDT-5m.csv"
    write_candles(copy, candles)
    assert read_text(copy) == read_text(path)
    again = tmp_path / "again-ABCUSDT-5m.csv.gz"
    write_candles(again, candles)
    before = again.read_bytes()
    write_candles(again, candles)
    assert again.read_bytes() == before and read_text(again) == read_text(path)


def test_a_turnover_and_line_ends_of_elsewhere_are_read(tmp_path: Path) -> None:
    path = tmp_path / "ABCUSDT-5m.csv"
    path.write_bytes(
        ("\ufeff" + HEADER + ",turnover\r\n" + row(0) + ",7.5\r\n" + row(1) + ",8").encode()
    )
    candles = read_candles(path)
    assert candles.turnovers is not None and list(candles.turnovers) == [7.5, 8.0]
    assert list(candles.volumes) == [0.25, 1.25]


def faults(lines: Sequence[str], folder: Path) -> tuple[Candles, list[str]]:
    candles = read_candles(write(folder, list(lines), "ABCUSDT-5m.csv"), repair=True)
    return candles, [f"{fault.line}: {fault.what}" for fault in candles.faults]


def test_everything_wrong_is_named_with_its_line(tmp_path: Path) -> None:
    lines = [
        row(0),
        row(1),
        row(1, 10.0),  # line 4: twice
        f"{FIRST + 2 * STEP},10,9,9.5,9.7,1",  # line 5: high below low
        f"{FIRST + 3 * STEP + 60_000},10,11,9.5,9.7,1",  # line 6: of another interval
        row(4),
        row(3),  # line 8: late
        "1,2,3",
        row(5),
    ]
    candles, found = faults(lines, tmp_path)
    assert starts(candles) in ([0, 1, 4, 5], [0, 1, 3, 5])
    assert [text.split(":")[0] for text in found if "hole" not in text] == (
        ["4", "5", "6", "8", "9"] if 4 in starts(candles) else ["4", "5", "6", "7", "9"]
    )
    text = "\n".join(found)
    for words in (
        "4: start_ms 1743725100000 is a duplicate of line 3",
        "5: expected high >= low, was high 9.0, low 9.5",
        "6: expected start_ms on the grid of 300000 ms",
        "is out of order",
        "9: expected 6 columns",
        "after a hole of ",
    ):
        assert words in text
    assert all(fault.dropped != ("hole" in fault.what) for fault in candles.faults)


def test_one_stamp_far_ahead_does_not_cost_what_follows(tmp_path: Path) -> None:
    candles, found = faults([row(0), row(9000), *rows(*range(1, 6))], tmp_path)
    assert starts(candles) == [0, 1, 2, 3, 4, 5]
    assert found == [f"3: start_ms {FIRST + 9000 * STEP} is out of order"]


@pytest.mark.parametrize("repaired", [False, True])
@pytest.mark.parametrize(("named", "found", "line"), [("15m", "5m", 3), ("1m", "5m", 3)])
def test_candles_of_another_interval_are_no_matter_of_lines(
    named: str, found: str, line: int, *, repaired: bool, tmp_path: Path
) -> None:
    """Every third of 5 minutes would pass for 15, with prices of a third of their time."""
    path = write(tmp_path, rows(*range(9)), f"ABCUSDT-{named}.csv")
    with pytest.raises(CandleError, match=f"expected candles {named} apart, was {found}") as caught:
        read_candles(path, repair=repaired)
    assert str(caught.value).startswith(f"{path}:{line}: ")


@pytest.mark.parametrize("repaired", [False, True])
def test_a_file_that_goes_backwards_is_not_thrown_away(*, repaired: bool, tmp_path: Path) -> None:
    path = write(tmp_path, rows(*reversed(range(9))), "ABCUSDT-5m.csv")
    with pytest.raises(CandleError, match="backwards; turn it round with alpha data import") as one:
        read_candles(path, repair=repaired)
    assert str(one.value).startswith(f"{path}:3: ")


def test_a_file_with_many_holes_keeps_its_interval(tmp_path: Path) -> None:
    candles, found = faults(rows(0, 2, 4, 6, 7, 10, 12), tmp_path)
    assert len(candles) == 7 and len(found) == 5


def test_a_file_without_a_sound_line_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, ["x", "y"])
    with pytest.raises(CandleError, match="expected at least one candle"):
        read_candles(path, repair=True)


def test_a_repair_keeps_the_original_and_leaves_a_sound_file(tmp_path: Path) -> None:
    path = write(tmp_path, [row(0), "broken", row(1), row(2), row(2)])
    before = path.read_bytes()
    with pytest.raises(CandleError, match=rf"{path}:3: expected 6 columns.*alpha data check"):
        read_candles(path)
    kept = repair(read_candles(path, repair=True))
    assert kept.read_bytes() == before and kept.name == f"{path.name}.orig"
    assert starts(read_candles(path)) == [0, 1, 2]
    path.write_bytes(before)
    assert repair(read_candles(path, repair=True)).name == f"{path.name}.orig1"
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        path.name,
        f"{path.name}.orig",
        f"{path.name}.orig1",
    ]


@settings(max_examples=300)
@given(st.lists(st.integers(0, 12), max_size=9))
def test_as_few_lines_as_possible_are_dropped(values: list[int]) -> None:
    kept = [value for value, is_kept in zip(values, longest_ascent(values), strict=True) if is_kept]
    assert kept == sorted(set(kept))
    longest = max(
        len(part)
        for size in range(len(values) + 1)
        for part in itertools.combinations(values, size)
        if list(part) == sorted(set(part))
    )
    assert len(kept) == longest


@given(st.floats(0, 1e13))
def test_numbers_are_written_as_they_were_read(value: float) -> None:
    text = number_text(value)
    assert float(text) == value and "e" not in text


def test_names_tell_symbol_and_interval() -> None:
    for interval_ms, name in (
        (60_000, "1m"),
        (STEP, "5m"),
        (7_200_000, "2h"),
        (86_400_000, "1d"),
        (604_800_000, "1w"),
    ):
        assert interval_name(interval_ms) == name
        assert name_parts_of(file_name("1000PEPEUSDT", interval_ms)) == (
            "1000PEPEUSDT",
            interval_ms,
        )


def name_parts_of(name: str) -> tuple[str, int]:
    return name_parts(Path(name))
