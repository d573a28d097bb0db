"""What is read from the ledger: by a restart, by the recovery, by the command line.

Rows for people are dictionaries with the column names of the tables (exec_time, symbol, side,
exec_qty, exec_price, commission, close_reason, client_order_id, ...); times are Unix ms, money
is Decimal. `plain` makes them ready for JSON.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import asyncpg

from alpha.alerts import Alert
from alpha.clock import iso
from alpha.core.canonical import Override
from alpha.core.events import Execution
from alpha.core.intents import StopPlan
from alpha.core.records import Marks, OrderRow, OrderTag
from alpha.core.steps import QtySteps
from alpha.errors import NotFound
from alpha.ledger.pool import Connection, Pool
from alpha.ledger.queries import load
from alpha.ledger.stored import executions_from, order_from, trimmed, trimmed_or_none

Value = str | int | bool | Decimal | None
Row = dict[str, Value]

DAY_MS = 86_400_000

#: Columns that hold Unix ms.
_TIMES = frozenset(
    {
        "acked_at",
        "changed_at",
        "decided_at",
        "exec_time",
        "expires_at",
        "last_heartbeat",
        "opened_at",
        "process_heartbeat",
        "seen",
        "sent_at",
        "terminal_at",
        "verified",
    }
)


@dataclass(frozen=True, slots=True)
class StoredState:
    """What a bot's last committed decision left behind; JSON columns as they were written."""

    ordinal: int
    state_json: str
    last_stamp: int
    cursor_json: str
    event_ms: int


