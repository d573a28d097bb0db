"""PostgreSQL cut off, or its disk full, under a daemon that trades: exits go on, entries wait, the
status says so, and afterwards nothing is missing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from alpha import embedded
from alpha.clock import SystemClock
from alpha.control.socket import socket_path
from alpha.sim.proxy import FaultProxy
from tests.acceptance.daemons import ROOT, Installation, Json, comparable, installation
from tests.until import until

WALL = SystemClock()
BACK_WITHIN_S = 10.0
CUT_S = 12.0

#: A beat every `every` closes, two of which come in a second: it enters and leaves by turns.
CONFIG = """
mode = "paper"
data_dir = "{folder}/data"
plugins_dir = "{root}/tests/plugins"
[postgres]
url = "{postgres}"
[redis]
url = "{redis}"
[paper]
speed = 120
[bots.metronome]
enabled = true
bot_id = "metronome"
[bots.metronome.settings]
symbols = ["BTCUSDT", "ETHUSDT"]
every = {every}
"""


@contextmanager
def trading(folder: Path, postgres: str, redis: str, every: int = 4) -> Iterator[Installation]:
    settings = CONFIG.format(folder=folder, root=ROOT, postgres=postgres, redis=redis, every=every)
    with installation(folder, settings=settings) as home:
        yield home


def orders(home: Installation, *, exits: bool) -> int:
    return len([order for order in home.own_orders() if order["reduce_only"] is exits])


def held(home: Installation) -> bool:
    """The bot has just entered: what it does next is an exit."""
    return orders(home, exits=False) > orders(home, exits=True)


async def status_of(home: Installation) -> Json:
    """Without a process of its own: the proxy turns in this loop."""
    path = socket_path(home.folder / "data")
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 24)
    writer.write(b'{"verb": "status", "arguments": {}}\n')
    answer = json.loads(await reader.readline())
    writer.close()
    status: Json = answer["data"]
    return status


async def degraded(home: Installation) -> list[str]:
    found = (await status_of(home))["degraded"]
    assert isinstance(found, list)
    return [row["part"] for row in found]


async def live_again(home: Installation) -> float:
    """Seconds until the account is live; at most `BACK_WITHIN_S`."""
    began = WALL.monotonic()

    async def is_live() -> bool:
        status = await status_of(home)
        accounts = status["accounts"]
        assert isinstance(accounts, dict)
        return status["postgres"] == "ok" and accounts["main"]["status"] == "live"

    await until(is_live, "a live account", within_s=BACK_WITHIN_S)
    return WALL.monotonic() - began


async def is_whole(home: Installation) -> None:
    """The ledger is the exchange's book, and agrees with itself."""
    verified = await asyncio.to_thread(home.json, "ledger", "verify")
    assert verified["ok"] and verified["problems"] == [], verified
    ledger = sorted(comparable(row, ours=True) for row in await home.ledger())
    assert ledger == sorted(comparable(row, ours=False) for row in home.truth())


@asynccontextmanager
async def through_proxy(dsn: str) -> AsyncIterator[tuple[FaultProxy, str]]:
    found = urlsplit(dsn)
    query = parse_qs(found.query)
    proxy = FaultProxy(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}", 0)
    port = await proxy.start()
    try:
        url = f"postgresql://{found.username}@127.0.0.1:{port}{found.path}?sslmode=disable"
        yield proxy, url
    finally:
        await proxy.stop()


@pytest.mark.timeout(180)
async def test_a_database_that_is_cut_off_for_a_while(
    server_folder: Path, postgres_dsn: str, redis_url: str
) -> None:
    async with through_proxy(postgres_dsn) as (proxy, url):
        with trading(server_folder, url, redis_url) as home:
            daemon = home.start()
            await home.ready()
            await home.trades(6)
            await until(lambda: held(home), "an entry")
            exits = orders(home, exits=True)
            proxy.cut()
            cut_at = WALL.monotonic()
            await until(lambda: orders(home, exits=True) > exits, "an exit without a database")
            await WALL.sleep(1.0)
            entries = orders(home, exits=False)
            assert (await status_of(home))["postgres"] == "away"
            assert {"postgres", "account:main"} <= set(await degraded(home))
            await WALL.sleep(max(0.0, cut_at + CUT_S - WALL.monotonic()))
            assert orders(home, exits=False) == entries, "entries wait"
            proxy.heal()
            print("live after", round(await live_again(home), 2), "s")
            await until(lambda: orders(home, exits=False) > entries, "entries again")
            assert await asyncio.to_thread(home.stop, daemon) == 0
            await is_whole(home)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of this size; the test is skipped where none may be mounted."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no byte free."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
    return path


@pytest.mark.timeout(240)
async def test_a_disk_that_is_full_and_gets_room_again(server_folder: Path, redis_url: str) -> None:
    with small_disk(server_folder / "disk", "320m") as disk:
        servers = await embedded.start(disk, mode="paper", redis=False, clock=WALL)
        try:
            await fills_up(server_folder, disk, servers.postgres_dsn, redis_url)
        finally:
            (disk / "filler").unlink(missing_ok=True)
            await servers.stop()


async def fills_up(folder: Path, disk: Path, dsn: str, redis: str) -> None:
    with trading(folder, dsn, redis, every=2) as home:
        daemon = home.start()
        await home.ready()
        await home.trades(6)
        filler = fill(disk)

        async def is_noticed() -> bool:
            return "disk" in await degraded(home)

        await until(is_noticed, "the status names the disk", within_s=60)
        await WALL.sleep(1.0)
        entries = orders(home, exits=False)
        await WALL.sleep(5.0)
        assert orders(home, exits=False) == entries, "entries wait"
        assert not held(home), "exits went on"
        assert daemon.poll() is None
        filler.unlink()
        print("live after", round(await live_again(home), 2), "s")
        await until(lambda: orders(home, exits=False) > entries, "entries again")
        assert home.stop(daemon) == 0
        await is_whole(home)
