"""The series of one bot's decisions, and what a restart would load of it.

A row is numbered, its intents get their order ids, and the newest row's state, stamp and cursor
are where the next one goes on, in this process or in the one after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from alpha.bots.cursor import Cursor, SavedBot, decode, encode
from alpha.bots.vetting import AnyIntent, record, stamped
from alpha.core.decisions import Decision, Dropped, Planned
from alpha.core.ids import wire_id
from alpha.core.reasons import ReasonBook
from alpha.core.records import DecisionRow
from alpha.errors import NeedsOperator

log = structlog.get_logger(__name__)


class DecisionSeries:
    """Begins with `state_json`, the state of a fresh strategy. `ordinal` counts the decisions,
    `last_stamp` (Unix ms) is that of the newest order id; both are 0 before the first."""

    def __init__(
        self, bot: str, bot_id: str, account: str, state_json: str, *, book: ReasonBook
    ) -> None:
        self.ordinal = 0
        self.last_stamp = 0
        self.state_json = state_json
        self.cursor = Cursor()
        self._cursor_json = encode(self.cursor)
        self._bot = bot
        self._bot_id = bot_id
        self._account = account
        self._book = book

    @property
    def saved(self) -> SavedBot:
        """What a restart would load now."""
        return SavedBot(self.ordinal, self.state_json, self.last_stamp, self._cursor_json)

    def restore(self, saved: SavedBot) -> None:
        """Goes on behind the newest decision. NeedsOperator, and nothing taken, when its cursor
        cannot be read."""
        try:
            self.cursor = decode(saved.cursor_json)
        except msgspec.MsgspecError as error:
            raise NeedsOperator(
                f"bot {self._bot}: expected a saved cursor, was {saved.cursor_json!r}: {error}; "
                "restore the database or clear the bot's row in config.bot_state"
            ) from None
        self.ordinal = saved.ordinal
        self.last_stamp = saved.last_stamp
        self.state_json = saved.state_json
        self._cursor_json = saved.cursor_json

    def add(
        self,
        items: Sequence[AnyIntent | Dropped],
        event_key: str,
        event_ms: int,
        *,
        state_json: str | None = None,
        cursor: Cursor | None = None,
        replayed: bool = False,
    ) -> Decision:
        """The next decision: the intents on one event, and the state and the cursor that the bot
        has behind it; None leaves them as they were."""
        decided = self._with_ids(items, event_key, event_ms)
        self.ordinal += 1
        if state_json is not None:
            self.state_json = state_json
        if cursor is not None and cursor is not self.cursor:
            self.cursor = cursor
            self._cursor_json = encode(cursor)
        row = DecisionRow(
            account=self._account,
            bot_id=self._bot_id,
            ordinal=self.ordinal,
            event_key=event_key,
            event_ms=event_ms,
            state_json=self.state_json,
            last_stamp=self.last_stamp,
            cursor_json=self._cursor_json,
            intents_json=record(decided),
        )
        planned = tuple(one for one in decided if isinstance(one, Planned))
        if len(planned) == len(decided):
            return Decision(row, planned, replayed)
        dropped = [(place, one) for place, one in enumerate(decided) if isinstance(one, Dropped)]
        return Decision(row, planned, replayed, tuple(dropped))

    def _with_ids(
        self, items: Sequence[AnyIntent | Dropped], event_key: str, event_ms: int
    ) -> list[Planned | Dropped]:
        decided: list[Planned | Dropped] = []
        for item, stamp in stamped(items, event_ms, self.last_stamp):
            self.last_stamp = stamp
            if isinstance(item, Dropped):
                log.info("intent_dropped", bot=self._bot, decision=event_key, why=item.why)
                decided.append(item)
            else:
                link_id = wire_id(self._bot_id, item.reason, stamp, self._book)
                decided.append(Planned(item, link_id))
        return decided
