"""A real server that speaks InfluxDB's line protocol: VictoriaMetrics on a free port."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.until import until

PROGRAM = shutil.which("victoria-metrics")


@dataclass(frozen=True)
class Victoria:
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answers(self) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/health") as got:
                return got.status == 200
        except aiohttp.ClientError:
            return False

    async def series(self, name: str) -> list[tuple[dict[str, str], dict[int, float]]]:
        """What is stored under a metric: labels, and values by Unix ms."""
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self.url}/internal/force_flush") as flushed:
                await flushed.read()
            query = {"match[]": f'{{__name__="{name}"}}'}
            async with session.get(f"{self.url}/api/v1/export", params=query) as got:
                text = await got.text()
        rows = [json.loads(line) for line in text.splitlines()]
        return [
            (row["metric"], dict(zip(row["timestamps"], row["values"], strict=True)))
            for row in rows
        ]


@asynccontextmanager
async def victoria(folder: Path) -> AsyncIterator[Victoria]:
    if PROGRAM is None:
        pytest.skip(
            "needs VictoriaMetrics, found no victoria-metrics; install it "
            "(apt-get install victoria-metrics)"
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start(folder, port)
    try:
        server = Victoria(port)
        await until(server.answers, "VictoriaMetrics", within_s=30)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=20)


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    with (folder / "victoria.log").open("wb") as said:
        return subprocess.Popen(
            [
                str(PROGRAM),
                f"-storageDataPath={folder / 'victoria'}",
                f"-httpListenAddr=127.0.0.1:{port}",
                "-retentionPeriod=100y",
            ],
            stdout=said,
            stderr=said,
        )
