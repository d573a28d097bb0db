"""A bot whose hook never returns, and the process that the user started."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from alpha.clock import SystemClock
from alpha.installation import holder_of
from tests.acceptance.daemons import OFTEN, PATIENCE_S, Installation, installation
from tests.acceptance.test_processes import assert_ledger_is_the_truth
from tests.until import until

HANGING = """
import ctypes

from alpha.bots import Plugin, PluginSettings, Subscription, hookimpl


class Settings(PluginSettings):
    how: str = "python"
    after: int = 60


class Hanging:
    def __init__(self, settings):
        self._settings, self._left = settings, settings.after

    @hookimpl
    def subscriptions(self):
        return [Subscription("XRPUSDT", interval_ms=60_000, warmup_bars=1)]

    @hookimpl
    def on_close(self, bars, snapshot):
        self._left -= 1
        if self._left > 0:
            return []
        if self._settings.how == "c":
            ctypes.PyDLL(None).pause()  # holds the interpreter
        while True:
            pass


plugin = Plugin(name="hanging", alpha_api="1", strategy=Hanging, settings=Settings)
"""

CONFIG = """
mode = "paper"
data_dir = "{folder}/data"
plugins_dir = "{folder}/plugins"
[paper]
speed = 1200
[bots.shortseller]
enabled = true
bot_id = "shortseller_001"
[bots.shortseller.settings]
{often}
[bots.hanging]
enabled = true
bot_id = "hanging_001"
account = "other"
[bots.hanging.settings]
how = "{how}"
"""


def with_hanging_bot(folder: Path, how: str) -> str:
    package = folder / "plugins" / "hanging"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(HANGING)
    return CONFIG.format(folder=folder, how=how, often=OFTEN)


def bot(home: Installation, name: str) -> dict[str, object]:
    bots = home.json("status")["bots"]
    assert isinstance(bots, dict)
    found = bots[name]
    assert isinstance(found, dict)
    return found


def pid_of(home: Installation) -> int:
    pid = holder_of(home.folder / "data")
    assert pid is not None
    return pid


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["python", "c"])
async def test_a_hook_that_never_returns_costs_its_bot_alone(server_folder: Path, how: str) -> None:
    with installation(server_folder, settings=with_hanging_bot(server_folder, how)) as home:
        process = home.start()
        await home.ready()
        await until(
            lambda: "daemon_stands_still" in home.log, "the guard to act", within_s=PATIENCE_S
        )
        await home.ready(2)
        assert process.poll() is None
        hung = bot(home, "hanging")
        assert hung["state"] == "failed"
        assert "hook on_close of bot hanging" in str(hung["state_reason"])
        told = home.alerts()
        assert "hook on_close of bot hanging" in str(told["daemon_stood_still"]["message"])
        assert told["bot_failed"]["bot_id"] == "hanging_001"
        assert "hook on_close of bot hanging" in home.ask("bots", "list").stdout
        assert bot(home, "shortseller")["state"] == "running"
        await home.trades(len(home.truth("Trade")) + 10)
        # It hangs again, perhaps while it is told what it has missed, before the answer is out.
        home.ask("bots", "start", "hanging")
        await until(
            lambda: home.log.count("daemon_stands_still") == 2,
            "it to hang again",
            within_s=PATIENCE_S,
        )
        await home.ready(3)
        assert bot(home, "hanging")["state"] == "failed"
        assert home.stop(process) == 0
        assert home.json("ledger", "verify")["ok"]
        await assert_ledger_is_the_truth(home)


async def test_the_started_process_and_the_daemon_live_and_die_as_one(server_folder: Path) -> None:
    with installation(server_folder) as home:
        process = home.start()
        await home.ready()
        daemon = pid_of(home)
        assert daemon != process.pid
        process.kill()
        process.wait()
        await until(lambda: not alive(daemon), "the daemon to end with its guard")

        process = home.start()
        await home.ready(2)
        os.kill(pid_of(home), signal.SIGKILL)
        assert process.wait(timeout=10) == -signal.SIGKILL

        process = home.start()
        await home.ready(3)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
        assert "SIGINT" in home.log


async def test_stopping_the_started_process_stops_the_daemon(server_folder: Path) -> None:
    with installation(server_folder) as home:
        process = home.start()
        await home.ready()
        daemon = pid_of(home)
        for _ in range(3):
            process.send_signal(signal.SIGSTOP)
            await until(lambda: state_of(daemon) == "T", "the daemon to stop", within_s=3)
            await SystemClock().sleep(0.2)
            process.send_signal(signal.SIGCONT)
            await until(lambda: state_of(daemon) in "SR", "the daemon to go on", within_s=3)
        await home.trades(len(home.truth("Trade")) + 5)
        assert home.stop(process) == 0


async def test_a_wrong_start_keeps_its_exit_code(server_folder: Path) -> None:
    with installation(server_folder) as home:
        first = home.start()
        await home.ready()
        second = home.start()
        assert second.wait(timeout=PATIENCE_S) == 1
        assert "expected to be the only daemon" in home.log
        assert home.stop(first) == 0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return state_of(pid) != "Z"


def state_of(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return ""
    return stat.rpartition(")")[2].split()[0]
