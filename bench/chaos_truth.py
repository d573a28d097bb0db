"""What is true, and what Alpha says: the exchange's own store read as JSON, the database with
plain SQL, Redis with plain commands. Nothing here uses Alpha's readers, decoders or books."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

import asyncpg
from redis.asyncio import Redis

from bench.chaos_world import Layout, World, api_key

Row = dict[str, object]
Market = tuple[str, str]  # account, symbol
Holding = tuple[str, str, str]  # account, symbol, bot

_ID = re.compile(r"([a-z0-9_]{1,20})-([a-z][a-z0-9]{0,2})-([0-9a-z]{1,10})")
ENTRY_CODES = frozenset({"en", "si"})
CASH_ONLY = frozenset({"Funding"})
FORCED = frozenset({"BustTrade", "AdlTrade", "Settle"})


def number(value: object) -> Decimal:
    return Decimal(str(value))


def own_id(link_id: str) -> tuple[str, str, int] | None:
    """Bot, code and stamp of an id of ours."""
    found = _ID.fullmatch(link_id)
    return None if found is None else (found[1], found[2], int(found[3], 36))


@dataclass(slots=True)
class Exchange:
    """The exchange's rows, accounts under our names."""

    executions: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    orders: list[Row] = field(default_factory=list)
    positions: dict[Market, Row] = field(default_factory=dict)


@dataclass(slots=True)
class Database:
    executions: list[Row]
    orders: list[Row]
    filled: dict[tuple[str, str, str], Decimal]
    paid: dict[tuple[str, str, str], Decimal]
    positions: dict[Holding, Decimal]
    states: dict[str, str]


@dataclass(slots=True)
class Mirror:
    positions: dict[tuple[str, str], Decimal]
    states: dict[str, str]


# -- the exchange ---------------------------------------------------------------------------------


def read_exchange(world: World) -> Exchange:
    names = {api_key(name): name for name in world.layout.accounts}
    found = Exchange()
    for (body,) in world.exchange_rows("SELECT body FROM executions ORDER BY n"):
        row = _read(body, names)
        found.executions[str(row["account"]), str(row["symbol"]), str(row["exec_id"])] = row
    for (body,) in world.exchange_rows("SELECT body FROM orders ORDER BY n"):
        found.orders.append(_read(body, names))
    for (body,) in world.exchange_rows("SELECT body FROM positions"):
        row = _read(body, names)
        found.positions[str(row["account"]), str(row["symbol"])] = row
    return found


def _read(body: object, names: dict[str, str]) -> Row:
    assert isinstance(body, str | bytes)
    row: Row = json.loads(body)
    row["account"] = names[str(row["account"])]
    return row


def is_open(body: object) -> bool:
    """Whether a position's row of the store holds anything."""
    assert isinstance(body, str | bytes)
    return bool(number(json.loads(body)["size"]))


def signed_size(position: Row) -> Decimal:
    size = number(position["size"])
    return -size if position["side"] == "Sell" else size


def signed_qty(execution: Row) -> Decimal:
    """What an execution does to the account's position."""
    if execution["exec_type"] in CASH_ONLY:
        return Decimal(0)
    qty = number(execution["qty"])
    return -qty if execution["side"] == "Sell" else qty


@dataclass(slots=True)
class Fold:
    """The exchange's executions added up: per account and symbol, and per bot where it is beyond
    doubt whose they are. `doubtful` are the markets where it is not: forced and manual trades
    are shared out by rules that this fold does not repeat."""

    net: dict[Market, Decimal]
    held: dict[Holding, Decimal]
    doubtful: set[Market]


def fold(exchange: Exchange, layout: Layout) -> Fold:
    parents = {str(row["order_id"]): str(row["parent_link_id"]) for row in exchange.orders}
    net: dict[Market, Decimal] = defaultdict(Decimal)
    held: dict[Holding, Decimal] = defaultdict(Decimal)
    doubtful: set[Market] = set()
    for (account, symbol, _), row in exchange.executions.items():
        qty = signed_qty(row)
        if not qty:
            continue
        net[account, symbol] += qty
        owner = _owner(row, parents, layout, account)
        if owner is None or row["exec_type"] in FORCED:
            doubtful.add((account, symbol))
        else:
            held[account, symbol, owner] += qty
    return Fold(net, held, doubtful)


def _owner(row: Row, parents: dict[str, str], layout: Layout, account: str) -> str | None:
    """The bot that an execution is of by an id, or by being the only one that trades there."""
    for link_id in (str(row["link_id"]), parents.get(str(row["order_id"]), "")):
        found = own_id(link_id)
        if found is not None:
            return found[0]
    if row["create_type"] in ("CreateByUser", "CreateByClosing", "", None):
        return None
    traders = [bot.name for bot in layout.bots_of(account) if row["symbol"] in bot.symbols]
    return traders[0] if len(traders) == 1 else None


# -- the database ---------------------------------------------------------------------------------


async def read_database(url: str) -> Database:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            executions = await connection.fetch(
                "SELECT *, (extract(epoch FROM exec_time) * 1000)::bigint AS exec_ms"
                " FROM trading.executions"
            )
            orders = await connection.fetch(
                "SELECT *, (extract(epoch FROM decided_at) * 1000)::bigint AS decided_ms"
                " FROM trading.orders"
            )
            fills = await connection.fetch(
                "SELECT account, symbol, exec_id, sum(CASE side WHEN 'Sell' THEN -exec_qty"
                " ELSE exec_qty END) AS qty FROM trading.fills GROUP BY 1, 2, 3"
            )
            funding = await connection.fetch(
                "SELECT account, symbol, exec_id, sum(amount) AS amount"
                " FROM trading.funding_payments GROUP BY 1, 2, 3"
            )
            positions = await connection.fetch(
                "SELECT account, symbol, bot_id, CASE side WHEN 'short' THEN -size ELSE size END"
                " AS size FROM trading.positions WHERE closed_at IS NULL"
            )
            bots = await connection.fetch("SELECT bot_id, status FROM trading.bots")
    finally:
        await connection.close()
    return Database(
        executions=[dict(row) for row in executions],
        orders=[dict(row) for row in orders],
        filled={(r["account"], r["symbol"], r["exec_id"]): r["qty"] for r in fills},
        paid={(r["account"], r["symbol"], r["exec_id"]): r["amount"] for r in funding},
        positions={(r["account"], r["symbol"], r["bot_id"]): r["size"] for r in positions},
        states={str(r["bot_id"]): str(r["status"]) for r in bots if r["bot_id"] != "manual"},
    )


# -- Redis ----------------------------------------------------------------------------------------


def _text(answer: bytes | str | None) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer or ""


async def read_mirror(url: str, layout: Layout) -> Mirror:
    mirror = Mirror({}, {})
    for database in sorted({bot.redis_db for bot in layout.bots}):
        bots = [bot.name for bot in layout.bots if bot.redis_db == database]
        client = Redis.from_url(url, db=database, socket_timeout=5)
        try:
            for bot in bots:
                found = client.scan_iter(f"position:{bot}:*:details", count=500)
                for key in [_text(key) async for key in found]:
                    size = number(_text(await client.hget(key, "signed_size")))
                    plain = _text(await client.get(key.removesuffix(":details")))
                    mirror.positions[bot, key.split(":")[2]] = size
                    if not plain or number(plain) != abs(size):
                        mirror.states[f"{bot} {key}"] = f"size {plain!r}, details {size}"
                state = await client.hget(f"bot:{bot}:state", "status")
                mirror.states[bot] = _text(state) or "absent"
        finally:
            await client.aclose()
    return mirror
