"""Virtual positions against the exchange's, all the time.

What the bots and `manual` hold has to sum to the exchange's net position. A difference that lasts
is a gap first; one that stays blocks the entries of its symbol.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import structlog

from alpha.clock import Clock
from alpha.core.events import PositionEvent
from alpha.core.orders import OrderState
from alpha.trading.account import Account

log = structlog.get_logger(__name__)

#: Sizes differ this long, with nothing in flight, before it is a mismatch.
MISMATCH_S = 2.0


class Comparison:
    """Of one account. `gap` is told what cannot be explained from memory."""

    def __init__(self, account: Account, *, clock: Clock, gap: Callable[[str], None]) -> None:
        self._account = account
        self._clock = clock
        self._gap = gap
        self._differs_since: dict[str, float] = {}

    def compare(self) -> None:
        """Compares virtual positions with the exchange's; called about once a second. A
        difference that lasts is a gap first, and blocks the symbol's entries if it stays."""
        account = self._account
        if not account.live:
            self._differs_since.clear()
            return
        if account.unexplained:
            symbols = ", ".join(sorted(account.unexplained))
            account.unexplained.clear()
            self._gap(f"an execution of an unknown type in {symbols}")
        now = self._clock.monotonic()
        # Resting orders and untriggered stops change nothing by themselves.
        busy = {row.symbol for row in account.tracker.working() if row.state != OrderState.OPEN}
        for symbol in set(account.exchange) | set(account.books):
            ours, theirs = account.net(symbol), _size(account.exchange.get(symbol))
            if ours == theirs or symbol in busy:
                self._differs_since.pop(symbol, None)
                if ours == theirs and account.blocked.get(symbol, "").startswith("position"):
                    del account.blocked[symbol]
                    log.info("position_agrees", account=account.name, symbol=symbol)
                continue
            since = self._differs_since.setdefault(symbol, now)
            if now - since >= MISMATCH_S and symbol not in account.blocked:
                account.blocked[symbol] = (
                    f"position differs: the ledger holds {ours}, the exchange {theirs}"
                )
                log.critical(
                    "position_mismatch",
                    account=account.name,
                    symbol=symbol,
                    ledger=str(ours),
                    exchange=str(theirs),
                )
                self._gap(f"{symbol}: ledger {ours}, exchange {theirs}")


def _size(event: PositionEvent | None) -> Decimal:
    return event.signed_size if event is not None else Decimal(0)
