"""Wiping a paper account: all of it, only it, and never one of another mode."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from alpha.clock import SystemClock
from alpha.config import Config, load
from alpha.control.reset import reset_paper
from alpha.errors import AlphaError, ConfigError
from alpha.installation import DataDirLock, holder_of
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.registry import AccountEntry, register


def settings(folder: Path, postgres: str, redis: str, *, mode: str = "paper") -> Config:
    file = folder / "alpha.toml"
    file.write_text(
        f'mode = "{mode}"\ndata_dir = "{folder}/data"\n[postgres]\nurl = "{postgres}"\n'
        f'[redis]\nurl = "{redis}"\n[bots.first]\nbot_id = "first_001"\n',
        encoding="utf-8",
    )
    return load(file, {}, {})


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(postgres_dsn, clock=SystemClock(), max_size=2)
    yield pool
    await pool.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis: Redis = Redis.from_url(redis_url, db=0, decode_responses=True)
    yield redis
    await redis.aclose()


async def test_everything_of_the_account_goes_and_nothing_else(
    tmp_path: Path, postgres_dsn: str, redis_url: str, pool: Pool, redis: Redis
) -> None:
    await register(pool, [AccountEntry("main", "paper")], [])
    await redis.set("position:first_001:BTCUSDT", "1")
    await redis.set("first_001:position:BTCUSDT", "1")
    await redis.set("position:other_001:BTCUSDT", "2")
    await redis.set("somebody:else", "3")
    (tmp_path / "data" / "sim").mkdir(parents=True)
    (tmp_path / "data" / "sim" / "sim.sqlite").write_text("x", encoding="utf-8")
    (tmp_path / "data" / "mine.txt").write_text("x", encoding="utf-8")
    done = await reset_paper(settings(tmp_path, postgres_dsn, redis_url), SystemClock())
    assert done == ["database", "redis", "simulator"]
    assert await pool.fetchval("SELECT to_regnamespace('trading')") is None
    assert sorted(await redis.keys()) == ["position:other_001:BTCUSDT", "somebody:else"]
    assert not (tmp_path / "data" / "sim").exists()
    assert (tmp_path / "data" / "mine.txt").exists()


async def test_an_account_of_another_mode_is_not_touched(
    tmp_path: Path, postgres_dsn: str, redis_url: str, pool: Pool, redis: Redis
) -> None:
    await register(pool, [AccountEntry("main", "demo")], [])
    await redis.set("position:first_001:BTCUSDT", "1")
    (tmp_path / "data" / "sim").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"found account 'main' of mode demo; nothing was wiped"):
        await reset_paper(settings(tmp_path, postgres_dsn, redis_url), SystemClock())
    assert await pool.fetchval("SELECT count(*) FROM trading.accounts") == 1
    assert await redis.exists("position:first_001:BTCUSDT")
    assert (tmp_path / "data" / "sim").exists()


async def test_a_redis_of_another_mode_is_not_touched(
    tmp_path: Path, postgres_dsn: str, redis_url: str, redis: Redis
) -> None:
    await redis.set("alpha:mode", "demo")
    await redis.set("position:first_001:BTCUSDT", "1")
    done = await reset_paper(settings(tmp_path, postgres_dsn, redis_url), SystemClock())
    assert done == ["database"]
    assert await redis.exists("position:first_001:BTCUSDT")


async def test_settings_of_another_mode_are_refused(
    tmp_path: Path, postgres_dsn: str, redis_url: str
) -> None:
    config = settings(tmp_path, postgres_dsn, redis_url, mode="demo")
    with pytest.raises(ConfigError, match="expected mode paper, was demo"):
        await reset_paper(config, SystemClock())


async def test_a_running_daemon_is_in_the_way(
    tmp_path: Path, postgres_dsn: str, redis_url: str
) -> None:
    config = settings(tmp_path, postgres_dsn, redis_url)
    words = r"expected no daemon on .*, found process"
    with DataDirLock(config.data_dir), pytest.raises(AlphaError, match=words):
        await reset_paper(config, SystemClock())


async def test_a_simulator_that_outlived_its_daemon_is_ended(
    tmp_path: Path, postgres_dsn: str, redis_url: str
) -> None:
    config = settings(tmp_path, postgres_dsn, redis_url)
    state = config.data_dir / "sim"
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "alpha", "sim", "--state", str(state)]
    child = subprocess.Popen(  # noqa: ASYNC220
        [*command, "--key", "k", "--secret", "s", "--ready-file", str(ready)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        clock = SystemClock()
        deadline = clock.monotonic() + 30
        while not ready.exists():
            assert clock.monotonic() < deadline and child.poll() is None
            await clock.sleep(0.05)
        assert "rest" in json.loads(ready.read_text(encoding="utf-8"))
        assert holder_of(state, "sim.lock") == child.pid
        assert "simulator" in await reset_paper(config, clock)
        assert not state.exists()
        assert child.wait(10) == 0
    finally:
        child.kill()
        child.wait()
