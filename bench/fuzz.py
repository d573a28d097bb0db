"""Spoilt input for everything that reads what comes from outside: counts per decoder.

    python -m bench.fuzz --inputs 200000 --seed 1 [--decoder NAME ...] [--atheris] [--json]

The inputs are shared out evenly. `read` were taken as valid, `refused` as their callers expect;
`escaped` is what raised anything else, and makes the exit code 1. Memory is that of the process.
With `--atheris` (script/bootstrap --fuzz; .venv-fuzz/bin/python) what an input reached in the code
decides what is made of it next, and `kept` counts the inputs that reached something new.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import random  # noqa: TID251  seeded
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import stamina
import structlog

from tests.fuzz.exchange import SIMULATED, exchange_subjects
from tests.fuzz.mutation import mutated
from tests.fuzz.subjects import CLIENT, Subject

SHOWN = 5
DECODERS = (*(subject.name for subject in CLIENT), *SIMULATED)


class Counts(msgspec.Struct, frozen=True):
    """What became of one decoder's inputs; `kept` is None where nothing guided them."""

    decoder: str
    inputs: int
    read: int
    refused: int
    escaped: int
    per_second: int
    kept: int | None = None


class Tally:
    """Feeds one subject and counts what becomes of its inputs; faults go to standard error."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._begun = time.perf_counter()
        self.inputs = self._read = self._escaped = 0

    async def feed(self, raw: bytes) -> None:
        self.inputs += 1
        try:
            self._read += await self._subject.feed(raw)
        except Exception as error:
            self._escaped += 1
            if self._escaped <= SHOWN:
                problem = f"{type(error).__name__}: {error}"
                print(
                    f"{self._subject.name}: {problem[:300]} from {raw[:400]!r}",
                    file=sys.stderr,
                    flush=True,
                )

    def counts(self, kept: int | None = None) -> Counts:
        return Counts(
            decoder=self._subject.name,
            inputs=self.inputs,
            read=self._read,
            refused=self.inputs - self._read - self._escaped,
            escaped=self._escaped,
            per_second=round(self.inputs / (time.perf_counter() - self._begun)),
            kept=kept,
        )


@contextmanager
def quick() -> Iterator[None]:
    """Reads are not repeated, and what is logged about thousands of faults is not written."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with stamina.set_testing(True, attempts=1):
        yield


async def blind(subject: Subject, inputs: int, seed: int) -> Counts:
    rng = random.Random(f"{seed} {subject.name}")
    tally = Tally(subject)
    for _ in range(inputs):
        await tally.feed(mutated(subject.seeds, rng))
    return tally.counts()


async def run(decoders: Sequence[str], each: int, seed: int) -> list[Counts]:
    with tempfile.TemporaryDirectory() as folder:
        async with exchange_subjects(Path(folder)) as exchange:
            subjects = (one for one in (*CLIENT, *exchange) if one.name in decoders)
            return [await blind(subject, each, seed) for subject in subjects]


def guided(decoder: str, inputs: int, seed: int) -> Counts | None:
    """A process per decoder: libFuzzer fuzzes one thing in its life and ends the process.

    None if it died of an input, which is shown.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked = [decoder, str(inputs), str(seed), name]
        ended = subprocess.run([sys.executable, "-m", "bench.fuzz_guided", *asked], check=False)
        counts = folder / "counts"
        if counts.exists():
            return msgspec.json.decode(counts.read_bytes(), type=Counts)
        problem = f"expected counts, the process ended with {ended.returncode}"
        culprits = [repr(one.read_bytes()[:400]) for one in folder.glob("culprit-*")]
        print(f"{decoder}: {problem}", *culprits, sep=" from ", file=sys.stderr)
        return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.fuzz")
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--decoder", action="append", choices=DECODERS)
    parser.add_argument("--atheris", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    decoders = [name for name in DECODERS if name in (asked.decoder or DECODERS)]
    each = -(-asked.inputs // len(decoders))
    if asked.atheris:
        if importlib.util.find_spec("atheris") is None:
            parser.error(
                "expected atheris, found none; run script/bootstrap --fuzz, then this with "
                ".venv-fuzz/bin/python (Linux on x86-64)"
            )
        ended = [guided(name, each, asked.seed) for name in decoders]
        found = [counts for counts in ended if counts is not None]
    else:
        with quick():
            found = asyncio.run(run(decoders, each, asked.seed))
    if asked.json:
        print(json.dumps({"seed": asked.seed, "decoders": msgspec.to_builtins(found)}))
    else:
        show(found)
    died = len(found) < len(decoders)
    sys.exit(1 if died or any(row.escaped for row in found) else 0)


def show(found: Sequence[Counts]) -> None:
    head = f"{'decoder':28}{'inputs':>9}{'read':>9}{'refused':>9}{'escaped':>9}{'a second':>10}"
    kept = any(row.kept is not None for row in found)
    print(head + (f"{'kept':>7}" if kept else ""))
    for row in found:
        print(
            f"{row.decoder:28}{row.inputs:9}{row.read:9}{row.refused:9}"
            f"{row.escaped:9}{row.per_second:10}" + ("" if row.kept is None else f"{row.kept:7}")
        )
    print(f"{'all':28}{sum(row.inputs for row in found):9}")


if __name__ == "__main__":
    main()
