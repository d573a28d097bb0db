"""The fault proxy before an echo server, a PostgreSQL and a Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from alpha.sim.proxy import FaultProxy

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HELD_S = 0.2


class Echo:
    """Answers every line with itself and remembers it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.lines.append(line)
                writer.write(line)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def before(host: str, port: int) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(host, port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, FaultProxy]]:
    server = Echo()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        host, port = listener.sockets[0].getsockname()
        async with before(host, port) as proxy:
            yield server, proxy


@asynccontextmanager
async def connected(proxy: FaultProxy) -> AsyncIterator[Ends]:
    reader, writer = await asyncio.open_connection(*proxy.address)
    try:
        yield reader, writer
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def ask(ends: Ends, line: bytes, within_s: float = 5.0) -> bytes:
    reader, writer = ends
    writer.write(line)
    await writer.drain()
    async with asyncio.timeout(within_s):
        return await reader.readline()


async def test_passes_bytes_and_ends_both_ways(echo: tuple[Echo, FaultProxy]) -> None:
    _, proxy = echo
    async with connected(proxy) as ends, connected(proxy) as others:
        assert await ask(ends, b"a" * 50_000 + b"\n") == b"a" * 50_000 + b"\n"
        assert await ask(others, b"two\n") == b"two\n"
        assert proxy.connections == 2
        ends[1].write_eof()
        assert await ends[0].read() == b""
        assert await ask(others, b"still\n") == b"still\n"


async def test_cut_closes_and_refuses_and_heal_takes_the_same_port(
    echo: tuple[Echo, FaultProxy],
) -> None:
    _, proxy = echo
    port = proxy.address[1]
    async with connected(proxy) as ends:
        assert await ask(ends, b"one\n") == b"one\n"
        proxy.cut()
        assert await ends[0].read() == b""
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*proxy.address)
    proxy.heal()
    assert proxy.address[1] == port
    async with connected(proxy) as ends:
        assert await ask(ends, b"two\n") == b"two\n"


async def test_stall_holds_every_byte_until_healed(echo: tuple[Echo, FaultProxy]) -> None:
    server, proxy = echo
    async with connected(proxy) as ends:
        assert await ask(ends, b"one\n") == b"one\n"
        proxy.stall()
        with pytest.raises(TimeoutError):
            await ask(ends, b"two\n", HELD_S)
        async with connected(proxy) as late:  # accepted, but nobody is behind it
            with pytest.raises(TimeoutError):
                await ask(late, b"late\n", HELD_S)
            assert server.lines == [b"one\n"]
            proxy.heal()
            assert await ask(ends, b"three\n") == b"two\n"
            assert await ask(ends, b"four\n") == b"three\n"
            assert await ask(late, b"later\n") == b"late\n"


async def test_half_open_reaches_the_server_and_loses_its_answers(
    echo: tuple[Echo, FaultProxy],
) -> None:
    server, proxy = echo
    async with connected(proxy) as ends, connected(proxy) as quiet:
        assert await ask(quiet, b"zero\n") == b"zero\n"
        proxy.half_open()
        with pytest.raises(TimeoutError):
            await ask(ends, b"one\n", HELD_S)
        assert server.lines == [b"zero\n", b"one\n"]
        proxy.heal()
        # The connection that lost an answer is broken, never a stream with a hole.
        with pytest.raises(ConnectionResetError):
            await ask(ends, b"two\n")
        assert await ask(quiet, b"three\n") == b"three\n"


async def test_reset_breaks_what_is_open_and_takes_what_is_new(
    echo: tuple[Echo, FaultProxy],
) -> None:
    _, proxy = echo
    async with connected(proxy) as ends:
        assert await ask(ends, b"one\n") == b"one\n"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await ends[0].read()
        async with connected(proxy) as fresh:
            assert await ask(fresh, b"two\n") == b"two\n"


async def test_a_server_that_is_away_looks_away(echo: tuple[Echo, FaultProxy]) -> None:
    del echo
    gone = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    host, port = gone.sockets[0].getsockname()
    gone.close()
    await gone.wait_closed()
    async with before(host, port) as proxy, connected(proxy) as ends:
        assert await ends[0].read() == b""


async def test_address_before_start_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"await start\(\)"):
        _ = FaultProxy("127.0.0.1", 1).address


async def test_postgres_through_every_fault(postgres_dsn: str) -> None:
    parts = urlsplit(postgres_dsn)
    where = parse_qs(parts.query)
    async with before(f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}", 0) as proxy:
        host, port = proxy.address
        user = unquote(parts.netloc.rpartition("@")[0])

        async def connect() -> asyncpg.Connection[asyncpg.Record]:
            return await asyncpg.connect(
                host=host, port=port, user=user, database=parts.path[1:], ssl=False
            )

        connection = await connect()
        assert await connection.fetchval("SELECT 1") == 1
        proxy.stall()
        waiting = asyncio.ensure_future(connection.fetchval("SELECT 2"))
        done, _ = await asyncio.wait({waiting}, timeout=HELD_S)
        assert not done
        proxy.heal()
        assert await waiting == 2
        for strike in (proxy.reset, proxy.cut):
            strike()
            with pytest.raises((OSError, asyncpg.PostgresConnectionError)):
                await connection.fetchval("SELECT 3")
            proxy.heal()
            connection = await connect()
            assert await connection.fetchval("SELECT 4") == 4
        await connection.execute("CREATE TABLE half (n int)")
        proxy.half_open()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HELD_S):
                await connection.execute("INSERT INTO half VALUES (1)")
        connection.terminate()
        proxy.heal()
        connection = await connect()
        # Done, but never told.
        assert await connection.fetchval("SELECT count(*) FROM half") == 1
        await connection.close()


async def test_redis_through_every_fault(redis_url: str) -> None:
    async with before(unquote(urlsplit(redis_url).path), 0) as proxy:
        host, port = proxy.address
        client = Redis(host=host, port=port, socket_timeout=HELD_S, retry=Retry(NoBackoff(), 0))
        try:
            told = await client.incr("n")
            proxy.half_open()
            with pytest.raises(RedisTimeoutError):
                await client.incr("n")
            proxy.heal()
            await client.connection_pool.disconnect()
            assert await client.incr("n") == told + 2  # done, but never told
            for strike in (proxy.cut, proxy.reset, proxy.stall):
                strike()
                with pytest.raises((RedisConnectionError, RedisTimeoutError)):
                    await client.incr("n")
                proxy.heal()
                await client.connection_pool.disconnect()
                assert await client.ping()
        finally:
            await client.aclose()
