"""Recorded candles: played as they are, refused with file and line when they are not whole."""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.candles.instruments import FIELDS
from alpha.errors import NeedsOperator
from alpha.sim.feeds import Candle, Feed, FeedError, InstrumentSpec, build_feed
from tests.sim.feeds_entry_rules import BAR_4H, BAR_5M, DAY, MINUTE, ema_crosses

HEADER = "start_ms,open,high,low,close,volume"
FIRST = 1_743_724_800_000  # 2025-04-04T00:00:00Z
ROWS = [
    f"{FIRST},100.0,101.5,99.5,101.0,12.5",
    f"{FIRST + BAR_5M},101.0,102.0,100.5,100.5,8",
    f"{FIRST + 2 * BAR_5M},100.5,100.5,98.25,98.5,30.125",
    f"{FIRST + 3 * BAR_5M},98.5,99.0,98.5,99.0,0",
]
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def write(folder: Path, rows: list[str], name: str = "bybit-linear-ABCUSDT-5m.csv") -> Path:
    path = folder / name
    text = "\n".join([HEADER, *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def replay(data: Path, start_ms: int | None = FIRST) -> Feed:
    return build_feed("replay", seed=1, data=data, start_ms=start_ms)


def test_candles_are_played_as_recorded(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    feed = replay(tmp_path, FIRST + BAR_5M)
    assert (feed.name, feed.base_ms) == ("replay", BAR_5M)
    assert (feed.open_ms, feed.end_ms) == (FIRST + BAR_5M, FIRST + 4 * BAR_5M)
    expected = Candle(
        FIRST, Decimal(100), Decimal("101.5"), Decimal("99.5"), Decimal(101), Decimal("12.5")
    )
    assert feed.candle("ABCUSDT", FIRST) == expected
    assert feed.candle("ABCUSDT", FIRST + 1) is None
    assert feed.candle("ABCUSDT", FIRST + 4 * BAR_5M) is None
    assert feed.candle("ABCUSDT", FIRST - BAR_5M) is None
    assert len(feed.candles("ABCUSDT", BAR_5M, 0, FIRST * 2)) == 4
    assert feed.candles("OTHER", BAR_5M, 0, FIRST * 2) == []
    (bar,) = feed.candles("ABCUSDT", 3 * BAR_5M, FIRST, FIRST + 4 * BAR_5M)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == tuple(
        map(Decimal, ("100", "102", "98.25", "98.5", "50.625"))
    )
    with pytest.raises(ValueError, match="expected an interval of n x 300000 ms, was 60000"):
        feed.candles("ABCUSDT", MINUTE, FIRST, FIRST + DAY)


def test_small_prices_in_scientific_notation_are_read(tmp_path: Path) -> None:
    write(tmp_path, [f"{FIRST},0.00001234,1.3e-05,1.2E-5,1.25e-05,1234.5670000000001"])
    feed = replay(tmp_path)
    candle = feed.candle("ABCUSDT", FIRST)
    assert candle is not None
    assert (candle.high, candle.low) == (Decimal("0.000013"), Decimal("0.000012"))
    assert candle.volume == Decimal("1234.567")  # the rest is noise of a float
    assert feed.instruments[0].tick_size == Decimal("0.00000001")


def test_rules_of_unknown_symbols_come_from_the_decimals(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    (spec,) = replay(tmp_path).instruments
    assert (spec.symbol, spec.base_coin) == ("ABCUSDT", "ABC")
    assert (spec.tick_size, spec.qty_step) == (Decimal("0.01"), Decimal("0.001"))
    assert spec.min_qty == spec.qty_step and spec.depth_qty >= spec.qty_step


def test_known_symbols_keep_their_rules_where_the_prices_fit(tmp_path: Path) -> None:
    write(tmp_path, [row.replace("98.25", "98.2") for row in ROWS], "BTCUSDT-5m.csv.gz")
    (spec,) = replay(tmp_path).instruments
    assert (spec.tick_size, spec.qty_step) == (Decimal("0.1"), Decimal("0.001"))
    write(tmp_path, ROWS, "BTCUSDT-5m.csv.gz")
    (spec,) = replay(tmp_path).instruments
    assert spec.tick_size == Decimal("0.01")


def test_instruments_json_decides(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    path = tmp_path / "instruments.json"
    path.write_text(json.dumps({"ABCUSDT": {"tick_size": "0.05", "qty_step": "0.5"}}))
    (spec,) = replay(tmp_path).instruments
    assert (spec.tick_size, spec.qty_step, spec.min_qty) == tuple(
        map(Decimal, ("0.05", "0.5", "0.5"))
    )
    path.write_text(json.dumps({"ABCUSDT": {"tick_size": "0.1"}}))
    with pytest.raises(FeedError, match=r"ABCUSDT-5m\.csv:4: expected prices in multiples of "):
        replay(tmp_path)
    for text, message in (
        ('{"ABCUSDT": {"tick": "0.1"}}', "expected one of tick_size.*was 'tick'"),
        ('{"ABCUSDT": {"tick_size": "x"}}', "expected a decimal number, was 'x'"),
        ('{"ABCUSDT": {"tick_size": "0"}}', "expected more than 0, was '0'"),
        ('{"ABCUSDT": {"spread_ticks": "1.5"}}', "expected a whole number above 0, was '1.5'"),
        ('{"ABDUSDT": {}}', r"expected symbols with candles \(ABCUSDT\), was ABDUSDT"),
        ('{\n"ABCUSDT": }', r"instruments\.json:2: expected JSON"),
        ("[]", "expected an object"),
    ):
        path.write_text(text)
        with pytest.raises(FeedError, match=message):
            replay(tmp_path)


def test_the_documentation_lists_every_field_that_can_be_set() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "simulator.md").read_text()
    listed = text.split("Fields: ")[1].split(".\n")[0]
    fields = [field.name for field in dataclasses.fields(InstrumentSpec)]
    assert re.findall(r"`(\w+)`", listed) == list(FIELDS)
    assert list(FIELDS) == [f for f in fields if f not in ("symbol", "base_coin")]


def test_ticks_touch_the_bar_and_are_always_the_same(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    feed = replay(tmp_path)
    for candle in feed.candles("ABCUSDT", BAR_5M, FIRST, FIRST + DAY):
        ticks = list(feed.ticks("ABCUSDT", candle))
        prices = [tick.price for tick in ticks]
        assert (prices[0], prices[-1]) == (candle.open, candle.close)
        assert (max(prices), min(prices)) == (candle.high, candle.low)
        assert all(price % Decimal("0.01") == 0 for price in prices)
        assert ticks[-1].offset_ms < BAR_5M
        assert all(tick.qty > 0 for tick in ticks)
        assert sum(tick.qty for tick in ticks) == (candle.volume or Decimal("0.01"))
        assert list(replay(tmp_path).ticks("ABCUSDT", candle)) == ticks


def test_symbols_trade_over_the_span_they_share(tmp_path: Path) -> None:
    write(tmp_path, ROWS[:3])
    write(tmp_path, ROWS[1:], "bybit-linear-XYZUSDT-5m.csv.gz")
    feed = replay(tmp_path, FIRST + BAR_5M)
    assert (feed.open_ms, feed.end_ms) == (FIRST + BAR_5M, FIRST + 3 * BAR_5M)
    assert len(feed.candles("ABCUSDT", BAR_5M, 0, feed.open_ms)) == 1
    with pytest.raises(FeedError, match="expected a start from 2025-04-04T00:05"):
        replay(tmp_path, FIRST)


def test_the_default_start_leaves_eleven_days_of_history(tmp_path: Path) -> None:
    rows = [f"{FIRST + n * BAR_5M},10,11,9,10,1" for n in range(11 * 288 + 5)]
    write(tmp_path, rows)
    assert replay(tmp_path, None).open_ms == FIRST + 11 * DAY
    write(tmp_path, rows[: 11 * 288])
    with pytest.raises(FeedError, match=r"expected more than 11 days of candles.*--start"):
        replay(tmp_path, None)


def test_the_fingerprint_tells_data_and_start(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    before = replay(tmp_path)
    assert replay(tmp_path).fingerprint == before.fingerprint
    assert replay(tmp_path, FIRST + BAR_5M).fingerprint != before.fingerprint
    write(tmp_path, [*ROWS[:3], ROWS[3].replace(",0", ",1")])
    assert replay(tmp_path).fingerprint != before.fingerprint


def at(line: int, text: str) -> list[str]:
    """The good rows with file line `line` replaced."""
    return [text if number == line else row for number, row in enumerate(ROWS, start=2)]


BAD_ROWS = {
    "word": (at(3, f"{FIRST + BAR_5M},101.0,abc,100.5,100.5,8"), 3, "for high .*, was 'abc'"),
    "nan": (at(3, f"{FIRST + BAR_5M},NaN,102,100.5,100.5,8"), 3, "for open .*, was 'NaN'"),
    "empty": (at(3, f"{FIRST + BAR_5M},101,102,100.5,100.5,"), 3, "for volume .*, was ''"),
    "negative": (at(3, f"{FIRST + BAR_5M},101,102,100.5,100.5,-8"), 3, "for volume .*, was '-8'"),
    "stamp": (at(2, "2025-04-04,101,102,100.5,100.5,8"), 2, "whole milliseconds, was '2025"),
    "few": (at(4, f"{FIRST + 2 * BAR_5M},100.5,100.5,98.25,98.5"), 4, "6 columns .*, was 5"),
    "many": (at(4, ROWS[2] + ",1"), 4, "6 columns .*, was 7"),
    "blank": (at(4, ""), 4, "6 columns .*, was 1"),
    "twice": ([*ROWS[:2], ROWS[1], *ROWS[2:]], 4, "a duplicate of line 3"),
    "back": ([ROWS[0], ROWS[2], ROWS[1]], 3, "out of order"),
    "again": ([*ROWS[:3], ROWS[0]], 5, "a duplicate of line 2"),
    "hole": ([ROWS[0], ROWS[3]], 3, "after a hole of 2 candles"),
    "grid": (at(2, f"{FIRST + 60_000},100,101,99,100,1"), 2, "on the grid of 300000 ms"),
    "range": (at(3, f"{FIRST + BAR_5M},101,100,100.5,100.5,8"), 3, "expected high >= low"),
    "open": (at(3, f"{FIRST + BAR_5M},103,102,100.5,101,8"), 3, "expected open between"),
    "close": (at(3, f"{FIRST + BAR_5M},101,102,100.5,99,8"), 3, "expected close between"),
    "huge": (at(3, f"{FIRST + BAR_5M},1e99,102,100.5,100.5,8"), 3, "for open .*, was '1e99'"),
    "zero": (at(3, f"{FIRST + BAR_5M},0,102,0,99,8"), 3, "expected a low above 0"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_bad_rows_are_refused_with_file_and_line(tmp_path: Path, name: str, suffix: str) -> None:
    rows, line, message = BAD_ROWS[name]
    path = write(tmp_path, rows, f"bybit-linear-ABCUSDT-5m.{suffix}")
    with pytest.raises(FeedError, match=message) as caught:
        replay(tmp_path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert isinstance(caught.value, NeedsOperator) and caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="give --data"):
        build_feed("replay", seed=1, data=None, start_ms=None)
    with pytest.raises(FeedError, match="expected a folder of candle files, was nothing"):
        replay(tmp_path / "nowhere")
    with pytest.raises(FeedError, match=r"expected files like .*, was none"):
        replay(tmp_path)
    odd = write(tmp_path, ROWS, "candles.csv")
    with pytest.raises(FeedError, match="expected a name like bybit-linear-BTCUSDT-5m"):
        replay(tmp_path)
    odd.unlink()
    path = write(tmp_path, [])
    with pytest.raises(FeedError, match=r"5m\.csv:2: expected at least one candle"):
        replay(tmp_path)
    path.write_text("time,o,h,l,c,v\n" + ROWS[0])
    with pytest.raises(FeedError, match=r"5m\.csv:1: expected the header start_ms,open"):
        replay(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(FeedError, match="expected at least one candle"):
        replay(tmp_path)
    write(tmp_path, ROWS)
    write(tmp_path, ROWS, "bybit-linear-ABCUSDT-5m.csv.gz")
    with pytest.raises(FeedError, match="expected one file for ABCUSDT"):
        replay(tmp_path)


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    rows = [f"{FIRST + n * BAR_5M},{10 + n % 7},18,9,{10 + n % 5},{n}" for n in range(3000)]
    path = write(tmp_path, rows, "ABCUSDT-5m.csv.gz")
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"plain text, no archive", whole[:9] + whole[30:]):
        path.write_bytes(broken)
        with pytest.raises(FeedError, match=r"5m\.csv\.gz:\d+: ") as caught:
            replay(tmp_path)
        assert "\n" not in str(caught.value)


def test_mixed_intervals_and_separate_times_are_refused(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    hourly = write(tmp_path, [f"{FIRST},10,11,9,10,1"], "XYZUSDT-1h.csv")
    with pytest.raises(FeedError, match="expected candles of one interval"):
        replay(tmp_path)
    hourly.unlink()
    write(tmp_path, [f"{FIRST + DAY},10,11,9,10,1"], "XYZUSDT-5m.csv")
    with pytest.raises(FeedError, match="expected candles of one span"):
        replay(tmp_path)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="no recorded candles in ../shared/data")
def test_the_recorded_quarter_is_replayed_whole() -> None:
    feed = replay(SHARED, None)
    assert [spec.symbol for spec in feed.instruments] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert [(str(spec.tick_size), str(spec.qty_step)) for spec in feed.instruments] == [
        ("0.1", "0.001"),
        ("0.01", "0.01"),
        ("0.01", "0.1"),
    ]
    assert feed.open_ms == 1_743_699_900_000 + 11 * DAY
    assert feed.end_ms == 1_743_699_900_000 + 25_920 * BAR_5M
    assert feed.candle("BTCUSDT", 1_743_700_200_000) == Candle(
        1_743_700_200_000,
        Decimal("81804.9"),
        Decimal("81898.3"),
        Decimal("81714.5"),
        Decimal("81800.3"),
        Decimal("128.285"),
    )
    bars = feed.candles("SOLUSDT", BAR_4H, 0, feed.end_ms)
    assert len(bars) == 539
    parts = feed.candles("SOLUSDT", BAR_5M, bars[7].start_ms, bars[8].start_ms)
    assert len(parts) == 48
    assert bars[7].volume == sum(part.volume for part in parts)
    for part in parts:
        ticks = feed.ticks("SOLUSDT", part)
        assert sum(tick.qty for tick in ticks) == part.volume
        assert {ticks[0].price, ticks[-1].price} == {part.open, part.close}
    history = feed.candles("BTCUSDT", BAR_5M, feed.open_ms - 3000 * BAR_5M, feed.open_ms)
    assert len(history) == 3000
    assert len(ema_crosses("BTCUSDT", feed.candles("BTCUSDT", BAR_5M, 0, feed.end_ms))) > 100
