"""A stand-in for Telegram's Bot API over HTTP: getMe, getUpdates with long polling and
confirmation by offset, sendMessage with the real limits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

TOKEN = "123456789:AAFakeTokenForTests_0123456789abcdefg"


@dataclass
class Sent:
    chat: int
    text: str
    parse_mode: str | None


@dataclass
class StandIn:
    """`sent` holds what was delivered, `offsets` what the poller asked for."""

    sent: list[Sent] = field(default_factory=list)
    offsets: list[int | None] = field(default_factory=list)
    #: Answers to the next sendMessage calls in place of delivering: (HTTP status, body).
    failures: list[tuple[int, dict[str, object]]] = field(default_factory=list)
    port: int = 0
    _updates: list[dict[str, object]] = field(default_factory=list)
    _next_id: int = 1000
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/bot{token}/{method}", self._call)
        self._runner = web.AppRunner(
            app, shutdown_timeout=0.1, handler_cancellation=True, access_log=None
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def say(
        self, user: int, text: str, *, at_s: float, chat_type: str = "private", chat: int = 0
    ) -> None:
        """A user writes to the bot at this Unix time."""
        self._next_id += 1
        message = {
            "message_id": self._next_id,
            "date": int(at_s),
            "chat": {"id": chat or user, "type": chat_type},
            "from": {"id": user, "is_bot": False, "first_name": "Someone"},
            "text": text,
        }
        async with self._changed:
            self._updates.append({"update_id": self._next_id, "message": message})
            self._changed.notify_all()

    async def until_sent(self, count: int) -> list[Sent]:
        """Waits until `count` messages were delivered."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.sent) >= count)
        return self.sent

    async def until_taken(self) -> None:
        """Waits until every update was confirmed by a later poll."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: not self._updates)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["token"] != TOKEN:
            return _error(401, "Unauthorized")
        parameters = {**request.query, **await request.post()}
        match request.match_info["method"]:
            case "getMe":
                return _ok({"id": 1, "is_bot": True, "first_name": "A", "username": "a_bot"})
            case "getUpdates":
                return _ok(await self._get_updates(parameters))
            case "sendMessage":
                return await self._send(parameters)
        return _error(404, "Not Found")

    async def _get_updates(self, parameters: Mapping[str, object]) -> list[dict[str, object]]:
        offset = int(str(parameters["offset"])) if "offset" in parameters else None
        async with self._changed:
            self.offsets.append(offset)
            if offset is not None:
                self._updates = [u for u in self._updates if int(str(u["update_id"])) >= offset]
            self._changed.notify_all()
            try:
                async with asyncio.timeout(float(str(parameters.get("timeout", 0)))):
                    await self._changed.wait_for(lambda: bool(self._updates))
            except TimeoutError:
                pass
            return list(self._updates)

    async def _send(self, parameters: Mapping[str, object]) -> web.StreamResponse:
        if self.failures:
            status, body = self.failures.pop(0)
            return web.json_response(body, status=status)
        text = str(parameters["text"])
        if len(text.encode("utf-16-le")) // 2 > 4096:
            return _error(400, "Bad Request: message is too long")
        mode = parameters.get("parse_mode")
        chat = int(str(parameters["chat_id"]))
        async with self._changed:
            self.sent.append(Sent(chat, text, None if mode is None else str(mode)))
            self._changed.notify_all()
        chat_json = {"id": chat, "type": "private"}
        return _ok({"message_id": len(self.sent), "date": 0, "chat": chat_json, "text": text})


def _ok(result: object) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _error(code: int, description: str) -> web.Response:
    body = {"ok": False, "error_code": code, "description": description}
    return web.json_response(body, status=code)
