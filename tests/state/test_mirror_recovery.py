"""Wiped, foreign, killed, away, another mode's: the mirror notices, writes again, never raises."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from structlog.testing import capture_logs

from alpha.embedded.keeper import processes_in
from alpha.errors import ConfigError
from alpha.state import keys
from alpha.state.mirror import Mirror
from alpha.state.picture import BotPicture
from tests.embedded.conftest import kill, using
from tests.state.live import LX, SHORT, Desk, SkippingClock, at_work, mirror_of, reader
from tests.until import until

BTC = f"position:{SHORT}:BTCUSDT"


def _is_back(mirror: Mirror, rewrites: int) -> bool:
    return mirror.rewrites > rewrites and mirror.healthy


async def _is(redis: Redis, key: str, value: str | None) -> bool:
    return bool(await redis.get(key) == value)


@pytest.mark.parametrize("loss", ["wiped", "missing", "foreign", "older", "another type"])
async def test_everything_is_written_again_when_the_token_is_not_ours(
    redis_url: str, loss: str
) -> None:
    desk, clock = Desk(), SkippingClock()
    desk.show(SHORT, BTCUSDT="-1")
    desk.show(LX, SOLUSDT="3")
    mirror = mirror_of(desk, redis_url, clock)
    async with at_work(mirror), reader(redis_url) as redis, reader(redis_url, 1) as one:
        await until(lambda: mirror.rewrites == 1, "everything is written")
        if loss == "wiped":
            await redis.flushall()
        else:
            # What a crash of the server, or another writer, leaves: values that are not ours.
            await redis.set(BTC, "9")
            await one.delete(keys.run_token("main"))
        if loss == "foreign":
            await one.set(keys.run_token("main"), "somebody:7")
        if loss == "older":
            await one.set(keys.run_token("main"), "t1:0")
        if loss == "another type":
            await one.hset(keys.run_token("main"), "a", "b")
        clock.skip(6)
        mirror.mark_market()
        await until(lambda: mirror.rewrites == 2, "everything is written again")
        assert await redis.get(BTC) == "1"
        assert await redis.get(f"{SHORT}:position:BTCUSDT") == "1"
        assert await one.get(f"position:{LX}:SOLUSDT") == "3"
        assert await redis.get(keys.MODE) == "paper"
        clock.skip(6)
        mirror.mark_market()
        desk.show(SHORT, BTCUSDT="-2")
        mirror.mark(SHORT)
        await until(lambda: _is(redis, BTC, "2"), "changes are written")
        assert mirror.rewrites == 2  # the token is ours again
        assert mirror.failures == 0


@pytest.mark.parametrize("loss", ["wiped", "older", "another type"])
async def test_a_loss_is_found_although_writes_go_on(redis_url: str, loss: str) -> None:
    """The next change comes before the next beat, and leaves a new token behind."""
    desk, clock = Desk(), SkippingClock()
    desk.show(SHORT, BTCUSDT="-1", ETHUSDT="2")
    mirror = mirror_of(desk, redis_url, clock)
    async with at_work(mirror), reader(redis_url) as redis:
        await until(lambda: mirror.rewrites == 1, "everything is written")
        if loss == "wiped":
            await redis.flushall()
        else:
            await redis.delete(BTC, keys.run_token("main"))
        if loss == "older":
            await redis.set(keys.run_token("main"), "t1:0")
        if loss == "another type":
            await redis.hset(keys.run_token("main"), "a", "b")
        desk.show(SHORT, BTCUSDT="-1", ETHUSDT="3")
        mirror.mark(SHORT)
        await until(lambda: mirror.rewrites == 2, "everything is written again")
        assert await redis.get(BTC) == "1"
        assert await redis.get(f"{SHORT}:position:ETHUSDT") == "3"
        assert await redis.get(keys.MODE) == "paper"


async def test_a_beat_that_finds_its_token_rewrites_nothing(redis_url: str) -> None:
    desk, clock = Desk(), SkippingClock()
    mirror = mirror_of(desk, redis_url, clock)
    async with at_work(mirror), reader(redis_url) as redis:
        await until(lambda: mirror.rewrites == 1, "everything is written")
        await redis.delete("heartbeat:alpha", f"heartbeat:{SHORT}")
        desk.asked.clear()
        clock.skip(6)
        mirror.mark_market()

        async def beats() -> bool:
            return bool(await redis.exists("heartbeat:alpha", f"heartbeat:{SHORT}") == 2)

        await until(beats, "the heartbeat is written")
        assert mirror.rewrites == 1
        assert desk.asked == []


async def test_positions_closed_while_nobody_wrote_become_zero(redis_url: str) -> None:
    desk = Desk()
    desk.show(SHORT, BTCUSDT="-1", ETHUSDT="-2")
    desk.order(SHORT, "left")
    first = mirror_of(desk, redis_url)
    async with at_work(first):
        await until(lambda: first.rewrites == 1, "everything is written")
    async with reader(redis_url) as redis:
        assert await redis.get(BTC) == "1"
        # Whoever wrote the other family alone is corrected as well.
        await redis.set(f"{SHORT}:position:XRPUSDT", "50")
        desk.show(SHORT, ETHUSDT="-5")
        desk.order(SHORT)
        second = mirror_of(desk, redis_url, token="t2")
        async with at_work(second):
            await until(lambda: second.rewrites == 1, "everything is written")
        assert await redis.get(BTC) == "0"
        assert (await redis.hgetall(f"{BTC}:details"))["signed_size"] == "0"
        assert await redis.get(f"{SHORT}:position:BTCUSDT") == "0"
        assert await redis.get(f"{SHORT}:position:XRPUSDT") == "0"
        assert await redis.get(f"position:{SHORT}:ETHUSDT") == "5"
        assert not await redis.exists(f"order:{SHORT}:left", f"orders:{SHORT}:open")


async def test_values_of_another_type_are_replaced(redis_url: str) -> None:
    desk = Desk()
    desk.show(SHORT, BTCUSDT="-1")
    async with reader(redis_url) as redis:
        await redis.hset(BTC, "size", "3")
        await redis.set(f"{BTC}:details", '{"size": 3}')
        await redis.set(f"equity:{SHORT}", "12")
        await redis.set(f"positions:{SHORT}", "BTCUSDT")
        mirror = mirror_of(desk, redis_url)
        async with at_work(mirror):
            await until(lambda: mirror.rewrites == 1, "everything is written")
        assert mirror.failures == 0
        assert await redis.get(BTC) == "1"
        assert (await redis.hgetall(f"{BTC}:details"))["side"] == "Sell"
        assert (await redis.hgetall(f"equity:{SHORT}"))["equity"] == "10010.5"


async def test_what_changes_during_a_rewrite_is_written_too(redis_url: str) -> None:
    class Restless(Desk):
        def picture(self, bot: str) -> BotPicture:
            if bot == LX and LX not in self.asked:
                self.show(SHORT, BTCUSDT="-2")
                mirror.mark(SHORT)
            return super().picture(bot)

    desk = Restless()
    desk.show(SHORT, BTCUSDT="-1")
    mirror = mirror_of(desk, redis_url)
    async with at_work(mirror), reader(redis_url) as redis:
        await until(lambda: _is(redis, BTC, "2"), "the newer size is written", within_s=3)
    assert desk.asked == [SHORT, LX, SHORT]


async def test_a_server_that_is_killed_is_written_again(server_folder: Path) -> None:
    desk = Desk()
    desk.show(SHORT, BTCUSDT="-1")
    async with using(server_folder, postgres=False) as servers:
        url = servers.redis_url
        mirror = mirror_of(desk, url)
        with capture_logs() as logs:
            async with at_work(mirror):
                await until(lambda: mirror.rewrites == 1, "everything is written")
                for size in ("-2", "-3"):
                    before = mirror.rewrites
                    [server] = processes_in(str(server_folder / "redis-paper"), "valkey-server")
                    kill(server)
                    desk.show(SHORT, BTCUSDT=size)
                    mirror.mark(SHORT)
                    await until(partial(_is_back, mirror, before), "the mirror is back")
                    async with reader(url) as redis:
                        assert await redis.get(BTC) == size[1:]
                        assert await redis.get(f"{SHORT}:position:BTCUSDT") == size[1:]
        events = [entry["event"] for entry in logs]
        assert events.count("redis_away") == events.count("redis_back")
        assert events.count("redis_away") <= 2


async def test_redis_away_is_counted_logged_once_and_never_raised(tmp_path: Path) -> None:
    desk = Desk()
    mirror = mirror_of(desk, f"unix://{tmp_path}/nobody.sock")
    with capture_logs() as logs:
        await mirror.connect()
        async with at_work(mirror) as task:
            await until(lambda: mirror.failures >= 3, "it is tried again and again")
            desk.show(SHORT, BTCUSDT="-1")
            mirror.mark(SHORT)
            mirror.mark("a_bot_that_nobody_knows")
            mirror.publish(keys.channel("fills", SHORT), {"exec_id": "e1"})
            assert not task.done()
            assert not mirror.healthy
            assert mirror.away_since is not None
    assert [entry["event"] for entry in logs] == ["redis_away"]


class HeldClock(SkippingClock):
    """Whoever sleeps wakes when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self.go_on.wait()


