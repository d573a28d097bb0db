"""Calls hooks so that a faulty one harms only its own bot: an exception is caught and counted,
CPU time is measured against a budget, and the running hook is marked on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from alpha.bots.mark import HookMark
from alpha.bots.plugin import HookFunction
from alpha.clock import cpu_ns
from alpha.errors import BotFault

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """`budget_ms` is thread CPU time per hook call; `faults_in_row` of one hook fail the bot."""

    budget_ms: float = 250.0
    faults_in_row: int = 3


@dataclass(slots=True)
class HookFigures:
    """What a hook has cost. `in_row` counts faults since its last good call, `newest` is the last
    of them."""

    calls: int = 0
    faults: int = 0
    in_row: int = 0
    cpu_ns: int = 0
    worst_ns: int = 0
    newest: str = ""


class GuardedHook:
    """One hook of one bot. `call` returns the hook's answer and raises BotFault when it failed;
    an overrun is counted, and its answer stands. `accept` ends a row of faults: the caller has
    looked at the answer and found it good."""

    __slots__ = (
        "_bot",
        "_budget_ns",
        "_clean",
        "_cpu_ns",
        "_function",
        "_label",
        "_limits",
        "_mark",
        "_on_row",
        "figures",
        "name",
    )

    def __init__(
        self,
        bot: str,
        name: str,
        function: HookFunction,
        limits: Limits,
        on_row: Callable[[str], object],
        mark: HookMark | None,
        cpu: Callable[[], int] = cpu_ns,
    ) -> None:
        self.name = name
        self.figures = HookFigures()
        self._bot = bot
        self._function = function
        self._limits = limits
        self._budget_ns = int(limits.budget_ms * 1_000_000)
        self._on_row = on_row
        self._mark = mark
        self._label = HookMark.label(bot, name)
        self._cpu_ns = cpu
        self._clean = True

    def call(self, *arguments: object) -> object:
        mark = self._mark
        self._clean = True
        if mark is not None:
            mark.enter(self._label)
        began = self._cpu_ns()
        try:
            answer = self._function(*arguments)
        except (Exception, SystemExit) as error:
            log.error("hook_failed", bot=self._bot, hook=self.name, exc_info=error)
            raise self.fault(f"hook {self.name} raised {type(error).__name__}: {error}") from error
        finally:
            if mark is not None:
                mark.leave()
        used = self._cpu_ns() - began
        figures = self.figures
        figures.calls += 1
        figures.cpu_ns += used
        if used > figures.worst_ns:
            figures.worst_ns = used
        if used > self._budget_ns:
            self.fault(
                f"hook {self.name} used {used / 1e6:.0f} ms of CPU time, expected at most "
                f"{self._limits.budget_ms:g} ms"
            )
        return answer

    def accept(self) -> None:
        if self._clean and self.figures.in_row:
            self.figures.in_row = 0

    def fault(self, message: str) -> BotFault:
        """Counts a fault of this hook; too many in a row fail the bot."""
        self._clean = False
        figures = self.figures
        figures.faults += 1
        figures.in_row += 1
        figures.newest = message
        log.warning("bot_fault", bot=self._bot, fault=message, in_row=figures.in_row)
        if figures.in_row >= self._limits.faults_in_row:
            self._on_row(f"{message} ({figures.in_row} faults in a row)")
        return BotFault(self._bot, message)
