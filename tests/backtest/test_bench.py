"""The benchmark prints what it is asked for, through the plugin host."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alpha.candles.writing import write_candles
from tests.backtest.oracle import GRID
from tests.backtest.test_shortseller import walk
from tests.conftest import ROOT


def test_it_measures_every_bot_that_has_candles(tmp_path: Path) -> None:
    for seed, symbol in enumerate(GRID):
        write_candles(tmp_path / f"{symbol}-5m.csv", walk(symbol, 6000, seed))
    command = [sys.executable, "-m", "bench.backtest", "--json", "--runs", "1"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path), "--bars", "5000"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["ema_cross", "shortseller", "lxalgo", "momentum"]
    for name, figures in found.items():
        assert figures["bars_per_s"] > 1000, name
        assert 20 < figures["max_rss_mb"] < 300, name
        assert figures["bars"] == (5000 if name == "ema_cross" else 18_000)
    assert found["ema_cross"]["trades"] > 100
    assert found["shortseller"]["trades"] > 0


def test_the_sweep_is_measured_against_an_empty_loop() -> None:
    command = [sys.executable, "-m", "bench.sweep", "--json", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--bars", "2000", "--points", "3", "--loop", "1000"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["loop", "sweep", "ratio"]
    for name in ("loop", "sweep"):
        figures = found[name]
        assert figures["gain"] == pytest.approx(figures["one_s"] / figures["two_s"], rel=0.2)
    assert found["ratio"] == pytest.approx(found["sweep"]["gain"] / found["loop"]["gain"], abs=0.01)
