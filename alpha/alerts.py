"""Alerts: what happened that a person has to know of, from whichever part noticed it.

Telling one never waits and never fails. It is logged each time. The first of its kind (same kind,
part, account, bot and symbol) goes to the listeners at once: the database, subscribers of events,
Telegram. What repeats it within `QUIET_S` is counted, and told once more with the number when that
time is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import structlog

from alpha.clock import Clock, iso

log = structlog.get_logger("alpha.alerts")

Level = Literal["ERROR", "CRITICAL"]
Detail = str | int | bool | None

#: A repetition within this time is counted instead of told.
QUIET_S = 300.0
#: The newest alerts are kept for listeners that come later, and for `alpha alerts`.
KEPT = 200
_LOOK_EVERY_S = 1.0
#: The part that a kind comes from, unless whoever tells it names one: a duty, a check, a limit.
PARTS: Mapping[str, str] = {
    "account_not_live": "accounts",
    "key_refused": "accounts",
    "manual_trade": "positions",
    "position_adjusted": "positions",
    "position_mismatch": "positions",
    "position_overshot": "positions",
    "position_without_stop": "positions",
    "commit_refused": "ledger",
    "executions_not_stored": "ledger",
    "ledger_refuses": "ledger",
    "postgres_away": "ledger",
    "unknown_execution_type": "ledger",
    "executions_missed": "trade-sync",
    "executions_left_out": "trade-sync",
    "wallet_differs": "trade-sync",
    "wallet_not_audited": "trade-sync",
    "redis_away": "redis",
    "bot_failed": "bots",
    "bot_halted": "bots",
    "candles_differ": "market",
    "no_such_market": "market",
    "recording_interrupted": "recordings",
    "daemon_failed": "daemon",
    "daemon_stood_still": "daemon",
    "takeover": "daemon",
}
#: A word shorter than this is no secret: hiding it would only garble the sentences.
_SHORTEST_SECRET = 6
_MASK = "********"


@dataclass(frozen=True, slots=True)
class Alert:
    """`message` is one sentence: what was expected, what was found, what to do. `at_ms` is wall
    time. `repeated` is 0 for the first; later it says how often that has come again."""

    kind: str
    level: Level
    message: str
    at_ms: int
    component: str | None = None
    account: str | None = None
    bot_id: str | None = None
    symbol: str | None = None
    repeated: int = 0
    details: Mapping[str, Detail] = field(default_factory=dict)

    @property
    def subject(self) -> tuple[str | None, ...]:
        """Alerts of one subject are the same alert."""
        return (self.kind, self.component, self.account, self.bot_id, self.symbol)

    @property
    def where(self) -> str:
        """Account, bot and symbol, as far as it has them."""
        named = (("account", self.account), ("bot", self.bot_id), ("", self.symbol))
        return " · ".join(f"{name} {word}".strip() for name, word in named if word)

    def text(self) -> str:
        """For a telephone: what, where and when, then the sentence."""
        repeated = f" · {self.repeated} more" if self.repeated else ""
        heads = (f"{self.level} {self.kind}{repeated}", self.where, iso(self.at_ms))
        return "\n".join([*(head for head in heads if head), self.message])


Listener = Callable[[Alert], None]


@dataclass(slots=True)
class _Quiet:
    """Since when (monotonic) an alert is only counted, how often it came, and the newest."""

    since: float
    count: int
    newest: Alert


class Alerts:
    """Where every part of one process tells its alerts. `secrets` never leave in one."""

    def __init__(self, clock: Clock, *, secrets: Collection[str] = ()) -> None:
        self._clock = clock
        self._secrets = sorted((s for s in secrets if len(s) >= _SHORTEST_SECRET), key=len)[::-1]
        self._listeners: list[Listener] = []
        self._quiet: dict[tuple[str | None, ...], _Quiet] = {}
        self.recent: deque[Alert] = deque(maxlen=KEPT)

    def listen(self, listener: Listener) -> None:
        """From now on; what has been told before is handed over at once."""
        for alert in self.recent:
            self._hand(listener, alert)
        self._listeners.append(listener)

    def tell(
        self,
        kind: str,
        message: str,
        *,
        level: Level = "CRITICAL",
        component: str | None = None,
        account: str | None = None,
        bot_id: str | None = None,
        symbol: str | None = None,
        **details: Detail,
    ) -> None:
        """Something that needs a person. Never raises, never waits."""
        alert = Alert(
            kind,
            level,
            self._without_secrets(message),
            self._clock.now_ms(),
            component or PARTS.get(kind),
            account,
            bot_id,
            symbol,
            details={
                name: self._without_secrets(value) if isinstance(value, str) else value
                for name, value in details.items()
            },
        )
        _write_log(alert)
        quiet = self._quiet.get(alert.subject)
        if quiet is not None:
            quiet.count += 1
            quiet.newest = alert
            return
        self._quiet[alert.subject] = _Quiet(self._clock.monotonic(), 0, alert)
        self._pass_on(alert)

    async def run(self) -> None:
        """Tells once more, with their number, what was only counted; until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        """Ends the quiet of alerts whose time is over. One that has repeated stays quiet for
        another while, so that a storm makes one message in `QUIET_S`."""
        now = self._clock.monotonic()
        for subject, quiet in list(self._quiet.items()):
            if now - quiet.since < QUIET_S:
                continue
            del self._quiet[subject]
            if quiet.count:
                self._quiet[subject] = _Quiet(now, 0, quiet.newest)
                self._pass_on(replace(quiet.newest, repeated=quiet.count))

    def _pass_on(self, alert: Alert) -> None:
        self.recent.append(alert)
        for listener in self._listeners:
            self._hand(listener, alert)

    def _hand(self, listener: Listener, alert: Alert) -> None:
        try:
            listener(alert)
        except Exception as error:
            # Whoever tells an alert has something more urgent to do than to hear of this.
            log.warning("alert_not_passed_on", kind=alert.kind, error=type(error).__name__)

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text


def alert_row(alert: Alert) -> dict[str, object]:
    """The columns of an alert, wherever it is shown."""
    return {
        "time": iso(alert.at_ms),
        "kind": alert.kind,
        "level": alert.level,
        "component": alert.component,
        "account": alert.account,
        "bot_id": alert.bot_id,
        "symbol": alert.symbol,
        "repeated": alert.repeated,
        "message": alert.message,
        "details": dict(alert.details),
    }


def _write_log(alert: Alert) -> None:
    fields: dict[str, object] = {
        "component": alert.component,
        "account": alert.account,
        "bot": alert.bot_id,
        "symbol": alert.symbol,
    }
    known = {name: value for name, value in fields.items() if value is not None}
    write = log.critical if alert.level == "CRITICAL" else log.error
    write(alert.kind, says=alert.message, **{**alert.details, **known})
