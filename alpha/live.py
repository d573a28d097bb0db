"""What one run of the daemon has open, and the picture of it: for status, mirror and events."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from alpha import pictures
from alpha.alerts import Alerts
from alpha.announcements import alert_message
from alpha.backup.duty import BackupDuty
from alpha.clock import Clock, Randomness, iso
from alpha.config import Config
from alpha.control.desk import DaemonStatus, Degraded, Row, Status
from alpha.core.events import Bar
from alpha.core.records import Commit, Override
from alpha.crew import Crew
from alpha.errors import ConfigError, NotFound
from alpha.market.data import MarketData
from alpha.state import keys
from alpha.state.mirror import Mirror
from alpha.stores import Stores
from alpha.supervision import Supervisor
from alpha.trading.account import AccountStatus
from alpha.trading.reconcile import Reconciler
from alpha.trading.service import AccountService
from alpha.trading.session import BotSession

_LOOK_S = 0.02


async def _nothing() -> None:
    """Before the limits are opened."""


class Live:
    """Services by account and sessions by the bots' names in the settings; the parts that open
    them put them here. `started` is on the monotonic clock."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        stores: Stores,
        crew: Crew,
        alerts: Alerts,
        *,
        started: float,
    ) -> None:
        self.services: dict[str, AccountService] = {}
        self.sessions: dict[str, BotSession] = {}
        self.market: MarketData | None = None
        #: Told every closed bar that bots are shown.
        self.bar_shown: Callable[[Bar], None] = lambda bar: None
        #: Candles that are not in the database yet.
        self.candles_waiting: Callable[[], int] = int
        #: Since when (wall ms) the exchange has not answered at start, and why.
        self.no_exchange: tuple[int, str] | None = None
        self.daemons: list[DaemonStatus] = []
        #: Portfolio limits and halts that hold; and the regular look at them.
        self.risk_holds: Callable[[], list[Row]] = list
        self.watch_risk: Callable[[], Awaitable[None]] = _nothing
        self.backups: BackupDuty | None = None
        #: Told the account whose status is another one.
        self.status_changed: Callable[[str], None] = lambda name: None
        self._config = config
        self._clock = clock
        self._stores = stores
        self.crew = crew
        self.alerts = alerts
        self._started = started
        self._names: dict[str, str] = {}  # bot id -> name in the settings
        self._mirror: Mirror | None = None
        self._commit_no: dict[str, int] = {}  # account -> its newest commit

    def add(self, service: AccountService) -> None:
        """An account whose past is loaded, with its bots."""
        self.services[service.account.name] = service
        for session in service.sessions.values():
            self.sessions[session.handle.name] = session
            self._names[session.bot_id] = session.handle.name

    async def orders_end(self, within_s: float) -> None:
        """Waits for entries and exits that are on their way, at most so long: what they trade
        would else be fetched at the next start only."""
        until = self._clock.monotonic() + within_s
        while self._clock.monotonic() < until and any(
            row.purpose != "stop" and tracker.is_ours(row.client_order_id)
            for tracker in (service.account.tracker for service in self.services.values())
            for row in tracker.working()
        ):
            await self._clock.sleep(_LOOK_S)

    def reconciled(self) -> None:
        """After a full reconciliation the live picture is written anew, too."""
        if self._mirror is not None:
            self._mirror.rewrite()

    def reconcilers(self) -> dict[str, Reconciler]:
        return {name: service.reconciler for name, service in self.services.items()}

    async def assign(self, override: Override, exec_time: int) -> None:
        """Gives a stored execution to another bot. Raises NotFound for an account that is not run
        here, RetryLater while the ledger takes no commits."""
        service = self.services.get(override.account)
        if service is None:
            raise NotFound(
                f"expected an account of this daemon ({', '.join(sorted(self.services))}), was "
                f"{override.account!r}; ask the daemon that runs it"
            )
        await service.recovery.assign(override, exec_time)

    # -- the mirror ---------------------------------------------------------------------------

    async def open_mirror(
        self, market: MarketData, randomness: Randomness, supervisor: Supervisor
    ) -> None:
        bots = {s.bot_id: self._config.bots[n].redis_db for n, s in self.sessions.items()}
        mirror = Mirror(
            self._stores.redis_url,
            mode=self._config.mode,
            owner="+".join(sorted(self.services)),
            token=randomness.token(),
            bots=bots,
            clock=self._clock,
            pictures=lambda bot_id: pictures.bot_picture(
                self.sessions[self._names[bot_id]],
                redis_db=bots[bot_id],
                mode=self._config.mode,
                commit_no=self._shown_commit(bot_id),
            ),
            market=lambda: pictures.market_picture(market),
            alerts=self.alerts,
        )
        self._mirror = mirror
        self.alerts.listen(lambda alert: mirror.publish(keys.EVENTS, alert_message(alert)))
        self._stores.writer.on_commit(self._committed)
        await mirror.connect()

        async def mirroring() -> None:
            try:
                await mirror.run()
            except ConfigError as error:  # a Redis that came late is another mode's
                supervisor.stop_daemon(error)

        supervisor.keep("mirror", mirroring, vital=False)

    async def close_mirror(self) -> None:
        if self._mirror is not None:
            await self._mirror.close(silently=self._stores.lease.lost)

    def is_mirrored(self) -> bool:
        """Whether the picture in Redis is alive: new exposure needs it."""
        return self._mirror is not None and self._mirror.healthy

    def bot_changed(self, bot_id: str) -> None:
        if self._mirror is not None:
            self._mirror.mark(bot_id)

    def publish(self, channel: str, message: Mapping[str, object]) -> None:
        if self._mirror is not None:
            self._mirror.publish(channel, message)

    def account_changed(self, name: str) -> None:
        """Bots of an account that is not live take no entries."""
        self.status_changed(name)
        service = self.services[name]
        status = service.account.status.value
        self.publish(keys.EVENTS, {"event": "account_status", "account": name, "status": status})
        for session in service.sessions.values():
            if service.account.status is AccountStatus.LIVE:
                session.handle.lift()
            else:
                session.handle.reduce_only(f"account {name} is {service.account.status}")
            self.bot_changed(session.bot_id)

    def _committed(self, commits: Sequence[Commit], commit_no: int) -> None:
        """The mirror says which commit it shows, so that a verification can compare the two."""
        for account in {commit.account for commit in commits}:
            self._commit_no[account] = commit_no
            for bot_id in self.services[account].sessions:
                self.bot_changed(bot_id)

    def _shown_commit(self, bot_id: str) -> int | None:
        """The ledger's commit that memory shows; None while something waits to be committed."""
        if self._stores.writer.queued:
            return None
        return self._commit_no.get(self.sessions[self._names[bot_id]].account.name)

    # -- status -------------------------------------------------------------------------------

    def status(self) -> Status:
        """The live picture, from memory alone."""
        writer, mirror = self._stores.writer, self._mirror
        redis = "ok" if mirror is None or mirror.healthy else "away"
        heard = self.market.heard_at if self.market is not None else None
        return pictures.status(
            self.services,
            self.sessions,
            pictures.idle_bots(self._config, self.crew.handles, self.sessions, self.services),
            pictures.Health(writer.state, redis, self._degraded(), tuple(self._parts())),
            mode=self._config.mode,
            clock=self._clock,
            started=self._started,
            data_age_s=None if heard is None else self._clock.monotonic() - heard,
            pid=os.getpid(),
            daemons=self.daemons,
            risk=self.risk_holds(),
            backup_age_s=self.backups.age_s if self.backups is not None else None,
        )

    def _parts(self) -> Iterator[Degraded]:
        """The stores, and an exchange that has not answered yet at all."""
        writer, mirror, now = self._stores.writer, self._mirror, self._clock.monotonic()
        now_ms = self._clock.now_ms()

        def since(monotonic: float) -> str:
            return iso(now_ms - round((now - monotonic) * 1000))

        if writer.degraded_since is not None:
            part = "disk" if writer.disk_full else "postgres"
            at = since(writer.degraded_since)
            yield {"part": part, "since": at, "why": writer.degraded_why}
        if mirror is not None and mirror.away_since is not None:
            yield {"part": "redis", "since": since(mirror.away_since), "why": mirror.away_why}
        late_ms = self.backups.overdue_since_ms if self.backups is not None else None
        if late_ms is not None:
            why = "no backup has been made for over 26 h: see the log, and `alpha backup create`"
            yield {"part": "backup", "since": iso(late_ms), "why": why}
        if self.no_exchange is not None:
            since_ms, why = self.no_exchange
            yield {"part": "exchange", "since": iso(since_ms), "why": why}

    def _degraded(self) -> tuple[str, ...]:
        now = self._clock.monotonic()
        found = []
        writer, mirror = self._stores.writer, self._mirror
        if writer.degraded_since is not None:
            found.append(f"PostgreSQL {writer.state} for {now - writer.degraded_since:.0f} s")
        if mirror is not None and mirror.away_since is not None:
            found.append(f"Redis away for {now - mirror.away_since:.0f} s")
        return tuple(found)
