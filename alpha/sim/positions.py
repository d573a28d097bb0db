"""Bybit's arithmetic of a one-way position: average price, profit, margin, break-even.

Average price: unchanged by reductions, weighted on additions, the fill's price for the part of
a flip that opens the other side. The margin and break-even formulas reproduce a recorded
position row to its printed digits; they truncate at eight decimals.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from alpha.sim.feeds.base import InstrumentSpec
from alpha.sim.model import PLACES, ZERO, Position, PositionView, Side, truncated

CLOSE_FEE = Decimal("0.00055")


class FillEffect(NamedTuple):
    """What a fill did: the part that closed, its profit before fees, what opening it had cost."""

    closed: Decimal
    pnl: Decimal
    open_fee: Decimal


def apply_fill(position: Position, side: Side, qty: Decimal, price: Decimal, ms: int) -> FillEffect:
    """Books a fill into the position (fees excluded) and says what it did."""
    closed = ZERO
    pnl = ZERO
    open_fee = ZERO
    position.updated_ms = ms
    if position.size > 0 and position.side != side:
        closed = min(qty, position.size)
        whole = closed == position.size
        entry = position.cost if whole else position.cost * closed / position.size
        gain = price * closed - entry if position.side == "Buy" else entry - price * closed
        pnl = gain.quantize(PLACES)
        share = position.open_fee if whole else position.open_fee * closed / position.size
        open_fee = share.quantize(PLACES)
        position.size -= closed
        position.cost -= entry
        position.open_fee -= open_fee
        qty -= closed
        if whole:
            position.side = ""
            position.cost = ZERO
    if qty > 0:
        if position.size == 0:
            position.side = side
            position.open_ms = ms
            position.created_ms = position.created_ms or ms
            position.realised = ZERO
        position.size += qty
        position.cost += qty * price
    return FillEffect(closed, pnl, open_fee)


def unrealised(position: Position, mark: Decimal) -> Decimal:
    if position.size == 0:
        return ZERO
    value = position.size * mark
    return value - position.cost if position.side == "Buy" else position.cost - value


def closing_cost(position: Position) -> Decimal:
    """The fee to close at the bankruptcy price that initial and maintenance margin include."""
    part = 1 / position.leverage
    return position.cost * (1 - part if position.side == "Buy" else 1 + part) * CLOSE_FEE


def initial_margin(position: Position, mark: Decimal) -> Decimal:
    if position.size == 0:
        return ZERO
    return truncated(position.size * mark / position.leverage + closing_cost(position))


def maintenance_margin(position: Position, mark: Decimal, rate: Decimal) -> Decimal:
    if position.size == 0:
        return ZERO
    return truncated(position.size * mark * rate + closing_cost(position))


def break_even(position: Position, taker_fee: Decimal) -> Decimal | None:
    """The price at which closing by a taker's order ends at zero after all fees so far."""
    if position.size == 0:
        return None
    fee = max(taker_fee, CLOSE_FEE)
    if position.side == "Buy":
        return truncated((position.cost - position.realised) / (position.size * (1 - fee)))
    return truncated((position.cost + position.realised) / (position.size * (1 + fee)))


def view(
    position: Position, mark: Decimal, spec: InstrumentSpec, spare: Decimal | None = None
) -> PositionView:
    """The position as the wire shows it at `mark`.

    `spare` is the equity above maintenance margin: it gives the liquidation price, None where
    the account would survive any price above zero.
    """
    size = position.size
    liquidation = None
    if size > 0 and spare is not None:
        shift = spare / size
        price = mark - shift if position.side == "Buy" else mark + shift
        steps = price // spec.tick_size
        liquidation = steps * spec.tick_size if steps > 0 else None
    return PositionView(
        position=msgspec.structs.replace(position),
        mark=mark,
        avg_price=truncated(position.cost / size) if size > 0 else ZERO,
        value=truncated(size * mark),
        unrealised=truncated(unrealised(position, mark)),
        break_even=break_even(position, spec.taker_fee),
        initial_margin=initial_margin(position, mark),
        maintenance_margin=maintenance_margin(position, mark, spec.maintenance_rate),
        liquidation_price=liquidation,
    )
