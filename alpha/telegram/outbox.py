"""Messages on their way out. Putting one in never waits and never fails; Telegram being slow,
full or away is this task's business alone."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import timedelta

import structlog
from telegram import Bot
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter, TelegramError

from alpha.clock import Clock
from alpha.telegram.messages import pages
from alpha.telegram.redact import redact

log = structlog.get_logger(__name__)

MAX_WAITING = 200
#: An answer that could not be given for so long is of no use any more.
KEEP_S = 300.0
_PER_CHAT_S = 1.0  # Telegram's limit: about one message a second in one chat
_MAX_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    chat: int
    html: str
    until: float  # it is of use


class Outbox:
    """A bounded queue and the task that empties it. The oldest message gives way when full."""

    def __init__(self, bot: Bot, clock: Clock) -> None:
        self._bot = bot
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._filled = asyncio.Event()
        self._last_sent: dict[int, float] = {}
        self.sent = 0
        self.dropped = 0

    def put(self, chat: int, text: str, *, keep_s: float = KEEP_S) -> None:
        """Queues plain text for one chat, in as many messages as it takes."""
        until = self._clock.monotonic() + keep_s
        for page in pages(text):
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(_Waiting(chat, page, until))
        self._filled.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            while self._waiting:
                message = self._waiting.popleft()
                try:
                    await self._deliver(message)
                except Exception as error:
                    # One message that cannot be sent must not silence all that follow.
                    self._drop(message, error)
            self._filled.clear()
            await self._filled.wait()

    async def _deliver(self, message: _Waiting) -> None:
        pause = 1.0
        while self._clock.monotonic() < message.until:
            await self._keep_pace(message.chat)
            try:
                await self._bot.send_message(message.chat, message.html, parse_mode=ParseMode.HTML)
            except RetryAfter as error:
                await self._clock.sleep(_seconds(error.retry_after))
            except (BadRequest, Forbidden, InvalidToken) as error:
                self._drop(message, error)
                return
            except TelegramError:
                await self._clock.sleep(pause)
                pause = min(pause * 2, _MAX_PAUSE_S)
            else:
                self.sent += 1
                return
        self._drop(message, None)

    async def _keep_pace(self, chat: int) -> None:
        now = self._clock.monotonic()
        earliest = self._last_sent.get(chat, now - _PER_CHAT_S) + _PER_CHAT_S
        if earliest > now:
            await self._clock.sleep(earliest - now)
        self._last_sent[chat] = self._clock.monotonic()

    def _drop(self, message: _Waiting, error: Exception | None) -> None:
        self.dropped += 1
        why = redact(str(error), self._bot.token) if error else "Telegram was away too long"
        log.warning("telegram_message_dropped", chat=message.chat, error=why)


def _seconds(wait: int | timedelta) -> float:
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
