"""What an order would do to an account's margin (V5 "Pre Check Order")."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from alpha.sim.model import ZERO, Order
from alpha.sim.state import State

TEN_THOUSAND = 10_000


class MarginCheck(NamedTuple):
    """Initial and maintenance margin before and after an order, in ten-thousandths of equity."""

    order_id: str
    pre_im: int
    pre_mm: int
    post_im: int
    post_mm: int


def margin_check(state: State, order: Order) -> MarginCheck:
    """The part of the order that opens or adds needs margin; the part that closes frees none
    before it is filled."""
    wallet = state.wallet_view(order.account)
    book = state.books[order.symbol]
    price = order.price
    if order.order_type == "Market":
        price = book.ask if order.side == "Buy" else book.bid
    more_im = more_mm = ZERO
    if not order.reduce_only:
        more_im = state.required_margin(order, order.qty, price)
        more_mm = state.added(order, order.qty) * price * book.spec.maintenance_rate

    def share(margin: Decimal) -> int:
        return int(margin * TEN_THOUSAND / wallet.equity) if wallet.equity > 0 else TEN_THOUSAND

    im, mm = wallet.position_im + wallet.order_im, wallet.position_mm
    return MarginCheck(
        order.order_id, share(im), share(mm), share(im + more_im), share(mm + more_mm)
    )
