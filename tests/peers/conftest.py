"""A simulator process for other people's clients, and accounts of which each test gets its own.

This runs in an environment without the package (script/test --peers): the simulator is started
with the Python of `.venv`, as a user starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
ACCOUNTS = 60
BALANCE = 100_000
SYMBOL = "BTCUSDT"
#: Slow enough that a price far from the market stays there, fast enough for closed candles.
SPEED = 60
DEADLINE_S = 20.0

T = TypeVar("T")


@dataclass(frozen=True)
class Addresses:
    """`http://host:port` and `ws://host:port`, in front of every path."""

    rest: str
    sockets: str


@dataclass(frozen=True)
class Account:
    key: str
    secret: str


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    folder = tmp_path_factory.mktemp("simulator")
    ready = folder / "ready.json"
    accounts = [f"--account=peer{n}:secret{n}:{BALANCE}" for n in range(ACCOUNTS)]
    with (folder / "stderr.log").open("wb") as errors:
        process = subprocess.Popen(
            [
                *(str(ROOT / ".venv/bin/python"), "-m", "alpha", "sim"),
                *("--state", str(folder / "state"), "--ready-file", str(ready)),
                *("--seed", "7", "--speed", str(SPEED), *accounts),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=errors,
        )
    try:
        until(lambda: ready.exists() or process.poll() is not None, "the simulator to be ready")
        assert process.poll() is None, (folder / "stderr.log").read_text()
        told = json.loads(ready.read_text())
        yield Addresses(told["rest"], told["private_ws"].removesuffix("/v5/private"))
        assert process.poll() is None, (folder / "stderr.log").read_text()
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


_numbers = count()


@pytest.fixture
def account() -> Account:
    """An account that no other test has used."""
    number = next(_numbers)
    assert number < ACCOUNTS, "expected fewer tests than accounts; raise ACCOUNTS"
    return Account(f"peer{number}", f"secret{number}")


def until(found: Callable[[], T | None], what: str) -> T:
    """The first true answer of `found`; fails after the deadline, naming `what` was awaited."""
    end = time.perf_counter() + DEADLINE_S
    while not (answer := found()):
        assert time.perf_counter() < end, f"expected {what} within {DEADLINE_S:g} s, saw nothing"
        time.sleep(0.1)  # two questions each time stay far below the limit of 50 a second
    return answer
