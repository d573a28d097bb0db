"""Real processes, random faults, and at the end a comparison with what truly happened.

`python bench/chaos.py --seed 1 --for 60s --json` runs an exchange, PostgreSQL, Redis and a daemon
with bots on accounts of their own and on shared ones, lets go wrong what the seed says, waits
until all is quiet, and compares the exchange's own store with ledger, orders, positions and Redis,
row by row. Exit code 0 only if something was traded, nothing is lost, doubled, invented, sent
twice or different, `alpha ledger verify` agrees, and no daemon ended unasked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__" and __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import structlog

from alpha.clock import Clock, SystemClock
from alpha.config import parse_span
from bench.chaos_compare import Finding, compare, counts, entries
from bench.chaos_inject import Injector
from bench.chaos_plan import NAMES, Fault, random_plan, single_plan
from bench.chaos_truth import Exchange, own_id, read_database, read_exchange, read_mirror
from bench.chaos_watch import Watch, recovery, stopped
from bench.chaos_world import LAYOUT, World

#: Faults stop this long before the end of a run, or a quarter of it before.
QUIET_S = 12.0
#: How long everything may take to come to rest.
SETTLE_WITHIN_S = 30.0
#: How long an entry that was decided before its bot was stopped may be on its way.
ON_THE_WAY_S = 3.0
#: A difference counts when it is there in so many looks in a row, a second apart: the market goes
#: on, and stops go on being hit.
LOOKS = 4
NEVER_CLEAN = ("lost", "doubled", "invented", "double_sends", "mismatches")


@dataclass(frozen=True, slots=True)
class Options:
    seed: int
    for_s: float
    speed: int
    names: tuple[str, ...]
    each_s: float  # > 0: every kind of fault alone, with so many seconds after it
    pair: bool
    keep: Path | None


def plan_of(options: Options) -> tuple[Fault, ...]:
    """The plan depends on the options alone."""
    if options.each_s:
        return single_plan(options.seed, options.each_s, LAYOUT.markets, options.names)
    until_s = options.for_s - min(QUIET_S, options.for_s / 4)
    return random_plan(options.seed, until_s, LAYOUT.markets, options.names)


async def run(options: Options, folder: Path, clock: Clock) -> dict[str, object]:
    """One run in `folder`; the document that `--json` prints."""
    plan = plan_of(options)
    world = World(
        folder, LAYOUT, seed=options.seed, speed=options.speed, pair=options.pair, clock=clock
    )
    document: dict[str, object] = {"seed": options.seed}
    try:
        await world.start()
        started = clock.monotonic()
        watch = Watch(world, clock, started)
        watching = asyncio.create_task(watch.run(), name="watch")
        try:
            if not await watch.until_well(30):
                raise TimeoutError(f"expected live accounts within 30 s; see {world.active.log}")
            injector = Injector(world, clock, plan)
            await injector.run()
            watch_from = injector.started - started
            await watch.until_well(SETTLE_WITHIN_S)
            await _stop_entries(world, clock)
            await clock.sleep(ON_THE_WAY_S)
            sent = entries(await asyncio.to_thread(read_exchange, world))
            settled_s, findings, exchange = await _at_rest(world, watch, clock)
            verified = await world.active.verify()
            late = entries(await asyncio.to_thread(read_exchange, world)) - sent
            findings += [Finding("mismatch", one, "no entry after the stop", one) for one in late]
        finally:
            await stopped(watching)
        looks = [type(look)(look.at_s - watch_from, look.away) for look in watch.looks]
        kinds = recovery(looks, injector.struck)
        refused = {one.fault.name: one.refused for one in injector.struck if one.refused}
        document |= {
            "fills": sum(row["exec_type"] != "Funding" for row in exchange.executions.values()),
            "orders": sum(own_id(str(row["link_id"])) is not None for row in exchange.orders),
            "faults": sum(not one.refused for one in injector.struck),
            **counts(findings),
            "recovery_s": {
                "worst": max((s for s in kinds.values() if s is not None), default=None),
                **kinds,
            },
            "settled_s": settled_s,
            "starts": sum(daemon.starts for daemon in world.daemons),
            "verify": {"ok": verified["ok"], "problems": verified["problems"]},
            "findings": [finding.shown() for finding in findings[:50]],
            "hits": dict(injector.hits),
            "not_done": refused,
        }
    finally:
        problems = await world.stop()
    return {**document, "problems": problems, "plan": [fault.shown() for fault in plan]}


async def _stop_entries(world: World, clock: Clock) -> None:
    """What an operator would do: `alpha stop`, for every bot; tried until it is heard."""
    for bot in world.layout.bots:
        for _ in range(20):
            if await world.active.ask("stop", 2.0, bot=bot.name) is not None:
                break
            await clock.sleep(0.5)


async def _at_rest(
    world: World, watch: Watch, clock: Clock
) -> tuple[float, list[Finding], Exchange]:
    """Compares until nothing differs; else what differed in the last looks, every time."""
    begun = clock.monotonic()
    seen: list[list[Finding]] = []
    while True:
        database = await read_database(world.direct_postgres_url)
        mirror = await read_mirror(world.direct_redis_url, world.layout)
        exchange = await asyncio.to_thread(read_exchange, world)
        findings = compare(exchange, database, mirror, world.layout)
        seen.append(findings)
        took = round(clock.monotonic() - begun, 2)
        if not findings and await watch.until_well(2.0):
            return took, [], exchange
        if took > SETTLE_WITHIN_S:
            lasting = set.intersection(*({f.where for f in one} for one in seen[-LOOKS:]))
            return took, [f for f in findings if f.where in lasting], exchange
        await clock.sleep(1.0)


def clean(document: dict[str, object]) -> bool:
    """A run that traded nothing proves nothing, and a daemon has no business to end."""
    verify = document.get("verify")
    verified = isinstance(verify, dict) and verify["ok"] is True
    different = any(document.get(name) for name in NEVER_CLEAN)
    return bool(document.get("fills")) and verified and not different and not document["problems"]


def _options() -> tuple[argparse.Namespace, list[int]]:
    parser = argparse.ArgumentParser(prog="bench/chaos.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", metavar="A-B", help="several runs, and a table of them")
    parser.add_argument("--for", dest="for_s", type=parse_span, default=60, metavar="60s")
    parser.add_argument("--speed", type=int, default=300, help="market seconds a second")
    parser.add_argument("--faults", metavar="A,B", help=f"only these of: {', '.join(NAMES)}")
    parser.add_argument(
        "--each", type=float, default=0.0, metavar="S",
        help="every kind of fault once, alone, with S seconds after it",
    )  # fmt: skip
    parser.add_argument(
        "--pair", action=argparse.BooleanOptionalAction, default=None,
        help="a standby beside the daemon; without it seeds that are even have one",
    )  # fmt: skip
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave logs and stores there")
    parser.add_argument("--json", action="store_true", help="one JSON object per run")
    parser.add_argument("--plan", action="store_true", help="print the plan and end")
    given = parser.parse_args()
    if given.seeds:
        first, _, last = given.seeds.partition("-")
        return given, list(range(int(first), int(last or first) + 1))
    return given, [given.seed]


def _chosen(words: str | None) -> tuple[str, ...]:
    names = NAMES if words is None else tuple(word.strip() for word in words.split(",") if word)
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise SystemExit(f"--faults: expected some of {', '.join(NAMES)}, found {unknown[0]!r}")
    return names


def main() -> int:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    given, seeds = _options()
    documents: list[dict[str, object]] = []
    for seed in seeds:
        options = Options(
            seed=seed,
            for_s=given.for_s,
            speed=given.speed,
            names=_chosen(given.faults),
            each_s=given.each,
            pair=seed % 2 == 0 if given.pair is None else given.pair,
            keep=given.keep,
        )
        if given.plan:
            print(json.dumps([fault.shown() for fault in plan_of(options)], indent=1))
            continue
        documents.append(_one(options))
        if given.json:
            print(json.dumps(documents[-1]), flush=True)
        else:
            print(row_of(documents[-1]), flush=True)
    return 0 if all(clean(document) for document in documents) else 1


def _one(options: Options) -> dict[str, object]:
    if options.keep is not None:
        folder = options.keep / f"seed-{options.seed}"
        folder.mkdir(parents=True)
        return asyncio.run(run(options, folder, SystemClock()))
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name:
        return asyncio.run(run(options, Path(name), SystemClock()))


COLUMNS: Sequence[str] = ("seed", "fills", "orders", "faults", *NEVER_CLEAN)


def row_of(document: dict[str, object]) -> str:
    """One row of a Markdown table."""
    times = document.get("recovery_s")
    worst = times.get("worst") if isinstance(times, dict) else None
    cells = [str(document.get(name, "")) for name in COLUMNS]
    return f"| {' | '.join([*cells, str(worst)])} |"


if __name__ == "__main__":
    sys.exit(main())
