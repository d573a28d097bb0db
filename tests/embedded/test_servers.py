"""The servers start, are shared, survive what kills them, and end with their last user."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from alpha.clock import SystemClock
from alpha.embedded import Servers
from alpha.embedded.place import find_place
from alpha.errors import AlphaError, ConfigError
from tests.embedded.conftest import (
    Using,
    answers,
    environment_of,
    keeper_of,
    kill,
    postmaster,
    query,
    redis,
    running,
    using,
)
from tests.until import until


async def test_both_answer_on_sockets_only_and_keep_what_they_are_told(
    server_folder: Path,
) -> None:
    async with using(server_folder) as servers:
        assert await query(servers.postgres_dsn, "SELECT current_database()") == "alpha_paper"
        assert await query(servers.postgres_dsn, "SHOW listen_addresses") == ""
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert await query(servers.postgres_dsn, f"SHOW {setting}") == "on"
        async with redis(servers.redis_url) as client:
            found = await client.config_get("*")
            wanted = {
                "port": "0",
                "appendonly": "yes",
                "appendfsync": "everysec",
                "maxmemory-policy": "noeviction",
            }
            assert {key: found[key] for key in wanted} == wanted
            await client.set("kept", "yes")
        await query(servers.postgres_dsn, "CREATE TABLE kept AS SELECT 7 AS value")
    assert running(server_folder) == []

    clock = SystemClock()
    began = clock.monotonic()
    async with using(server_folder) as servers:
        assert clock.monotonic() - began < 2.0  # measured: 0.2 s
        assert await query(servers.postgres_dsn, "SELECT value FROM kept") == 7
        async with redis(servers.redis_url) as client:
            assert await client.get("kept") == "yes"


async def test_each_mode_has_its_own_data(server_folder: Path) -> None:
    async with using(server_folder) as paper, using(server_folder, "demo") as demo:
        await query(paper.postgres_dsn, "CREATE TABLE only_here (a int)")
        assert await query(demo.postgres_dsn, "SELECT to_regclass('only_here')") is None
        async with redis(paper.redis_url) as one, redis(demo.redis_url) as other:
            await one.set("only", "here")
            assert await other.get("only") is None


async def test_data_of_another_mode_are_refused(server_folder: Path) -> None:
    async with using(server_folder) as servers:
        await query(servers.postgres_dsn, "COMMENT ON DATABASE alpha_paper IS 'alpha mode live'")
        with pytest.raises(ConfigError, match="expected database alpha_paper to be marked"):
            async with using(server_folder, redis=False):
                pass
        assert await answers(servers.postgres_dsn)
    (server_folder / "redis-paper.mode").write_text("live\n")
    with pytest.raises(ConfigError, match="to name mode paper, was live"):
        async with using(server_folder, postgres=False):
            pass
    assert running(server_folder) == []


async def test_only_what_is_asked_for_is_started(server_folder: Path) -> None:
    async with using(server_folder, redis=False) as servers:
        assert servers.redis_url == ""
        assert not (server_folder / "redis-paper").exists()
    async with using(server_folder, postgres=False) as servers:
        assert servers.postgres_dsn == ""
        async with redis(servers.redis_url) as client:
            assert await client.ping()


async def test_the_last_user_stops_them_whoever_started_them(
    server_folder: Path, another_user: Using
) -> None:
    first = await another_user()
    pid = postmaster(server_folder)
    async with using(server_folder) as servers:
        assert postmaster(server_folder) == pid
        await first.leave()
        assert await answers(servers.postgres_dsn)
        async with redis(servers.redis_url) as client:
            assert await client.ping()
    assert running(server_folder) == []
    assert not (server_folder / "pg" / "postmaster.pid").exists()  # it was a clean stop


async def test_stop_may_be_called_twice(server_folder: Path) -> None:
    async with using(server_folder, postgres=False) as servers:
        await servers.stop()


async def test_many_at_once_share_one_server(server_folder: Path, another_user: Using) -> None:
    async def use() -> tuple[Servers, int]:
        async with using(server_folder) as servers:
            return servers, postmaster(server_folder)

    user = await another_user()
    seen = await asyncio.gather(*(use() for _ in range(6)))
    assert {pid for _, pid in seen} == {postmaster(server_folder)}
    await user.leave()

    await asyncio.gather(*(use() for _ in range(6)))  # also when none runs and some are leaving
    assert running(server_folder) == []


async def test_a_killed_user_leaves_nothing_running(
    server_folder: Path, another_user: Using
) -> None:
    user = await another_user()
    async with using(server_folder) as servers:
        await query(servers.postgres_dsn, "CREATE TABLE kept AS SELECT 7 AS value")
        await user.kill()
        assert await query(servers.postgres_dsn, "SELECT value FROM kept") == 7
    user = await another_user()
    await user.kill()
    await until(lambda: not running(server_folder), "the servers end with their last user")
    async with using(server_folder) as servers:
        assert await query(servers.postgres_dsn, "SELECT value FROM kept") == 7


async def test_a_killed_server_is_started_again_with_its_data(server_folder: Path) -> None:
    async with using(server_folder) as servers:
        await query(servers.postgres_dsn, "CREATE TABLE kept AS SELECT 7 AS value")
        before = postmaster(server_folder)
        kill(before)
        await until(lambda: answers(servers.postgres_dsn), "PostgreSQL is back")
        assert postmaster(server_folder) != before
        assert await query(servers.postgres_dsn, "SELECT value FROM kept") == 7

        async with redis(servers.redis_url) as client:
            await client.set("kept", "yes")
            pid = int((await client.info("server"))["process_id"])
            kill(pid)

            async def back() -> bool:
                try:
                    return await client.get("kept") == "yes"
                except RedisConnectionError:
                    return False

            await until(back, "Redis is back")
            assert int((await client.info("server"))["process_id"]) != pid


async def test_servers_end_with_a_killed_keeper_and_start_again(server_folder: Path) -> None:
    async with using(server_folder, redis=False) as servers:
        await query(servers.postgres_dsn, "CREATE TABLE kept AS SELECT 7 AS value")
        kill(keeper_of(postmaster(server_folder)))
        # No waiting: the start has to cope with a server that is just ending.
        async with using(server_folder, redis=False) as again:
            assert await query(again.postgres_dsn, "SELECT value FROM kept") == 7


@pytest.mark.parametrize("whose", ["ours", "nobody's"])
async def test_a_pid_file_that_names_another_process_does_not_matter(
    server_folder: Path, whose: str
) -> None:
    async with using(server_folder, redis=False) as servers:
        await query(servers.postgres_dsn, "CREATE TABLE kept AS SELECT 7 AS value")
        keeper, server = keeper_of(postmaster(server_folder)), postmaster(server_folder)
        lines = (server_folder / "pg" / "postmaster.pid").read_text().splitlines()
        kill(keeper)
        kill(server)
        await until(lambda: not running(server_folder), "the server is dead")
    lines[0] = str(os.getpid()) if whose == "ours" else str(2**22 - 1)
    (server_folder / "pg" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    async with using(server_folder, redis=False) as servers:
        assert await query(servers.postgres_dsn, "SELECT value FROM kept") == 7


async def test_a_half_made_cluster_is_made_anew(server_folder: Path) -> None:
    half = server_folder / "pg.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    async with using(server_folder, redis=False) as servers:
        assert await answers(servers.postgres_dsn)
    assert not half.exists()


async def test_a_server_that_cannot_start_says_why(server_folder: Path) -> None:
    async with using(server_folder, redis=False):
        pass
    (server_folder / "pg" / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(AlphaError, match=r"PostgreSQL did not start: .*pg_control"):
        async with using(server_folder, redis=False):
            pass
    assert running(server_folder) == []


async def test_data_of_another_version_are_refused_untouched(server_folder: Path) -> None:
    async with using(server_folder, redis=False):
        pass
    (server_folder / "pg" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ConfigError, match=r"expected data of PostgreSQL 18 .* was version 17"):
        async with using(server_folder, redis=False):
            pass


async def test_a_long_path_gets_a_short_folder_for_its_sockets(server_folder: Path) -> None:
    folder = server_folder / ("long" * 20) / ("longer" * 10)
    async with using(folder) as servers:
        run = find_place(folder).run
        assert run.parent == Path("/tmp")
        assert stat.S_IMODE(run.stat().st_mode) == 0o700
        assert await answers(servers.postgres_dsn)
        async with redis(servers.redis_url) as client:
            assert await client.ping()
    run.chmod(0o755)
    try:
        with pytest.raises(ConfigError, match="alone, was not; remove it"):
            async with using(folder):
                pass
    finally:
        for left in run.iterdir():
            left.unlink()
        run.rmdir()


async def test_servers_get_nothing_of_our_environment(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C2_TELEGRAM_BOT_TOKEN", "123:not-for-servers")
    monkeypatch.setenv("PGPORT", "1")
    async with using(server_folder, redis=False) as servers:
        assert await answers(servers.postgres_dsn)
        environment = environment_of(postmaster(server_folder))
        assert b"not-for-servers" not in environment
        assert b"PGPORT" not in environment
