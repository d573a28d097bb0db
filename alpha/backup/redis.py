"""A copy of what Redis holds, where its folder can be read.

Everything in it is made anew by a daemon from PostgreSQL and the exchange, so nothing depends on
this copy: it is for whoever wants to look at a day again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from alpha.backup.folder import SEALED, BackupFolder, make_private, sync_file, unfinished_of
from alpha.backup.programs import run_chain
from alpha.backup.sealing import encryption_of, seal
from alpha.clock import Clock, utc
from alpha.config.settings import BackupSettings
from alpha.errors import AlphaError
from alpha.state.connection import open_redis

_SAVED_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.1


async def snapshot_redis(
    url: str, folder: BackupFolder, settings: BackupSettings, clock: Clock
) -> Path:
    """Has Redis write its file, and copies it. Raises AlphaError where that cannot be: another
    machine, or a server that does not allow it."""
    client = open_redis(url, 0, timeout_s=5.0)
    try:
        source = await _save(client, clock)
    except RedisError as error:
        raise AlphaError(
            f"expected Redis to write a snapshot, was refused: {error}; it is not needed: a daemon "
            f"writes everything in it anew"
        ) from error
    finally:
        await client.aclose()
    here = make_private(folder.root / "redis")
    day = utc(clock.now_ms()).strftime("%Y%m%d")
    path = here / f"alpha-{folder.mode}-{day}.rdb{SEALED[encryption_of(settings)]}"
    unfinished = unfinished_of(path)
    try:
        if chain := seal(settings):
            with unfinished.open("wb") as file:
                await run_chain(chain, source=source, sink=file.fileno())
        else:
            await asyncio.to_thread(shutil.copyfile, source, unfinished)
        sync_file(unfinished)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    unfinished.replace(path)
    sync_file(here)
    for old in sorted(here.glob(f"alpha-{folder.mode}-*.rdb*"))[: -settings.keep_daily]:
        old.unlink()
    return path


async def _save(client: Redis, clock: Clock) -> Path:
    """The file, newly written."""
    place = await client.config_get("dir", "dbfilename")
    source = Path(str(place["dir"]), str(place["dbfilename"]))
    if not await asyncio.to_thread(os.access, source.parent, os.R_OK | os.X_OK):
        raise AlphaError(
            f"expected the folder of Redis, {source.parent}, on this machine, was not to be read"
        )
    before = await client.lastsave()
    while (await client.info("persistence"))["rdb_bgsave_in_progress"]:
        await clock.sleep(_LOOK_EVERY_S)
    second = clock.now_ms() // 1000
    await client.bgsave()
    until = clock.monotonic() + _SAVED_WITHIN_S
    while clock.monotonic() < until:
        found = await client.info("persistence")
        done = not found["rdb_bgsave_in_progress"]
        if done and found["rdb_last_bgsave_status"] != "ok":
            raise AlphaError("expected Redis to write a snapshot, failed: see its log")
        if done and (found["rdb_last_save_time"] >= second or await client.lastsave() != before):
            return source
        await clock.sleep(_LOOK_EVERY_S)
    raise AlphaError(f"expected Redis to write a snapshot within {_SAVED_WITHIN_S:.0f} s, did not")
