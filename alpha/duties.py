"""What the daemon does regularly beside trading: each duty is added here, in one place."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from alpha.backup.duty import BackupDuty
from alpha.clock import Clock, VenueClock
from alpha.config import Config, RunOptions
from alpha.control.daemons import daemons_on
from alpha.crew import report_crew
from alpha.ledger import observations
from alpha.ledger.alert_journal import AlertJournal
from alpha.ledger.lease import LeaseLost
from alpha.ledger.pool import CONNECTION_ERRORS
from alpha.ledger.summaries import Summaries
from alpha.live import Live
from alpha.market.retention import CandleRetention
from alpha.measuring import Measuring
from alpha.quality.duty import QualityDuty
from alpha.quality.spans import Spans
from alpha.recording.recorder import Recorder
from alpha.schedule import Duty, Every, Schedule
from alpha.stores import Stores
from alpha.syncing import Syncing

log = structlog.get_logger(__name__)

BEAT_EVERY_S = 5.0
LOOK_EVERY_S = 1.0
RISK_EVERY_S = 0.5
#: All last words together: the process is to be gone within 5 s.
END_WITHIN_S = 1.5


class Duties:
    """The parts of a running daemon that regular work reads and writes."""

    def __init__(
        self,
        config: Config,
        options: RunOptions,
        stores: Stores,
        live: Live,
        journal: AlertJournal,
        clock: Clock,
        venue: VenueClock,
        syncing: Syncing,
    ) -> None:
        self._stores = stores
        self._live = live
        self._syncing = syncing
        self._summaries = Summaries(stores.pool, clock)
        stores.writer.on_commit(self._summaries.look)
        self._candles = CandleRetention(
            stores.pool,
            clock,
            venue,
            keep_short_days=config.candles.keep_short_days,
            is_busy=lambda: stores.writer.queued > 0,
        )
        self._recorder = Recorder(config, stores, live, journal, clock, venue)
        live.backups = BackupDuty(config, options.config_file, stores.pool, clock)
        self._backups = live.backups
        self._measuring = Measuring(config, stores, live, clock, venue)
        self._quality = QualityDuty(
            stores.pool,
            Spans(
                stores.pool,
                lambda: None if live.market is None else live.market.handed(),
                lambda: live.candles_waiting(),
            ),
            journal.put,
            live.alerts,
            clock,
            venue,
            keep_short_days=config.candles.keep_short_days,
        )

    def begin(self, schedule: Schedule) -> None:
        schedule.add(Duty("risk", Every(RISK_EVERY_S), self._live.watch_risk, at_start=True))
        schedule.add(Duty("heartbeat", Every(BEAT_EVERY_S), self.beat, at_start=True))
        schedule.add(Duty("daemons", Every(LOOK_EVERY_S), self._look_around, at_start=True))
        self._summaries.begin(schedule)
        self._candles.begin(schedule)
        self._recorder.begin(schedule)
        self._syncing.begin(schedule)
        self._backups.begin(schedule)
        self._quality.begin(schedule)
        self._measuring.begin(schedule)

    async def end(self, why: str) -> None:
        """What a clean stop leaves behind for readers, as far as there is time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(END_WITHIN_S):
                await self.beat(stopped=True)
                ends = (self._recorder.end(why), self._measuring.end(), self._quality.end())
                await asyncio.gather(*ends)
                await self.beat(stopped=True)  # equities beside the balances written just now
                await self._summaries.finish()

    async def beat(self, *, stopped: bool = False) -> None:
        """Process and strategy heartbeats, states and equity, into the database."""
        try:
            async with self._stores.lease.owning() as connection:
                await report_crew(connection, self._live.sessions, stopped=stopped)
                for service in self._live.services.values():
                    await observations.save_positions(connection, service.account.exchange.values())
        except LeaseLost:
            return  # the renewing task ends the daemon
        except CONNECTION_ERRORS as error:
            log.debug("heartbeat_not_written", error=type(error).__name__)

    async def _look_around(self) -> None:
        """Who else is there, for the status."""
        try:
            self._live.daemons = await daemons_on(self._stores.pool)
        except CONNECTION_ERRORS as error:
            log.debug("daemons_not_read", error=type(error).__name__)
