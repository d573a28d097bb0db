"""Bars per second of backtests through the plugin host, on one core, each in a process of its own.

`python -m bench.backtest --json [--data DIR] [--only NAME,...] [--runs N] [--bars N]` prints one
JSON object: `{"ema_cross": {"bars_per_s", "max_rss_mb"}, ...}`. ShortSeller, LXAlgo and Momentum
need the 5-minute candles of BTC, ETH and SOL in DIR; what has none is left out. The EMA cross bot
(10/20, always in the market) runs over a random walk of 500,000 bars on one symbol. A run counts
from the first bar to the last, without reading the files: `load_s` tells that. Best of `--runs`, by
wall time; `cpu_bars_per_s` is by CPU time, for a machine that others use.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

import structlog

from alpha import resources
from alpha.backtest.setup import Request, prepare
from alpha.bots.discovery import Catalog
from alpha.candles.files import Candles
from alpha.candles.writing import write_candles
from alpha.config import load
from alpha.errors import AlphaError

BAR_MS = 300_000
BARS = 500_000
NAMES = ("ema_cross", "shortseller", "lxalgo", "momentum")
#: Settings of the runs: the strategies at full work, not stopped half-way by their own limits.
CHANGES = {"shortseller": (("shortseller", "risk_gates", "false"),)}
DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.backtest", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of candle files")
    parser.add_argument("--only", default=",".join(NAMES), help="names, with commas between")
    parser.add_argument("--runs", type=int, default=3, help="the best of so many counts")
    parser.add_argument("--bars", type=int, default=BARS, help="of the random walk")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(_measure(options.child, options.data, options.runs)))
        return 0
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only.split(","):
            data = walk_file(Path(folder), options.bars) if name == "ema_cross" else options.data
            figures = _in_child(name, data, options.runs)
            if figures is not None:
                found[name] = figures
    if options.json:
        print(json.dumps(found))
    else:
        for name, figures in found.items():
            print(name, ", ".join(f"{key} {value}" for key, value in figures.items()))
    return 0


def _in_child(name: str, data: Path, runs: int) -> dict[str, float] | None:
    command = [sys.executable, "-m", "bench.backtest", "--child", name]
    done = subprocess.run(
        [*command, "--data", str(data), "--runs", str(runs)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"{name}: left out, its run ended with {done.returncode}", file=sys.stderr)
        return None
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _measure(name: str, data: Path, runs: int) -> dict[str, float]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    own = Path(__file__).parent / "plugins"
    catalog = Catalog([resources.plugins_folder(), own], os.environ)
    config = load(None, {}, {})
    request = Request(bots=(name,), data=data, changes=CHANGES.get(name, ()))
    wall, cpu, load_s, bars, trades = float("inf"), float("inf"), float("inf"), 0, 0
    for _ in range(runs):
        began = perf_counter()
        try:
            prepared = prepare(config, catalog, request)
        except AlphaError as error:
            sys.exit(f"{name}: {error}")
        load_s = min(load_s, perf_counter() - began)
        began, began_cpu = perf_counter(), process_time()
        result = prepared.engine.run()
        wall, cpu = min(wall, perf_counter() - began), min(cpu, process_time() - began_cpu)
        bars, trades = result.bars, len(result.trades)
    return {
        "bars_per_s": round(bars / wall),
        "cpu_bars_per_s": round(bars / cpu),
        "us_per_bar": round(cpu / bars * 1e6, 2),
        "max_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "bars": bars,
        "trades": trades,
        "load_s": round(load_s, 2),
    }


def walk_file(folder: Path, bars: int) -> Path:
    """A random walk of one symbol, the same at every call; each bar opens at the close before."""
    candles = Candles("BTCUSDT", BAR_MS, folder / "walk-BTCUSDT-5m.csv")
    candles.starts = array("q", range(0, bars * BAR_MS, BAR_MS))
    state, price = 1, 600_000  # in ticks of 0.1
    for _ in range(bars):
        opened = price
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        price = max(100_000, opened + (state >> 33) % 2401 - 1200)
        high = max(opened, price) + (state >> 20) % 400
        low = min(opened, price) - (state >> 10) % 400
        row = (opened, high, low, price)
        for column, ticks in zip(candles.numbers(), row, strict=False):
            column.append(ticks / 10)
        candles.volumes.append(float(1 + (state >> 40) % 1000))
    write_candles(candles.path, candles)
    return folder


if __name__ == "__main__":
    raise SystemExit(main())
