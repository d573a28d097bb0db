"""A Ray cluster of one machine, in processes of its own, and sweeps that run on it as a user
starts them (script/test --scale)."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from alpha.clock import SystemClock
from tests.backtest.test_command import data

__all__ = ["data"]  # a fixture

ROOT = Path(__file__).resolve().parents[2]
CLOCK = SystemClock()
TOKEN = secrets.token_hex(32)
START_S = 120.0
STOP_S = 20.0

if importlib.util.find_spec("ray") is None:
    collect_ignore = ["test_sweep.py"]


def pytest_report_header() -> str:
    found = importlib.util.find_spec("ray") is not None
    return "ray: installed" if found else "ray: tests skipped, no wheel for this Python or machine"


@dataclass(frozen=True)
class Cluster:
    """`address` is that of the head, `client` that of its client server."""

    address: str
    client: str
    log: Path


@dataclass(frozen=True)
class Ended:
    """A command that has ended, and how long it took."""

    code: int
    out: str
    said: str
    took_s: float


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def environment(**more: str) -> dict[str, str]:
    """Without what would lead Ray to another cluster, and with a token of our own: a head takes
    work from whoever reaches its port, and without one Ray would write a token into the home."""
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, **auth, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", **more}


@contextmanager
def started(folder: Path, environ: Mapping[str, str]) -> Iterator[Cluster]:
    """A head with two CPUs whose files are below `folder`; ended with all its processes."""
    head, client = free_ports(2)
    log = folder / "log"
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *("--port", str(head), "--ray-client-server-port", str(client), "--num-cpus", "2"),
        *("--include-dashboard", "false", "--disable-usage-stats", "--temp-dir", str(folder)),
        *("--object-store-memory", "100000000"),
    ]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=file, stderr=file, start_new_session=True
        )
    try:
        deadline = CLOCK.monotonic() + START_S
        while b"block forever" not in log.read_bytes():
            assert process.poll() is None and CLOCK.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Cluster(f"127.0.0.1:{head}", f"ray://127.0.0.1:{client}", log)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("ray")  # a short name: sockets lie below it
    with started(folder, environment()) as found:
        yield found


def launched(*options: str) -> subprocess.Popen[str]:
    """`alpha sweep` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "alpha", "sweep", *options],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def swept(*options: str) -> Ended:
    began = CLOCK.monotonic()
    process = launched(*options)
    try:
        out, said = process.communicate(timeout=150)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return Ended(process.returncode, out, said, CLOCK.monotonic() - began)
