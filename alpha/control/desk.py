"""What every verb is answered from: the running daemon, or the database when none runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NotRequired, Protocol, TypedDict

from alpha.alerts import Alert

Source = Literal["daemon", "database"]
Row = Mapping[str, object]


class FillSummary(TypedDict):
    exec_time: str  # ISO 8601, UTC
    symbol: str
    side: str
    exec_qty: Decimal | str
    exec_price: Decimal | str
    reason: str | None


class PositionStatus(TypedDict):
    """One open position of one bot. `size` is unsigned, `side` long or short."""

    symbol: str
    side: str
    size: Decimal | str
    avg_price: Decimal | str | None
    unrealised_pnl: Decimal | str | None
    stop_loss: Decimal | str | None
    take_profit: Decimal | str | None
    trailing_stop: Decimal | str | None


class BotStatus(TypedDict):
    """`realised_pnl` is net of fees and funding, in USDT; counts are of the whole ledger."""

    bot_id: str
    account: str
    state: str
    state_reason: str
    positions: list[PositionStatus]
    realised_pnl: Decimal | str
    unrealised_pnl: Decimal | str | None
    orders: int
    fills: int
    last_fill: FillSummary | None


class Degraded(TypedDict):
    """Something that is not as it should be. `part`: postgres, redis, exchange, disk, backup, or
    `account:NAME`; `since` is ISO 8601, UTC."""

    part: str
    since: str
    why: str


class AccountStatus(TypedDict):
    status: str  # starting, syncing, live, stale, halted; "unknown" from the database
    since_ms: int | None
    gaps: int
    backfilled: int
    malformed_frames: int  # of the private stream, since the start
    unknown_frames: int
    wallet: Decimal | str | None
    equity: Decimal | str | None
    degraded: list[str]


class DaemonStatus(TypedDict):
    """One process on this database. `expires`: until when an active one holds its accounts;
    `seen`: when a standby last said that it waits. ISO 8601, UTC."""

    holder: str
    role: Literal["active", "standby"]
    accounts: list[str]
    expires: NotRequired[str]
    seen: NotRequired[str]


@dataclass(frozen=True, slots=True)
class RiskOrder:
    """What a person wants of the portfolio limits. `scope` is `all`, a bot, an account,
    `bot:NAME` or `account:NAME`; `rule` is the limit to reset, or `all`."""

    verb: Literal["halt", "resume", "flatten", "risk_reset"]
    scope: str
    operator: str
    reason: str = ""
    rule: str = ""


class RiskAnswer(TypedDict):
    """`changed`: limits and halts that have come into force, or are over; `in_force`: all that
    hold now; `positions`: how many the scope has open; `kept`: it is in the database."""

    verb: str
    scope: str
    changed: Sequence[Row]
    in_force: Sequence[Row]
    positions: int
    kept: bool


class Status(TypedDict):
    """The whole picture. `backup_age_s`: of the newest backup, or of the database while it has
    none; None where no daemon keeps them. Money is Decimal where it was read, text once it
    went over a wire."""

    source: Source
    mode: str
    data_age_s: float | None
    uptime_s: float | None
    pid: int | None
    postgres: str
    redis: str
    degraded: list[Degraded]
    accounts: dict[str, AccountStatus]
    bots: dict[str, BotStatus]
    daemons: list[DaemonStatus]
    risk: list[Row]  # portfolio limits and halts that hold, as `alpha risk show` has them
    backup_age_s: float | None


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One row of audit.command_log. `operator` says who: `root`, `telegram:1234`."""

    channel: Literal["cli", "telegram", "rest", "internal"]
    operator: str
    command: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    decision: Literal["allowed", "refused"] = "allowed"
    result: str = ""
    duration_ms: float | None = None


class Reconciled(TypedDict):
    """What reconciling one account has done. `found` and `left` are the differences before and
    after, `brought` counts executions that were missing, `adjusted` are symbols whose rest was
    accepted as `manual`, `cancelled` ids of orders that nobody looked after."""

    account: str
    found: list[Row]
    left: list[Row]
    brought: int
    adjusted: list[str]
    cancelled: list[str]


class Desk(Protocol):
    """Where verbs get their answers. Rows are new dictionaries with the documented keys; money
    in them is Decimal, times are ISO 8601 texts. Bots go by their name in the settings."""

    @property
    def source(self) -> Source: ...

    async def data_age_s(self) -> float | None:
        """Seconds since what the desk shows was true; None when nothing was ever written."""

    async def status(self) -> Status: ...

    async def bots(self) -> Sequence[Row]: ...

    async def positions(self, bot: str | None) -> Sequence[Row]: ...

    async def orders(self, limit: int) -> Sequence[Row]:
        """The newest `limit`, oldest first."""

    async def fills(self, limit: int) -> Sequence[Row]:
        """The newest `limit` in ledger order, oldest first."""

    async def alerts(self, limit: int) -> Sequence[Alert]:
        """The newest `limit`, oldest first."""

    async def analytics(self, bot: str | None, days: int) -> Sequence[Row]:
        """One row per bot over round trips that ended in the last `days` days."""

    async def reconcile(self) -> Sequence[Row]:
        """Where ledger and exchange differ: `account`, `kind` (position, execution, order,
        orphan, cash), `symbol`, `subject`, `ledger`, `exchange`, `note`. Changes nothing."""

    async def apply_reconciliation(self, operator: str) -> Sequence[Reconciled]:
        """Brings them to agree. Raises NotRunning without a daemon."""

    async def sync_status(self, account: str | None) -> Sequence[Row]:
        """How the trade sync of each account stands: `alpha.sync.status.sync_rows`."""

    async def run_sync(self, account: str | None, months: int | None) -> Sequence[str]:
        """Syncs an account, or all, since the last time or so many months back; returns their
        names. A daemon only begins with it. Raises NotFound for an unknown account."""

    async def start_bot(self, name: str) -> str:
        """Allows entries again; returns the bot's state. Raises NotRunning without a daemon."""

    async def stop_bot(self, name: str) -> str:
        """Stops entries; the bot's position stays protected. Returns the bot's state."""

    async def assign_fill(
        self, exec_id: str, owner: str, account: str | None, operator: str
    ) -> Row:
        """Gives an execution to a bot or to `manual`; the books are computed anew. Returns
        `exec_id`, `account`, `symbol`, `bot_id`. Raises NotFound for an unknown id."""

    async def risk(self) -> Sequence[Row]:
        """Portfolio limits with their values, and what holds."""

    async def order_risk(self, order: RiskOrder) -> RiskAnswer:
        """Halt, resume, flatten, reset. Raises NotRunning without a daemon."""

    async def audit(self, record: CommandRecord) -> None:
        """Writes down who asked for what. Never raises: a database that is away is logged."""
