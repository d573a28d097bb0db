"""A large ledger, made quickly and consistent throughout: what a verification agrees with.

`python -m bench.million DSN [--fills 1000000] [--candles 0]` fills an empty database
(migrations are applied first). Executions of `accounts` x `bots` bots over ten symbols, entries in
parts, scale-ins, partial exits, funding that bots share; the fold of the daemon computes
the projections, COPY writes them, and each bot is saved as one that was told it all. The same
shape gives the same ledger, whenever it is made.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path

import asyncpg
import structlog

from alpha.bots.cursor import Cursor, encode
from alpha.clock import Clock, SystemClock
from alpha.core.book import Book
from alpha.core.events import Execution, Side
from alpha.core.ids import wire_id
from alpha.core.reasons import BUILTIN
from alpha.core.records import AttributionRules, OrderRow
from alpha.core.steps import QtySteps
from alpha.ledger import columns
from alpha.ledger.columns import Columns
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import Connection, connect, open_pool
from alpha.ledger.queries import load
from alpha.ledger.registry import (
    AccountEntry,
    BotEntry,
    OrderTagEntry,
    register,
    register_qty_steps,
)

MIGRATIONS = Path(__file__).parents[1] / "migrations"
SYMBOLS = tuple(
    f"{coin}USDT"
    for coin in ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "LINK", "AVAX", "SUI")
)
STEP = Decimal("0.001")
FEE_RATE = Decimal("0.00055")
FUNDING_RATE = Decimal("0.0001")
DAY_MS = 86_400_000
#: One round of a bot: signed steps and the reason, flat at the end; two with the same order are
#: parts of one fill each. A bot whose number is odd trades it the other way round.
_ROUND = (
    (30, "entry", 0),
    (10, "entry", 0),
    (20, "scale_in", 1),
    (-25, "take_profit", 2),
    (-35, "trailing_stop", 3),
    (45, "ema_cross", 4),
    (-45, "stop_loss", 5),
)
#: Every so many fills of a symbol the exchange settles funding.
_FUNDING_EVERY = 47


@dataclass(frozen=True, slots=True)
class Shape:
    """What to make. `until_ms`: time of the newest execution; `days` lie before it."""

    fills: int = 1_000_000
    accounts: int = 10
    bots: int = 10  # of each account
    days: int = 365
    until_ms: int = 1_793_000_000_000

    def account_names(self) -> list[str]:
        return [f"account_{number:02d}" for number in range(1, self.accounts + 1)]

    def bot_ids(self, account: str) -> list[str]:
        first = self.account_names().index(account) * self.bots
        return [f"bot_{first + number:03d}" for number in range(1, self.bots + 1)]

    def fills_of(self, account: str, symbol: str) -> int:
        """An equal part, the rest to the first ones."""
        books = len(SYMBOLS) * self.accounts
        place = self.account_names().index(account) * len(SYMBOLS) + SYMBOLS.index(symbol)
        return self.fills // books + (place < self.fills % books)


_DEFAULT = Shape()


class _Numbers:
    """Evenly spread numbers, the same in every run."""

    def __init__(self, seed: int) -> None:
        self._state = seed * 2_654_435_761 + 1

    def below(self, limit: int) -> int:
        self._state = (self._state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        return (self._state >> 33) % limit


def history(shape: Shape, account: str, symbol: str) -> Iterator[Execution]:
    """The executions of one (account, symbol), in ledger order."""
    place = shape.account_names().index(account) * len(SYMBOLS) + SYMBOLS.index(symbol)
    numbers, fills = _Numbers(place + 1), shape.fills_of(account, symbol)
    bots = shape.bot_ids(account)
    begin = shape.until_ms - shape.days * DAY_MS
    apart = max(1, shape.days * DAY_MS // max(1, fills))
    price, net = 10_000 + 500 * SYMBOLS.index(symbol), 0
    for number in range(fills):
        turn, bot = divmod(number, len(bots))
        steps, reason, order = _ROUND[turn % len(_ROUND)]
        signed = -steps if bot % 2 else steps
        price = max(1_000, price + numbers.below(41) - 20)
        at = begin + (number + 1) * apart - numbers.below(apart)
        # The parts of one order carry the stamp of its decision.
        decision = turn // len(_ROUND) * len(_ROUND) + order
        stamp = begin + decision * len(bots) * apart + SYMBOLS.index(symbol)
        yield _trade(
            account, symbol, place, number, bots[bot], reason, stamp, signed, Decimal(price), at
        )
        net += signed
        if number % _FUNDING_EVERY == _FUNDING_EVERY - 1 and net:
            yield _funding(account, symbol, place, number, net, Decimal(price), at + 1)


def _trade(
    account: str,
    symbol: str,
    place: int,
    number: int,
    bot: str,
    reason: str,
    stamp: int,
    signed: int,
    price: Decimal,
    at: int,
) -> Execution:
    qty = abs(signed) * STEP
    value = price * qty
    return Execution(
        account=account,
        symbol=symbol,
        exec_id=f"{place:08x}-0000-4000-8000-{number:012x}",
        order_id=f"{place:08x}-{bot[-3:]:0>4}-4000-9000-{stamp:012x}",
        order_link_id=wire_id(bot, reason, stamp),
        side=_side(signed),
        exec_type="Trade",
        price=price,
        qty=qty,
        value=value,
        fee=(value * FEE_RATE).quantize(Decimal("1E-8")),
        fee_currency="USDT",
        fee_rate=FEE_RATE,
        leaves_qty=Decimal(0),
        closed_size=None,
        is_maker=number % 3 == 0,
        create_type="CreateByUser",
        order_type="Market",
        stop_order_type="",
        exec_time=at,
        seq=number * 2,
        source="paper",
        received_ms=at + 40,
    )


def _funding(
    account: str, symbol: str, place: int, number: int, net: int, price: Decimal, at: int
) -> Execution:
    qty = abs(net) * STEP
    value = price * qty
    fee = (value * FUNDING_RATE).quantize(Decimal("1E-8"))
    return Execution(
        account=account,
        symbol=symbol,
        exec_id=f"{place:08x}-0000-4000-a000-{number:012x}",
        order_id=f"{place:08x}-0000-4000-b000-{number:012x}",
        order_link_id="",
        side=_side(net),
        exec_type="Funding",
        price=price,
        qty=qty,
        value=value,
        fee=fee if net > 0 else -fee,
        fee_currency="USDT",
        fee_rate=FUNDING_RATE if net > 0 else -FUNDING_RATE,
        leaves_qty=Decimal(0),
        closed_size=None,
        is_maker=False,
        create_type="",
        order_type="UNKNOWN",
        stop_order_type="",
        exec_time=at,
        seq=number * 2 + 1,
        source="paper",
        received_ms=at + 40,
    )


def _side(signed: int) -> Side:
    return "Buy" if signed > 0 else "Sell"


def orders_of(rows: Sequence[Execution]) -> list[OrderRow]:
    """The filled orders behind these trades, one for each id."""
    known: dict[str, list[Execution]] = {}
    for row in rows:
        if row.order_link_id:
            known.setdefault(row.order_link_id, []).append(row)
    return [_order(link, parts) for link, parts in known.items()]


def _order(link: str, parts: Sequence[Execution]) -> OrderRow:
    first, last = parts[0], parts[-1]
    qty = sum((row.qty for row in parts), Decimal(0))
    reason = BUILTIN.by_code(link.split("-")[1])
    assert reason is not None
    return OrderRow(
        account=first.account,
        client_order_id=link,
        bot_id=link.split("-")[0],
        symbol=first.symbol,
        side=first.side,
        purpose="entry" if reason.is_entry else "exit",
        reason=reason.name,
        order_type="Market",
        qty=qty,
        price=None,
        trigger_price=None,
        reduce_only=not reason.is_entry,
        state="filled",
        exchange_order_id=first.order_id,
        exchange_status="Filled",
        filled_qty=qty,
        avg_fill_price=sum((row.value for row in parts), Decimal(0)) / qty,
        reject_code=None,
        reject_reason=None,
        decided_ms=first.exec_time - 60,
        sent_ms=first.exec_time - 50,
        acked_ms=first.exec_time - 20,
        terminal_ms=last.exec_time,
        updated_ms=last.exec_time,
    )


# -- writing --------------------------------------------------------------------------------------

_TARGET = re.compile(r"INSERT INTO (\w+)\.(\w+)(?: AS \w+)?\s*\(([^)]*)\)")


def _target(statement: str) -> tuple[str, str, list[str]]:
    """Schema, table and columns of one of the writer's statements, which COPY fills, too."""
    found = _TARGET.search(load("writes.sql")[statement])
    assert found is not None, statement
    return found[1], found[2], [name.strip() for name in found[3].split(",")]


