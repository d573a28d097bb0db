"""Every fault of the exchange, alone, against a daemon that trades: how soon it is well again, and
whether its ledger is then the exchange's own book.

With `-s` each fault prints a line of JSON: `recovery_s`, from its end until the account is live and
the ledger has all that the exchange had executed by then; `trading_s`, from its end to the next
trade; `hits`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from alpha.clock import SystemClock
from alpha.config import load
from alpha.control.databases import database_pool
from alpha.control.socket import socket_path
from tests.acceptance.daemons import Installation, Json, installation
from tests.acceptance.test_processes import assert_ledger_is_the_truth
from tests.until import until

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 10.0
FOR_S = 2.5
CREATE = "/v5/order/create"

CONFIG = """
mode = "paper"
data_dir = "{folder}/data"
plugins_dir = "{root}/tests/plugins"
[paper]
speed = 120
[bots.metronome]
enabled = true
bot_id = "metronome"
[bots.metronome.settings]
symbols = ["BTCUSDT", "ETHUSDT"]
"""

#: Each with what it is called in the table; `close_socket` strikes once, the others for a while.
FAULTS: dict[str, Json] = {
    "close_socket private": {"kind": "close_socket", "socket": "private"},
    "close_socket public": {"kind": "close_socket", "socket": "public"},
    "refuse_socket": {"kind": "refuse_socket"},
    "freeze_socket private": {"kind": "freeze_socket", "socket": "private"},
    "freeze_socket public": {"kind": "freeze_socket", "socket": "public"},
    "lose_frames": {"kind": "lose_frames", "socket": "private", "probability": 0.5},
    "lose_frames execution": {"kind": "lose_frames", "topic": "execution"},
    "lose_frames order": {"kind": "lose_frames", "topic": "order"},
    "lose_frames kline": {"kind": "lose_frames", "topic": "kline"},
    "delay_frames": {"kind": "delay_frames", "seconds": 1.0, "socket": "private"},
    "duplicate_frames": {"kind": "duplicate_frames"},
    "reorder_frames": {"kind": "reorder_frames", "socket": "private"},
    "lose_reply": {"kind": "lose_reply", "path": CREATE, "probability": 0.7},
    "lose_reply reads": {"kind": "lose_reply", "path": "/v5/execution"},
    "refuse": {"kind": "refuse"},
    "ret_code 10006": {"kind": "ret_code", "code": 10006, "path": CREATE},
    "ret_code 10016": {"kind": "ret_code", "code": 10016},
    "ret_code_after 10000": {"kind": "ret_code_after", "code": 10000, "path": CREATE},
    "ret_code_after 10016": {"kind": "ret_code_after", "code": 10016, "path": CREATE},
    "http_status 502": {"kind": "http_status", "code": 502},
    "slow": {"kind": "slow", "seconds": 1.5, "path": "/v5/order"},
    "history_lag": {"kind": "history_lag", "seconds": 5.0},
    "clock_skew": {"kind": "clock_skew", "ms": 20_000},
    "maintenance": {"kind": "maintenance"},
}
#: With these a sweep has to bring what the stream no longer does.
WITH_RECONNECT = {"history_lag", "lose_reply reads", "refuse_socket", "http_status 502", "refuse"}


class Patient:
    """A daemon under faults, seen from outside: its status, its ledger, the exchange's book."""

    def __init__(self, home: Installation, http: aiohttp.ClientSession, pool: asyncpg.Pool) -> None:
        self.home = home
        self.clock = SystemClock()
        self._http = http
        self._pool = pool
        ready = json.loads((home.folder / "data" / "sim" / "ready.json").read_text())
        self._url = f"{ready['rest']}/sim/faults"

    async def switch(self, *faults: Json) -> None:
        async with self._http.post(self._url, json={"seed": 1, "faults": list(faults)}) as answer:
            assert answer.status == 200, await answer.text()

    async def hits(self) -> int:
        async with self._http.get(self._url) as answer:
            found = await answer.json()
        return sum(fault["hits"] for fault in found["faults"])

    async def struck(self) -> bool:
        return await self.hits() > 0

    async def clear(self) -> None:
        await (await self._http.delete(self._url)).read()

    async def live(self) -> bool:
        path = socket_path(self.home.folder / "data")
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_unix_connection(path, limit=1 << 24)
                writer.write(b'{"verb": "status", "arguments": {}}\n')
                line = await reader.readline()
                writer.close()
        except (OSError, TimeoutError):
            return False
        accounts = json.loads(line)["data"]["accounts"]
        return bool(accounts) and all(row["status"] == "live" for row in accounts.values())

    async def behind(self, truth: set[str]) -> set[str]:
        """Which of the exchange's executions the ledger does not have."""
        rows = await self._pool.fetch("SELECT exec_id FROM trading.executions")
        return truth - {str(row["exec_id"]) for row in rows}

    def truth(self) -> set[str]:
        return {str(row["exec_id"]) for row in self.home.truth()}

    async def traded(self, before: int, within_s: float = 40.0) -> None:
        """Until the exchange has executed more than so many times."""
        await until(lambda: len(self.home.truth()) > before, "a trade", within_s=within_s)

    async def recovered_in(self) -> float | None:
        """Seconds until the account is live and the ledger holds what the exchange had executed
        at the fault's end; None if that takes too long."""
        begun = self.clock.monotonic()
        truth = self.truth()
        while (passed := self.clock.monotonic() - begun) < WITHIN_S:
            if await self.live() and not await self.behind(truth):
                return round(passed, 2)
            await self.clock.sleep(0.05)
        return None


