"""Redis of our own (Valkey speaks its protocol): one server per mode, unix socket only."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, RedisError

from alpha.clock import Clock
from alpha.embedded.keeper import Order
from alpha.embedded.keeping import Stay, join
from alpha.embedded.place import Place
from alpha.embedded.programs import valkey_program
from alpha.errors import ConfigError

_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "databases": "16",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory-policy": "noeviction",
    "save": "",
    "loglevel": "warning",
    "logfile": "",
}


async def start_valkey(
    place: Place, mode: str, clock: Clock, *, program: Path | None = None
) -> Stay:
    """Starts or joins the mode's server of a place; returns when it answers. `program` is another
    than the wheel's (tests)."""
    if program is None:
        program = await asyncio.to_thread(valkey_program, place)
    order = _order(place, program, mode)
    stay = await join(order, place.home / f"redis-{mode}.lock", clock)
    try:
        await stay.until_ready(lambda: _answers(url(place, mode)))
        await asyncio.to_thread(_check_mark, place.home / f"redis-{mode}.mode", mode)
    except BaseException:
        await stay.leave()
        raise
    return stay


def url(place: Place, mode: str) -> str:
    """The URL of the mode's server on its socket, without a database number."""
    return f"unix://{quote(str(_socket(place, mode)), safe='/')}"


def _socket(place: Place, mode: str) -> Path:
    return place.run / f"redis-{mode}.sock"


def _order(place: Place, program: Path, mode: str) -> Order:
    data = place.home / f"redis-{mode}"
    settings = {
        **_SETTINGS,
        "unixsocket": str(_socket(place, mode)),
        "dir": str(data),
    }
    return Order(
        name=f"Redis ({mode})",
        command=[str(program), *(part for key in settings for part in (f"--{key}", settings[key]))],
        comm=program.name,
        data=str(data),
        unfinished=str(data.with_name(f"{data.name}.new")),
        prepare=[],
        stale=[],  # it replaces its socket by itself
        control=str(place.run / f"redis-{mode}.keeper"),
        log=str(place.home / f"redis-{mode}.log"),
        uid=place.uid,
        gid=place.gid,
        stop_signal=signal.SIGTERM,
        stop_within_s=10.0,
    )


def _check_mark(mark: Path, mode: str) -> None:
    """A folder that was renamed or copied from another mode is noticed."""
    if not mark.exists():
        mark.write_text(f"{mode}\n", encoding="ascii")
    found = mark.read_text("ascii").strip()
    if found != mode:
        raise ConfigError(
            f"expected {mark} to name mode {mode}, was {found}; choose another data_dir"
        )


async def _answers(address: str) -> bool:
    client = Redis.from_url(address, socket_timeout=5.0)
    try:
        return bool(await client.ping())
    except (BusyLoadingError, RedisError, OSError):
        return False
    finally:
        await client.aclose()