async def _copy(connection: Connection, statement: str, rows: Columns) -> None:
    schema, table, names = _target(statement)
    await connection.copy_records_to_table(
        table, schema_name=schema, columns=names, records=zip(*rows, strict=True), timeout=600
    )


async def _fill_account(dsn: str, shape: Shape, account: str) -> int:
    connection = await connect(dsn)
    rules = AttributionRules(account, frozenset(shape.bot_ids(account)))
    written = 0
    try:
        await connection.execute("SET synchronous_commit = off")
        with suppress(asyncpg.InsufficientPrivilegeError):
            # What the fold has made needs no look-up of each row; a verification reads it all.
            await connection.execute("SET session_replication_role = replica")
        cursors = dict.fromkeys(shape.bot_ids(account), Cursor())
        for symbol in SYMBOLS:
            rows = list(history(shape, account, symbol))
            if rows:
                async with connection.transaction():
                    book = await _write_book(connection, rules, symbol, rows)
                for bot, cursor in cursors.items():
                    fills = book.fills_of(bot)
                    written += len(fills)
                    if fills:
                        cursors[bot] = cursor.behind(fills[-1], book.position(bot))
        await _save_bots(connection, account, cursors, shape.until_ms)
        await _mark(connection, account)
    finally:
        await connection.close()
    return written