async def test_messages_wait_until_redis_comes(server_folder: Path) -> None:
    channel, clock = keys.channel("fills", SHORT), HeldClock()
    async with using(server_folder, postgres=False) as servers:
        url = servers.redis_url
        mirror = mirror_of(Desk(), url, clock)
        async with at_work(mirror):
            await until(lambda: mirror.rewrites == 1, "everything is written")
            [server] = processes_in(str(server_folder / "redis-paper"), "valkey-server")
            kill(server)
            mirror.publish(channel, {"exec_id": "e1"})
            mirror.publish(channel, {"exec_id": "e2"})
            await until(lambda: not mirror.healthy, "the mirror knows")
            await until(partial(_answers, url), "the server is back")
            async with reader(url) as redis, redis.pubsub() as listening:
                await listening.subscribe(channel)
                await listening.get_message(timeout=5)  # the acknowledgement
                clock.go_on.set()
                told = [await listening.get_message(timeout=10) for _ in range(2)]
    assert [json.loads(message["data"])["exec_id"] for message in told if message] == ["e1", "e2"]


async def _answers(url: str) -> bool:
    async with reader(url) as redis:
        try:
            return bool(await redis.ping())
        except RedisError:
            return False


async def test_another_modes_redis_is_refused(redis_url: str) -> None:
    async with reader(redis_url, 1) as redis:
        await redis.set(keys.MODE, "live")
    mirror = mirror_of(Desk(), redis_url)
    try:
        with pytest.raises(
            ConfigError, match="expected a Redis of mode paper, was one of mode live"
        ):
            await mirror.connect()
        # The same when it was away at the start: it is written only once it is known to be ours.
        with pytest.raises(ConfigError, match="mode live"):
            await mirror.run()
    finally:
        await mirror.close()
    async with reader(redis_url) as zero, reader(redis_url, 1) as one:
        assert await zero.keys("*") == [keys.MODE]
        assert await one.keys("*") == [keys.MODE]


