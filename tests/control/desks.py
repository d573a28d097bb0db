"""A desk over a dictionary: what the daemon shows, without a daemon."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from alpha.alerts import Alert
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
from alpha.errors import NotFound


class MemoryDesk:
    """Two bots; start and stop really change their states; audit rows are kept."""

    source: Source = "daemon"

    def __init__(self) -> None:
        self.states = {"shortseller": "running", "lxalgo": "paused"}
        self.records: list[CommandRecord] = []
        self.fill_rows: list[Row] = []
        self.told: list[Alert] = []
        self.differences: list[Row] = []
        self.synced: list[tuple[str | None, int | None]] = []
        self.assigned: list[tuple[str, str, str]] = []  # execution, owner, who asked
        self.limits: list[Row] = []
        self.ordered: list[RiskOrder] = []
        self.is_database_away = False

    async def data_age_s(self) -> float | None:
        return 0.5

    async def status(self) -> Status:
        account = AccountStatus(
            status="live",
            since_ms=1,
            gaps=2,
            backfilled=3,
            malformed_frames=0,
            unknown_frames=0,
            wallet=Decimal("10000"),
            equity=Decimal("10012.5"),
            degraded=[],
        )
        position = PositionStatus(
            symbol="BTCUSDT",
            side="short",
            size=Decimal("0.014"),
            avg_price=Decimal("50000.5"),
            unrealised_pnl=Decimal("-3.251"),
            stop_loss=Decimal("50750"),
            take_profit=None,
            trailing_stop=None,
        )
        fill = FillSummary(
            exec_time="2025-11-07T05:15:00.000Z",
            symbol="BTCUSDT",
            side="Sell",
            exec_qty=Decimal("0.014"),
            exec_price=Decimal("50000.5"),
            reason="death_cross",
        )
        bots = {
            name: BotStatus(
                bot_id=f"{name}_001",
                account="main",
                state=state,
                state_reason="",
                positions=[position] if name == "shortseller" else [],
                realised_pnl=Decimal("15.75"),
                unrealised_pnl=Decimal("-3.251"),
                orders=4,
                fills=5,
                last_fill=fill if name == "shortseller" else None,
            )
            for name, state in self.states.items()
        }
        return Status(
            source=self.source,
            mode="paper",
            data_age_s=0.5,
            uptime_s=61.0,
            pid=4711,
            postgres="ok",
            redis="ok",
            degraded=[],
            accounts={"main": account},
            bots=bots,
            daemons=[],
            risk=self.limits,
            backup_age_s=120.0,
        )

    async def reconcile(self) -> Sequence[Row]:
        return self.differences

    async def apply_reconciliation(self, operator: str) -> Sequence[Reconciled]:
        found, self.differences = self.differences, []
        return [
            {
                "account": "main",
                "found": found,
                "left": [],
                "brought": 0,
                "adjusted": [f"BTCUSDT by {operator}"],
                "cancelled": [],
            }
        ]

    async def bots(self) -> Sequence[Row]:
        return [
            {"name": name, "bot_id": f"{name}_001", "account": "main", "enabled": True}
            | {"state": state, "state_reason": ""}
            for name, state in self.states.items()
        ]

    async def positions(self, bot: str | None) -> Sequence[Row]:
        rows: list[Row] = [
            {"bot": "shortseller", "symbol": "BTCUSDT", "side": "short", "size": Decimal("0.014")},
            {"bot": "lxalgo", "symbol": "ADAUSDT", "side": "long", "size": Decimal("120")},
        ]
        return [row for row in rows if bot in (None, row["bot"])]

    async def orders(self, limit: int) -> Sequence[Row]:
        return []

    async def fills(self, limit: int) -> Sequence[Row]:
        return self.fill_rows[-limit:]

    async def alerts(self, limit: int) -> Sequence[Alert]:
        return self.told[-limit:]

    async def analytics(self, bot: str | None, days: int) -> Sequence[Row]:
        rows: list[Row] = [
            {"bot": name, "trades": days, "net_pnl": Decimal("12.5"), "win_rate": Decimal("0.5")}
            | {"fees": Decimal("1.1"), "funding": Decimal("-0.2"), "basis": "realised"}
            for name in self.states
        ]
        return [row for row in rows if bot in (None, row["bot"])]

    async def assign_fill(
        self, exec_id: str, owner: str, account: str | None, operator: str
    ) -> Row:
        if exec_id not in [row["exec_id"] for row in self.fill_rows]:
            raise NotFound(f"expected an execution of the ledger, was {exec_id!r}")
        self.assigned.append((exec_id, owner, operator))
        return {"exec_id": exec_id, "account": account, "symbol": "BTCUSDT", "bot_id": owner}

    async def sync_status(self, account: str | None) -> Sequence[Row]:
        return []

    async def run_sync(self, account: str | None, months: int | None) -> Sequence[str]:
        self.synced.append((account, months))
        return [account or "main"]

    async def start_bot(self, name: str) -> str:
        self.states[name] = "running"
        return "running"

    async def stop_bot(self, name: str) -> str:
        self.states[name] = "paused"
        return "paused"

    async def risk(self) -> Sequence[Row]:
        return self.limits

    async def order_risk(self, order: RiskOrder) -> RiskAnswer:
        self.ordered.append(order)
        return {
            "verb": order.verb,
            "scope": order.scope or "everything, accounts and bots",
            "changed": [{"scope": "bot lxalgo", "limit": "halt", "in_force": False}],
            "in_force": self.limits[:1],
            "positions": 1,
            "kept": not self.is_database_away,
        }

    async def audit(self, record: CommandRecord) -> None:
        self.records.append(record)
