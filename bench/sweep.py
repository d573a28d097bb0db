"""What a second process gains a sweep, against what it gains an empty loop in the same run.

`python -m bench.sweep --json [--bars N] [--points N] [--rounds N]` prints one JSON object:
`{"loop": {"one_s", "two_s", "gain"}, "sweep": {...}, "ratio"}`. The loop is counted to its end by
one process, then in halves by two; the sweep (EMA cross, `--points` points, a random walk of
`--bars` bars, in and out of sample) runs with one worker, then with two. Times are wall times from
the call to the last result, start of processes and reading of candles included; `gain` is
one_s / two_s, `ratio` the sweep's gain over the loop's. The four are taken in turn, the best of
`--rounds` counts, so that other load on the machine falls on all alike.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import structlog

from alpha import resources
from alpha.backtest.grid import parse_axes
from alpha.backtest.processes import Processes
from alpha.backtest.setup import Request
from alpha.backtest.sweep import Job, sweep
from alpha.config import load
from bench.backtest import walk_file

#: Counted by the loop: about as long as the sweep takes at its defaults.
LOOP = 750_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--bars", type=int, default=100_000, help="of the random walk")
    parser.add_argument("--points", type=int, default=20, help="of the grid")
    parser.add_argument("--loop", type=int, default=LOOP, help="what the empty loop counts to")
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many counts")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    best: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = walk_file(Path(folder), options.bars)
        runs: dict[str, Callable[[int], None]] = {
            "loop": lambda jobs: _count(options.loop, jobs),
            "sweep": lambda jobs: _sweep(data, options.points, jobs),
        }
        for _ in range(options.rounds):
            for jobs in (1, 2):
                for name, run in runs.items():
                    began = perf_counter()
                    run(jobs)
                    took = perf_counter() - began
                    best[name, jobs] = min(took, best.get((name, jobs), took))
    gains = {name: best[name, 1] / best[name, 2] for name in runs}
    found: dict[str, object] = {
        name: {
            "one_s": round(best[name, 1], 2),
            "two_s": round(best[name, 2], 2),
            "gain": round(gain, 3),
        }
        for name, gain in gains.items()
    }
    found["ratio"] = round(gains["sweep"] / gains["loop"], 3)
    if options.json:
        print(json.dumps(found))
    else:
        for name, figures in found.items():
            print(name, figures)
    return 0


def _count(steps: int, jobs: int) -> None:
    context = get_context("spawn")
    running = [context.Process(target=_loop, args=(steps // jobs,)) for _ in range(jobs)]
    for process in running:
        process.start()
    for process in running:
        process.join()


def _loop(steps: int) -> None:
    for _ in range(steps):
        pass


def _sweep(data: Path, points: int, jobs: int) -> None:
    own = Path(__file__).parent / "plugins"
    request = Request(bots=("ema_cross",), data=data)
    job = Job(load(None, {}, {}), (resources.plugins_folder(), own), {}, request)
    values = ",".join(str(20 + number) for number in range(points))
    found = sweep(job, parse_axes([f"ema_cross.slow={values}"]), Processes(jobs), split=0.7)
    if len(found.ranked) != points:
        raise SystemExit(f"expected {points} points, found {len(found.ranked)}")


if __name__ == "__main__":
    raise SystemExit(main())
