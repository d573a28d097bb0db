"""The daemon's unix socket, over a real one."""

from __future__ import annotations

import asyncio
import getpass
import json
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alpha.clock import SystemClock
from alpha.control.layer import Control
from alpha.control.socket import ControlServer, RemoteError, ask, socket_path
from alpha.errors import NotRunning
from tests.control.desks import MemoryDesk


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
async def server(tmp_path: Path, desk: MemoryDesk) -> AsyncIterator[ControlServer]:
    server = ControlServer(Control(desk, SystemClock()), socket_path(tmp_path))
    await server.start()
    yield server
    await server.stop()


async def test_a_verb_and_its_answer(
    server: ControlServer, tmp_path: Path, desk: MemoryDesk
) -> None:
    answer = await ask(tmp_path, "stop", {"bot": "shortseller"})
    assert answer.data == {"bot": "shortseller", "state": "paused"}
    assert "paused" in answer.text and desk.states["shortseller"] == "paused"
    assert [(row.channel, row.operator) for row in desk.records] == [("cli", getpass.getuser())]


async def test_errors_keep_their_words_and_exit_codes(
    server: ControlServer, tmp_path: Path
) -> None:
    with pytest.raises(RemoteError, match="found 'nobody'") as caught:
        await ask(tmp_path, "stop", {"bot": "nobody"})
    assert caught.value.exit_code == 2


async def test_an_answer_may_be_long(
    server: ControlServer, tmp_path: Path, desk: MemoryDesk
) -> None:
    desk.fill_rows = [{"exec_id": "x" * 50, "symbol": "BTCUSDT"} for _ in range(20_000)]
    answer = await ask(tmp_path, "fills", {"limit": "20000"})
    rows = answer.data["fills"]
    assert isinstance(rows, list) and len(rows) == 20_000


async def test_only_the_daemons_user_may_open_it(server: ControlServer) -> None:
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.path.parent.stat().st_mode) & 0o077 == 0


async def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="expected a running daemon") as caught:
        await ask(tmp_path, "status", {})
    assert caught.value.exit_code == 3


async def test_a_dead_daemons_socket_is_no_daemon_and_is_replaced(
    tmp_path: Path, desk: MemoryDesk
) -> None:
    path = socket_path(tmp_path)
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with pytest.raises(NotRunning):
        await ask(tmp_path, "status", {})
    server = ControlServer(Control(desk, SystemClock()), path)
    await server.start()
    assert (await ask(tmp_path, "bots", {})).data["source"] == "daemon"
    await server.stop()
    assert not path.exists()


async def test_a_deep_data_dir_still_has_a_socket(tmp_path: Path, desk: MemoryDesk) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    path = socket_path(deep)
    assert len(str(path)) <= 100 and path == socket_path(deep) != socket_path(tmp_path)
    server = ControlServer(Control(desk, SystemClock()), path)
    await server.start()
    assert (await ask(deep, "bots", {})).data["source"] == "daemon"
    await server.stop()
    path.parent.rmdir()


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"nonsense\n", b'{"verb": 1, "arguments": 2}\n'])
async def test_nonsense_gets_an_error_and_harms_nobody(
    server: ControlServer, tmp_path: Path, line: bytes
) -> None:
    reader, writer = await asyncio.open_unix_connection(server.path)
    writer.write(line)
    document = json.loads(await reader.readline())
    assert document["code"] == 1 and "expected" in document["error"]
    writer.close()
    await writer.wait_closed()
    assert (await ask(tmp_path, "bots", {})).data["source"] == "daemon"


async def test_a_silent_client_does_not_hold_the_stop(
    server: ControlServer, tmp_path: Path
) -> None:
    reader, writer = await asyncio.open_unix_connection(server.path)
    await ask(tmp_path, "bots", {})  # connections are taken in order: the silent one is in
    async with asyncio.timeout(5):
        await server.stop()
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
