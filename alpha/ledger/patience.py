"""How long an answer of the database has been waited for, as far as it is the database's doing.

While our own loop stands still answers lie unread: that is no silence of the server, and an
outage made of it would only add to the work that keeps the loop busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

TICK_S = 0.25
#: A tick this late means that our own loop stood still.
STALL_S = 0.5


class Patience:
    """`async with Patience(late_s, give_up_s, late)`: calls `late` once after `late_s`, raises
    TimeoutError after `give_up_s`, both in seconds for which the loop turned."""

    def __init__(self, late_s: float, give_up_s: float, late: Callable[[], None]) -> None:
        self._late_s = late_s
        self._give_up_s = give_up_s
        self._late: Callable[[], None] | None = late
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.timeout(None)
        self._waited = 0.0
        #: Whether our own loop stood still meanwhile.
        self.stalled = False

    async def __aenter__(self) -> Patience:
        await self._limit.__aenter__()
        self._tick_after(self._loop.time())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._note(self._loop.time())
        await self._limit.__aexit__(kind, error, trace)

    def _tick_after(self, now: float) -> None:
        self._ticked = now
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def _note(self, now: float) -> None:
        passed = now - self._ticked
        self._waited += min(passed, TICK_S)
        self.stalled = self.stalled or passed > TICK_S + STALL_S

    def _tick(self) -> None:
        now = self._loop.time()
        self._note(now)
        if self._late is not None and self._waited >= self._late_s:
            late, self._late = self._late, None
            late()
        if self._waited >= self._give_up_s:
            self._limit.reschedule(now)
        else:
            self._tick_after(now)
