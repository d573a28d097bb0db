"""What readers of Redis find: keys, values, one MULTI per bot, messages."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

from redis.asyncio import Redis

from alpha.state import keys
from alpha.state.mirror import read_positions
from tests.state.live import LX, SHORT, Desk, at_work, mirror_of, reader
from tests.until import until


async def _is(redis: Redis, key: str, value: str | None) -> bool:
    return bool(await redis.get(key) == value)


async def test_both_families_of_keys_show_every_position(redis_url: str) -> None:
    desk = Desk()
    desk.show(SHORT, BTCUSDT="-0.010", ETHUSDT="-2.50")
    desk.show(LX, SOLUSDT="7")
    mirror = mirror_of(desk, redis_url)
    async with at_work(mirror), reader(redis_url) as zero, reader(redis_url, 1) as one:
        await until(lambda: mirror.rewrites == 1, "everything is written")
        symbols = ("BTCUSDT", "ETHUSDT")
        canonical = [f"position:{SHORT}:{symbol}" for symbol in symbols]
        alias = [f"{SHORT}:position:{symbol}" for symbol in symbols]
        found = {key async for key in zero.scan_iter(match=f"position:{SHORT}:*")}
        assert found == {*canonical, *(f"{key}:details" for key in canonical)}
        assert {key async for key in zero.scan_iter(match=f"{SHORT}:position:*")} == set(alias)
        assert await zero.mget(canonical) == await zero.mget(alias) == ["0.01", "2.5"]
        assert await zero.smembers(f"positions:{SHORT}") == set(symbols)
        details = await zero.hgetall(f"position:{SHORT}:BTCUSDT:details")
        assert (details["size"], details["signed_size"], details["side"]) == (
            "0.01",
            "-0.01",
            "Sell",
        )
        assert (details["avg_price"], details["stop_loss"]) == ("100.1", "100")
        assert details["take_profit"] == ""
        # Each bot in its own database, and nothing of it in another's.
        assert await one.get(f"position:{LX}:SOLUSDT") == "7"
        assert not [key async for key in zero.scan_iter(match=f"*{LX}*")]
        assert await zero.hgetall(f"equity:{SHORT}") | {"ts": ""} == {
            "equity": "10010.5",
            "balance": "10000.5",
            "available": "9000",
            "upnl": "10",
            "ts": "",
        }
        assert (await zero.hgetall(f"bot:{SHORT}:metrics"))["open_positions"] == "2"
        assert 0 < await zero.ttl(f"heartbeat:{SHORT}") <= 15
        assert 0 < await zero.ttl("heartbeat:alpha") <= 15
    databases = {SHORT: 0, LX: 1}
    assert await read_positions(redis_url, databases) == {
        (SHORT, "BTCUSDT"): Decimal("-0.01"),
        (SHORT, "ETHUSDT"): Decimal("-2.5"),
        (LX, "SOLUSDT"): Decimal(7),
    }


async def test_a_flat_position_is_zero_and_stays_visible(redis_url: str) -> None:
    desk = Desk()
    desk.show(SHORT, BTCUSDT="-0.01")
    mirror = mirror_of(desk, redis_url)
    async with at_work(mirror), reader(redis_url) as redis:
        await until(lambda: _is(redis, f"position:{SHORT}:BTCUSDT", "0.01"), "the position shows")
        desk.show(SHORT)
        mirror.mark(SHORT)
        await until(lambda: _is(redis, f"position:{SHORT}:BTCUSDT", "0"), "the position is flat")
        assert await redis.get(f"{SHORT}:position:BTCUSDT") == "0"
        details = await redis.hgetall(f"position:{SHORT}:BTCUSDT:details")
        assert (details["size"], details["side"], details["avg_price"]) == ("0", "None", "")
        assert not await redis.exists(f"positions:{SHORT}")
    assert await read_positions(redis_url, {SHORT: 0}) == {}


async def test_a_change_is_one_multi_with_what_has_changed(redis_url: str) -> None:
    desk = Desk()
    desk.show(SHORT, BTCUSDT="-0.01", ETHUSDT="-2")
    desk.order(SHORT, "shortseller_001-ex-0k2j1aaa")
    mirror = mirror_of(desk, redis_url)
    async with at_work(mirror), reader(redis_url) as redis:
        await until(lambda: mirror.rewrites == 1, "everything is written")
        async with redis.monitor() as monitor:
            desk.show(SHORT, BTCUSDT="-0.01", ETHUSDT="-3")
            mirror.mark(SHORT)
            mirror.mark(SHORT)
            said: list[str] = []
            async with asyncio.timeout(10):
                async for line in monitor.listen():
                    said.append(str(line["command"]))
                    if said[-1] == "EXEC":
                        break
    assert said[0] == "MULTI"
    assert said.count("MULTI") == 1
    assert f"SET position:{SHORT}:ETHUSDT 3" in said
    assert f"SET {SHORT}:position:ETHUSDT 3" in said
    assert f"SADD orders:{SHORT}:open shortseller_001-ex-0k2j1aaa" in said
    assert said[-2] == "SET alpha:run:main t1:3"
    assert not [command for command in said if "position:BTCUSDT" in command]


async def test_orders_come_and_go(redis_url: str) -> None:
    desk = Desk()
    desk.order(SHORT, "a", "b")
    mirror = mirror_of(desk, redis_url)
    async with at_work(mirror), reader(redis_url) as redis:
        await until(lambda: mirror.rewrites == 1, "everything is written")
        assert await redis.smembers(f"orders:{SHORT}:open") == {"a", "b"}
        assert (await redis.hgetall(f"order:{SHORT}:a"))["qty"] == "0.1"
        assert 0 < await redis.ttl(f"order:{SHORT}:a") <= keys.ORDER_TTL_S
        desk.order(SHORT, "b")
        mirror.mark(SHORT)

        async def is_gone() -> bool:
            return not await redis.exists(f"order:{SHORT}:a")

        await until(is_gone, "the order that ended is gone")
        assert await redis.smembers(f"orders:{SHORT}:open") == {"b"}
        desk.order(SHORT)
        mirror.mark(SHORT)
    async with reader(redis_url) as redis:  # closing wrote what was marked
        assert not [key async for key in redis.scan_iter(match="order*")]


async def test_prices_and_candles_expire(redis_url: str) -> None:
    desk = Desk()
    desk.price("BTCUSDT", "50000.50")
    mirror = mirror_of(desk, redis_url)
    async with at_work(mirror), reader(redis_url) as redis:
        await until(lambda: mirror.rewrites == 1, "everything is written")
        assert (await redis.hgetall("price:BTCUSDT"))["last"] == "50000.5"
        assert (await redis.hgetall("candle:BTCUSDT:5"))["close"] == "1.5"
        assert 0 < await redis.ttl("price:BTCUSDT") <= 60
        assert 0 < await redis.ttl("candle:BTCUSDT:5") <= 600


async def test_subscribers_are_told(redis_url: str) -> None:
    desk = Desk()
    mirror = mirror_of(desk, redis_url)
    async with reader(redis_url, 5) as redis, redis.pubsub() as listening:
        await listening.subscribe(keys.channel("fills", SHORT))
        await listening.get_message(timeout=5)  # the acknowledgement
        async with at_work(mirror):
            await until(lambda: mirror.rewrites == 1, "everything is written")
            mirror.publish(keys.channel("fills", SHORT), {"exec_id": "e1", "qty": Decimal("1E+1")})
            mirror.publish(keys.channel("fills", LX), {"exec_id": "e2"})
            mirror.publish(keys.channel("fills", SHORT), {"exec_id": "e3"})
            told = [await listening.get_message(timeout=10) for _ in range(2)]
    assert [json.loads(message["data"]) for message in told if message is not None] == [
        {"exec_id": "e1", "qty": "10"},
        {"exec_id": "e3"},
    ]


async def test_the_number_in_the_url_is_where_the_range_begins(redis_url: str) -> None:
    desk = Desk()
    desk.show(SHORT, BTCUSDT="-1")
    desk.show(LX, BTCUSDT="2")
    mirror = mirror_of(desk, f"{redis_url}?db=8")
    async with at_work(mirror), reader(redis_url, 8) as eight, reader(redis_url, 9) as nine:
        await until(lambda: mirror.rewrites == 1, "everything is written")
        assert await eight.get(f"position:{SHORT}:BTCUSDT") == "1"
        assert await nine.get(f"position:{LX}:BTCUSDT") == "2"
    async with reader(redis_url) as zero:
        assert await zero.dbsize() == 0
