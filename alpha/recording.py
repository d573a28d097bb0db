"""What a running daemon writes down beside the ledger, regularly and as things happen.

Everything here can be skipped: a database that is away is waited for by the next turn, never by
trading, and nothing that bots or orders need depends on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from alpha.core.records import Commit
from alpha.ledger import recording
from alpha.ledger.pool import CONNECTION_ERRORS, Connection
from alpha.live import Live
from alpha.schedule import Duty, Every, Schedule
from alpha.stores import Stores

log = structlog.get_logger(__name__)

SETTLE_EVERY_S = 5.0
#: How long before its first execution an order's signal may have been given, in event time.
SIGNAL_BEFORE_MS = 3_600_000


class Recording:
    """Reads the live picture of `live`, writes through `stores`."""

    def __init__(self, stores: Stores, live: Live) -> None:
        self._stores = stores
        self._live = live
        #: Account and symbol whose books have changed, and since when (event time).
        self._changed_books: dict[tuple[str, str], int] = {}
        stores.writer.on_commit(self._committed)

    def begin(self, schedule: Schedule) -> None:
        schedule.add(Duty("signals", Every(SETTLE_EVERY_S), self.settle, at_start=True))

    async def end(self) -> None:
        """The daemon leaves; everything queued is committed."""
        await self.settle()

    def _committed(self, commits: Sequence[Commit], number: int) -> None:
        for commit in commits:
            change = commit.change
            if change is not None and change.replaced_after_ms is not None:
                key = (change.account, change.symbol)
                since = change.replaced_after_ms - SIGNAL_BEFORE_MS
                self._changed_books[key] = min(self._changed_books.get(key, since), since)

    async def settle(self) -> None:
        """What has become of the bots' signals."""
        changed = dict(self._changed_books)

        async def work(connection: Connection) -> None:
            for (account, symbol), since_ms in changed.items():
                await recording.reopen_signals(connection, account, symbol, max(since_ms, 0))
            await recording.settle_signals(connection, self._accounts)

        if await self._write("signals", work):
            for key, since_ms in changed.items():
                if self._changed_books.get(key) == since_ms:
                    del self._changed_books[key]

    @property
    def _accounts(self) -> Sequence[str]:
        return self._stores.lease.accounts

    async def _write(self, what: str, work: Callable[[Connection], Awaitable[None]]) -> bool:
        """Does it in a transaction of its own; False when the database is away, or the accounts
        are somebody else's. The lease is not locked meanwhile: it has to be renewed."""
        if not self._stores.lease.is_held():
            return False
        try:
            async with self._stores.pool.acquire() as connection, connection.transaction():
                await recording.limit(connection)
                await work(connection)
        except CONNECTION_ERRORS as error:
            log.debug("not_written", what=what, error=type(error).__name__)
            return False
        return True
