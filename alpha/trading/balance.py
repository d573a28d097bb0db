"""The balance of an account's wallet, as of what the books hold.

The exchange tells it on a topic of its own, which may come behind the executions that have moved
it (Bybit V5, Wallet): until then their cash is added to what it has told last. A position that is
closed already and a wallet that does not know it yet would show an equity that never was.
"""

from __future__ import annotations

from decimal import Decimal

from alpha.core.events import PositionEvent, WalletEvent
from alpha.core.records import BookChange, Tally

ZERO = Decimal(0)


def average_gap(net: Decimal, cost: Decimal, told: PositionEvent | None) -> Decimal:
    """What is open of a symbol at the exchange beyond what is open in the bots' books, whatever
    the price. It averages the net position and has booked in the wallet what they, each first in
    first out, still hold open: of two bots on opposite sides the whole difference of their prices.
    `net` and `cost` are signed sums over all owners; 0 while the exchange has told another size."""
    if told is None or told.signed_size != net:
        return ZERO
    if not net:
        return cost
    return cost - net * told.entry_price if told.entry_price else ZERO


class Balance:
    """`told` is the newest that the exchange has told, stamped with market time; since
    `stands_since_ms` it has told the same wallet. `cash` is what
    trades, fees and funding have moved since the ledger began, by owner; `revision` is another
    number whenever any of it has changed."""

    def __init__(self) -> None:
        self.told: WalletEvent | None = None
        self.stands_since_ms = 0
        self.cash: dict[str, Decimal] = {}
        self.revision = 0
        #: Symbol, when it moved, and the cash of what is newer than that.
        self._since: list[tuple[str, int, Decimal]] = []

    def tell(self, event: WalletEvent) -> None:
        """One that is older than what is known changes nothing."""
        if self.told is not None and event.at_ms < self.told.at_ms:
            return
        self.revision += 1
        if self.told is None or event.wallet != self.told.wallet:
            self.stands_since_ms = event.at_ms
        self.told = event
        self._since = [one for one in self._since if one[1] > event.at_ms]

    def count(self, tally: Tally) -> None:
        """What the books have added to an owner's cash."""
        self.cash[tally.bot_id] = self.cash.get(tally.bot_id, ZERO) + tally.cash
        self.revision += 1

    def move(self, change: BookChange) -> None:
        """What has been folded, or folded anew."""
        if self.told is None:
            return
        self.revision += 1
        after_ms = change.replaced_after_ms
        if after_ms is not None:
            self._since = [
                one for one in self._since if one[0] != change.symbol or one[1] <= after_ms
            ]
        moved = [(fill.exec_time, fill.realised - fill.fee) for fill in change.fills]
        moved += [(paid.exec_time, paid.amount) for paid in change.funding]
        self._since += [(change.symbol, *one) for one in moved if one[0] > self.told.at_ms]

    @property
    def usdt(self) -> Decimal:
        """0 before the exchange has told any."""
        if self.told is None:
            return ZERO
        return sum((cash for _, _, cash in self._since), self.told.wallet)
