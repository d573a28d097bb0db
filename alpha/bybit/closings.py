"""The exchange's own results of closing orders (Bybit V5, Get Closed PnL)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from alpha.bybit.fields import Number, decimal, decimal_or_none, integer
from alpha.bybit.rest import Rest, reading
from alpha.bybit.rows import LINEAR, order_side
from alpha.core.events import Side

PAGE = 100


class _ClosedRow(msgspec.Struct, rename="camel"):
    symbol: str
    order_id: str
    side: str
    closed_size: Number
    avg_entry_price: Number
    avg_exit_price: Number
    closed_pnl: Number
    created_time: Number
    updated_time: Number
    open_fee: Number = None
    close_fee: Number = None


_ROWS = msgspec.json.Decoder(list[_ClosedRow])


@dataclass(frozen=True, slots=True)
class Closing:
    """What one order has closed. `pnl` is in USDT, the fees of opening and closing are off it
    already, funding is not in it; the entry price is the position's average."""

    symbol: str
    order_id: str
    side: Side  # of the closing order
    size: Decimal
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    open_fee: Decimal
    close_fee: Decimal
    created_ms: int
    updated_ms: int


async def closings(rest: Rest, start_ms: int, end_ms: int) -> AsyncIterator[list[Closing]]:
    """Orders that have closed something in a window of at most seven days, page by page, newest
    first. The window is complete only when the iteration ends without an error."""
    query = f"category={LINEAR}&limit={PAGE}&startTime={start_ms}&endTime={end_ms}"
    async for reply, raw in rest.pages("/v5/position/closed-pnl", query):
        with reading(reply):
            page = [_closing(row) for row in _ROWS.decode(raw)]
        yield page


def _closing(row: _ClosedRow) -> Closing:
    zero = Decimal(0)
    return Closing(
        symbol=row.symbol,
        order_id=row.order_id,
        side=order_side("side", row.side),
        size=decimal("closedSize", row.closed_size),
        entry_price=decimal("avgEntryPrice", row.avg_entry_price),
        exit_price=decimal("avgExitPrice", row.avg_exit_price),
        pnl=decimal("closedPnl", row.closed_pnl),
        open_fee=decimal_or_none("openFee", row.open_fee) or zero,
        close_fee=decimal_or_none("closeFee", row.close_fee) or zero,
        created_ms=integer("createdTime", row.created_time),
        updated_ms=integer("updatedTime", row.updated_time),
    )
