"""`alpha data` as a user meets it: files, exit codes, a download from the simulated exchange."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alpha.candles.files import CandleError, read_candles
from alpha.candles.funding import read_rates
from alpha.candles.instruments import read_instruments
from alpha.cli import main
from alpha.clock import SystemClock, iso
from tests.candles.files import FIRST, HEADER, STEP, read_text, row, rows, write

DAY = 86_400_000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `alpha data ...` in a folder of its own; code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("ALPHA_", "BYBIT_")):
            monkeypatch.delenv(name)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["data", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


# -- check and list ---------------------------------------------------------------------------


def test_check_names_file_and_line_and_repairs_on_demand(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    good = write(folder, rows(0, 1, 2), "GOODUSDT-5m.csv")
    bad = write(folder, [row(0), row(0), row(1), "nonsense", row(2), row(5)])
    code, out, error = run("check")
    assert code == 1
    assert f"data/{good.name}: 3 candles, ok" in out
    assert f"data/{bad.name}: 4 candles, 2 bad lines, 1 hole;" in out
    assert f"data/{bad.name}:3: start_ms {FIRST} is a duplicate of line 2" in error
    assert f"data/{bad.name}:5: expected 6 columns" in error
    assert f"data/{bad.name}:7: expected start_ms {FIRST + 3 * STEP}" in error
    before = bad.read_bytes()
    code, out, error = run("check", "--repair")
    assert code == 1, "the hole is still there"
    assert (folder / f"{bad.name}.orig").read_bytes() == before
    assert read_text(bad) == [HEADER, *rows(0, 1, 2, 5), ""]
    code, out, _ = run("check", "--json", f"data/{good.name}")
    (found,) = json.loads(out)["files"]
    assert code == 0 and found["ok"] and found["candles"] == 3 and found["faults"] == []
    code, out, _ = run("check", "--json")
    (_, found) = json.loads(out)["files"]
    assert (code, [fault["line"] for fault in found["faults"]]) == (1, [5])


def test_a_whole_repair_ends_well(run: Run, tmp_path: Path) -> None:
    write(tmp_path, [row(0), row(1), row(1)], "ABCUSDT-5m.csv")
    assert run("check", "ABCUSDT-5m.csv")[0] == 1
    code, out, _ = run("check", "ABCUSDT-5m.csv", "--repair")
    assert (code, "the original is ABCUSDT-5m.csv.orig" in out) == (0, True)
    assert run("check", "ABCUSDT-5m.csv")[0] == 0


def test_list_tells_what_there_is(run: Run, tmp_path: Path) -> None:
    write(tmp_path, rows(0, 1, 3), "ABCUSDT-5m.csv")
    code, out, _ = run("list", "--data", ".")
    assert code == 0 and "ABCUSDT 5m: 3 candles" in out and "1 hole ->" in out
    code, out, _ = run("list", "--data", ".", "--json")
    (found,) = json.loads(out)["files"]
    assert code == 0
    assert (found["symbol"], found["interval"], found["candles"]) == ("ABCUSDT", "5m", 3)
    assert (found["from"], found["to"]) == (iso(FIRST), iso(FIRST + 4 * STEP))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chek"], "No such command 'chek'"),
        (["check"], "data: expected candles there, was nothing"),
        (["check", "ABCUSDT-5m.cvs"], "the nearest is ABCUSDT-5m.csv"),
        (["list", "--data", "empty"], "expected files like bybit-linear-BTCUSDT-5m.csv.gz"),
        (["download"], "Missing argument"),
        (["download", "BTCUSDT", "--interval", "7m"], "expected one of 1m, 3m, 5m"),
        (["download", "BTCUSDT", "--interval", "five"], "expected an interval like 1m"),
        (["download", "BTCUSDT", "--from", "soon"], "'--from': expected a UTC time like"),
        (["download", "BTCUSDT", "--to", "2025-13-01"], "'--to': expected a UTC time like"),
        (["download", "X", "--from", "2025-02-01", "--to", "2025-01-01"], "--from before --to"),
        (["import", "nothing.csv"], "expected a file, was nothing"),
        (["import", "candles.csv"], "give --symbol"),
    ],
)
def test_usage_is_2(run: Run, tmp_path: Path, arguments: list[str], words: str) -> None:
    write(tmp_path, rows(0, 1), "ABCUSDT-5m.csv")
    write(tmp_path, rows(0, 1), "candles.csv")
    (tmp_path / "empty").mkdir()
    code, out, error = run(*arguments)
    assert (code, out) == (2, "")
    assert words in " ".join(error.split()) and error.count("\n") == 1


# -- import -----------------------------------------------------------------------------------


def foreign(number: int) -> str:
    when = datetime.fromtimestamp((FIRST + number * STEP) / 1000, UTC)
    return f"{when:%Y-%m-%d %H:%M:%S};10;11;9.5;10.5;{number}.5"


def test_import_knows_the_names_and_stamps_of_others(run: Run, tmp_path: Path) -> None:
    expected = [HEADER, *(f"{FIRST + n * STEP},10.0,11.0,9.5,10.5,{n}.5" for n in range(4)), ""]
    forms = {
        "iso": ("Date;Open;High;Low;Close;Volume", [foreign(n) for n in (3, 2, 1, 0)]),
        "s": (
            "volume,close,low,high,open,timestamp,trades",
            [f"{n}.5,10.5,9.5,11,10,{(FIRST + n * STEP) // 1000},7" for n in range(4)],
        ),
        "us": (
            "open_time,open,high,low,close,volume,close_time,quote_volume",
            [f"{(FIRST + n * STEP) * 1000},10,11,9.5,10.5,{n}.5,1,2" for n in range(4)],
        ),
    }
    for name, (header, lines) in forms.items():
        write(tmp_path, lines, f"{name}.csv.gz", header)
        code, out, error = run("import", f"{name}.csv.gz", "--symbol", "abcusdt", "--data", name)
        assert (code, error) == (0, "") and "ABCUSDT 5m: 4 candles" in out
        assert read_text(tmp_path / name / "bybit-linear-ABCUSDT-5m.csv.gz") == expected
    write(tmp_path, forms["s"][1], "ABCUSDT_export.csv", "a,b,c,d,e,f,g")
    code, _, error = run("import", "ABCUSDT_export.csv")
    assert code == 1 and "rename the column for start_ms" in error


def test_import_refuses_what_is_not_whole_unless_told(run: Run, tmp_path: Path) -> None:
    write(tmp_path, [row(0), row(1), row(1), "x", row(3)], "ABCUSDT.csv")
    code, _, error = run("import", "ABCUSDT.csv")
    assert code == 1 and f"ABCUSDT.csv:4: start_ms {FIRST + STEP} is a duplicate of line 3" in error
    assert not (tmp_path / "data").exists()
    code, out, error = run("import", "ABCUSDT.csv", "--repair")
    assert code == 0 and "3 faults" in out and "ABCUSDT.csv:5: expected a time, was 'x'" in error
    assert len(read_candles(tmp_path / "data/bybit-linear-ABCUSDT-5m.csv.gz", repair=True)) == 3
    code, _, error = run("import", "ABCUSDT.csv", "--repair")
    assert code == 1 and "--replace writes over it" in error
    assert run("import", "ABCUSDT.csv", "--repair", "--replace")[0] == 0


def test_parquet_without_its_library_names_the_extra(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it: tests/peers/test_parquet.py."""
    monkeypatch.setitem(sys.modules, "polars", None)
    (tmp_path / "ABCUSDT.parquet").write_bytes(b"PAR1")
    code, _, error = run("import", "ABCUSDT.parquet")
    assert code == 1 and "install alpha[parquet]" in error


