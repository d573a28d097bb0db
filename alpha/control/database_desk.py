"""Answers straight from the database: what is known while no daemon runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from functools import partial

from alpha.alerts import Alert
from alpha.analytics.imported import imported
from alpha.analytics.reader import AnalyticsReader
from alpha.clock import Clock, SystemRandomness, iso
from alpha.config import Config
from alpha.control import audit
from alpha.control.daemons import daemons_on
from alpha.control.databases import database_pool, is_migrated, no_daemon_either
from alpha.control.desk import (
    AccountStatus,
    BotStatus,
    CommandRecord,
    FillSummary,
    PositionStatus,
    Reconciled,
    RiskAnswer,
    RiskOrder,
    Row,
    Source,
    Status,
)
from alpha.control.offline_sync import sync_stored
from alpha.control.truth import exchange_reader
from alpha.control.verbs import resolve_bot
from alpha.core.reasons import BUILTIN
from alpha.core.records import MANUAL, Override
from alpha.core.risk import STATES
from alpha.errors import NotFound, NotRunning, TimedOut
from alpha.installation import installation_id
from alpha.ledger.assign import assign_stored, find_execution
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader, plain
from alpha.ledger.reader import Row as LedgerRow
from alpha.ledger.risk_journal import read
from alpha.sync.status import sync_rows
from alpha.trading.differences import Ours, differences


class DatabaseDesk:
    """A desk over the ledger. Its `positions`, `orders`, `fills` and `analytics` are the same
    rows that a daemon's desk gives."""

    source: Source = "database"

    def __init__(self, pool: Pool, config: Config, clock: Clock) -> None:
        self._pool = pool
        self._reader = LedgerReader(pool)
        self._analytics = AnalyticsReader(pool, clock)
        self._config = config
        self._clock = clock
        self._names = {bot.bot_id: name for name, bot in config.bots.items()}

    async def data_age_s(self) -> float | None:
        beats = await self._reader.bot_beats() if await self._migrated() else {}
        newest = max((beat for beat in beats.values() if beat is not None), default=None)
        return None if newest is None else max(0.0, (self._clock.now_ms() - newest) / 1000)

    async def status(self) -> Status:
        accounts: dict[str, AccountStatus] = {}
        for name in sorted({bot.account for bot in self._config.bots.values()}):
            accounts[name] = AccountStatus(
                status="unknown",
                since_ms=None,
                gaps=0,
                backfilled=0,
                malformed_frames=0,
                unknown_frames=0,
                wallet=None,
                equity=None,
                degraded=[],
            )
        rows = {str(row["bot_id"]): row for row in await self._ledger_bots()}
        bots = {
            name: await self._bot_status(name, rows.get(bot.bot_id))
            for name, bot in self._config.bots.items()
        }
        return Status(
            source=self.source,
            mode=self._config.mode,
            data_age_s=await self.data_age_s(),
            uptime_s=None,
            pid=None,
            postgres="ok",
            redis="unknown",
            degraded=[],
            accounts=accounts,
            bots=bots,
            daemons=await daemons_on(self._pool),
            risk=[row for row in await self.risk() if row["since"] is not None],
            backup_age_s=None,
        )

    async def _bot_status(self, name: str, row: LedgerRow | None) -> BotStatus:
        bot = self._config.bots[name]
        positions = [_position_status(row) for row in await self.positions(name)]
        open_pnl = [Decimal(str(p["unrealised_pnl"])) for p in positions if p["unrealised_pnl"]]
        newest = await self._fill_rows(1, bot.bot_id)
        return BotStatus(
            bot_id=bot.bot_id,
            account=bot.account,
            state=str(row["status"]) if row else "disabled",
            state_reason=str(row["status_reason"]) if row else "it has not run yet",
            positions=positions,
            realised_pnl=_decimal(row["realised_pnl"]) if row else Decimal(0),
            unrealised_pnl=sum(open_pnl, Decimal(0)) if len(open_pnl) == len(positions) else None,
            orders=_count(row, "orders"),
            fills=_count(row, "fills"),
            last_fill=_fill_summary(newest[-1]) if newest else None,
        )

    async def reconcile(self) -> Sequence[Row]:
        if not await self._migrated():
            raise NotFound("expected a ledger, found a database that no daemon has used yet")
        async with exchange_reader(self._config, self._clock) as exchange:
            if exchange is None:
                raise NotRunning(
                    "expected an exchange to ask, found none: the built-in one runs with the "
                    "daemon; start `alpha run`"
                )
            found: list[Row] = []
            for name, rest in exchange.clients.items():
                rows = await differences(rest, partial(self._ours, name), self._clock)
                found += [one.as_row() for one in rows]
            return found

    async def _ours(self, account: str) -> Ours:
        """An account as the database has it, without a daemon."""
        reader, held = self._reader, dict[tuple[str, str], Decimal]()
        for row in await reader.positions():
            if row["account"] == account:
                size = _decimal(row["size"])
                key = (str(row["bot_id"]), str(row["symbol"]))
                held[key] = size if row["side"] == "long" else -size
        bots = {bot.bot_id for bot in self._config.bots.values() if bot.account == account}
        return Ours(
            account=account,
            held=held,
            orders={row.client_order_id: row for row in await reader.open_orders(account)},
            bots=bots,
            known=frozenset(await reader.known_bots(account)) | bots,
            reasons=BUILTIN,
            missing=partial(reader.missing_exec_ids, account),
            paid=partial(reader.paid, account),
        )

    async def apply_reconciliation(self, operator: str) -> Sequence[Reconciled]:
        raise NotRunning(
            f"expected a daemon on {self._config.data_dir}, found none; start it: it alone writes "
            f"the ledger"
        )

    async def bots(self) -> Sequence[Row]:
        rows = {str(row["bot_id"]): row for row in await self._ledger_bots()}
        listed: list[Row] = []
        for name, bot in self._config.bots.items():
            known = rows.pop(bot.bot_id, None)
            listed.append(
                {
                    "name": name,
                    "bot_id": bot.bot_id,
                    "account": bot.account,
                    "plugin": bot.plugin,
                    "enabled": bot.enabled,
                    "state": str(known["status"]) if known else "disabled",
                    "state_reason": str(known["status_reason"]) if known else "it has not run yet",
                    "orders": _count(known, "orders"),
                    "fills": _count(known, "fills"),
                    "open_positions": _count(known, "open_positions"),
                    "realised_pnl": _decimal(known["realised_pnl"]) if known else Decimal(0),
                }
            )
        return listed

    async def positions(self, bot: str | None) -> Sequence[Row]:
        bot_id = self._config.bots[bot].bot_id if bot is not None else None
        if not await self._migrated():
            return []
        rows = await self._reader.positions(bot_id)
        results = await self._reader.open_results(bot_id)
        return [
            self._position(
                row, results.get((str(row["account"]), str(row["bot_id"]), str(row["symbol"])))
            )
            for row in rows
        ]

    def _position(self, row: LedgerRow, unrealised: Decimal | None) -> Row:
        made: dict[str, object] = {"bot": self._name(row), **plain([row])[0]}
        made["avg_price"] = made["avg_entry_price"]
        made["unrealised_pnl"] = unrealised
        return made

    async def orders(self, limit: int) -> Sequence[Row]:
        if not await self._migrated():
            return []
        rows = await self._reader.orders(limit)
        return [{"bot": self._name(row), **plain([row])[0]} for row in rows]

    async def fills(self, limit: int) -> Sequence[Row]:
        return await self._fill_rows(limit, None)

    async def _fill_rows(self, limit: int, bot_id: str | None) -> list[Row]:
        if not await self._migrated():
            return []
        rows = await self._reader.fills(limit, bot_id)
        return [{"bot": self._name(row), **plain([row])[0]} for row in rows]

    async def alerts(self, limit: int) -> Sequence[Alert]:
        return await self._reader.alerts(limit) if await self._migrated() else []

    async def analytics(self, bot: str | None, days: int) -> Sequence[Row]:
        known = await self._reader.bot_beats() if await self._migrated() else {}
        wanted = [bot] if bot is not None else list(self._config.bots)
        ids = {name: self._config.bots[name].bot_id for name in wanted}
        here = [bot_id for bot_id in ids.values() if bot_id in known]
        reports = await self._analytics.reports(here, days)
        history = await imported(self._pool, here) if here else {}
        return [
            {
                "bot": name,
                **reports[bot_id].as_row(),
                "imported": history[bot_id].as_row() if bot_id in history else None,
            }
            for name, bot_id in ids.items()
            if bot_id in reports
        ]

    async def sync_status(self, account: str | None) -> Sequence[Row]:
        if not await self._migrated():
            return []
        return await sync_rows(self._pool, account, self._clock.now_ms())

    async def run_sync(self, account: str | None, months: int | None) -> Sequence[str]:
        if not await self._migrated():
            raise NotFound("expected a ledger, found a database that no daemon has used yet")
        return await sync_stored(self._pool, self._config, self._clock, account, months)

    async def start_bot(self, name: str) -> str:
        raise self._not_running(name)

    async def stop_bot(self, name: str) -> str:
        raise self._not_running(name)

    async def assign_fill(
        self, exec_id: str, owner: str, account: str | None, operator: str
    ) -> Row:
        override, exec_time = await self._override(exec_id, owner, account, operator)
        installation = installation_id(self._config.data_dir, SystemRandomness())
        await assign_stored(
            self._pool, override, exec_time, installation=installation, clock=self._clock
        )
        return assigned(override)

    async def _override(
        self, exec_id: str, owner: str, account: str | None, operator: str
    ) -> tuple[Override, int]:
        """What was asked for, and the time of the execution. Raises NotFound."""
        if not await self._migrated():
            raise NotFound(f"expected an execution of the ledger, was {exec_id!r}: it is empty")
        name, symbol, exec_time = await find_execution(self._reader, exec_id, account)
        known = {MANUAL: MANUAL}
        for bot_id in await self._reader.known_bots(name):
            known[self._names.get(bot_id, bot_id)] = bot_id
        override = Override(
            account=name,
            symbol=symbol,
            exec_id=exec_id,
            bot_id=known[resolve_bot(known, owner)],
            operator=operator,
            source="operator",
            note="",
            decided_ms=self._clock.now_ms(),
        )
        return override, exec_time

    async def risk(self) -> Sequence[Row]:
        """What the last daemon has left in force; values are a daemon's to tell."""
        if not await self._pool.fetchval("SELECT to_regclass('trading.risk_state') IS NOT NULL"):
            return []
        accounts = sorted({bot.account for bot in self._config.bots.values()})
        stored = await read(self._pool, accounts)
        return [
            {
                "scope": scope,
                "account": None if scope == "overall" else self._account_of(scope, name),
                "bot": self._names.get(name, name) if scope == "bot" else None,
                "bot_id": name if scope == "bot" else None,
                "limit": trip.name,
                "value": trip.value if trip.kind is not None else None,
                "limit_value": trip.limit if trip.kind is not None else None,
                "share_used": None,
                "action": trip.action.value,
                "state": STATES[trip.action],
                "since": iso(trip.at_ms),
                "operator": trip.operator,
                "why": trip.why,
            }
            for (scope, name), trips in stored.trips.items()
            for trip in trips
        ]

    def _account_of(self, scope: str, name: str) -> str | None:
        if scope == "account":
            return name
        bot = next((one for one in self._config.bots.values() if one.bot_id == name), None)
        return bot.account if bot is not None else None

    async def order_risk(self, order: RiskOrder) -> RiskAnswer:
        raise self._not_running(order.verb)

    def _not_running(self, name: str) -> NotRunning:
        return NotRunning(
            f"{name}: expected a running daemon on {self._config.data_dir}, found none; "
            "start it with `alpha run`"
        )

    async def audit(self, record: CommandRecord) -> None:
        if await self._migrated():
            await audit.record(self._pool, record)

    async def _ledger_bots(self) -> list[LedgerRow]:
        return await self._reader.bots() if await self._migrated() else []

    async def _migrated(self) -> bool:
        """A database that no daemon has used yet is an empty one, not an error."""
        return await is_migrated(self._pool)

    def _name(self, row: LedgerRow) -> str:
        bot_id = str(row["bot_id"])
        return self._names.get(bot_id, bot_id)


