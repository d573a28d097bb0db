"""What a running daemon writes down beside the ledger, regularly and as things happen.

Everything here can be skipped: a database that is away is waited for by the next turn, never by
trading, and nothing that bots or orders need depends on it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

import alpha
from alpha.clock import Clock, VenueClock, utc
from alpha.config import Config
from alpha.core.records import Commit
from alpha.errors import AlphaError, VenueRejected
from alpha.ledger import recording
from alpha.ledger.alert_journal import AlertJournal
from alpha.ledger.pool import CONNECTION_ERRORS, Connection
from alpha.ledger.registry import set_uid
from alpha.live import Live
from alpha.recording import portfolio
from alpha.recording.balances import Balances, Written
from alpha.recording.days import value_at_risk, write_days
from alpha.recording.events import Events
from alpha.recording.settings import Changed, record_settings
from alpha.schedule import Daily, Duty, Every, Schedule
from alpha.stores import Stores
from alpha.trading.session import BotSession

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
#: A picture of everything is taken so often, by the exchange's clock.
PICTURE_EVERY_MS = 300_000
#: How long before its first execution an order's signal may have been given, in event time.
SIGNAL_BEFORE_MS = 3_600_000
#: What the last words of a daemon may take.
END_WITHIN_S = 2.0
DAY_MS = 86_400_000
AFTER_MIDNIGHT_MS = 300_000
DAYS_EVERY_S = 3_600.0
USERS_EVERY_S = 60.0


class Recorder:
    """Reads the live picture of `live`, writes through `stores`."""

    def __init__(
        self,
        config: Config,
        stores: Stores,
        live: Live,
        journal: AlertJournal,
        clock: Clock,
        venue: VenueClock,
    ) -> None:
        self._config = config
        self._stores = stores
        self._live = live
        self._journal = journal
        self._clock = clock
        self._venue = venue
        #: Account and symbol whose books have changed, and since when (event time).
        self._changed_books: dict[tuple[str, str], int] = {}
        #: Something was committed since signals were looked at, or an earlier process left some.
        self._unsettled = True
        self._pictured_ms: int | None = None
        #: The day that the figures were computed up to, and when (monotonic).
        self._counted: tuple[int, float] | None = None
        #: Accounts whose user the exchange has told, or does not tell.
        self._asked: set[str] = set()
        self._balances = Balances(live, venue)
        self._events = Events(journal.put, clock, live, live.crew.handles.values())
        stores.writer.on_commit(self._balances.look)
        stores.writer.on_commit(self._look)
        self._tell_start()

    def begin(self, schedule: Schedule) -> None:
        """The daemon is ready; from now on."""
        for name, work in (
            ("signals", self.settle),
            ("balances", self.write_balances),
            ("portfolio", self.write_portfolio),
            ("days", self.write_days),
        ):
            schedule.add(Duty(name, Every(LOOK_EVERY_S), work, at_start=True))
        schedule.add(Duty("users", Every(USERS_EVERY_S), self.write_users, at_start=True))
        schedule.add(Duty("forgetting", Daily(0, 20), self.forget, jitter_s=600, at_start=True))
        schedule.add(Duty("settings", Every(3_600), self.write_settings, at_start=True))

    async def end(self, why: str) -> None:
        """The last words: everything queued is committed, and nobody writes any more."""
        self._events.bots_end(why)
        details = {"pid": os.getpid()}
        self._events.note("SYSTEM_STOP", f"stopping: {why}", component="daemon", details=details)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_WITHIN_S):
                await self._journal.drain(END_WITHIN_S)
                await self.settle()
                await self.write_balances(ending=True)
                self._pictured_ms = self._counted = None
                await self.write_portfolio()
                await self.write_days()

    def _tell_start(self) -> None:
        config = self._config
        bots = ", ".join(sorted(self._live.crew.handles)) or "none"
        self._events.note(
            "SYSTEM_START",
            f"alpha {alpha.__version__} starts in mode {config.mode} with bots {bots}",
            component="daemon",
            details={"mode": config.mode, "version": alpha.__version__, "pid": os.getpid()},
        )
        if self._stores.migrated:
            words = f"applied to the database: {', '.join(self._stores.migrated)}"
            self._events.note("MIGRATION", words, component="ledger")

    # -- signals ------------------------------------------------------------------------------

    def _look(self, commits: Sequence[Commit], commit_no: int) -> None:
        for commit in commits:
            change = commit.change
            self._unsettled = self._unsettled or change is not None or bool(commit.orders)
            if change is not None and change.replaced_after_ms is not None:
                key = (change.account, change.symbol)
                since = change.replaced_after_ms - SIGNAL_BEFORE_MS
                self._changed_books[key] = min(self._changed_books.get(key, since), since)

    async def settle(self) -> None:
        """What has become of the bots' signals."""
        if not self._unsettled:
            return
        changed = dict(self._changed_books)
        self._unsettled = False

        async def work(connection: Connection) -> None:
            for (account, symbol), since_ms in changed.items():
                await recording.reopen_signals(connection, account, symbol, max(since_ms, 0))
            await recording.settle_signals(connection, self._stores.lease.accounts)

        stands = False
        try:
            stands = await self._write("signals", work)
        finally:
            self._unsettled = self._unsettled or not stands
        for key, since_ms in changed.items():
            if stands and self._changed_books.get(key) == since_ms:
                del self._changed_books[key]

    # -- money --------------------------------------------------------------------------------

    async def write_balances(self, *, ending: bool = False) -> None:
        """Balances and equity that are due, and money that came from outside."""
        if not self._venue.anchored:
            return
        self._balances.collect(ending=ending)
        written = Written()

        async def work(connection: Connection) -> None:
            nonlocal written
            transfers = not self._stores.writer.queued
            written = await self._balances.write(connection, transfers=transfers)

        stands = False
        try:
            stands = await self._write("balances", work)
        finally:  # a duty that is cancelled may have committed it: the last words come after it
            if stands:
                self._balances.written(written)
            else:
                self._balances.doubted()

    async def write_days(self) -> None:
        """Figures of the bots by day: five minutes after midnight (UTC, the exchange's clock) for
        the day that has ended, and every hour for the one that lasts."""
        if not self._venue.anchored:
            return
        now_ms, wall = self._venue.now_ms(), self._clock.monotonic()
        day = (now_ms - AFTER_MIDNIGHT_MS) // DAY_MS
        if self._counted is not None:
            counted_day, counted_at = self._counted
            if day == counted_day and wall - counted_at < DAYS_EVERY_S:
                return
        for session in list(self._live.sessions.values()):

            async def work(connection: Connection, bot: BotSession = session) -> None:
                await write_days(connection, bot.bot_id, bot.account.name)

            if not await self._write("days", work):
                return
        self._counted = (day, wall)

    async def write_portfolio(self) -> None:
        """A picture of everything, every five minutes."""
        if not self._venue.anchored:
            return
        now_ms = self._venue.now_ms()
        last = self._pictured_ms
        if last is not None and now_ms // PICTURE_EVERY_MS == last // PICTURE_EVERY_MS:
            return
        row = portfolio.picture(self._live, self._stores.lease.installation, now_ms)
        if row is None:
            return

        async def work(connection: Connection) -> None:
            bot_ids = list(row.bots)
            closed = await recording.closed_since(connection, bot_ids, *portfolio.periods(now_ms))
            daily = await recording.daily_results(connection, bot_ids, utc(now_ms).date())
            share = value_at_risk(daily)
            at_risk = None if share is None else share * row.equity
            await recording.save_portfolio(connection, row, closed, at_risk)

        if await self._write("portfolio", work):
            self._pictured_ms = now_ms

    # -- the rest -----------------------------------------------------------------------------

    async def write_users(self) -> None:
        """Whose key each account has, once it is live. Demo accounts are not told."""
        for name, service in list(self._live.services.items()):
            if name in self._asked or not service.account.live:
                continue
            try:
                uid = (await service.rest.key_info()).uid
            except VenueRejected as error:
                log.debug("user_not_told", account=name, error=str(error))
                uid = ""
            except AlphaError:
                continue

            async def work(connection: Connection, account: str = name, uid: str = uid) -> None:
                if uid:
                    await set_uid(connection, account, uid)

            if await self._write("users", work):
                self._asked.add(name)

    async def write_settings(self) -> None:
        """Once; again only if the database was away."""
        changed: list[Changed] = []

        async def work(connection: Connection) -> None:
            changed[:] = await record_settings(connection, self._config, self._live.crew.settings)

        if await self._write("settings", work):
            self._events.settings_changed(changed)

    async def forget(self) -> None:
        """What is kept for a while only."""
        keep = self._config.recording

        async def work(connection: Connection) -> None:
            await recording.forget_events(connection, keep.keep_events_days)
            if self._venue.anchored:
                before_ms = self._venue.now_ms() - keep.keep_balances_days * DAY_MS
                await recording.thin_balances(connection, max(before_ms, 0))

        await self._write("forgetting", work)

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
