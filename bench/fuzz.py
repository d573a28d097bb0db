"""Spoilt input for everything that reads what comes from outside: counts per decoder.

    python -m bench.fuzz --inputs 200000 --seed 1 [--json]

The inputs are shared out evenly. `read` were taken as valid, `refused` as their callers expect;
`escaped` is what raised anything else, and makes the exit code 1. Memory is that of the process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random  # noqa: TID251  seeded
import sys
import tempfile
import time
from pathlib import Path
from typing import TypedDict

import stamina
import structlog

from tests.fuzz.exchange import exchange_subjects
from tests.fuzz.mutation import mutated
from tests.fuzz.subjects import CLIENT, Subject

SHOWN = 5


class Counts(TypedDict):
    decoder: str
    inputs: int
    read: int
    refused: int
    escaped: int
    per_second: int


async def fuzzed(subject: Subject, inputs: int, seed: int) -> Counts:
    rng = random.Random(f"{seed} {subject.name}")
    read = escaped = 0
    begun = time.perf_counter()
    for _ in range(inputs):
        raw = mutated(subject.seeds, rng)
        try:
            read += await subject.feed(raw)
        except Exception as error:
            escaped += 1
            if escaped <= SHOWN:
                problem = f"{type(error).__name__}: {error}"
                print(f"{subject.name}: {problem[:300]} from {raw[:400]!r}", file=sys.stderr)
    return {
        "decoder": subject.name,
        "inputs": inputs,
        "read": read,
        "refused": inputs - read - escaped,
        "escaped": escaped,
        "per_second": round(inputs / (time.perf_counter() - begun)),
    }


async def run(inputs: int, seed: int) -> list[Counts]:
    with tempfile.TemporaryDirectory() as folder:
        async with exchange_subjects(Path(folder)) as exchange:
            subjects = (*CLIENT, *exchange)
            each = -(-inputs // len(subjects))
            return [await fuzzed(subject, each, seed) for subject in subjects]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.fuzz")
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with stamina.set_testing(True, attempts=1):
        found = asyncio.run(run(asked.inputs, asked.seed))
    if asked.json:
        print(json.dumps({"seed": asked.seed, "decoders": found}))
    else:
        print(f"{'decoder':28}{'inputs':>9}{'read':>9}{'refused':>9}{'escaped':>9}{'a second':>10}")
        for row in found:
            print(
                f"{row['decoder']:28}{row['inputs']:9}{row['read']:9}{row['refused']:9}"
                f"{row['escaped']:9}{row['per_second']:10}"
            )
        print(f"{'all':28}{sum(r['inputs'] for r in found):9}")
    sys.exit(1 if any(row["escaped"] for row in found) else 0)


if __name__ == "__main__":
    main()