def assigned(override: Override) -> Row:
    """What `fills assign` answers."""
    return {
        "exec_id": override.exec_id,
        "account": override.account,
        "symbol": override.symbol,
        "bot_id": override.bot_id,
    }


def _decimal(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _count(row: LedgerRow | None, column: str) -> int:
    value = row[column] if row else 0
    return int(value) if value is not None else 0


def _position_status(row: Row) -> PositionStatus:
    return PositionStatus(
        symbol=str(row["symbol"]),
        side=str(row["side"]),
        size=_decimal(row["size"]),
        avg_price=_decimal(row["avg_price"]),
        unrealised_pnl=_optional(row["unrealised_pnl"]),
        stop_loss=_optional(row["stop_loss"]),
        take_profit=_optional(row["take_profit"]),
        trailing_stop=_optional(row["trailing_stop"]),
    )


def _optional(value: object) -> Decimal | None:
    return None if value is None else _decimal(value)


def _fill_summary(row: Row) -> FillSummary:
    return FillSummary(
        exec_time=str(row["exec_time"]),
        symbol=str(row["symbol"]),
        side=str(row["side"]),
        exec_qty=_decimal(row["exec_qty"]),
        exec_price=_decimal(row["exec_price"]),
        reason=None if row["close_reason"] is None else str(row["close_reason"]),
    )


@asynccontextmanager
async def open_database_desk(config: Config, clock: Clock) -> AsyncIterator[DatabaseDesk]:
    """A desk while the context lasts. Raises TimedOut saying that there is neither a daemon nor
    a database."""
    async with AsyncExitStack() as stack:
        try:
            pool = await stack.enter_async_context(database_pool(config, clock))
        except TimedOut as error:
            raise no_daemon_either(config, error) from error
        yield DatabaseDesk(pool, config, clock)
