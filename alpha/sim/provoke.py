"""`POST /sim/provoke`: makes the exchange do what no client can ask it for.

Liquidation, auto-deleveraging, settlement and funding at a chosen moment, and orders of the
account's owner that come from the exchange's own app: without a link id.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from alpha.sim.board import Board
from alpha.sim.engine import Engine
from alpha.sim.exchange import Exchange
from alpha.sim.model import Execution, Order, OrderRequest, Refusal, Side, opposite
from alpha.sim.rest import Call, Endpoint, Result, Routes
from alpha.sim.rows import Json

Name = Annotated[str, msgspec.Meta(min_length=1)]


class Provocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event"):
    """What every provocation names."""

    symbol: Name


class OfAccount(Provocation, frozen=True):
    key: Name


class Liquidation(OfAccount, frozen=True, tag="liquidation"):
    """The position is taken over at its bankruptcy price (BustTrade)."""


class Adl(OfAccount, frozen=True, tag="adl"):
    """`qty` of the position, or all of it, is deleveraged at the mark price (AdlTrade)."""

    qty: Decimal | None = None


class Settlement(OfAccount, frozen=True, tag="settlement"):
    """The position is settled at the mark price (Settle)."""


class Funding(Provocation, frozen=True, tag="funding"):
    """Funding of a symbol for everyone, at `rate` or else at the market's present rate."""

    rate: Decimal | None = None


class ManualOrder(OfAccount, frozen=True, tag="manual_order"):
    """A market order as placed in the exchange's app (CreateByUser, no link id)."""

    side: Literal["Buy", "Sell"]
    qty: Decimal
    reduce_only: bool = False


class ManualClose(OfAccount, frozen=True, tag="manual_close"):
    """The app's close button: a reduce-only market order of the whole position."""


class CashTransfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event",
                   tag="transfer"):  # fmt: skip
    """USDT from another account of the owner; below 0 to one."""

    key: Name
    amount: Decimal


Event = Liquidation | Adl | Settlement | Funding | ManualOrder | ManualClose | CashTransfer


class Provoker:
    """Carries provocations out, each committed before anything of it is told."""

    def __init__(self, engine: Engine, board: Board) -> None:
        self._engine = engine
        self._board = board

    def routes(self) -> Routes:
        return {("POST", "/sim/provoke"): Endpoint(self.provoke, 0, bare=True)}

    async def provoke(self, call: Call) -> Result:
        try:
            event = msgspec.convert(call.params.values, Event, strict=False)
        except msgspec.ValidationError as error:
            raise Refusal(10001, f"expected a provocation, but: {error}") from None
        return await self.carry_out(event)

    async def carry_out(self, event: Event) -> Result:
        """`{"ok": true, "orderId", "execIds"}`; refuses what cannot happen now."""
        exchange = self._engine.exchange
        if isinstance(event, Funding):
            return await self._engine.perform(lambda ms: self._fund(event, ms))
        if event.key not in exchange.state.accounts:
            raise Refusal(10001, "expected the key of an account of this simulator, was another")
        if isinstance(event, CashTransfer):
            moved = await self._engine.perform(
                lambda ms: exchange.transfer(event.key, event.amount, ms)
            )
            return {"ok": True, "transferId": moved.transfer_id}
        if isinstance(event, ManualOrder | ManualClose):
            order = await self._engine.perform(lambda ms: manual(exchange, event, ms))
            return {"ok": True, "orderId": order.order_id}
        execution = await self._engine.perform(lambda ms: forced(exchange, event, ms))
        return {"ok": True, "orderId": execution.order_id, "execIds": [execution.exec_id]}

    def _fund(self, event: Funding, ms: int) -> Result:
        rate = event.rate
        if rate is None:
            rate = self._board.rates.get(event.symbol, Decimal(0))
        paid: list[Json] = [
            row.exec_id for row in self._engine.exchange.funding(event.symbol, rate, ms)
        ]
        return {"ok": True, "execIds": paid}


def forced(exchange: Exchange, event: Liquidation | Adl | Settlement, ms: int) -> Execution:
    if isinstance(event, Liquidation):
        return exchange.liquidate(event.key, event.symbol, ms)
    if isinstance(event, Adl):
        return exchange.deleverage(event.key, event.symbol, event.qty, ms)
    return exchange.settle(event.key, event.symbol, ms)


def manual(exchange: Exchange, event: ManualOrder | ManualClose, ms: int) -> Order:
    if isinstance(event, ManualOrder):
        side: Side = event.side
        request = OrderRequest(
            symbol=event.symbol,
            side=side,
            order_type="Market",
            qty=event.qty,
            reduce_only=event.reduce_only,
        )
        return exchange.create(event.key, request, ms)
    held = exchange.held(event.key, event.symbol)
    request = OrderRequest(
        symbol=event.symbol,
        side=opposite("Sell" if held.side == "Sell" else "Buy"),
        order_type="Market",
        qty=held.size,
        reduce_only=True,
        create_type="CreateByClosing",
    )
    return exchange.create(event.key, request, ms)
