"""Commands while a daemon runs: its socket answers, the database is not needed."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpha.cli import main
from alpha.clock import SystemClock
from alpha.control.layer import Control
from alpha.control.socket import ControlServer, socket_path
from tests.control.desks import MemoryDesk


class Listening(threading.Thread):
    """A control socket with a loop of its own, as a daemon has in its own process."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(daemon=True)
        self.desk = MemoryDesk()
        self._path = socket_path(data_dir)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = ControlServer(Control(self.desk, SystemClock()), self._path)
        await server.start()
        self._ready.set()
        await self._ended.wait()
        await server.stop()

    def __enter__(self) -> Listening:
        self.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._ended.set)
        self.join(10)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    monkeypatch.chdir(tmp_path)
    # A database that is not there: asking it would fail.
    (tmp_path / "config.toml").write_text(
        "[postgres]\nurl = 'postgresql://127.0.0.1:1/none'\n[bots.shortseller]\n[bots.lxalgo]\n",
        encoding="utf-8",
    )
    with Listening(tmp_path / ".alpha") as listening:
        yield listening


def test_readers_are_answered_by_the_daemon(
    daemon: Listening, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["source"], document["pid"]) == ("daemon", 4711)
    assert document["accounts"]["main"]["equity"] == "10012.5"
    position = document["bots"]["shortseller"]["positions"][0]
    assert position["size"] == "0.014" and position["take_profit"] is None
    for verb in ("positions", "orders", "fills", "analytics"):
        assert main([verb, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["source"] == "daemon" and document["data_age_s"] == 0.5
        assert isinstance(document[verb], list)
    assert main(["positions", "--bot", "lxalgo"]) == 0
    text = capsys.readouterr().out
    assert "ADAUSDT" in text and "BTCUSDT" not in text and "no daemon" not in text


def test_bots_are_stopped_and_started(
    daemon: Listening, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bots", "stop", "shortseller"]) == 0
    assert "paused" in capsys.readouterr().out
    assert daemon.desk.states["shortseller"] == "paused"
    assert main(["bots", "start", "shortseller_001", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"bot": "shortseller", "state": "running"}
    assert [row.command for row in daemon.desk.records] == ["stop", "start"]


def test_a_fill_is_given_to_another_bot(
    daemon: Listening, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.desk.fill_rows = [{"exec_id": "e-1"}]
    assert main(["fills", "assign", "e-1", "lxalgo", "--account", "main", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["exec_id"], answer["account"], answer["bot_id"]) == ("e-1", "main", "lxalgo")
    assert [(row.command, row.decision) for row in daemon.desk.records] == [("assign", "allowed")]
    assert main(["fills", "assign", "e-2", "lxalgo"]) == 2
    assert "'e-2'" in capsys.readouterr().err
    assert main(["fills", "assign", "e-1"]) == 2


def test_the_daemons_no_keeps_its_exit_code(
    daemon: Listening, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bots", "stop", "nobody"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "found 'nobody'" in captured.err
