"""Wiping a paper account: its simulator, its database, its keys in Redis. Nothing else."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from alpha.clock import Clock
from alpha.config import Config
from alpha.control.databases import READER_WAIT_S, is_migrated, stores
from alpha.errors import AlphaError, ConfigError, TimedOut
from alpha.installation import holder_of
from alpha.ledger.migrations import SCHEMAS
from alpha.ledger.pool import Pool, open_pool
from alpha.state import keys
from alpha.state.connection import open_redis

_STOP_WITHIN_S = 5.0


def check_may_reset(config: Config) -> None:
    """Raises when the settings are not paper's, or a daemon uses what would be wiped."""
    if config.mode != "paper":
        raise ConfigError(
            f"expected mode paper, was {config.mode}; only a paper account can be wiped"
        )
    holder = holder_of(config.data_dir)
    if holder is not None:
        raise AlphaError(
            f"expected no daemon on {config.data_dir}, found process {holder}; stop it first"
        )


async def reset_paper(config: Config, clock: Clock) -> list[str]:
    """Wipes it and returns what was wiped, in words. Nothing is touched when the database holds
    an account of another mode."""
    check_may_reset(config)
    done: list[str] = []
    if config.postgres.url.get_secret_value() or config.data_dir.exists():
        async with stores(config, clock, redis=True) as found:
            pool = await open_pool(
                found.postgres_direct, clock=clock, max_size=1, wait_s=READER_WAIT_S
            )
            try:
                await _check_mode(pool)
                await _end_simulator(config.data_dir / "sim", clock)
                await _drop_schemas(pool)
                done.append("database")
            finally:
                await pool.close()
            if await _forget_bots(config, found.redis):
                done.append("redis")
    state = config.data_dir / "sim"
    if state.exists():
        await _end_simulator(state, clock)
        shutil.rmtree(state)
        done.append("simulator")
    return done


async def _check_mode(pool: Pool) -> None:
    if not await is_migrated(pool):
        return
    others = await pool.fetch("SELECT account, mode FROM trading.accounts WHERE mode <> 'paper'")
    if others:
        raise ConfigError(
            f"expected a database of mode paper, found account {others[0]['account']!r} of mode "
            f"{others[0]['mode']}; nothing was wiped"
        )


async def _drop_schemas(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        for schema in SCHEMAS:
            await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


async def _forget_bots(config: Config, url: str) -> bool:
    """Removes our bots' keys from a Redis of mode paper; others' keys are not ours to remove."""
    bots = {bot.bot_id: bot.redis_db for bot in config.bots.values()}
    for db in sorted({0, *bots.values()}):
        redis = open_redis(url, db, timeout_s=5.0)
        try:
            if db == 0 and await redis.get(keys.MODE) not in (None, "paper"):
                return False
            ids = {bot_id for bot_id, its_db in bots.items() if its_db == db}
            async for key in redis.scan_iter(count=1000):
                ours = key == keys.HEARTBEAT or str(key).startswith(keys.RUN_TOKENS)
                if ours or ids & set(str(key).split(":")):
                    await redis.delete(key)
        finally:
            await redis.aclose()
    return True


async def _end_simulator(state: Path, clock: Clock) -> None:
    """A simulator that has outlived its daemon is stopped: SIGTERM, then SIGKILL."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        pid = holder_of(state, "sim.lock")
        if not pid:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, sign)
        deadline = clock.monotonic() + _STOP_WITHIN_S
        while clock.monotonic() < deadline:
            if holder_of(state, "sim.lock") is None:
                return
            await clock.sleep(0.05)
    raise TimedOut(f"expected the simulator on {state} to end, was still there; kill it")