async def _write_book(
    connection: Connection, rules: AttributionRules, symbol: str, rows: list[Execution]
) -> Book:
    book = Book(rules.account, symbol, qty_steps=QtySteps.always(STEP))
    change = book.add(rows, rules)
    for statement, columns_of_it in (
        ("insert_executions", columns.executions(change.executions)),
        ("upsert_fills", columns.fills(change.fills)),
        ("upsert_funding", columns.funding(change.funding)),
        ("upsert_lots", columns.lots(change.lots)),
        ("upsert_round_trips", columns.round_trips(change.round_trips)),
        ("upsert_cycles", columns.cycles(change.cycles)),
        ("upsert_orders", columns.orders(orders_of(rows))),
    ):
        await _copy(connection, statement, columns_of_it)
    return book


async def _save_bots(
    connection: Connection, account: str, cursors: Mapping[str, Cursor], at_ms: int
) -> None:
    """As after the newest decision of each: it has been told every fill, and has no state."""
    await connection.executemany(
        "INSERT INTO config.bot_state "
        "(account, bot_id, ordinal, state, last_stamp, cursor, event_time) "
        "VALUES ($1, $2, 1, '{}', 0, $3, $4)",
        [(account, bot, encode(cursor), at_ms) for bot, cursor in cursors.items()],
    )


async def _mark(connection: Connection, account: str) -> None:
    """The account is known up to its newest execution, as after a complete sweep."""
    await connection.execute(
        "INSERT INTO config.marks (account, seen, verified, commit_no) "
        "SELECT $1, max(exec_time), max(exec_time), nextval('config.commit_numbers') "
        "FROM trading.executions WHERE account = $1",
        account,
    )


async def _fill_in_processes(dsn: str, shape: Shape, jobs: int) -> list[int]:
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as processes:
        return await asyncio.gather(
            *(
                loop.run_in_executor(processes, _fill_in_process, dsn, shape, account)
                for account in shape.account_names()
            )
        )


