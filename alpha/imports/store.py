"""Brings what was found into the history tables: one transaction, or nothing.

Rows go to temporary tables first and from there, as far as they are new, to the tables that
people see. A dry run is the same transaction, taken back at its end: it says exactly what would
happen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import asyncpg

from alpha.core.canonical import plain
from alpha.errors import AlphaError, ConfigError
from alpha.imports.found import Fill, Found, Home, Record, Tally, Trade
from alpha.imports.report import Report, Sums
from alpha.imports.rows import Unreadable
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Connection, Pool, end_with_us
from alpha.ledger.queries import load
from alpha.ledger.registry import Mode

#: The longest that one statement over a large source may take.
_WITHIN_S = 600.0
_TRADES = (
    *("kind", "source_id", "account", "bot_id", "symbol", "side", "quantity", "entry_order_id"),
    *("entry_price", "entry_time", "entry_reason", "entry_commission", "exit_order_id"),
    *("exit_price", "exit_time", "exit_reason", "exit_commission", "gross_pnl", "net_pnl"),
    *("pnl_pct", "quality", "import_id"),
)
_FILLS = (
    *("kind", "source_id", "account", "bot_id", "symbol", "order_id", "client_order_id", "side"),
    *("exec_price", "exec_qty", "exec_time", "commission", "close_reason", "quality"),
    "import_id",
)
_RECORDS = (
    *("kind", "source_table", "source_id", "account", "bot_id", "symbol", "recorded_at"),
    *("record", "import_id"),
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows come from, as people name it: a file's name, or a server's without its user."""

    name: str
    sha256: str | None


async def bring(
    pool: Pool,
    found: Found,
    homes: Sequence[Home],
    origin: Origin,
    *,
    mode: Mode,
    dry_run: bool,
    lease: Lease | None,
) -> Report:
    """Imports, or only tells what it would. `homes`: the bots whose sums are shown. With a
    `lease` nothing is written unless it still holds.

    Raises AlphaError with nothing changed when the database refuses, or when the sums after are
    not those before and what was brought."""
    try:
        async with pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                report = await _bring(connection, found, homes, origin, mode=mode, lease=lease)
            except BaseException:
                await transaction.rollback()
                raise
            if dry_run:
                await transaction.rollback()
                return replace(report, dry_run=True, import_id=None)
            await transaction.commit()
            return report
    except asyncpg.DataError as error:
        raise Unreadable(
            f"{origin.name}: expected values that the ledger's columns hold, was refused: "
            f"{type(error).__name__}; nothing was changed"
        ) from None


async def _bring(
    connection: Connection,
    found: Found,
    homes: Sequence[Home],
    origin: Origin,
    *,
    mode: Mode,
    lease: Lease | None,
) -> Report:
    sql = load("imports.sql")
    await end_with_us(connection)
    await connection.execute(sql["limits"])
    if lease is not None:
        await lease.check(connection, {home.account for home in homes})
    await _register(connection, homes, mode)
    number: int = await connection.fetchval(sql["next_import"])
    before = await _sums(connection, homes)
    staged = await _stage(connection, found, number)
    different: int = await connection.fetchval(sql["different_figures"])
    brought = {
        what: await _brought(connection, sql[f"bring_{what}"])
        for what in ("trades", "fills", "records")
    }
    after = await _sums(connection, homes)
    _check_sums(before, brought, after)
    notes = list(found.notes)
    if different:
        notes.append(
            f"{different} round trips are known with other figures; those imported first stay"
        )
    is_new = any(tally.rows for tally in brought.values())
    report = Report(
        kind=found.kind,
        source=origin.name,
        sha256=origin.sha256,
        dry_run=False,
        found=found,
        brought=brought,
        known={what: count - brought[what].rows for what, count in staged.items()},
        before=before,
        after=after,
        notes=notes,
        import_id=number if is_new else None,
    )
    if is_new:
        document = json.dumps(report.as_json(), default=_text)
        await connection.execute(
            sql["record_import"], number, found.kind, origin.name, origin.sha256, document
        )
        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return report


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    raise TypeError(f"expected a number, was {type(value).__name__}")


