"""The guard of the daemon: a small parent process that starts it again when it stands still.

`alpha run` forks: the process that the user started becomes the guard, its child the daemon. A
hook that never returns stops the daemon's loop, whatever language it hangs in, and only another
process can end that. Under systemd, whose watchdog does the same, there is no guard.

To the outside the two are one. The guard passes requests to end on and ends as the daemon ends,
with its exit code or its signal; the kernel kills the daemon when the guard dies; a guard that
is stopped takes the daemon with it, and wakes it again.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from alpha.clock import Clock
from alpha.errors import AlphaError

log = structlog.get_logger(__name__)

#: Nothing heard for this long while one hook runs: it never returns.
HOOK_LIMIT_S = 10.0
#: Nothing heard for this long: the loop, or a task that trading needs, stands still.
LIMIT_S = 30.0
PULSE_EVERY_S = 1.0
FOLLOW_EVERY_S = 0.25
_LOOK_EVERY_S = 0.5
#: A daemon that was started again this often within `_ROW_S` is left alone.
_STARTS_IN_ROW = 5
_ROW_S = 600.0
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_HEARD = (*_PASSED_ON, signal.SIGCHLD, signal.SIGCONT)
_PR_SET_PDEATHSIG = 1

_COUNT, _FOLLOWS = struct.Struct("<q"), 8


class Lifeline:
    """What the daemon tells its guard, over memory that both see. `after`: how the life before
    this one ended, when it stood still."""

    def __init__(self, after: str = "") -> None:
        self.after = after
        self._shared = mmap.mmap(-1, 16)
        self._guard = os.getpid()

    # -- the daemon's side --------------------------------------------------------------------

    def pulse(self) -> None:
        """Still making progress."""
        self._count(self.count + 1)

    def end(self) -> None:
        """Nothing more is to be heard: the daemon is stopping."""
        self._count(0)

    async def follow(self, clock: Clock) -> None:
        """Stops with the guard: what a user stops is the process that was started."""
        while True:
            if _is_stopped(self._guard):
                self._shared[_FOLLOWS] = 1
                os.kill(os.getpid(), signal.SIGSTOP)
                self._shared[_FOLLOWS] = 0
            await clock.sleep(FOLLOW_EVERY_S)

    # -- the guard's side ---------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Pulses so far; 0 while none is owed."""
        return int(_COUNT.unpack_from(self._shared)[0])

    @property
    def follows(self) -> bool:
        """The daemon has stopped itself, because the guard was."""
        return bool(self._shared[_FOLLOWS])

    def _count(self, value: int) -> None:
        _COUNT.pack_into(self._shared, 0, value)


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Not under systemd, which watches over the daemon itself; nor where a fork would leave
    threads behind."""
    watched = "NOTIFY_SOCKET" in environment or "WATCHDOG_USEC" in environment
    return sys.platform.startswith("linux") and not watched and threading.active_count() == 1


def start(clock: Clock, running_hook: Callable[[], str | None]) -> Lifeline | int:
    """Returns twice: in the daemon with its lifeline, each time that it is started; in the guard,
    after the daemon has ended, with the exit code. `running_hook` names the hook that runs now.

    Raises AlphaError in the guard when starting the daemon again has not helped."""
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    starts: list[float] = []
    ended = ""
    while True:
        lifeline = Lifeline(ended)
        sys.stdout.flush()
        sys.stderr.flush()
        guard = os.getpid()
        daemon = os.fork()
        if daemon == 0:
            _become_the_daemon(guard, usual)
            return lifeline
        watch = _Watch(daemon, lifeline, clock, running_hook)
        code = watch.run()
        if code is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, usual)
            return code
        ended = watch.end
        now = clock.monotonic()
        starts = [at for at in starts if now - at < _ROW_S] + [now]
        if len(starts) > _STARTS_IN_ROW:
            raise AlphaError(
                f"expected the daemon to make progress, stood still {len(starts)} times within "
                f"{_ROW_S / 60:.0f} minutes; the log says where, stop the bots one by one"
            )


def _become_the_daemon(guard: int, mask: set[signal.Signals | int]) -> None:
    # A group of its own: what a terminal sends comes once, from the guard. Writing to that
    # terminal stays allowed.
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard:  # it died before the request was in
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _Watch:
    """One life of the daemon, seen from the guard."""

    def __init__(
        self,
        daemon: int,
        lifeline: Lifeline,
        clock: Clock,
        running_hook: Callable[[], str | None],
    ) -> None:
        self._daemon = daemon
        self._lifeline = lifeline
        self._clock = clock
        self._running_hook = running_hook
        self._is_stopped = False
        self._count = 0
        self._silent_s = 0.0
        self._hook: str | None = None
        self._hook_s = 0.0
        self.end = ""  # how long it stood still, and where

    def run(self) -> int | None:
        """The exit code of a daemon that has ended; None when it stood still and was killed."""
        looked_at = self._clock.monotonic()
        while True:
            heard = signal.sigtimedwait(_HEARD, _LOOK_EVERY_S)
            if heard is not None and heard.si_signo in _PASSED_ON:
                os.kill(self._daemon, heard.si_signo)
            code = self._changes()
            if code is not None:
                return code
            now = self._clock.monotonic()
            # The guard may have stood still itself: no look counts for more than it waited.
            self._listen(min(now - looked_at, 2 * _LOOK_EVERY_S))
            looked_at = now
            if self._stands_still():
                self._kill()
                return None

    def _changes(self) -> int | None:
        """What the kernel says of the daemon; its exit code when it has ended."""
        while True:
            pid, status = os.waitpid(self._daemon, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if pid == 0:
                break
            if os.WIFEXITED(status):
                return os.WEXITSTATUS(status)
            if os.WIFSIGNALED(status):
                return _end_by(os.WTERMSIG(status))
            self._is_stopped = os.WIFSTOPPED(status)
        if self._is_stopped and self._lifeline.follows:
            os.kill(self._daemon, signal.SIGCONT)  # we run, so may it
        return None

    def _listen(self, waited_s: float) -> None:
        count = self._lifeline.count
        if count != self._count or count == 0 or self._is_stopped:
            self._count, self._silent_s, self._hook, self._hook_s = count, 0.0, None, 0.0
            return
        hook = self._running_hook()
        self._hook_s = self._hook_s + waited_s if hook == self._hook else 0.0
        self._silent_s, self._hook = self._silent_s + waited_s, hook

    def _stands_still(self) -> bool:
        in_hook = self._hook is not None and self._hook_s > HOOK_LIMIT_S
        return in_hook or self._silent_s > LIMIT_S

    def _kill(self) -> None:
        where = self._hook or "no hook was running"
        self.end = f"silent for {self._silent_s:.0f} s ({where})"
        # The alert is the next daemon's to tell: the guard has nothing to tell it with.
        log.critical(
            "daemon_stands_still",
            pid=self._daemon,
            seconds=round(self._silent_s, 1),
            where=where,
            action="killed and started again",
        )
        os.kill(self._daemon, signal.SIGKILL)
        os.waitpid(self._daemon, 0)


def _end_by(number: int) -> int:
    """Ends this process as the daemon ended; the code for where that cannot be (process 1)."""
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    return 128 + number


def _is_stopped(pid: int) -> bool:
    """By a stop signal, not by a debugger (proc(5), stat field 3)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "T"
