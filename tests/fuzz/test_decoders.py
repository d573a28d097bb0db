"""Spoilt input ends in a refusal, never in anything else. `python -m bench.fuzz` runs more."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251  seeded by hypothesis
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.bybit.fields import without_secrets
from tests.fuzz.exchange import exchange_subjects
from tests.fuzz.mutation import mutated
from tests.fuzz.subjects import CLIENT, SECRET, Subject

#: One number decides a whole input: drawing each of its parts would take longer than reading it.
SEEDS = st.integers(0, 2**64 - 1)


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    """Reads are not repeated, and what is logged about thousands of faults is not written."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with stamina.set_testing(True, attempts=1):
        yield
    structlog.reset_defaults()


def survives(subject: Subject, runner: asyncio.Runner, inputs: int) -> None:
    @settings(max_examples=inputs, deadline=None)
    @given(SEEDS)
    def spoilt(seed: int) -> None:
        runner.run(subject.feed(mutated(subject.seeds, random.Random(seed))))

    spoilt()


@pytest.mark.parametrize("subject", CLIENT, ids=[subject.name for subject in CLIENT])
def test_what_the_client_reads(subject: Subject) -> None:
    with asyncio.Runner() as runner:
        for seed in subject.seeds:
            runner.run(subject.feed(seed))
        survives(subject, runner, 1500)


async def test_what_the_simulator_reads(tmp_path: Path) -> None:
    async with exchange_subjects(tmp_path) as subjects:
        for subject in subjects:
            for seed in subject.seeds:
                await subject.feed(seed)
            for number in range(500):
                rng = random.Random(f"{number} {subject.name}")
                await subject.feed(mutated(subject.seeds, rng))


@pytest.mark.parametrize(
    "text",
    [
        f'{{"success":false,"request":{{"args":["demo-key",1,"{SECRET}"],"op":"auth"}}}}',
        f'{{"args":["demo-key",1,"{SECRET}',
        f"error sign! origin_string[1demo-key5000{SECRET}",
        f'{{"sign":"{SECRET}"',
        f"anything {SECRET} else",
    ],
)
def test_a_log_shows_no_key_or_signature(text: str) -> None:
    shown = without_secrets(text)
    assert SECRET not in shown and "demo-key" not in shown
