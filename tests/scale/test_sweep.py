"""`alpha sweep --ray`: the figures are those of processes on this machine, whatever happens to
workers; what is wrong is named within seconds."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.backtest.test_command import QUICK
from tests.scale.conftest import (
    CLOCK,
    Cluster,
    free_ports,
    launched,
    swept,
)

GRID = ("--grid", "shortseller.cooldown_bars=6,24", "--grid", "shortseller.symbols=SOLUSDT,XRPUSDT")
PLUGIN = """
import os, signal, time
from pathlib import Path
from alpha.bots import Plugin, PluginSettings, Subscription, hookimpl
class Settings(PluginSettings):
    act: str = ""
    number: int = 0
    pids: str = ""
class Odd:
    def __init__(self, settings): self.settings = settings
    @hookimpl
    def subscriptions(self): return [Subscription('SOLUSDT', 300000, 1)]
    @hookimpl
    def on_close(self, close_ms):
        act, pids = self.settings.act, Path(self.settings.pids)
        if act == "raise": return 1 / 0
        if act == "die": os.kill(os.getpid(), signal.SIGKILL)
        if act == "wait" or (act == "wait once" and not list(pids.iterdir())):
            (pids / str(os.getpid())).touch()
            time.sleep(600)
plugin = Plugin(name='odd', alpha_api='1', strategy=Odd, settings=Settings)
"""


@pytest.fixture
def odd(data: Path, tmp_path: Path) -> tuple[str, ...]:
    """Options for a plugin that does what `act` says; what it waits in is told in `pids`."""
    package = tmp_path / "plugins" / "odd"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PLUGIN)
    config = tmp_path / "odd.toml"
    config.write_text(f'plugins_dir = "{package.parent}"\n')
    (tmp_path / "pids").mkdir()
    bots = ("--bots", "odd", "--data", str(data), "--config", str(config), "--json", "-")
    return (*bots, "--set", f"odd.pids={tmp_path / 'pids'}")


def first_pid(folder: Path) -> int:
    deadline = CLOCK.monotonic() + 60
    while CLOCK.monotonic() < deadline:
        for path in folder.iterdir():
            return int(path.name)
        time.sleep(0.05)
    raise AssertionError("expected a worker that waits, found none")


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_ranking_is_that_of_processes_to_the_byte(cluster: Cluster, data: Path) -> None:
    (data / "instruments.json").write_text(json.dumps({"SOLUSDT": {"qty_step": "10"}}))
    rates = "".join(f"{1744156800000 + 28_800_000 * n},0.0001\n" for n in range(40))
    (data / "bybit-linear-SOLUSDT-funding.csv").write_text(f"time_ms,rate\n{rates}")
    quick = ("--bots", "shortseller", "--data", str(data), *QUICK, "--split", "0.9")
    pool = swept(*quick, *GRID, "--jobs", "2", "--json", "-")
    assert pool.code == 0, pool.said
    found = json.loads(pool.out)
    assert found["points"][0]["in_sample"]["trades"] > 0
    assert {str(data) in one["why"] for one in found["left_out"]} == {True}
    for options in ((cluster.address,), (cluster.address, "--jobs", "1")):
        ended = swept(*quick, *GRID, "--json", "-", "--ray", *options)
        assert (ended.code, ended.said) == (0, pool.said)
        assert ended.out == pool.out


def test_without_a_cluster_ray_makes_one(data: Path) -> None:
    quick = ("--bots", "shortseller", "--data", str(data), *QUICK, "--split", "0.9", "--json", "-")
    pool = swept(*quick, *GRID[:2])
    ended = swept(*quick, *GRID[:2], "--ray", "local")
    assert (ended.code, ended.said) == (0, pool.said)
    assert ended.out == pool.out


def test_a_point_whose_worker_is_killed_is_run_again(
    cluster: Cluster, odd: tuple[str, ...], tmp_path: Path
) -> None:
    grid = (*odd, "--grid", "odd.number=1,2,3", "--set", "odd.act=wait once")
    running = launched(*grid, "--ray", cluster.address)
    try:
        os.kill(first_pid(tmp_path / "pids"), signal.SIGKILL)
        out, said = running.communicate(timeout=60)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 0, said
    assert len(list((tmp_path / "pids").iterdir())) <= 2  # nobody waited a second time
    assert out == swept(*grid).out


def test_a_point_that_kills_its_workers_is_named(cluster: Cluster, odd: tuple[str, ...]) -> None:
    ended = swept(*odd, "--grid", "odd.act=fine,die", "--ray", cluster.address)
    assert ended.code == 1
    assert "alpha: odd.act=die: expected its figures, but its worker process died 3" in ended.said
    assert "Traceback" not in ended.said


def test_a_plugin_that_raises_shows_its_traceback_and_the_point(
    cluster: Cluster, odd: tuple[str, ...]
) -> None:
    ended = swept(*odd, "--grid", "odd.act=fine,raise", "--ray", cluster.address)
    assert ended.code == 1 and ended.out == ""
    assert "ZeroDivisionError" in ended.said and "return 1 / 0" in ended.said
    assert "alpha: odd.act=raise: " in ended.said and "SOLUSDT" in ended.said


def test_ctrl_c_ends_the_tasks(cluster: Cluster, odd: tuple[str, ...], tmp_path: Path) -> None:
    grid = ("--grid", "odd.number=1,2,3,4", "--set", "odd.act=wait")
    running = launched(*odd, *grid, "--ray", cluster.address)
    try:
        pid = first_pid(tmp_path / "pids")
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: all of the group
        _, said = running.communicate(timeout=30)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 1
    assert "stopped before it was done" in said and "Traceback" not in said
    deadline = CLOCK.monotonic() + 30
    while is_there(pid) and CLOCK.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_there(pid)
    # The cluster is free again.
    ended = swept(*odd, "--grid", "odd.number=1,2", "--ray", cluster.address)
    assert ended.code == 0, ended.said


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("127.0.0.1:{free}", 1, "expected a Ray cluster, found [Errno"),
        ("ray://127.0.0.1:{free}", 1, "expected a Ray cluster, found [Errno"),
        ("127.0.0.1:{other}", 1, "found something else there; unless told, Ray's ports are 6379"),
        ("nowhere", 2, "expected auto, local, HOST:PORT or ray://HOST:PORT"),
        ("127.0.0.1:99999", 1, "expected a Ray cluster, found"),
    ],
)
def test_a_wrong_address_is_named_within_seconds(
    odd: tuple[str, ...], address: str, code: int, words: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        address = address.format(free=free_ports(1)[0], other=server.getsockname()[1])
        ended = swept(*odd, "--grid", "odd.number=1,2", "--ray", address)
        server.shutdown(socket.SHUT_RDWR)
    assert ended.code == code
    assert f"--ray {address}: " in ended.said and words in ended.said
    assert ended.said.count("\n") == 1
    assert ended.took_s < 20


def greet(server: socket.socket) -> None:
    """A server of something else, such as a web server, to one client."""
    with suppress(OSError):
        line, _ = server.accept()
        with line:
            line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
