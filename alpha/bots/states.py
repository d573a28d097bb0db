"""The states of a bot, and the only ways from one to another."""

from __future__ import annotations

from enum import StrEnum


class BotState(StrEnum):
    DISABLED = "disabled"  # not asked to run; hooks are not called
    STARTING = "starting"  # state is being loaded, missed events are being delivered
    WARMING = "warming"  # too few bars; hooks run, entries are dropped
    RUNNING = "running"
    PAUSED = "paused"  # by the operator or by the bot's own halt; exits go on
    REDUCE_ONLY = "reduce_only"  # by the platform; exits go on
    FAILED = "failed"  # hooks are not called; positions stay protected

    @property
    def calls_hooks(self) -> bool:
        return self not in (BotState.DISABLED, BotState.FAILED)

    @property
    def takes_entries(self) -> bool:
        return self is BotState.RUNNING

    @property
    def recoverable(self) -> bool:
        """Whether the platform may bring the bot back without an operator."""
        return self in (BotState.STARTING, BotState.WARMING, BotState.REDUCE_ONLY)


class StateMachine:
    """Holds one bot's state and the reason for it. Each method is one named transition; one that
    does not apply in the present state changes nothing and returns False."""

    def __init__(self) -> None:
        self.state = BotState.DISABLED
        self.reason = ""
        self.warmed = False
        #: What a platform restriction asked for while a stricter state stood.
        self._reduce_only: str | None = None
        #: The operator's stop of a bot that has not started yet.
        self._pause_at_start: str | None = None
        #: Why the bot was stopped, until it is started again: a failure does not undo a stop.
        self.stopped: str | None = None

    def start(self) -> bool:
        """The operator, or the configuration, wants the bot to trade."""
        pause, self._pause_at_start = self._pause_at_start, None
        self.stopped = pause
        if self.state in (BotState.DISABLED, BotState.FAILED):
            self.warmed = False
            if pause is not None:
                return self._become(BotState.PAUSED, pause)
            return self._become(BotState.STARTING, "")
        if self.state is BotState.PAUSED:
            return self._resume()
        return False

    def warming(self, reason: str) -> bool:
        """Bars are missing; `reason` says until when."""
        self.warmed = False
        if self.state in (BotState.STARTING, BotState.WARMING, BotState.RUNNING):
            return self._become(BotState.WARMING, reason)
        return False

    def ready(self, note: str = "") -> bool:
        """Warmed up, and everything missed has been delivered."""
        self.warmed = True
        if self.state in (BotState.STARTING, BotState.WARMING):
            return self._resume(note)
        return False

    def note(self, reason: str) -> None:
        """What a running bot still lacks."""
        if self.state is BotState.RUNNING:
            self.reason = reason

    def pause(self, reason: str) -> bool:
        """Of a bot that has not started yet: it starts paused. One that has failed stays so, and
        is known to be stopped."""
        self.stopped = reason
        if self.state is BotState.DISABLED:
            self._pause_at_start = reason
        if self.state in (BotState.DISABLED, BotState.FAILED):
            return False
        return self._become(BotState.PAUSED, reason)

    def reduce_only(self, reason: str) -> bool:
        """The platform can take no entries for now. A stricter state stays."""
        self._reduce_only = reason
        if self.state in (BotState.RUNNING, BotState.REDUCE_ONLY):
            return self._become(BotState.REDUCE_ONLY, reason)
        return False

    def lift(self) -> bool:
        """The reason for reduce_only is gone."""
        self._reduce_only = None
        if self.state is BotState.REDUCE_ONLY:
            return self._resume()
        return False

    def fail(self, reason: str) -> bool:
        if self.state is BotState.DISABLED:
            return False
        return self._become(BotState.FAILED, reason)

    def disable(self, reason: str = "") -> bool:
        return self._become(BotState.DISABLED, reason)

    def _resume(self, note: str = "") -> bool:
        if not self.warmed:
            return self._become(BotState.WARMING, note)
        if self._reduce_only is not None:
            return self._become(BotState.REDUCE_ONLY, self._reduce_only)
        return self._become(BotState.RUNNING, note)

    def _become(self, state: BotState, reason: str) -> bool:
        changed = (state, reason) != (self.state, self.reason)
        self.state = state
        self.reason = reason
        return changed
