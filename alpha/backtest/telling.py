"""What bots are told of their orders: rows as the ledger of a daemon would have them."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from alpha.backtest.holding import ZERO
from alpha.backtest.venue import Done
from alpha.core.intents import Enter, Exit
from alpha.core.orders import OrderState
from alpha.core.records import Fill, OrderRow

ACCOUNT = "backtest"


class Owner(Protocol):
    """Whose order it is; `link_id` gives the id that the daemon's order would have."""

    @property
    def bot_id(self) -> str: ...

    def link_id(self, reason: str, stamp: int) -> str: ...


def fill_of(owner: Owner, done: Done) -> Fill:
    """The fill as the ledger would have it."""
    order = done.order
    link_id = owner.link_id(order.reason, order.stamp) if order is not None else ""
    number = f"{done.number:08d}"
    return Fill(
        account=ACCOUNT,
        symbol=done.symbol,
        exec_id=number,
        bot_id=owner.bot_id,
        leg=0 if done.is_exit else 1,
        order_id=link_id or number,
        order_link_id=link_id,
        side=done.side,
        exec_type="Trade",
        price=done.price,
        qty=done.qty,
        fee=done.fee,
        fee_currency="USDT",
        effect="exit" if done.is_exit else "entry",
        reason=done.reason,
        reason_source="id" if link_id else "exchange",
        attribution="id" if link_id else "parent",
        realised=done.realised,
        position_after=done.position_after,
        is_maker=False,
        exec_time=done.at_ms,
        seq=done.number,
    )


def filled_row(owner: Owner, done: Done) -> OrderRow | None:
    """The order of a fill, at its end; None for a stop, which has no order of its own."""
    order = done.order
    if order is None:
        return None
    return _order_row(
        owner,
        order.symbol,
        owner.link_id(order.reason, order.stamp),
        is_exit=order.is_exit,
        is_buy=order.side == "Buy",
        reason=order.reason,
        qty=order.qty,
        decided_ms=order.decided_ms,
        state=OrderState.FILLED,
        at_ms=done.at_ms,
        filled=done.qty,
        price=done.price,
    )


def refused_row(owner: Owner, intent: Enter | Exit, stamp: int, why: str, now_ms: int) -> OrderRow:
    """The order that an intent would have been, had the venue taken it."""
    return _order_row(
        owner,
        intent.symbol,
        owner.link_id(intent.reason, stamp),
        is_exit=isinstance(intent, Exit),
        is_buy=isinstance(intent, Enter) and intent.side == "Buy",
        reason=intent.reason,
        qty=ZERO,
        decided_ms=now_ms,
        state=OrderState.NEVER_ACCEPTED,
        at_ms=now_ms,
        why=why,
    )


def _order_row(
    owner: Owner,
    symbol: str,
    link_id: str,
    *,
    is_exit: bool,
    is_buy: bool,
    reason: str,
    qty: Decimal,
    decided_ms: int,
    state: OrderState,
    at_ms: int,
    filled: Decimal = ZERO,
    price: Decimal | None = None,
    why: str | None = None,
) -> OrderRow:
    """A market order that has come to its end."""
    return OrderRow(
        account=ACCOUNT,
        client_order_id=link_id,
        bot_id=owner.bot_id,
        symbol=symbol,
        side="Buy" if is_buy else "Sell",
        purpose="exit" if is_exit else "entry",
        reason=reason,
        order_type="Market",
        qty=qty,
        price=None,
        trigger_price=None,
        reduce_only=is_exit,
        state=str(state),
        exchange_order_id=None,
        exchange_status=None,
        filled_qty=filled,
        avg_fill_price=price,
        reject_code=None,
        reject_reason=why,
        decided_ms=decided_ms,
        sent_ms=None,
        acked_ms=None,
        terminal_ms=at_ms,
        updated_ms=at_ms,
    )