@asynccontextmanager
async def patient_of(home: Installation) -> AsyncIterator[Patient]:
    config = load(home.config, {}, {})
    async with (
        aiohttp.ClientSession() as http,
        database_pool(config, SystemClock()) as pool,
    ):
        yield Patient(home, http, pool)


@pytest.mark.timeout(420)
async def test_every_fault_alone_is_over_within_ten_seconds(server_folder: Path) -> None:
    settings = CONFIG.format(folder=server_folder, root=ROOT)
    times: dict[str, float | None] = {}
    struck: dict[str, int] = {}
    with installation(server_folder, settings=settings) as home:
        daemon = home.start()
        await home.ready()
        await home.trades(4)
        async with patient_of(home) as patient:
            for name, fault in FAULTS.items():
                faults = [fault]
                if name in WITH_RECONNECT:
                    faults.append({"kind": "close_socket", "socket": "private", "after_s": 0.2})
                await patient.switch(*faults)
                await until(patient.struck, f"something for {name} to strike", within_s=20.0)
                await patient.clock.sleep(0.0 if fault["kind"] == "close_socket" else FOR_S)
                struck[name] = await patient.hits()
                await patient.clear()
                ended, before = patient.clock.monotonic(), len(home.truth())
                times[name] = await patient.recovered_in()
                await patient.traded(before)
                trading_s = round(patient.clock.monotonic() - ended, 2)
                tell(name, recovery_s=times[name], trading_s=trading_s, hits=struck[name])
        assert daemon.poll() is None, home.log[-2000:]
        assert home.stop(daemon) == 0
        assert [name for name, seconds in times.items() if seconds is None] == []
        await assert_the_ledger_is_the_book(home)


@pytest.mark.timeout(240)
async def test_sockets_frozen_for_ever_are_replaced(server_folder: Path) -> None:
    """Nobody ends the fault: only the daemon itself can notice the silence."""
    settings = CONFIG.format(folder=server_folder, root=ROOT)
    with installation(server_folder, settings=settings) as home:
        daemon = home.start()
        await home.ready()
        await home.trades(4)
        async with patient_of(home) as patient:
            for number, socket in enumerate(("private", "public"), 1):
                begun = patient.clock.monotonic()
                await patient.switch({"kind": "freeze_socket", "socket": socket})
                await patient.clock.sleep(1.0)  # what was on its way has arrived
                await patient.traded(len(home.truth()), within_s=90.0)
                trading_s = round(patient.clock.monotonic() - begun, 2)
                recovered = await patient.recovered_in()
                tell(f"freeze_socket {socket} for ever", recovery_s=recovered, trading_s=trading_s)
                assert recovered is not None
                assert await patient.hits() == number
        assert home.stop(daemon) == 0
        await assert_the_ledger_is_the_book(home)


#: Pairs in which one fault hides what the other has done.
PAIRS: dict[str, tuple[Json, ...]] = {
    "frames lost, history behind": (
        {"kind": "lose_frames", "topic": "execution", "for_s": 3.0},
        {"kind": "history_lag", "seconds": 8.0, "path": "/v5", "for_s": 8.0},
    ),
    "socket closed, reads fail": (
        {"kind": "close_socket", "socket": "private"},
        {"kind": "ret_code", "code": 10016, "path": "/v5/execution", "for_s": 5.0},
    ),
    "replies lost, frames lost": (
        {"kind": "lose_reply", "path": CREATE, "for_s": 4.0},
        {"kind": "lose_frames", "socket": "private", "for_s": 4.0},
    ),
    "replies lost, questions answered late": (
        {"kind": "lose_reply", "path": CREATE, "for_s": 3.0},
        {"kind": "history_lag", "seconds": 4.0, "path": "/v5", "for_s": 8.0},
        {"kind": "freeze_socket", "socket": "private", "for_s": 3.0},
    ),
}


@pytest.mark.timeout(300)
async def test_faults_that_hide_each_other_lose_nothing(server_folder: Path) -> None:
    settings = CONFIG.format(folder=server_folder, root=ROOT)
    slow: list[str] = []
    with installation(server_folder, settings=settings) as home:
        daemon = home.start()
        await home.ready()
        await home.trades(4)
        async with patient_of(home) as patient:
            for name, faults in PAIRS.items():
                await patient.switch(*faults)
                await patient.clock.sleep(max(float(str(f.get("for_s", 0))) for f in faults))
                recovered = await patient.recovered_in()
                tell(name, recovery_s=recovered, hits=await patient.hits())
                await patient.clear()
                slow += [name] if recovered is None else []
                await patient.traded(len(home.truth()))
        assert slow == []
        assert home.stop(daemon) == 0
        await assert_the_ledger_is_the_book(home)


def tell(fault: str, **figures: float | None) -> None:
    print(json.dumps({"fault": fault, **figures}), flush=True)


async def assert_the_ledger_is_the_book(home: Installation) -> None:
    verified = home.json("ledger", "verify")
    assert verified["ok"] and verified["problems"] == [], verified
    await assert_ledger_is_the_truth(home)