async def test_a_database_that_redis_does_not_have_is_refused(redis_url: str) -> None:
    # Databases 0 and 1 of the mirror are 15 and 16 of a server that has 0 to 15.
    mirror = mirror_of(Desk(), f"{redis_url}?db=15")
    try:
        with pytest.raises(ConfigError, match="one of the server's databases, 0 to 15, was 16"):
            await mirror.connect()
    finally:
        await mirror.close()


async def test_a_redis_that_may_evict_is_warned_of(redis_url: str) -> None:
    async with reader(redis_url) as redis:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        mirror = mirror_of(Desk(), redis_url)
        try:
            with capture_logs() as logs:
                await mirror.connect()
        finally:
            await redis.config_set("maxmemory-policy", "noeviction")
        with capture_logs() as none:
            await mirror.connect()
        await mirror.close()
    assert [(e["event"], e["policy"]) for e in logs] == [("redis_may_evict", "allkeys-lru")]
    assert none == []


async def test_a_redis_without_config_is_checked_and_written(redis_url: str) -> None:
    async with reader(redis_url) as redis:
        await redis.acl_setuser(
            "narrow",
            enabled=True,
            passwords=["+secret"],
            keys=["*"],
            channels=["*"],
            categories=["+@all"],
            commands=["-config"],
        )
        url = redis_url.replace("unix://", "unix://narrow:secret@")
        mirror = mirror_of(Desk(), url)
        try:
            await mirror.connect()
            assert mirror.healthy
            assert await redis.get(keys.MODE) == "paper"
            async with at_work(mirror):
                await until(lambda: mirror.rewrites == 1, "everything is written")
        finally:
            await redis.acl_deluser("narrow")
