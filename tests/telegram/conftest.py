from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from alpha.clock import SystemClock
from alpha.control.layer import Control
from alpha.telegram.c2 import TelegramC2
from tests.control.desks import MemoryDesk
from tests.telegram.stand_in import TOKEN, StandIn

ADMIN = 42
STRANGER = 666


class QuickClock(SystemClock):
    """Waits a hundredth of what it is asked to, so that back-off can be watched."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


class Room:
    """One stand-in, one desk, and C2 tasks between them."""

    def __init__(self, telegram: StandIn, folder: Path) -> None:
        self.telegram = telegram
        self.desk = MemoryDesk()
        self.clock = QuickClock()
        self._folder = folder

    def build(self, *, token: str = TOKEN) -> TelegramC2:
        return TelegramC2(
            Control(self.desk, self.clock),
            token=token,
            admin_ids=(ADMIN,),
            base_url=self.telegram.url,
            state_file=self._folder / "telegram.json",
            clock=self.clock,
            poll_s=1,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[TelegramC2]:
        c2 = self.build()
        task = asyncio.create_task(c2.run())
        try:
            yield c2
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def say(self, text: str, *, user: int = ADMIN, ago_s: float = 0.0) -> None:
        at_s = self.clock.now_ms() / 1000 - ago_s
        await self.telegram.say(user, text, at_s=at_s)

    async def ask(self, text: str) -> str:
        """One command, one answer."""
        before = len(self.telegram.sent)
        async with self.running():
            await self.say(text)
            sent = await self.telegram.until_sent(before + 1)
        return sent[before].text


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    telegram = StandIn()
    await telegram.start()
    try:
        yield Room(telegram, tmp_path)
    finally:
        await telegram.stop()
