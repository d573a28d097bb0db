"""Command and control over Telegram: the verbs of `alpha.control` for a few known people.

Only private chats with the configured user ids are heard; everybody else gets no answer. Nothing
here touches trading except through the verbs, and no failure leaves this task.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from pathlib import Path

import structlog
from telegram import Bot, Message, Update
from telegram.constants import ChatType
from telegram.error import Conflict, InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from alpha.clock import Clock
from alpha.control.desk import CommandRecord
from alpha.control.layer import Actor, Control
from alpha.control.text import table
from alpha.control.verbs import VERBS, Verb
from alpha.errors import AlphaError
from alpha.telegram.offset import Offset
from alpha.telegram.outbox import Outbox
from alpha.telegram.redact import quiet_http_logs, redact

log = structlog.get_logger(__name__)

# Spans of time come as timedelta, which python-telegram-bot will make the rule.
os.environ.setdefault("PTB_TIMEDELTA", "1")

#: A command older than this is never run: it was meant for a moment that has passed.
MAX_AGE_S = 60
POLL_S = 25
_ANSWER_WITHIN_S = 20.0
#: A verb with consequences is run when the same words come twice within this.
_CONFIRM_WITHIN_S = 60.0
_MAX_PAUSE_S = 60.0
_CONFLICT_PAUSE_S = 30.0
_AUDIT_EVERY_S = 3600.0
_MAX_STRANGERS = 100
_NEWS_KEEP_S = 86_400.0


class TelegramC2:
    """One bot account of Telegram's, polled in a task of its own.

    `base_url` is the API's root (`https://api.telegram.org`), `state_file` keeps the offset."""

    def __init__(
        self,
        control: Control,
        *,
        token: str,
        admin_ids: Collection[int],
        base_url: str,
        state_file: Path,
        clock: Clock,
        poll_s: int = POLL_S,
    ) -> None:
        quiet_http_logs()
        self._control = control
        self._admins = frozenset(admin_ids)
        self._clock = clock
        self._poll_s = poll_s
        self._token = token
        self._requests = (
            HTTPXRequest(connection_pool_size=8),
            HTTPXRequest(connection_pool_size=1),
        )
        self._bot = Bot(
            token,
            base_url=_api_root(base_url),
            request=self._requests[0],
            get_updates_request=self._requests[1],
        )
        self._outbox = Outbox(self._bot, clock)
        self._offset = Offset(state_file, token.split(":")[0])
        self._audited: dict[int, float] = {}
        self._unconfirmed: dict[int, tuple[list[str], float]] = {}  # words asked, and when
        #: Updates that were there before the first answer to a poll are a backlog.
        self._caught_up = False
        self._failing = False

    def notify(self, text: str) -> None:
        """Tells every admin; returns at once, whatever Telegram does. News wait for Telegram
        longer than answers do."""
        for admin in sorted(self._admins):
            self._outbox.put(admin, text, keep_s=_NEWS_KEEP_S)

    async def run(self) -> None:
        """Polls and answers until cancelled. Returns only when Telegram refuses the token."""
        sender = asyncio.create_task(self._outbox.run(), name="telegram-outbox")
        try:
            await self._poll_for_ever()
        except InvalidToken:
            log.error("telegram_token_refused", do="correct C2_TELEGRAM_BOT_TOKEN; C2 is off")
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            for request in self._requests:
                await request.shutdown()

    async def _poll_for_ever(self) -> None:
        pause = 1.0
        await self._greet()
        while True:
            try:
                await self._poll()
            except InvalidToken:
                raise
            except Conflict:
                self._note_failure("another process polls with this token")
                await self._clock.sleep(_CONFLICT_PAUSE_S)
            except TelegramError as error:
                self._note_failure(str(error))
                await self._clock.sleep(pause)
                pause = min(pause * 2, _MAX_PAUSE_S)
            else:
                pause = 1.0
                self._note_success()

    async def _greet(self) -> None:
        """Says in the log as whom we speak; waits for Telegram if it is away."""
        pause = 1.0
        while True:
            try:
                me = await self._bot.get_me()
            except InvalidToken:
                raise
            except TelegramError as error:
                self._note_failure(str(error))
                await self._clock.sleep(pause)
                pause = min(pause * 2, _MAX_PAUSE_S)
            else:
                self._note_success()
                log.info("telegram_ready", bot=me.username, admins=len(self._admins))
                return

    async def _poll(self) -> None:
        updates = await self._bot.get_updates(
            offset=self._offset.value,
            timeout=self._poll_s,
            read_timeout=self._poll_s + 10,
            allowed_updates=["message"],
        )
        for update in updates:
            self._offset.advance(update.update_id)
            try:
                await self._handle(update)
            except Exception as error:
                # Telegram's side of the house must not fall over one odd message.
                log.error("telegram_update_failed", error=self._redact(repr(error)))
        self._caught_up = True

    def _note_failure(self, error: str) -> None:
        if not self._failing:
            log.warning("telegram_away", error=self._redact(error))
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            log.info("telegram_back")
        self._failing = False

    # -- one message --------------------------------------------------------------------------

    async def _handle(self, update: Update) -> None:
        message = update.message
        if message is None or message.from_user is None or not message.text:
            return
        user = message.from_user.id
        if user not in self._admins:
            await self._refuse(user, message.text)
            return
        if message.chat.type != ChatType.PRIVATE or not message.text.startswith("/"):
            return
        age_s = self._clock.now_ms() / 1000 - message.date.timestamp()
        if age_s > MAX_AGE_S:
            log.warning("telegram_command_too_old", age_s=round(age_s))
            if self._caught_up:
                self._outbox.put(user, f"came {age_s:.0f} s late and was not run; send it again")
            return
        self._outbox.put(user, await self._answer(user, message))

    async def _answer(self, user: int, message: Message) -> str:
        words = (message.text or "").split()
        name = words[0].removeprefix("/").split("@")[0].lower()
        verb = VERBS.get(name)
        if name == "help":
            return help_text()
        if verb is None:
            return f"unknown command /{name}\n\n{help_text()}"
        if verb.acts and len(words) == 1:
            return await self._menu(verb)
        if verb.confirmation and not self._is_confirmed(user, words):
            return f"/{name}: {verb.help} Send the same again within a minute to do it."
        actor = Actor("telegram", f"telegram:{user}", "admin")
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                answer = await self._control.run(name, verb.match(words[1:]), actor)
        except AlphaError as error:
            return self._redact(str(error))
        except TimeoutError:
            return f"/{name}: no answer within {_ANSWER_WITHIN_S:.0f} s; ask again"
        return answer.text

    def _is_confirmed(self, user: int, words: list[str]) -> bool:
        now = self._clock.monotonic()
        asked, at = self._unconfirmed.pop(user, ([], 0.0))
        if asked == words and now - at <= _CONFIRM_WITHIN_S:
            return True
        self._unconfirmed[user] = (words, now)
        return False

    async def _menu(self, verb: Verb) -> str:
        """What a verb that acts shows without an argument. Telegram itself sends /start when a
        chat is opened, so it must never act."""
        bots = table("bots", await self._control.desk.bots())
        return f"/{verb.usage}: {verb.help}\n\n{bots}\n\n{help_text()}"

    async def _refuse(self, user: int, text: str) -> None:
        """No answer, so that a stranger learns nothing; one audit row an hour for each."""
        now = self._clock.monotonic()
        recent = {who: when for who, when in self._audited.items() if now - when < _AUDIT_EVERY_S}
        self._audited = recent
        if user in recent or len(recent) >= _MAX_STRANGERS:
            return
        recent[user] = now
        await self._control.desk.audit(
            CommandRecord(
                channel="telegram",
                operator=f"telegram:{user}",
                command=text.split()[0][:32] if text.split() else "",
                decision="refused",
                result="not one of the admin ids",
            )
        )

    def _redact(self, text: str) -> str:
        return redact(text, self._token)


def help_text() -> str:
    lines = [f"/{verb.usage}  {verb.help}" for verb in VERBS.values()]
    return "\n".join([*lines, "/help  This list."])


def _api_root(base_url: str) -> str:
    """python-telegram-bot wants the address up to `/bot`, to which it adds the token."""
    root = base_url.rstrip("/")
    return root if root.endswith("/bot") else f"{root}/bot"
