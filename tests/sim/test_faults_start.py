"""Faults that a simulator starts with, and those that a test switches in its own process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from alpha.clock import SystemClock
from alpha.sim.faults import Fault
from alpha.sim.feeds import build_feed
from alpha.sim.server import AccountOption, SimOptions, simulated
from tests.conftest import ROOT
from tests.sim.wire import Json
from tests.until import until


def command(folder: Path, faults: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "alpha", "sim", "--state", str(folder / "sim")),
        *("--account", "demo-key:demo-secret", "--ready-file", str(folder / "ready.json")),
        *("--faults", str(faults)),
    ]


async def asked(http: aiohttp.ClientSession, url: str) -> tuple[int, Json]:
    async with http.get(url) as answer:
        return answer.status, await answer.json(content_type=None) if answer.status == 200 else {}


async def test_a_file_of_faults_is_in_force_from_the_start(tmp_path: Path) -> None:
    plan = {"seed": 3, "faults": [{"kind": "maintenance"}, {"kind": "slow", "seconds": 2}]}
    (tmp_path / "faults.json").write_text(json.dumps(plan))
    words = command(tmp_path, tmp_path / "faults.json")
    process = await asyncio.create_subprocess_exec(*words, cwd=ROOT)
    try:
        ready = tmp_path / "ready.json"
        await until(ready.exists, "a simulator", within_s=30)
        rest = json.loads(ready.read_text())["rest"]
        async with aiohttp.ClientSession() as http:
            assert (await asked(http, f"{rest}/v5/market/time"))[0] == 503
            assert (await asked(http, f"{rest}/sim/state"))[0] == 200  # no fault concerns it
            _, body = await asked(http, f"{rest}/sim/faults")
            shown = [(f["id"], f["kind"], f["hits"]) for f in body["faults"]]
            assert shown == [(1, "maintenance", 1), (2, "slow", 0)]
    finally:
        process.terminate()
        code = await asyncio.wait_for(process.wait(), 20)
    assert code == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "No such file or directory"),
        ("{", "Input data was truncated"),
        ('{"faults": [{"kind": "slow"}]}', "slow: expected seconds above 0, was 0.0"),
        ('{"faults": [], "sed": 1}', "unknown field `sed`"),
    ],
)
def test_a_wrong_file_is_refused_before_the_start(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    file = tmp_path / "faults.json"
    if text is not None:
        file.write_text(text)
    done = subprocess.run(
        command(tmp_path, file),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "COLUMNS": "400"},
    )
    assert done.returncode == 2
    assert sentence in done.stderr and "--faults" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ready.json").exists()


async def test_switched_in_python(tmp_path: Path) -> None:
    options = SimOptions(
        state=tmp_path / "sim",
        accounts=(AccountOption("demo-key", "demo-secret", Decimal(1000)),),
        ready_file=tmp_path / "ready.json",
    )
    feed = build_feed("synthetic", seed=1, data=None, start_ms=None)
    async with simulated(options, feed, SystemClock()) as simulator:
        stop = asyncio.Event()
        running = asyncio.create_task(simulator.run(stop))
        await until((tmp_path / "ready.json").exists, "a simulator", within_s=30)
        url = json.loads((tmp_path / "ready.json").read_text())["rest"] + "/v5/market/time"
        async with aiohttp.ClientSession() as http:
            faults = simulator.faults
            assert faults.add(
                Fault(kind="http_status", code=500), Fault(kind="http_status", code=502)
            ) == [1, 2]
            assert (await asked(http, url))[0] == 500
            faults.clear(1)
            assert (await asked(http, url))[0] == 502
            assert [(row["id"], row["hits"]) for row in faults.shown()] == [(2, 1)]
            with pytest.raises(KeyError):
                faults.clear(1)
            with pytest.raises(ValueError, match="http_status: expected code from 400 to 599"):
                faults.add(Fault(kind="http_status", code=1))
            faults.clear()
            assert faults.shown() == []
            assert (await asked(http, url))[0] == 200
        stop.set()
        await running