class LedgerReader:
    """Reads through a pool, or through one connection (a verification's transaction)."""

    def __init__(self, source: Pool | Connection) -> None:
        self._source = source
        self._sql = load("reads.sql")

    # -- what a restart and the recovery load ----------------------------------------------------

    async def executions_since(
        self, account: str, symbol: str, after_ms: int | None
    ) -> list[Execution]:
        """Everything later than `after_ms` (None: everything), in ledger order."""
        rows = await self._fetch("executions_since", account, symbol, after_ms)
        return await executions_from(rows)

    async def count_since(self, account: str, symbol: str, after_ms: int | None) -> int:
        """How many executions are later than `after_ms` (None: all)."""
        rows = await self._fetch("count_since", account, symbol, after_ms)
        return int(rows[0]["count"])

    async def execution_places(
        self, exec_id: str, account: str | None = None
    ) -> list[tuple[str, str, int]]:
        """(account, symbol, exec_time) of the executions with this id."""
        rows = await self._fetch("execution_places", exec_id, account)
        return [(row["account"], row["symbol"], row["exec_time"]) for row in rows]

    async def missing_exec_ids(
        self, account: str, keys: Collection[tuple[str, str]]
    ) -> set[tuple[str, str]]:
        """Of these (symbol, exec_id) those that the ledger does not hold."""
        rows = await self._fetch(
            "missing_exec_ids", account, [key[0] for key in keys], [key[1] for key in keys]
        )
        return {(row["symbol"], row["exec_id"]) for row in rows}

    async def exec_ids(self, account: str, after_ms: int, until_ms: int) -> set[tuple[str, str]]:
        """The (symbol, exec_id) of a window, `after_ms` excluded."""
        rows = await self._fetch("exec_ids_in_window", account, after_ms, until_ms)
        return {(row["symbol"], row["exec_id"]) for row in rows}

    async def order_ids(self, account: str, since_ms: int) -> set[str]:
        """Wire ids of the orders decided since then."""
        rows = await self._fetch("order_ids_since", account, since_ms)
        return {row["order_link_id"] for row in rows}

    async def paid(
        self, account: str, after_ms: int, until_ms: int
    ) -> dict[tuple[str, str], Decimal]:
        """What each execution of a window has cost, by (symbol, exec_id): fees and funding."""
        rows = await self._fetch("paid_in_window", account, after_ms, until_ms)
        return {(row["symbol"], row["exec_id"]): trimmed(row["fee"]) for row in rows}

    async def open_symbols(self, account: str) -> list[str]:
        """Symbols in which some bot, or `manual`, holds a position."""
        return [row["symbol"] for row in await self._fetch("open_symbols", account)]

    async def traded_symbols(self, account: str) -> list[str]:
        return [row["symbol"] for row in await self._fetch("traded_symbols", account)]

    async def last_flat_ms(
        self, account: str, symbol: str, before_ms: int | None = None
    ) -> int | None:
        """Time of the newest execution, at or before `before_ms`, after which nobody held
        anything in the symbol and that shares its millisecond with no opening one; None when
        the first execution is later. A book may start there as its checkpoint."""
        latest = before_ms if before_ms is not None else await self.newest_ms(account)
        if latest is None:
            return None
        value = await self._source.fetchval(self._sql["last_flat"], account, symbol, latest)
        return None if value is None else int(value)

    async def newest_ms(self, account: str | None = None) -> int | None:
        """Time of the newest execution: the exchange's clock as far as the ledger knows it."""
        value = await self._source.fetchval(self._sql["newest_execution"], account)
        return None if value is None else int(value)

    async def overrides(self, account: str) -> dict[str, str]:
        """exec_id -> bot_id, the newest decision of an operator."""
        rows = await self._fetch("overrides", account)
        return {row["exec_id"]: row["bot_id"] for row in rows}

    async def order_tags(
        self, account: str, symbol: str | None = None, order_ids: Collection[str] | None = None
    ) -> dict[str, OrderTag]:
        """Exchange order id -> whose order it was and why; strangers' orders left out. `order_ids`:
        of these only."""
        wanted = None if order_ids is None else list(order_ids)
        rows = await self._fetch("order_tags", account, symbol, wanted)
        found: dict[str, OrderTag] = {}
        for bot_id, reason, is_child, ids in rows:
            tag = OrderTag(bot_id, reason, "parent" if is_child else "order")
            found.update(dict.fromkeys(ids.split(" "), tag))
        return found

    async def open_orders(self, account: str) -> list[OrderRow]:
        """Orders that are not finished, oldest decision first."""
        return [order_from(row) for row in await self._fetch("open_orders", account)]

    async def executed_qty(
        self, account: str, order_link_ids: Collection[str]
    ) -> dict[str, Decimal]:
        """How much of each of these orders the ledger holds executions of, by id on the wire."""
        rows = await self._fetch("executed_qty", account, list(order_link_ids))
        return {row["order_link_id"]: trimmed(row["qty"]) for row in rows}

    async def bot_state(self, account: str, bot_id: str) -> StoredState | None:
        rows = await self._fetch("bot_state", account, bot_id)
        if not rows:
            return None
        row = rows[0]
        return StoredState(
            row["ordinal"], row["state"], row["last_stamp"], row["cursor"], row["event_time"]
        )

    async def known_bots(self, account: str) -> list[str]:
        """Every bot that ever was on the account, without `manual`."""
        return [row["bot_id"] for row in await self._fetch("known_bots", account)]

    async def symbol_owners(self, account: str) -> dict[str, str]:
        rows = await self._fetch("symbol_owners", account)
        return {row["symbol"]: row["bot_id"] for row in rows}

    async def open_sizes(self, account: str) -> dict[tuple[str, str], Decimal]:
        """(bot_id, symbol) -> signed size of what is open, `manual` included."""
        rows = await self._fetch("open_sizes", account)
        return {(row["bot_id"], row["symbol"]): trimmed(row["size"]) for row in rows}

    async def order_codes(self) -> dict[str, str]:
        """Code on the wire -> reason, as registered."""
        return {row["code"]: row["reason"] for row in await self._fetch("order_codes")}

    async def qty_steps(self, account: str) -> dict[str, QtySteps]:
        """Symbol -> the quantity steps that the account was told over time."""
        known: dict[str, list[tuple[int, Decimal]]] = {}
        for row in await self._fetch("qty_steps", account):
            step = (int(row["since"]), trimmed(row["qty_step"]))
            known.setdefault(row["symbol"], []).append(step)
        return {symbol: QtySteps.of(steps) for symbol, steps in known.items()}

    async def booked_symbols(self, account: str) -> list[str]:
        """Symbols of the ledger and of everything derived from it."""
        return [row["symbol"] for row in await self._fetch("booked_symbols", account)]

    async def all_overrides(self, account: str | None = None) -> list[Override]:
        """Every override, in the order in which they were given."""
        rows = await self._fetch("all_overrides", account)
        return [Override(row["account"], row["exec_id"], row["bot_id"]) for row in rows]

    async def accounts(self) -> list[str]:
        return [row["account"] for row in await self._fetch("accounts")]

    async def commit_numbers(self) -> dict[str, int]:
        """The last commit of each account."""
        return {row["account"]: row["commit_no"] for row in await self._fetch("marks", None)}

    async def marks(self, account: str) -> Marks:
        """0 where nothing is known yet."""
        rows = await self._fetch("marks", account)
        if not rows:
            return Marks(account, 0, 0)
        return Marks(account, rows[0]["seen"] or 0, rows[0]["verified"] or 0)

    # -- what people ask -------------------------------------------------------------------------

    async def bots(self) -> list[Row]:
        return _rows(await self._fetch("bots"))

    async def bot_beats(self) -> dict[str, int | None]:
        """Every bot, and when its process was last heard of."""
        return {r["bot_id"]: r["process_heartbeat"] for r in await self._fetch("bot_beats")}

    async def bot_totals(self, account: str, bot_id: str) -> Row:
        """Orders, fills and net realised PnL of one bot: what `bots` says of all."""
        return _rows(await self._fetch("bot_totals", account, bot_id))[0]

    async def positions(self, bot_id: str | None = None) -> list[Row]:
        """Open positions of the bots and of `manual`."""
        return _rows(await self._fetch("positions", bot_id))

    async def open_results(
        self, bot_id: str | None = None
    ) -> dict[tuple[str, str, str], Decimal | None]:
        """By account, bot and symbol, in USDT; None for a position without a price."""
        rows = await self._fetch("open_results", bot_id)
        return {
            (row["account"], row["bot_id"], row["symbol"]): trimmed_or_none(row["unrealized_pnl"])
            for row in rows
        }

    async def orders(self, limit: int, bot_id: str | None = None) -> list[Row]:
        """The newest `limit` orders, oldest first."""
        return _rows(await self._fetch("orders", bot_id, limit))

    async def fills(self, limit: int, bot_id: str | None = None) -> list[Row]:
        """The newest `limit` fills, in ledger order."""
        return _rows(await self._fetch("fills", bot_id, limit))

    async def alerts(self, limit: int) -> list[Alert]:
        """The newest `limit` that are in the database, oldest first."""
        return [_alert(row) for row in await self._fetch("alerts", limit)]

    async def daily(self, bot_id: str | None, days: int, *, now_ms: int | None = None) -> list[Row]:
        """One row per UTC day and bot with round trips that ended on it."""
        await self._expect_bot(bot_id)
        until = now_ms if now_ms is not None else (await self.newest_ms() or 0)
        return _rows(await self._fetch("daily", bot_id, until - days * DAY_MS))

    async def status(self) -> dict[str, list[Row]]:
        """Marks and leases of every account."""
        return {
            "accounts": _rows(await self._fetch("accounts")),
            "marks": _rows(await self._fetch("marks", None)),
            "leases": _rows(await self._fetch("leases")),
        }

    async def stop_plan(self, account: str, bot_id: str, symbol: str) -> StopPlan | None:
        """The stops of the newest entry that still is part of the bot's position, as it was
        decided; None for a position without any."""
        rows = await self._fetch("stop_plan", account, bot_id, symbol)
        if not rows or rows[0]["stops"] is None:
            return None
        return StopPlan.model_validate_json(rows[0]["stops"])

    async def moved_stop(self, account: str, bot_id: str, symbol: str) -> Decimal | None:
        """Where the strategy has moved the stop loss of the open position to, since its newest
        entry."""
        rows = await self._fetch("moved_stop", account, bot_id, symbol)
        return trimmed(rows[0]["stop_loss"]) if rows else None

    async def first_fill_ms(self, account: str, bot_id: str, symbol: str) -> int | None:
        """Time of the bot's first fill in the symbol, imported history left out."""
        value = await self._source.fetchval(self._sql["first_fill"], account, bot_id, symbol)
        return None if value is None else int(value)

    async def unfinished_exits(self, account: str, bot_id: str) -> list[OrderRow]:
        """Exits that ended with something left of the open position, and that no decision for
        the rest has followed."""
        rows = await self._fetch("unfinished_exits", account, bot_id)
        return [order_from(row) for row in rows]

    async def cash_flow(self, account: str, bot_id: str) -> Decimal:
        """Everything that has moved a bot's cash: realised PnL, less fees, plus funding."""
        row = (await self._fetch("cash_flow", account, bot_id))[0]
        return trimmed(row["cash_flow"])

    async def cash_by_owner(self, account: str) -> dict[str, Decimal]:
        """The same of everybody on an account, `manual` included."""
        rows = await self._fetch("cash_by_owner", account)
        return {row["bot_id"]: trimmed(row["cash_flow"]) for row in rows}

    async def commits(self) -> dict[str, int]:
        """The newest commit of each account."""
        rows = await self._fetch("marks", None)
        return {row["account"]: row["commit_no"] for row in rows}

    async def counts(self, account: str | None = None) -> tuple[int, int]:
        """Executions and fills in the ledger."""
        row = (await self._fetch("counts", account))[0]
        return row["executions"], row["fills"]

    async def _expect_bot(self, bot_id: str | None) -> None:
        if bot_id is None or bot_id == "manual":
            return
        known = await self.bot_beats()
        if bot_id not in known:
            raise NotFound(f"expected one of {', '.join(known) or 'no bots'}, was {bot_id!r}")

    async def _fetch(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        return await self._source.fetch(self._sql[name], *arguments)


def _alert(row: asyncpg.Record) -> Alert:
    return Alert(
        kind=row["event_type"],
        level=row["event_level"],
        message=row["message"],
        at_ms=row["event_time"],
        component=row["component"],
        account=row["account"],
        bot_id=row["bot_id"],
        symbol=row["symbol"],
        repeated=row["repeated"],
        details=json.loads(row["details"] or "{}"),
    )


def plain(rows: Iterable[Row]) -> list[dict[str, str | int | bool | None]]:
    """Rows for JSON: Decimals as plain strings, times as ISO 8601 in UTC."""
    return [{name: _plain(name, value) for name, value in row.items()} for row in rows]


def _rows(records: Sequence[asyncpg.Record]) -> list[Row]:
    return [
        {
            name: trimmed(value) if isinstance(value, Decimal) else value
            for name, value in record.items()
        }
        for record in records
    ]


def _plain(name: str, value: Value) -> str | int | bool | None:
    if isinstance(value, Decimal):
        return format(value, "f")
    if name in _TIMES and isinstance(value, int):
        return iso(value)
    return value
