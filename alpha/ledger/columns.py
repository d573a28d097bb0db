"""How the domain's rows become the columns of the writer's statements (`writes.sql`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from alpha.core.events import Execution
from alpha.core.ids import canonical
from alpha.core.reasons import BUILTIN, ReasonBook
from alpha.core.records import (
    DecisionRow,
    Fill,
    FundingPayment,
    Lot,
    Marks,
    OrderRow,
    Override,
    PositionCycle,
    RoundTrip,
    SignalRow,
)

_NOT_TEXT = re.compile("[\0\ud800-\udfff]")
#: The first number that numeric(28, 12) does not hold.
_MOST = Decimal(10) ** 16

#: One sequence per column, as `unnest` takes them.
Columns = Sequence[Sequence[object]]


def _transposed(rows: Iterable[tuple[object, ...]]) -> Columns:
    return list(zip(*rows, strict=True))


def _time_or_null(ms: int) -> int | None:
    """0 stands for "not known" in the domain's rows."""
    return ms or None


def executions(rows: Iterable[Execution]) -> Columns:
    return _transposed(
        (
            row.account,
            row.symbol,
            row.exec_id,
            row.order_id,
            row.order_link_id,
            row.side,
            row.exec_type,
            row.price,
            row.qty,
            row.value,
            row.fee,
            row.fee_currency,
            row.fee_rate,
            row.leaves_qty,
            row.closed_size,
            row.is_maker,
            row.create_type,
            row.order_type,
            row.stop_order_type,
            row.exec_time,
            row.seq,
            row.exec_pnl,
            row.mark_price,
            row.source,
            _time_or_null(row.received_ms),
        )
        for row in rows
    )


def adjustments(rows: Iterable[Execution]) -> Columns:
    """Rows of type Adjustment: who has accepted it stands in `create_type`, why in `order_type`."""
    return _transposed(
        (
            row.account,
            row.symbol,
            row.exec_id,
            row.signed_qty,
            row.price,
            row.create_type,
            row.order_type,
            row.exec_time,
        )
        for row in rows
    )


def overrides(rows: Iterable[Override]) -> Columns:
    return _transposed(
        (
            row.account,
            row.symbol,
            row.exec_id,
            row.bot_id,
            row.operator,
            row.source,
            row.note,
            row.decided_ms,
        )
        for row in rows
    )


def fills(rows: Iterable[Fill], reasons: ReasonBook = BUILTIN) -> Columns:
    return _transposed(
        (
            row.account,
            row.symbol,
            row.exec_id,
            row.bot_id,
            row.leg,
            row.order_id,
            row.order_link_id,
            canonical(row.order_link_id, reasons),
            row.side,
            row.exec_type,
            row.price,
            row.qty,
            row.fee,
            row.fee_currency,
            row.effect,
            row.reason,
            row.reason_source,
            row.attribution,
            row.realised,
            row.position_after,
            row.is_maker,
            row.exec_time,
            row.seq,
        )
        for row in rows
    )


def funding(rows: Iterable[FundingPayment]) -> Columns:
    return _transposed(
        (
            row.account,
            row.symbol,
            row.exec_id,
            row.bot_id,
            row.position,
            row.rate,
            row.amount,
            row.currency,
            row.exec_time,
            row.seq,
        )
        for row in rows
    )


def lots(rows: Iterable[Lot]) -> Columns:
    return _transposed(
        (
            row.account,
            row.symbol,
            row.exec_id,
            row.bot_id,
            row.side,
            row.entry_price,
            row.original_qty,
            row.remaining_qty,
            row.entry_fee,
            row.entry_fee_left,
            row.funding_left,
            row.entry_reason,
            row.order_id,
            row.order_link_id,
            row.entry_time,
        )
        for row in rows
    )


