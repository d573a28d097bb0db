"""The desk of the running daemon: rows from its database, the live picture from its memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog

from alpha.alerts import Alert, Alerts
from alpha.bots.host import BotHandle
from alpha.bots.states import BotState
from alpha.clock import Clock
from alpha.config import Config
from alpha.control import audit
from alpha.control.database_desk import DatabaseDesk, assigned
from alpha.control.desk import CommandRecord, Reconciled, RiskAnswer, RiskOrder, Row, Source, Status
from alpha.core.records import Override
from alpha.errors import NotFound
from alpha.ledger import registry
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.risk_watch import RiskWatch
from alpha.trading.reconcile import Applied, Reconciler

log = structlog.get_logger(__name__)

#: A database that does not answer keeps nobody from hearing of that.
STORED_WITHIN_S = 2.0


class LiveDesk(DatabaseDesk):
    """`picture` builds the status; `handles` are the running bots by name; `rejoin` brings a bot
    that had failed back to the present, `assign` gives a stored execution (and its time) to
    another bot, `sync` begins trade syncs, `syncing` are the
    accounts on which one is under way."""

    source: Source = "daemon"

    def __init__(
        self,
        pool: Pool,
        config: Config,
        clock: Clock,
        *,
        picture: Callable[[], Status],
        handles: Mapping[str, BotHandle],
        rejoin: Callable[[str], None],
        reconcilers: Callable[[], Mapping[str, Reconciler]],
        alerts: Alerts,
        assign: Callable[[Override, int], Awaitable[None]],
        sync: Callable[[str | None, int | None], Sequence[str]],
        syncing: Collection[str],
        risk: Callable[[], RiskWatch],
    ) -> None:
        super().__init__(pool, config, clock)
        self._picture = picture
        self._handles = handles
        self._rejoin = rejoin
        self._reconcilers = reconcilers
        self._alerts = alerts
        self._assign = assign
        self._sync = sync
        self._syncing = syncing
        self._risk = risk

    async def data_age_s(self) -> float | None:
        return self._picture()["data_age_s"]

    async def status(self) -> Status:
        return self._picture()

    async def reconcile(self) -> Sequence[Row]:
        found: list[Row] = []
        for reconciler in self._reconcilers().values():
            found += [one.as_row() for one in await reconciler.differences()]
        return found

    async def apply_reconciliation(self, operator: str) -> Sequence[Reconciled]:
        return [
            _reconciled(name, await reconciler.apply(operator))
            for name, reconciler in self._reconcilers().items()
        ]

    async def alerts(self, limit: int) -> Sequence[Alert]:
        """Those of this run also while the database is away."""
        try:
            async with asyncio.timeout(STORED_WITHIN_S):
                stored = await super().alerts(limit)
        except CONNECTION_ERRORS:
            stored = []
        known = {(one.at_ms, *one.subject) for one in stored}
        own = [one for one in self._alerts.recent if (one.at_ms, *one.subject) not in known]
        return sorted([*stored, *own], key=lambda one: one.at_ms)[-limit:]

    async def run_sync(self, account: str | None, months: int | None) -> Sequence[str]:
        return self._sync(account, months)

    async def sync_status(self, account: str | None) -> Sequence[Row]:
        running = set(self._syncing)  # before the rows: one that ends meanwhile is asked for again
        rows = await super().sync_status(account)
        return [{**row, "running": row["account"] in running} for row in rows]

    async def start_bot(self, name: str) -> str:
        handle = self._handle(name)
        handle.start()
        if handle.state is BotState.STARTING:
            # It had failed: a fresh strategy has to be warmed up and told what it missed.
            self._rejoin(name)
        return await self._kept(handle)

    async def stop_bot(self, name: str) -> str:
        handle = self._handle(name)
        handle.pause(registry.OPERATOR_STOP)
        if handle.state is BotState.DISABLED:  # the daemon is still starting it: it starts paused
            return await self._keep(handle, BotState.PAUSED, registry.OPERATOR_STOP)
        return await self._kept(handle)

    async def assign_fill(
        self, exec_id: str, owner: str, account: str | None, operator: str
    ) -> Row:
        override, exec_time = await self._override(exec_id, owner, account, operator)
        await self._assign(override, exec_time)
        return assigned(override)

    async def risk(self) -> Sequence[Row]:
        return self._risk().rows()

    async def order_risk(self, order: RiskOrder) -> RiskAnswer:
        return await self._risk().order(order)

    async def audit(self, record: CommandRecord) -> None:
        await audit.record(self._pool, record)

    async def _kept(self, handle: BotHandle) -> str:
        return await self._keep(handle, handle.state, handle.state_reason)

    async def _keep(self, handle: BotHandle, state: BotState, reason: str) -> str:
        """Writes the state down. What was asked for holds without a database too."""
        kept, why = registry.kept_status(state.value, reason, handle.stopped)
        try:
            await registry.set_status(self._pool, handle.bot_id, handle.account, kept, why)
        except CONNECTION_ERRORS as error:
            log.warning("state_not_kept", bot=handle.name, error=type(error).__name__)
        return state.value

    def _handle(self, name: str) -> BotHandle:
        handle = self._handles.get(name)
        if handle is None:
            running = ", ".join(sorted(self._handles)) or "none"
            raise NotFound(
                f"expected a bot that this daemon runs ({running}), was {name!r}; start the "
                f"daemon with --bots {name}"
            )
        return handle


def _reconciled(account: str, done: Applied) -> Reconciled:
    return {
        "account": account,
        "found": [one.as_row() for one in done.found],
        "left": [one.as_row() for one in done.left],
        "brought": done.brought,
        "adjusted": list(done.adjusted),
        "cancelled": list(done.cancelled),
    }
