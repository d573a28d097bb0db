"""The live table, and the plain lines where there is no terminal."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
from decimal import Decimal

import pytest
from rich.console import Console

from alpha.cli.live import LineFace, LiveView, picture
from alpha.clock import SystemClock
from alpha.control.desk import Status
from tests.control.desks import MemoryDesk


@pytest.fixture
async def status() -> Status:
    return await MemoryDesk().status()


def _rendered(status: Status) -> str:
    out = io.StringIO()
    Console(file=out, width=160, force_terminal=False).print(picture(status))
    return out.getvalue()


async def test_the_table_shows_what_an_operator_looks_for(status: Status) -> None:
    text = _rendered(status)
    for words in (
        "paper",
        "main live 10,012.50 USDT",
        "data 0 s old",
        "shortseller",
        "running",
        "BTCUSDT short 0.014 @ 50000.5",
        "+15.75",
        "-3.25",
        "05:15:00 Sell 0.014 BTCUSDT @ 50000.5 death_cross",
        "flat",
    ):
        assert words in text, words
    assert "postgres" not in text


async def test_the_table_says_when_something_is_away(status: Status) -> None:
    status["postgres"] = "away"
    status["accounts"]["main"]["degraded"] = ["entries blocked"]
    text = _rendered(status)
    assert "postgres away" in text and "entries blocked" in text


async def test_lines_tell_each_change_once(status: Status) -> None:
    out = io.StringIO()
    face = LineFace(out)
    face.paint(status)
    face.paint(status)
    first = out.getvalue()
    assert first.count("account main: live") == 1
    assert first.count("death_cross") == 1
    bot = status["bots"]["shortseller"]
    bot["fills"] += 1
    fill = bot["last_fill"]
    assert fill is not None
    fill["exec_price"] = Decimal("50001")
    face.paint(status)
    assert "fill 6" in out.getvalue() and "50001" in out.getvalue()
    assert out.getvalue().count("account main: live") == 1


async def _run_view(status: Status, stream: io.TextIOWrapper) -> None:
    view = LiveView(lambda: status, SystemClock(), stream=stream)
    task = asyncio.create_task(view.run())
    await asyncio.wait([task], timeout=0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_terminal_gets_the_table(status: Status) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal:
        await _run_view(status, terminal)
        shown = re.sub(
            r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(master, 65536).decode(errors="ignore")
        )
    os.close(master)
    assert "last fill" in shown and "shortseller" in shown


async def test_a_pipe_that_nobody_reads_never_blocks_the_loop(status: Status) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:  # fill the pipe
        try:
            os.write(writer, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writer, True)
    pipe = os.fdopen(writer, "w")
    started = asyncio.get_running_loop().time()
    await _run_view(status, pipe)
    assert asyncio.get_running_loop().time() - started < 3
    while b"shortseller" not in os.read(reader, 65536):
        pass
    pipe.close()
    os.close(reader)
