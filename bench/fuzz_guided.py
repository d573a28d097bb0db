"""One decoder under atheris, guided by coverage of `alpha`; `bench.fuzz --atheris` starts it.

    python -m bench.fuzz_guided DECODER INPUTS SEED FOLDER

Leaves `counts` in the folder, or, if an input hung or took all memory, that input as `culprit-*`.
The decoder's examples are the first inputs.
"""

from __future__ import annotations

import asyncio
import io
import os
import random  # noqa: TID251  seeded by libFuzzer
import sys
from contextlib import AsyncExitStack, redirect_stderr
from pathlib import Path

import atheris

# What is imported here is instrumented as it is loaded; nothing of it may be imported before.
with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["alpha"]):
    import msgspec

    from bench.fuzz import Tally, quick
    from tests.fuzz.exchange import exchange_subjects
    from tests.fuzz.mutation import mutated
    from tests.fuzz.subjects import CLIENT, Subject

LONGEST = 2**19  # the deepest documents of tests/fuzz/mutation.py fit
HANGS_S = 60


def changed(raw: bytes, longest: int, seed: int) -> bytes:
    """Half of the inputs know that they are JSON, the other half only what was reached."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        try:
            return mutated((raw,), rng)[:longest]
        except RecursionError:
            pass  # as deep as that it can only be changed as bytes
    found: bytes = atheris.Mutate(raw, longest)
    return found


async def opened(decoder: str, folder: Path, stack: AsyncExitStack) -> Subject:
    subjects: tuple[Subject, ...] = CLIENT
    if decoder not in [subject.name for subject in CLIENT]:
        subjects = await stack.enter_async_context(exchange_subjects(folder))
    return next(subject for subject in subjects if subject.name == decoder)


def fuzz(decoder: str, inputs: int, seed: int, folder: Path) -> None:
    """Does not return: libFuzzer has no end of its own that leaves time to clear up."""
    runner = asyncio.Runner()
    stack = AsyncExitStack()
    subject = runner.run(opened(decoder, folder, stack))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, example in enumerate(subject.seeds):
        (corpus / f"example-{number}").write_bytes(example)
    tally = Tally(subject)

    def take(raw: bytes) -> None:
        runner.run(tally.feed(raw))
        if tally.inputs == inputs:
            kept = sum(1 for one in corpus.iterdir() if not one.name.startswith("example-"))
            (folder / "counts").write_bytes(msgspec.json.encode(tally.counts(kept)))
            runner.run(stack.aclose())
            os._exit(0)

    options = [
        f"-seed={seed}",
        f"-max_len={LONGEST}",
        "-len_control=0",
        f"-timeout={HANGS_S}",
        f"-artifact_prefix={folder}/culprit-",
        "-mutate_depth=1",  # mutated() spoils several things already
        "-verbosity=0",
    ]
    atheris.Setup(["bench.fuzz_guided", *options, str(corpus)], take, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    with quick():
        fuzz(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
