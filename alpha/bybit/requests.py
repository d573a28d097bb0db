"""Bodies of the requests that change something (Bybit V5, Trade and Position).

Numbers travel as plain decimal text. All requests speak of linear contracts in one-way mode.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec

from alpha.core.events import Side

TriggerBy = Literal["LastPrice", "MarkPrice", "IndexPrice"]
#: Trigger when the price rises to, or falls to, the trigger price.
RISE: Literal[1] = 1
FALL: Literal[2] = 2

_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")

Body = dict[str, str | int | bool]


def plain(value: Decimal) -> str:
    """A decimal as the exchange reads it: no exponent."""
    return format(value, "f")


def checked_link_id(link_id: str) -> str:
    """`link_id`, or ValueError when the exchange's documentation does not allow it."""
    if not _LINK_ID.fullmatch(link_id):
        raise ValueError(
            f"expected an orderLinkId of 1 to 36 letters, digits, '-' or '_', was {link_id!r}"
        )
    return link_id


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Place Order. A trigger price makes it conditional; `stop_loss` and `take_profit` attach
    market stops over the whole position. `urgent` marks exits and stops that carry no
    reduceOnly flag; they pass before entries."""

    symbol: str
    side: Side
    qty: Decimal
    order_link_id: str
    order_type: Literal["Market", "Limit"] = "Market"
    price: Decimal | None = None
    time_in_force: Literal["GTC", "IOC", "FOK", "PostOnly"] | None = None
    reduce_only: bool = False
    close_on_trigger: bool = False
    trigger_price: Decimal | None = None
    trigger_direction: Literal[1, 2] | None = None
    trigger_by: TriggerBy = "LastPrice"
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    stop_trigger_by: TriggerBy = "LastPrice"
    urgent: bool = False

    def body(self) -> bytes:
        fields: Body = {
            "category": "linear",
            "symbol": self.symbol,
            "side": self.side,
            "orderType": self.order_type,
            "qty": plain(self.qty),
            "positionIdx": 0,
            "orderLinkId": checked_link_id(self.order_link_id),
        }
        if self.price is not None:
            fields["price"] = plain(self.price)
        if self.time_in_force is not None:
            fields["timeInForce"] = self.time_in_force
        if self.reduce_only:
            fields["reduceOnly"] = True
        if self.close_on_trigger:
            fields["closeOnTrigger"] = True
        if self.trigger_price is not None:
            if self.trigger_direction is None:
                raise ValueError("expected a trigger direction beside the trigger price, was none")
            fields["triggerPrice"] = plain(self.trigger_price)
            fields["triggerDirection"] = self.trigger_direction
            fields["triggerBy"] = self.trigger_by
        if self.stop_loss is not None:
            fields["stopLoss"] = plain(self.stop_loss)
            fields["slTriggerBy"] = self.stop_trigger_by
        if self.take_profit is not None:
            fields["takeProfit"] = plain(self.take_profit)
            fields["tpTriggerBy"] = self.stop_trigger_by
        if self.stop_loss is not None or self.take_profit is not None:
            fields["tpslMode"] = "Full"
        return msgspec.json.encode(fields)


@dataclass(frozen=True, slots=True)
class OrderTarget:
    """Which order to cancel or amend: by the exchange's id, else by ours."""

    symbol: str
    order_id: str | None = None
    order_link_id: str | None = None

    def fields(self) -> Body:
        if self.order_id:
            return {"category": "linear", "symbol": self.symbol, "orderId": self.order_id}
        if self.order_link_id:
            return {"category": "linear", "symbol": self.symbol, "orderLinkId": self.order_link_id}
        raise ValueError("expected an orderId or an orderLinkId, was neither")

    def body(self) -> bytes:
        return msgspec.json.encode(self.fields())


@dataclass(frozen=True, slots=True)
class AmendOrder:
    """Amend Order: only what changes is given."""

    target: OrderTarget
    qty: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None

    def body(self) -> bytes:
        fields = self.target.fields()
        if self.qty is not None:
            fields["qty"] = plain(self.qty)
        if self.price is not None:
            fields["price"] = plain(self.price)
        if self.trigger_price is not None:
            fields["triggerPrice"] = plain(self.trigger_price)
        return msgspec.json.encode(fields)


@dataclass(frozen=True, slots=True)
class TradingStop:
    """Set Trading Stop over the whole position. None leaves a leg as it is, 0 removes it.
    `trailing_stop` is a price distance; it arms at `active_price` when one is given."""

    symbol: str
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None
    active_price: Decimal | None = None
    trigger_by: TriggerBy = "LastPrice"

    def body(self) -> bytes:
        fields: Body = {
            "category": "linear",
            "symbol": self.symbol,
            "tpslMode": "Full",
            "positionIdx": 0,
        }
        if self.stop_loss is not None:
            fields["stopLoss"] = plain(self.stop_loss)
            fields["slTriggerBy"] = self.trigger_by
        if self.take_profit is not None:
            fields["takeProfit"] = plain(self.take_profit)
            fields["tpTriggerBy"] = self.trigger_by
        if self.trailing_stop is not None:
            fields["trailingStop"] = plain(self.trailing_stop)
        if self.active_price is not None:
            fields["activePrice"] = plain(self.active_price)
        return msgspec.json.encode(fields)


@dataclass(frozen=True, slots=True)
class OrderAck:
    """The gateway accepted the request: neither resting nor filled yet. The stamps are
    `Clock.perf_ns` just before the bytes left and when the answer was in."""

    order_id: str
    order_link_id: str
    sent_ns: int
    answered_ns: int
