"""What subscribers of Redis are told as it happens: fills, orders and positions of each bot,
and alerts.

Messages are for people and dashboards. They may be lost (Redis away), and a fill is told before
it is committed; whoever needs certainty reads the ledger. `exec_id`, `bot_id` and `leg` name a
fill for ever, so that a reader can drop what it has had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from alpha.alerts import Alert, alert_row
from alpha.clock import iso
from alpha.core.records import Correction, Fill, OrderRow, Tally
from alpha.state import keys
from alpha.trading.account import BotListener

Publish = Callable[[str, Mapping[str, object]], None]


class Announcer:
    """A bot's listener with a second ear: tells `listener` first, then publishes."""

    def __init__(self, listener: BotListener, publish: Publish) -> None:
        self._listener = listener
        self._publish = publish

    def told_fill(self, fill: Fill, received_ns: int) -> None:
        self._listener.told_fill(fill, received_ns)
        self._publish(keys.channel("fills", fill.bot_id), fill_message(fill))
        self._tell_position(
            fill.account, fill.bot_id, fill.symbol, fill.position_after, fill.exec_time
        )

    def told_tally(self, tally: Tally) -> None:
        self._listener.told_tally(tally)

    def told_correction(self, correction: Correction) -> None:
        self._listener.told_correction(correction)
        after = correction.after
        self._publish(
            keys.channel("positions", correction.bot_id),
            {
                "bot_id": correction.bot_id,
                "corrected": True,
                **_size(after.symbol, after.signed_qty),
            },
        )

    def told_order(self, row: OrderRow) -> None:
        self._listener.told_order(row)
        self._publish(keys.channel("orders", row.bot_id), order_message(row))

    def _tell_position(
        self, account: str, bot_id: str, symbol: str, signed: Decimal, at_ms: int
    ) -> None:
        self._publish(
            keys.channel("positions", bot_id),
            {"bot_id": bot_id, "account": account, "time": iso(at_ms), **_size(symbol, signed)},
        )


def fill_message(fill: Fill) -> dict[str, object]:
    """Names as in the rows of `alpha fills --json`; decimals become text, times are ISO 8601."""
    return {
        "exec_id": fill.exec_id,
        "leg": fill.leg,
        "bot_id": fill.bot_id,
        "account": fill.account,
        "exec_time": iso(fill.exec_time),
        "symbol": fill.symbol,
        "side": fill.side,
        "exec_qty": fill.qty,
        "exec_price": fill.price,
        "commission": fill.fee,
        "realised": fill.realised,
        "effect": fill.effect,
        "close_reason": fill.reason,
        "client_order_id": fill.order_link_id,
        "order_id": fill.order_id,
    }


def order_message(row: OrderRow) -> dict[str, object]:
    return {
        "client_order_id": row.client_order_id,
        "order_id": row.exchange_order_id or "",
        "bot_id": row.bot_id,
        "account": row.account,
        "symbol": row.symbol,
        "side": row.side,
        "purpose": row.purpose,
        "reason": row.reason,
        "state": row.state,
        "qty": row.qty,
        "filled_qty": row.filled_qty,
        "decided_at": iso(row.decided_ms),
    }


def alert_message(alert: Alert) -> dict[str, object]:
    return {"event": "alert", **alert_row(alert)}


def _size(symbol: str, signed: Decimal) -> dict[str, object]:
    side = "Buy" if signed > 0 else "Sell" if signed < 0 else "None"
    return {"symbol": symbol, "side": side, "size": abs(signed), "signed_size": signed}
