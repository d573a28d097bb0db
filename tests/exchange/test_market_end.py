"""Asking the built-in exchange whether its market has closed."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from alpha.exchange import market_has_ended


async def _asked(answer: bytes | None) -> bool:
    """What a server that answers so, or never, makes of the question."""
    quiet = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await quiet.wait()
        else:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n"
            writer.write(head.encode() + answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(5):
            return await market_has_ended(session, f"http://127.0.0.1:{port}")
    finally:
        quiet.set()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        (b'{"status":"ended"}', True),
        (b'{"status":"running"}', False),
        (b"[]", False),
        (b"{}", False),
        (b"not JSON", False),
    ],
)
async def test_only_an_exchange_that_says_so_has_ended(answer: bytes, ended: bool) -> None:
    assert await _asked(answer) is ended


async def test_an_exchange_that_hangs_does_not_hold_the_daemon_up() -> None:
    assert await _asked(None) is False
