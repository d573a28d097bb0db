"""Stored rows as the domain's records: the way back of `columns.py`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import asyncpg

from alpha.core.events import Execution
from alpha.core.records import OrderRow
from alpha.ledger.beside import beside

_ONE = Decimal(1)
#: More rows than this are read beside the loop.
LONG_ROWS = 5_000


def trimmed(value: Decimal) -> Decimal:
    """Without the zeros that numeric(28, 12) pads with: 1.5, not 1.500000000000."""
    short = value.normalize()
    return short.quantize(_ONE) if "E+" in str(short) else short


def trimmed_or_none(value: Decimal | None) -> Decimal | None:
    return None if value is None else trimmed(value)


def execution_from(row: asyncpg.Record) -> Execution:
    """An execution as it was recorded."""
    return Execution(
        account=row["account"],
        symbol=row["symbol"],
        exec_id=row["exec_id"],
        order_id=row["order_id"],
        order_link_id=row["order_link_id"],
        side=row["side"],
        exec_type=row["exec_type"],
        price=trimmed(row["price"]),
        qty=trimmed(row["qty"]),
        value=trimmed(row["value"]),
        fee=trimmed(row["fee"]),
        fee_currency=row["fee_currency"],
        fee_rate=trimmed_or_none(row["fee_rate"]),
        leaves_qty=trimmed(row["leaves_qty"]),
        closed_size=trimmed_or_none(row["closed_size"]),
        is_maker=row["is_maker"],
        create_type=row["create_type"],
        order_type=row["order_type"],
        stop_order_type=row["stop_order_type"],
        exec_time=row["exec_time"],
        seq=row["seq"],
        exec_pnl=trimmed_or_none(row["exec_pnl"]),
        mark_price=trimmed_or_none(row["mark_price"]),
        source=row["source"],
        received_ms=row["received_at"] or 0,
    )


async def executions_from(rows: Sequence[asyncpg.Record]) -> list[Execution]:
    """All of them; while many are read the loop goes on."""
    if len(rows) > LONG_ROWS:
        return await beside(lambda: [execution_from(row) for row in rows])
    return [execution_from(row) for row in rows]


def order_from(row: asyncpg.Record) -> OrderRow:
    return OrderRow(
        account=row["account"],
        client_order_id=row["order_link_id"],
        bot_id=row["bot_id"],
        symbol=row["symbol"],
        side=row["side"],
        purpose=row["purpose"],
        reason=row["reason"],
        order_type=row["order_type"],
        qty=trimmed(row["qty"]),
        price=trimmed_or_none(row["price"]),
        trigger_price=trimmed_or_none(row["trigger_price"]),
        reduce_only=row["reduce_only"],
        state=row["state"],
        exchange_order_id=row["exchange_order_id"],
        exchange_status=row["exchange_status"],
        filled_qty=trimmed(row["filled_qty"]),
        avg_fill_price=trimmed_or_none(row["avg_fill_price"]),
        reject_code=row["reject_code"],
        reject_reason=row["reject_reason"],
        decided_ms=row["decided_at"],
        sent_ms=row["sent_at"],
        acked_ms=row["acked_at"],
        terminal_ms=row["terminal_at"],
        updated_ms=row["changed_at"],
        parent_client_order_id=row["parent_order_link_id"],
        retries=row["retry_count"],
        rejected_by=row["rejected_by"],
    )
