"""What accounts hold, whoever's it is."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from alpha.core.records import MANUAL
from alpha.trading.balance import average_gap
from alpha.trading.service import AccountService

ZERO = Decimal(0)


def open_values(service: AccountService) -> Iterator[tuple[Decimal, Decimal]]:
    """Of each position on the account, those of `manual` and of bots that are not part of this run
    too: what it is worth, in USDT and < 0 for a short, and what of that is open at its average
    price. The price is the newest close; of what no bot subscribes to the exchange's mark as it was
    shown last; without any the entry's."""
    account = service.account
    session = next(iter(service.sessions.values()), None)
    for owner in account.rules.bots | {MANUAL}:
        for symbol, position in account.positions(owner).items():
            price = session.close_of(symbol) if session is not None else None
            if price is None and (shown := account.exchange.get(symbol)) is not None:
                price = shown.mark_price
            entry = position.avg_price or ZERO
            value = position.signed_qty * (entry if price is None else price)
            yield value, value - position.signed_qty * entry


def open_pnl(service: AccountService) -> Decimal:
    """What the account has open as the exchange counts it: at the average of the net position."""
    account = service.account
    total = sum((pnl for _, pnl in open_values(service)), ZERO)
    for symbol, book in account.books.items():
        held = list(book.positions().values())
        net = sum((one.signed_qty for one in held), ZERO)
        cost = sum((one.signed_qty * (one.avg_price or ZERO) for one in held), ZERO)
        total += average_gap(net, cost, account.exchange.get(symbol)) if held else ZERO
    return total