async def _register(connection: Connection, homes: Sequence[Home], mode: Mode) -> None:
    """The bots that history refers to. Raises ConfigError for a database of another mode, or a
    bot that has moved to another account."""
    foreign = await connection.fetchrow(load("registry.sql")["other_mode"], mode)
    if foreign is not None:
        raise ConfigError(
            f"expected a database of mode {mode}, was one of mode {foreign['mode']} "
            f"(account {foreign['account']}); nothing was changed"
        )
    sql = load("imports.sql")
    for home in homes:
        await connection.execute(sql["register_account"], home.account, mode)
        await connection.execute(sql["register_bot"], home.bot_id, home.account, "history", mode)
        account = await connection.fetchval(sql["registered"], home.bot_id)
        if account != home.account:
            raise ConfigError(
                f"bot {home.bot_id}: expected account {home.account} as in the settings, the "
                f"database has it on {account}; start the daemon once, or correct the settings"
            )


async def _stage(connection: Connection, found: Found, number: int) -> dict[str, int]:
    await connection.execute(load("imports.sql")["stage"])
    kind = found.kind
    tables = {
        "trades": (_TRADES, [_trade(kind, trade, number) for trade in found.trades]),
        "fills": (_FILLS, [_fill(kind, fill, number) for fill in found.fills]),
        "records": (_RECORDS, [_record(kind, record, number) for record in found.records]),
    }
    for what, (columns, rows) in tables.items():
        await connection.copy_records_to_table(
            f"staged_{what}", records=rows, columns=columns, timeout=_WITHIN_S
        )
    return {what: len(rows) for what, (_, rows) in tables.items()}


async def _brought(connection: Connection, statement: str) -> Tally:
    row = await connection.fetchrow(statement, timeout=_WITHIN_S)
    return Tally() if row is None else _tally(row)


def _tally(row: asyncpg.Record) -> Tally:
    return Tally(row["rows"], row["quantity"], row["net_pnl"], row["fees"])


async def _sums(connection: Connection, homes: Sequence[Home]) -> Sums:
    rows = await connection.fetch(
        load("imports.sql")["sums"], sorted({home.bot_id for home in homes})
    )
    return {(row["what"], row["bot_id"], row["symbol"]): _tally(row) for row in rows}


def _check_sums(before: Sums, brought: Mapping[str, Tally], after: Sums) -> None:
    """Before and brought have to be after, to the last digit."""
    for what, tally in brought.items():
        expected = Tally()
        for sums in (before, {(what, "", ""): tally}):
            for key, one in sums.items():
                if key[0] == what:
                    expected.add(one)
        found = Tally()
        for key, one in after.items():
            if key[0] == what:
                found.add(one)
        if found != expected:
            raise AlphaError(
                f"expected {what} to add up to {expected} after the import, was {found}; "
                "nothing was changed"
            )


# -- rows in the order of the columns above -------------------------------------------------------


def _trade(kind: str, trade: Trade, number: int) -> tuple[object, ...]:
    return (
        *(kind, trade.source_id, trade.home.account, trade.home.bot_id, trade.symbol, trade.side),
        *(trade.quantity, trade.entry_order_id, trade.entry_price, trade.entry_ms),
        *(trade.entry_reason, trade.entry_fee, trade.exit_order_id, trade.exit_price),
        *(trade.exit_ms, trade.exit_reason, trade.exit_fee, trade.gross_pnl, trade.net_pnl),
        *(trade.pnl_pct, trade.quality, number),
    )


def _fill(kind: str, fill: Fill, number: int) -> tuple[object, ...]:
    return (
        *(kind, fill.source_id, fill.home.account, fill.home.bot_id, fill.symbol, fill.order_id),
        *(fill.client_order_id, fill.side, fill.price, fill.qty, fill.time_ms, fill.fee),
        *(fill.reason, fill.quality, number),
    )


def _record(kind: str, record: Record, number: int) -> tuple[object, ...]:
    return (
        *(kind, record.table, record.source_id, record.home.account, record.home.bot_id),
        *(record.symbol, record.at_ms, json.dumps(dict(record.values)), number),
    )