def _fill_in_process(dsn: str, shape: Shape, account: str) -> int:
    return asyncio.run(_fill_account(dsn, shape, account))


async def make(
    dsn: str, shape: Shape, *, candles: int = 0, jobs: int = 2, clock: Clock | None = None
) -> dict[str, object]:
    """Fills an empty database and says how long it took. `candles` of one minute over the ten
    symbols come with it; `jobs` processes work at accounts."""
    wall = clock or SystemClock()
    began = wall.monotonic()
    await migrate(dsn, MIGRATIONS)
    await _register(dsn, shape, wall)
    if jobs > 1:
        fills = await _fill_in_processes(dsn, shape, jobs)
    else:
        fills = [await _fill_account(dsn, shape, account) for account in shape.account_names()]
    connection = await connect(dsn)
    try:
        if candles:
            await _add_candles(connection, shape, candles)
        await connection.execute("ANALYZE", timeout=600)
        executions = await connection.fetchval("SELECT count(*) FROM trading.executions")
    finally:
        await connection.close()
    return {
        "executions": executions,
        "fills": sum(fills),
        "bots": shape.accounts * shape.bots,
        "candles": candles,
        "seconds": round(wall.monotonic() - began, 1),
    }


async def _register(dsn: str, shape: Shape, clock: Clock) -> None:
    pool = await open_pool(dsn, clock=clock, max_size=1)
    try:
        names = shape.account_names()
        bots = [
            BotEntry(bot_id, account, bot_id, "bench", "paper", initial_capital=Decimal(10_000))
            for account in names
            for bot_id in shape.bot_ids(account)
        ]
        tags = [OrderTagEntry(one.code, one.name, one.is_entry) for one in BUILTIN.reasons()]
        await register(pool, [AccountEntry(name, "paper") for name in names], bots, tags)
        for name in names:
            await register_qty_steps(pool, name, dict.fromkeys(SYMBOLS, STEP), 0)
    finally:
        await pool.close()


async def _add_candles(connection: Connection, shape: Shape, candles: int) -> None:
    """Candles of one minute up to `until_ms`, made where they are stored."""
    each = candles // len(SYMBOLS)
    last = shape.until_ms - shape.until_ms % 60_000
    first = last - (each - 1) * 60_000
    month = first
    while month <= last + 31 * DAY_MS:
        await connection.execute("SELECT trading.ensure_market_data_month($1)", month)
        month += 28 * DAY_MS
    for number, symbol in enumerate(SYMBOLS):
        await connection.execute(
            """
            INSERT INTO trading.market_data (
                symbol, interval, timestamp, open_price, high_price, low_price, close_price,
                volume, quote_volume, data_source)
            SELECT $1, '1m', at, p, p + 2, p - 2, p + 1, 10, 10 * p, 'rest'
              FROM generate_series($2::timestamptz, $3::timestamptz, interval '1 minute') AS at,
                   LATERAL (SELECT round((10000 + 500 * $4::integer
                       + 300 * sin(extract(epoch FROM at) / 7200))::numeric, 1) AS p) AS price
            """,
            symbol,
            first,
            last,
            number,
            timeout=900,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.million", description=__doc__)
    parser.add_argument("dsn")
    parser.add_argument("--fills", type=int, default=_DEFAULT.fills)
    parser.add_argument("--accounts", type=int, default=_DEFAULT.accounts)
    parser.add_argument("--bots", type=int, default=_DEFAULT.bots, help="of each account")
    parser.add_argument("--days", type=int, default=_DEFAULT.days)
    parser.add_argument("--until-ms", type=int, default=_DEFAULT.until_ms, help="newest execution")
    parser.add_argument("--candles", type=int, default=0, help="of one minute, over ten symbols")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args(arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    shape = Shape(options.fills, options.accounts, options.bots, options.days, options.until_ms)
    made = asyncio.run(make(options.dsn, shape, candles=options.candles, jobs=options.jobs))
    print(json.dumps(made))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
