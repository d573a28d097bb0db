"""Many symbols close one bar at the same instant: how long until LXAlgo has decided, and how long
the loop is away for others meanwhile.

A process of its own is the exchange (kline topics and REST, tests/market/venue.py); here run the
public stream, the market data, the rounds and the bot's host as in the daemon. Every symbol rises
so much that each one signals, which is the worst case. Prints one JSON object:
`decided_ms` from the first of the bars to the end of the decision, `away_ms` the longest time for
which a task that wants to run each millisecond had to wait beyond it, `busy_ms` the CPU time in
such a wait, which is what is left of it on a machine of one's own; each the median and the worst of
`--rounds`. Run: python -m bench.closes [--symbols 350] [--rounds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import statistics
import sys
from collections.abc import Sequence
from contextlib import suppress

import structlog
import uvloop

from alpha.bots.settings import build_settings
from alpha.clock import SystemClock, cpu_ns
from alpha.core.events import Bar
from plugins.lxalgo import LXAlgo, LXAlgoSettings
from tests.market.test_rounds import floor_of
from tests.market.venue import Venue, open_http, open_socket
from tests.until import until

BAR_MS = 300_000
TICK_S = 0.001
WARM = 310


def names(count: int) -> tuple[str, ...]:
    return tuple(f"S{place:03d}USDT" for place in range(count))


async def exchange(count: int) -> None:
    """Closes a bar of all symbols for each line that comes in."""
    venue = Venue(closed=WARM, interval_ms=BAR_MS)
    runner, server = await open_http(venue), await open_socket(venue)
    print(json.dumps([venue.rest_url, venue.ws_url]), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        await venue.close_bar(names(count))
    server.close()
    await runner.cleanup()


class Watch:
    """Times one close: `bar` sees every bar before the rounds do."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.began_ns: int | None = None
        self.ended_ns = 0
        self.away_ms = self.busy_ms = 0.0

    def ended(self) -> bool:
        return self.ended_ns > 0

    def bar(self) -> None:
        if self.began_ns is None:
            self.began_ns = self.clock.perf_ns()

    async def tick(self) -> None:
        while True:
            before, worked = self.clock.perf_ns(), cpu_ns()
            await self.clock.sleep(TICK_S)
            waited_ms = (self.clock.perf_ns() - before) / 1e6
            self.away_ms = max(self.away_ms, waited_ms - TICK_S * 1000)
            self.busy_ms = max(self.busy_ms, (cpu_ns() - worked) / 1e6)


async def measure(count: int, rounds: int) -> dict[str, object]:
    symbols = names(count)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.closes", "--exchange", "--symbols", str(count),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    venue = Venue(closed=WARM, interval_ms=BAR_MS)
    venue.rest_url, venue.ws_url = json.loads(await child.stdout.readline())
    settings = build_settings(
        LXAlgoSettings, {"symbols": list(symbols), "pump_threshold": 1}, bot="bench"
    )
    decided: list[float] = []
    away: list[float] = []
    busy: list[float] = []
    async with floor_of(venue) as floor:
        watch = Watch()
        session = floor.session("bench", LXAlgo(settings), symbols)
        await floor.rounds.join(session)
        hand_on = floor.rounds.on_bar

        def on_bar(bar: Bar, received_ns: int | None, stale: bool) -> None:
            watch.bar()
            before = session.handle.ordinal
            hand_on(bar, received_ns, stale)
            if session.handle.ordinal != before:
                watch.ended_ns = watch.clock.perf_ns()

        floor.market._on_bar = on_bar
        await until(lambda: not floor.market.gaps, "every symbol is fed")
        gc.collect()
        gc.freeze()  # as the daemon, once it is ready
        ticking = asyncio.create_task(watch.tick())
        for _ in range(rounds):
            await watch.clock.sleep(0.5)
            watch.began_ns, watch.ended_ns = None, 0
            watch.away_ms = watch.busy_ms = 0.0
            child.stdin.write(b"close\n")
            await until(watch.ended, "the close is decided")
            assert watch.began_ns is not None
            decided.append((watch.ended_ns - watch.began_ns) / 1e6)
            away.append(watch.away_ms)
            busy.append(watch.busy_ms)
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
        close_ns = session.handle.figures["on_close"].worst_ns
    child.stdin.close()
    await child.wait()
    return {
        "symbols": count,
        "decided_ms": _spread(decided),
        "away_ms": _spread(away),
        "busy_ms": _spread(busy),
        "on_close_cpu_ms": {"worst": round(close_ns / 1e6, 2)},
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 2), "worst": round(max(values), 2)}


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=350)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--exchange", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.exchange:
        asyncio.run(exchange(asked.symbols))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the daemon
            print(json.dumps(runner.run(measure(asked.symbols, asked.rounds))))


if __name__ == "__main__":
    main()
