"""Tasks of the daemon: none is started bare, none fails silently.

`keep` runs a task that has to live as long as the daemon: when it raises it is started again
after a growing pause, and after `ESCALATE_AFTER` failures in a row the daemon is told to stop.
What says that something outside is away (`passing`) is waited out and never counted. A task
whose work cannot be taken up again (`restart=False`) stops the daemon with its first failure; one
that trading does not need (`vital=False`) never does.
`spawn` runs a one-off, such as the sending of one order, whose failure is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine

import structlog

from alpha.clock import Clock
from alpha.errors import AuthRejected, NeedsOperator, OutcomeUnknown, RetryLater

log = structlog.get_logger(__name__)

ESCALATE_AFTER = 5
#: A task that has run this long has recovered: its failures are counted from zero again.
HEALTHY_S = 60.0
LONGEST_PAUSE_S = 30.0
#: PostgreSQL, Redis or the exchange being away is no failure of a task.
AWAY: tuple[type[BaseException], ...] = (RetryLater, OutcomeUnknown, OSError)
AWAY_PAUSE_S = 1.0
CANCEL_WITHIN_S = 1.0
CANCEL_ATTEMPTS = 3


class Supervisor:
    """Owns every task of one daemon. `failed` resolves to the error that has to stop it."""

    def __init__(self, clock: Clock, *, passing: tuple[type[BaseException], ...] = ()) -> None:
        self._clock = clock
        self._passing = (*AWAY, *passing)
        self._kept: dict[str, asyncio.Task[None]] = {}
        self._spawned: set[asyncio.Task[object]] = set()
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def keep(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        *,
        restart: bool = True,
        vital: bool = True,
    ) -> asyncio.Task[None]:
        keeping = self._run(name, run, vital=vital) if restart else self._run_once(name, run)
        task = asyncio.create_task(keeping, name=name)
        self._kept[name] = task
        return task

    def spawn(self, work: Coroutine[object, object, None], name: str) -> asyncio.Task[object]:
        task: asyncio.Task[object] = asyncio.create_task(work, name=name)
        self._spawned.add(task)
        task.add_done_callback(self._done)
        return task

    def stop_daemon(self, error: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_result(error)

    async def _run_once(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        try:
            await run()
        except Exception as error:
            log.error("task_failed", task=name, failures=1, exc_info=error)
            self.stop_daemon(error)

    async def _run(self, name: str, run: Callable[[], Awaitable[None]], *, vital: bool) -> None:
        failures = 0
        while True:
            started = self._clock.monotonic()
            try:
                await run()
            except (AuthRejected, NeedsOperator) as error:
                self.stop_daemon(error)
                return
            except self._passing as error:
                log.warning("task_waits", task=name, error=str(error) or type(error).__name__)
                await self._clock.sleep(AWAY_PAUSE_S)
            except Exception as error:
                if self._clock.monotonic() - started > HEALTHY_S:
                    failures = 0
                failures += 1
                log.error("task_failed", task=name, failures=failures, exc_info=error)
                if vital and failures >= ESCALATE_AFTER:
                    self.stop_daemon(error)
                    return
                await self._clock.sleep(min(2.0**failures / 4, LONGEST_PAUSE_S))
            else:
                return

    def _done(self, task: asyncio.Task[object]) -> None:
        self._spawned.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task_failed", task=task.get_name(), exc_info=task.exception())

    async def settle(self, seconds: float) -> None:
        """Waits for the one-offs, at most `seconds`."""
        if self._spawned:
            await asyncio.wait(list(self._spawned), timeout=seconds)

    async def end(self, *names: str) -> None:
        """Cancels the kept tasks of these names, as far as there are any."""
        await self._cancel({self._kept.pop(name) for name in names if name in self._kept})

    async def cancel(self, *, but: Collection[str] = ()) -> None:
        """Cancels what is left, save the kept tasks of these names."""
        kept = [name for name in self._kept if name not in but]
        await self._cancel({*(self._kept.pop(name) for name in kept), *self._spawned})

    async def _cancel(self, left: set[asyncio.Task[None] | asyncio.Task[object]]) -> None:
        """Until they are gone. A task that swallows its cancellation is asked again, and after
        that left behind with its name in the log: the process is ending."""
        for _ in range(CANCEL_ATTEMPTS):
            for task in left:
                task.cancel()
            if not left:
                break
            _, left = await asyncio.wait(left, timeout=CANCEL_WITHIN_S)
        for task in left:
            log.error("task_does_not_end", task=task.get_name())
