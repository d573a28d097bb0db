"""The trade sync of a running daemon: every hour, when asked, and as far back as asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock
from alpha.errors import AlphaError, NotFound, RetryLater
from alpha.ledger.pool import CONNECTION_ERRORS
from alpha.ledger.syncs import Kind, Run, SyncStore
from alpha.ledger.wallet_audits import AuditStore
from alpha.live import Live
from alpha.schedule import Daily, Duty, Every, Schedule
from alpha.stores import Stores
from alpha.supervision import Supervisor
from alpha.sync.account import PASSING, AccountSync

log = structlog.get_logger(__name__)

HOUR_S = 3_600.0
#: Five past every hour, spread over a minute.
OFFSET_S = 300.0
JITTER_S = 60.0
#: When the wallets are audited, UTC.
AUDIT_HOUR, AUDIT_MINUTE = 0, 35
#: Without a success for this long `alpha status` says so.
OLD_AFTER_S = 26 * HOUR_S

Work = Callable[[AccountSync], Awaitable[Run]]


def trouble(age_ms: int) -> str:
    """What to say of an account whose last success is so old; "" while that is well."""
    if age_ms <= OLD_AFTER_S * 1000:
        return ""
    return f"no trade sync has succeeded for {age_ms // 3_600_000} h: see `alpha sync status`"


class Syncing:
    """Accounts come from `live` as they open. What fails on one does not touch the others."""

    def __init__(
        self, stores: Stores, live: Live, clock: Clock, alerts: Alerts, supervisor: Supervisor
    ) -> None:
        self._stores = stores
        self._live = live
        self._clock = clock
        self._alerts = alerts
        self._supervisor = supervisor
        self._store = SyncStore(stores.pool)
        self._audits = AuditStore(stores.pool)
        self.accounts: dict[str, AccountSync] = {}
        #: Accounts on which a run is under way.
        self.busy: set[str] = set()
        self._succeeded_ms: dict[str, int] = {}  # wall time; the start of this run before that

    def begin(self, schedule: Schedule) -> None:
        hourly = Every(HOUR_S, OFFSET_S)
        schedule.add(Duty("trade-sync", hourly, self.hourly, jitter_s=JITTER_S))
        nightly = Daily(AUDIT_HOUR, AUDIT_MINUTE)
        schedule.add(Duty("wallet-audit", nightly, self.nightly, jitter_s=JITTER_S))
        schedule.add(Duty("trade-sync-watch", Every(60.0), self._watch, at_start=True))

    # -- every hour ---------------------------------------------------------------------------

    async def hourly(self) -> None:
        for name in sorted(self._live.services):
            if name in self.busy:
                continue
            self.busy.add(name)
            await self._carry_out(name, "hourly", lambda one: one.sync("hourly"))

    async def nightly(self) -> None:
        """Every account's cash, after what has happened until then was brought in. One that cannot
        be asked is told of and does not keep the others waiting; the end of a run that is under
        way, which may be a long backfill, is waited for last."""
        for name in sorted(self._live.services, key=lambda one: (one in self.busy, one)):
            self.busy.add(name)
            run = await self._carry_out(name, "hourly", lambda one: one.sync("hourly", audit=True))
            if run is None or run.status != "completed":
                why = "its sync could not be recorded: see the log" if run is None else run.error
                self._alerts.tell(
                    "wallet_not_audited",
                    f"expected account {name} to be audited, was not: {why}; the next audit covers "
                    f"this time too, `alpha sync run` makes one now",
                    level="ERROR",
                    account=name,
                )

    async def _carry_out(self, name: str, kind: Kind, work: Work) -> Run | None:
        """The run, as far as it could be recorded."""
        try:
            run = await self._done(self._account(name), kind, work)
        except PASSING as error:
            log.warning("sync_not_recorded", account=name, error=type(error).__name__)
            return None
        except Exception as error:
            # A fault of ours: it must not keep the accounts after this one waiting.
            log.error("task_failed", task=f"sync:{name}", exc_info=error)
            self._alerts.tell(
                "duty_failed",
                f"expected the trade sync to succeed, was {str(error) or type(error).__name__}; it "
                f"is done again when it is due next: see the log",
                level="ERROR",
                component="trade-sync",
                account=name,
            )
            return None
        finally:
            self.busy.discard(name)
        if run.status == "completed":
            self._succeeded_ms[name] = self._clock.now_ms()
            self._live.services[name].sync_trouble = ""
        if run.kind == "hourly" and run.new:
            self._alerts.tell(
                "executions_missed",
                f"expected stream and recovery to have brought every execution, {run.new} were "
                f"missing and are in the books now: see `alpha sync status`",
                level="ERROR",
                account=name,
                executions=run.new,
            )
        if run.kind != "backfill" and run.left:
            self._alerts.tell(
                "executions_left_out",
                f"expected every execution of the exchange to fit into the books, {run.left} stay "
                f"out: the notes in `alpha sync status` say which; stop the daemon, give `alpha "
                f"sync run --account {name}`, which takes as long as it takes, and start it again",
                level="ERROR",
                account=name,
                executions=run.left,
            )
        log.info(
            "synced",
            account=name,
            kind=run.kind,
            status=run.status,
            executions=run.seen,
            new=run.new,
        )
        return run

    async def _done(self, account: AccountSync, kind: Kind, work: Work) -> Run:
        """A run that could not even begin is one that has failed."""
        try:
            return await work(account)
        except AlphaError as error:
            return await account.not_begun(kind, error)

    async def _watch(self) -> None:
        """Says of each account how old its last success is, once that is too old. What an earlier
        process has left as running has ended with it."""
        for name, service in self._live.services.items():
            try:
                if name not in self._succeeded_ms:
                    await self._store.end_interrupted(name)
                    last_ms = await self._store.last_success_ms(name)
                    self._succeeded_ms[name] = last_ms or self._clock.now_ms()
            except CONNECTION_ERRORS as error:
                log.debug("sync_status_not_read", error=type(error).__name__)
                continue
            service.sync_trouble = trouble(self._clock.now_ms() - self._succeeded_ms[name])

    # -- when asked ---------------------------------------------------------------------------

    def start(self, account: str | None, months: int | None) -> list[str]:
        """Begins a run on the account, or on all; returns their names. Raises NotFound for one
        that is not of this daemon, RetryLater while a run is under way."""
        names = self._named(account)
        busy = [name for name in names if name in self.busy]
        if busy:
            raise RetryLater(
                f"expected no trade sync under way on {', '.join(busy)}, was one; "
                f"see `alpha sync status`"
            )

        def work(one: AccountSync) -> Awaitable[Run]:
            return one.sync("manual", audit=True) if months is None else one.backfill(months)

        kind: Kind = "manual" if months is None else "backfill"
        self.busy.update(names)

        async def carry_out(name: str) -> None:
            await self._carry_out(name, kind, work)

        for name in names:
            self._supervisor.spawn(carry_out(name), f"sync:{name}")
        return names

    def _named(self, account: str | None) -> list[str]:
        known = list(self._live.services)
        if account is None:
            return known
        if account not in known:
            raise NotFound(
                f"expected one of the accounts {', '.join(known) or 'none yet'}, was {account!r}"
            )
        return [account]

    def _account(self, name: str) -> AccountSync:
        known = self.accounts.get(name)
        if known is None:
            service = self._live.services[name]
            known = self.accounts[name] = AccountSync(
                service.account,
                service.rest,
                service.recovery.catch_up,
                self._stores.reader,
                self._store,
                self._audits,
                self._clock,
                waits_until_live=True,
            )
        return known
