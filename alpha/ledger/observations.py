"""What the exchange showed last, and what happened.

Small writes beside the single writer: no projection is computed from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Literal

from alpha.core.events import PositionEvent
from alpha.ledger.pool import Connection, Pool
from alpha.ledger.queries import load

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_SQL = load("observations.sql")


async def save_positions(pool: Pool | Connection, shown: Iterable[PositionEvent]) -> None:
    """The exchange's positions, unless the table already holds something newer by `seq`."""
    newest = {(row.account, row.symbol, row.position_idx): row for row in shown}
    await pool.executemany(
        _SQL["save_position"],
        [
            (
                row.account,
                row.symbol,
                row.position_idx,
                row.signed_size,
                row.entry_price,
                row.mark_price,
                row.leverage,
                row.liq_price,
                row.unrealised_pnl,
                row.stop_loss,
                row.take_profit,
                row.trailing_stop,
                row.seq,
                row.source,
                row.updated_ms,
            )
            for row in newest.values()
        ],
    )


async def record_event(
    pool: Pool,
    event_type: str,
    level: Level,
    message: str,
    *,
    component: str | None = None,
    account: str | None = None,
    bot_id: str | None = None,
    symbol: str | None = None,
    order_id: str | None = None,
    details: Mapping[str, str | int | bool | None] | None = None,
    at_ms: int | None = None,
) -> None:
    """One row of audit.system_events, `at_ms` (wall time) being when it happened: now if None.
    The same event of the same moment is written once. `details` must hold no secret."""
    await pool.execute(
        _SQL["record_event"],
        event_type,
        level,
        message,
        component,
        account,
        bot_id,
        symbol,
        order_id,
        None if details is None else json.dumps(dict(details)),
        at_ms,
    )