def round_trips(rows: Iterable[RoundTrip]) -> Columns:
    return _transposed(
        (
            row.account,
            row.symbol,
            row.bot_id,
            row.entry_exec_id,
            row.exit_exec_id,
            row.side,
            row.qty,
            row.entry_order_id,
            row.entry_link_id,
            row.entry_price,
            row.entry_time,
            row.entry_reason,
            row.entry_fee,
            row.exit_order_id,
            row.exit_link_id,
            row.exit_price,
            row.exit_time,
            row.exit_reason,
            row.exit_fee,
            row.gross_pnl,
            row.funding,
        )
        for row in rows
    )


def cycles(rows: Iterable[PositionCycle]) -> Columns:
    """Closed ones first: the database allows one open position per bot and symbol."""
    return _transposed(
        (
            row.account,
            row.symbol,
            row.bot_id,
            row.opened_by,
            row.side,
            row.size,
            row.max_size,
            row.avg_entry_price,
            row.realised_pnl,
            row.fees,
            row.funding,
            row.entry_reason,
            row.exit_reason,
            row.opened_at,
            row.closed_at,
        )
        for row in sorted(rows, key=lambda row: row.closed_at is None)
    )


def orders(rows: Iterable[OrderRow], reasons: ReasonBook = BUILTIN) -> Columns:
    return _transposed(
        (
            row.account,
            row.client_order_id,
            canonical(row.client_order_id, reasons),
            row.bot_id,
            row.symbol,
            row.side,
            row.purpose,
            row.reason,
            row.order_type,
            row.qty,
            row.price,
            row.trigger_price,
            row.reduce_only,
            row.state,
            row.exchange_order_id,
            row.exchange_status,
            row.filled_qty,
            row.avg_fill_price,
            row.reject_code,
            row.reject_reason,
            row.parent_client_order_id,
            row.decided_ms,
            row.sent_ms,
            row.acked_ms,
            row.terminal_ms,
            row.updated_ms,
            row.retries,
            row.rejected_by,
        )
        for row in rows
    )


def decisions(rows: Iterable[DecisionRow]) -> Columns:
    return _transposed(
        (
            row.account,
            row.bot_id,
            row.ordinal,
            row.event_key,
            row.event_ms,
            row.intents_json,
        )
        for row in rows
    )


def bot_states(rows: Iterable[DecisionRow]) -> Columns:
    return _transposed(
        (
            row.account,
            row.bot_id,
            row.ordinal,
            row.state_json,
            row.last_stamp,
            row.cursor_json,
            row.event_ms,
        )
        for row in rows
    )


def signals(rows: Iterable[SignalRow], reasons: ReasonBook = BUILTIN) -> Columns:
    """A strategy's own words are made fit for the database, which else would refuse all that
    is committed with them."""
    return _transposed(
        (
            row.account,
            row.bot_id,
            row.ordinal,
            row.place,
            row.event_key,
            row.origin,
            storable(row.symbol),
            row.signal_type,
            storable(row.reason),
            _money_or_null(row.price),
            _money_or_null(row.notional),
            _money_or_null(row.stop_loss),
            _money_or_null(row.take_profit),
            json.dumps({storable(key): storable(value) for key, value in row.details.items()}),
            row.replayed,
            row.event_ms,
            row.decided_ms,
            row.order_link_id,
            canonical(row.order_link_id, reasons) if row.order_link_id else None,
            row.rejected_by,
            None if row.why is None else storable(row.why),
        )
        for row in rows
    )


def _money_or_null(value: Decimal | None) -> Decimal | None:
    """None where a strategy has asked for more than the column holds."""
    return value if value is not None and abs(value) < _MOST else None


def storable(text: str) -> str:
    """PostgreSQL's text holds neither NUL nor half a character, which a frame from outside or a
    plugin may bring."""
    return _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


def replaced(rows: dict[tuple[str, ...], int]) -> Columns:
    return _transposed((account, symbol, after) for (account, symbol), after in rows.items())


def marks(accounts: Iterable[str], known: dict[str, Marks]) -> Columns:
    """Every account of the transaction, also those whose marks did not move."""
    nothing = {name: Marks(name, 0, 0) for name in accounts}
    return _transposed(
        (row.account, _time_or_null(row.seen_ms), _time_or_null(row.verified_ms))
        for row in sorted({**nothing, **known}.values(), key=lambda row: row.account)
    )
