"""Which candles should be stored: what the daemon has handed on, written down as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from alpha.candles.files import interval_name
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.ledger.queries import load
from alpha.quality.checks import surely_kept_days

log = structlog.get_logger(__name__)

#: Start of the first and of the newest bar handed on without a hole, by symbol and interval_ms.
Handed = Mapping[tuple[str, int], tuple[int, int]]


class Spans:
    """`handed` is what has been handed on by now, None before there is a market; `waiting` how
    many candles are not in the database yet."""

    def __init__(
        self, pool: Pool, handed: Callable[[], Handed | None], waiting: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._handed = handed
        self._waiting = waiting
        #: What was handed on at the turn before: that had the time to be stored.
        self._before: Handed = {}

    async def save(self, keep_short_days: int) -> None:
        """Writes what was handed on at the turn before. A turn at which candles wait for the
        database is left out: they will be stored, if late."""
        if self._waiting():
            return
        rows = [
            (symbol, interval_name(bar_ms), since, until, bar_ms)
            for (symbol, bar_ms), (since, until) in self._before.items()
        ]
        statements = load("quality.sql")
        try:
            if rows:
                columns = [list(column) for column in zip(*rows, strict=True)]
                await self._pool.execute(statements["save_spans"], *columns)
            await self._pool.execute(statements["forget_spans"], surely_kept_days(keep_short_days))
        except CONNECTION_ERRORS as error:
            log.debug("spans_not_written", error=type(error).__name__)
            return
        self._before = dict(self._handed() or {})

    async def finish(self, keep_short_days: int) -> None:
        """The last turn, when nothing is handed on any more: all of it is in the database unless
        candles wait."""
        self._before = dict(self._handed() or {})
        await self.save(keep_short_days)
