"""What happens to a daemon, its bots and its accounts, as system events beside the alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from alpha.alerts import Detail
from alpha.bots.host import BotHandle
from alpha.bots.states import BotState
from alpha.clock import Clock
from alpha.ledger.alert_journal import SystemEvent
from alpha.ledger.observations import Level
from alpha.live import Live
from alpha.recording.settings import Changed
from alpha.trading.account import AccountStatus

#: States in which a bot is at work.
AT_WORK = frozenset({BotState.RUNNING, BotState.REDUCE_ONLY, BotState.WARMING})


class Events:
    """Hears of changes from `handles` and `live`, and gives them to `put`, which never waits."""

    def __init__(
        self,
        put: Callable[[SystemEvent], None],
        clock: Clock,
        live: Live,
        handles: Iterable[BotHandle],
    ) -> None:
        self._put = put
        self._clock = clock
        self._live = live
        self._states: dict[str, BotState] = {}
        self._statuses: dict[str, AccountStatus] = {}
        for handle in handles:
            self._states[handle.name] = handle.state
            handle.state_changed = self.bot_changed
        live.status_changed = self.account_changed

    def note(
        self,
        kind: str,
        message: str,
        *,
        level: Level = "INFO",
        component: str,
        account: str | None = None,
        bot_id: str | None = None,
        details: Mapping[str, Detail] | None = None,
    ) -> None:
        at_ms = self._clock.now_ms()
        more = details or {}
        event = SystemEvent(kind, level, message, at_ms, component, account, bot_id, details=more)
        self._put(event)

    def bot_changed(self, handle: BotHandle) -> None:
        """A bot has another state, or another reason for it."""
        before, state = self._states.get(handle.name), handle.state
        self._states[handle.name] = state
        if state is before:
            return
        kind = "BOT_STATE"
        if state is BotState.RUNNING and before is not BotState.REDUCE_ONLY:
            kind = "BOT_START"
        elif state in (BotState.PAUSED, BotState.FAILED, BotState.DISABLED):
            kind = "BOT_STOP"
        why = handle.state_reason
        self.note(
            kind,
            f"bot {handle.name} is {state}" + (f": {why}" if why else ""),
            level="WARNING" if state is BotState.FAILED else "INFO",
            component="bots",
            account=handle.account,
            bot_id=handle.bot_id,
            details={"before": before, "after": state, "why": why},
        )

    def bots_end(self, why: str) -> None:
        """The daemon leaves: bots that are at work end with it."""
        for handle in (session.handle for session in self._live.sessions.values()):
            if self._states.get(handle.name) in AT_WORK:
                self.note(
                    "BOT_STOP",
                    f"bot {handle.name} ends with the daemon: {why}",
                    component="bots",
                    account=handle.account,
                    bot_id=handle.bot_id,
                    details={"before": handle.state, "after": BotState.DISABLED, "why": why},
                )

    def account_changed(self, name: str) -> None:
        """An account is live, or has a gap again."""
        account = self._live.services[name].account
        before, status = self._statuses.get(name), account.status
        self._statuses[name] = status
        if status is before:
            return
        details: dict[str, Detail] = {
            "gaps": account.gaps,
            "backfilled": account.backfilled,
            "why": account.why,
        }
        level: Level = "WARNING"
        if status is AccountStatus.LIVE:
            kind, level = "ACCOUNT_LIVE", "INFO"
            words = f"account {name} is live, {account.backfilled} executions backfilled so far"
        elif status is AccountStatus.HALTED:
            kind, words = "ACCOUNT_HALTED", f"account {name} is halted: {account.why}"
        elif before is AccountStatus.LIVE:
            kind, words = "GAP", f"account {name} has a gap: {account.why}"
        else:
            return
        self.note(kind, words, level=level, component="accounts", account=name, details=details)

    def settings_changed(self, changed: Iterable[Changed]) -> None:
        """Of another run's settings, which keys differ; the first version is no change."""
        for one in changed:
            if one.keys is not None:
                words = f"{one.key} of {one.bot_id}, version {one.version}: {', '.join(one.keys)}"
                self.note(
                    "CONFIG_CHANGE",
                    words,
                    component=one.key,
                    account=one.account,
                    bot_id=one.bot_id,
                    details={"version": one.version, "keys": ", ".join(one.keys)},
                )