# -- download ---------------------------------------------------------------------------------


def wave(number: int, base: float) -> str:
    """A candle that no two places share."""
    low, high = base + 5 * math.sin(number / 40) - 2, base + 5 * math.sin(number / 40) + 2
    open_ = low + (number % 9) / 4
    close = low + (number % 7) / 4
    start = FIRST + number * STEP
    return f"{start},{open_:.1f},{high + 0.1:.1f},{low - 0.1:.1f},{close:.1f},{number % 50 + 1}.0"


@asynccontextmanager
async def exchange(folder: Path, *, days: int = 16) -> AsyncIterator[str]:
    """A simulated exchange in a process of its own that replays two symbols and has come nearly
    to its end; the address of its REST."""
    recorded = folder / "recorded"
    recorded.mkdir()
    count = days * 288
    for symbol, base in (("ABCUSDT", 100.0), ("XYZUSDT", 50.0)):
        write(recorded, [wave(n, base) for n in range(count)], f"bybit-linear-{symbol}-5m.csv.gz")
    ready = folder / "ready"
    start = datetime.fromtimestamp((FIRST + (days - 1) * DAY) / 1000, UTC).isoformat()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "alpha", "sim", "--state", str(folder / "state"), "--ready-file", str(ready)),
        *("--feed", "replay", "--data", str(recorded), "--start", start, "--speed", "20"),
        *("--key", "k", "--secret", "s"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        clock = SystemClock()
        deadline = clock.monotonic() + 60
        while not ready.exists():
            assert process.returncode is None and clock.monotonic() < deadline
            await clock.sleep(0.05)
        yield json.loads(ready.read_text())["rest"]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_download_brings_what_a_file_lacks(run: Run, tmp_path: Path) -> None:
    async with exchange(tmp_path) as address:

        async def load(*arguments: str) -> tuple[int, str, str]:
            given = ["download", "ABCUSDT", "--url", address, *arguments]
            return await asyncio.to_thread(run, *given)

        def day(number: int) -> str:
            return iso(FIRST + number * DAY)

        source = tmp_path / "recorded/bybit-linear-ABCUSDT-5m.csv.gz"
        path = tmp_path / "data" / source.name
        recorded = read_text(source)

        code, out, error = await load("--from", day(8), "--to", day(10), "--json")
        assert code == 0, error
        (told,) = json.loads(out)["files"]
        assert (told["candles"], told["added"], told["missing"]) == (576, 576, 0)
        assert read_text(path) == [HEADER, *recorded[1 + 8 * 288 : 1 + 10 * 288], ""]
        # More than a page before it, and what lies between comes as well.
        code, out, _ = await load("--from", day(2), "--to", day(4))
        assert code == 0 and "1728 added" in out
        assert read_text(path) == [HEADER, *recorded[1 + 2 * 288 : 1 + 10 * 288], ""]
        before = path.read_bytes()
        assert "added" not in (await load("--from", day(3), "--to", day(9)))[1]
        assert path.read_bytes() == before
        # Years before the first candle cost no pages, and a hole is filled.
        whole = read_text(path)
        write(path.parent, [*whole[1:500], *whole[503:-1]], path.name)
        code, out, _ = await load("--from", "2015-01-01", "--to", day(12))
        assert code == 0 and f"{2 * 288 + 3 + 2 * 288} added" in out
        assert read_text(path) == [HEADER, *recorded[1 : 1 + 12 * 288], ""]
        assert not list(path.parent.glob("*.part"))
        # Rules and funding beside it, as a replay and a backtest read them.
        rules = read_instruments(path.parent / "instruments.json")
        assert str(rules["ABCUSDT"]["tick_size"]) == "0.1"
        rates = read_rates(path.parent / "bybit-linear-ABCUSDT-funding.csv.gz")
        assert min(rates) >= FIRST and max(rates) <= FIRST + 12 * DAY
        assert len(rates) in (36, 37)
        code, out, error = await asyncio.to_thread(
            run, "download", "ABDUSDT,XYZUSDT", "--url", address
        )
        assert (code, out) == (2, "") and "the nearest are ABCUSDT" in error
        # A broken file is for its owner to repair.
        write(path.parent, [*whole[1:9], "x", *whole[9:-1]], path.name)
        code, _, error = await load("--from", day(2), "--to", day(4))
        assert code == 1 and f"{path.name}:10: " in error and "alpha data check --repair" in error


async def test_a_download_that_was_cut_short_goes_on(run: Run, tmp_path: Path) -> None:
    async with exchange(tmp_path) as address:
        folder = tmp_path / "data"
        folder.mkdir()
        source = tmp_path / "recorded/bybit-linear-ABCUSDT-5m.csv.gz"
        recorded = read_text(source)
        # What a killed run leaves: whole pages, and half a line.
        part = folder / f"{source.name}.part"
        half = recorded[1 + 600][:20]
        kept = [f"{line},1.0" for line in recorded[1 + 1100 : 1 + 2 * 288 * 4]]
        part.write_text("\n".join([*kept, half]))
        code, _, error = await asyncio.to_thread(
            run,
            *("download", "ABCUSDT", "--url", address, "--no-funding"),
            *("--from", iso(FIRST), "--to", iso(FIRST + 8 * DAY)),
        )
        assert code == 0, error
        assert read_text(folder / source.name) == [HEADER, *recorded[1 : 1 + 8 * 288], ""]
        assert not part.exists()


async def test_an_exchange_that_is_away_is_1_and_says_so(run: Run) -> None:
    code, _, error = await asyncio.to_thread(
        run, "download", "ABCUSDT", "--url", "http://127.0.0.1:9"
    )
    assert code == 1 and error.startswith("alpha: ") and error.count("\n") == 1


def test_no_server_is_started(tmp_path: Path) -> None:
    write(tmp_path, rows(0, 1), "ABCUSDT-5m.csv")
    done = subprocess.run(
        [sys.executable, "-m", "alpha", "data", "check", "ABCUSDT-5m.csv"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["ABCUSDT-5m.csv"]


def test_a_broken_archive_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "ABCUSDT-5m.csv.gz"
    path.write_bytes(gzip.compress(b"x" * 5000)[:20])
    code, _, error = run("check", path.name)
    assert code == 1 and f"{path.name}:1: expected a readable candle file" in error
    with pytest.raises(CandleError):
        read_candles(path)
