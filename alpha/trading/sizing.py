"""What an intent of a bot may become: whether an entry is taken, and how much an order is for.

Entries are refused on any doubt. An exit never exceeds the bot's own position, less what is
already closing it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Protocol

from alpha.core.events import Side
from alpha.core.instruments import Instrument, SizeRejected
from alpha.core.intents import Enter, Exit
from alpha.core.orders import OrderState, is_terminal
from alpha.core.records import Flow, OrderRow
from alpha.core.refusals import Refusal
from alpha.core.risk import Entry, EntryRisk, check_entry
from alpha.trading.account import Account

ZERO, ONE = Decimal(0), Decimal(1)
#: Times the minimum value of an order: a price may move that far until it is sent, or fires.
SMALL = 2

#: A rounded quantity; or None and why there is no order.
Sized = tuple[Decimal | None, str]


class Fence(Protocol):
    """May something be sent now? Asked after the request's time stamp was taken."""

    def entries_allowed(self) -> bool: ...

    def exits_allowed(self) -> bool: ...


class Portfolio(Protocol):
    """The word of the limits over all positions on one account's entries."""

    def stops(self, account: str, bot_id: str) -> str | None:
        """Why the bot takes no entries at all; None while it does."""

    def refusal(self, entry: Entry) -> str | None:
        """Why an entry is refused, with what it would add; None when it may go."""

    def look(self, account: str, bot_id: str) -> None:
        """Asked right before `size_multiplier` for an entry: the figures are those of now."""

    def size_multiplier(self, account: str, bot_id: str) -> Decimal:
        """What is left of the size of its entries, up to 1."""

    def corrected(self, account: str, flows: Iterable[Flow]) -> None:
        """Told what a correction has moved, right before the bots' sums gain it."""


class NoLimits:
    """Where no portfolio limits are kept."""

    def stops(self, account: str, bot_id: str) -> str | None:
        return None

    def refusal(self, entry: Entry) -> str | None:
        return None

    def look(self, account: str, bot_id: str) -> None:
        """There is nothing to look at."""

    def size_multiplier(self, account: str, bot_id: str) -> Decimal:
        return ONE

    def corrected(self, account: str, flows: Iterable[Flow]) -> None:
        """There is nothing to shift."""


class Sizing:
    """Sizes for one account. `refusal` is the word of its protective part on an entry: why its
    stops would find no room on the exchange."""

    def __init__(
        self,
        account: Account,
        *,
        fence: Fence,
        risk: EntryRisk,
        instruments: Mapping[str, Instrument],
        netting: bool,
        refusal: Callable[[str, Enter], str | None],
        portfolio: Portfolio | None = None,
    ) -> None:
        self._account = account
        self._portfolio = portfolio or NoLimits()
        self._fence = fence
        self._risk = risk
        self._instruments = instruments
        self._netting = netting
        self._refusal = refusal

    def entry(self, intent: Enter, bot_id: str, why: str | None, *, replayed: bool) -> Sized:
        """The quantity of an entry; `why` is what speaks against it already."""
        why = why or self.against(intent.symbol, bot_id)
        if replayed:
            why = Refusal("stale_bar", "stale: its bar came late, after a start or a gap")
        why = why or self._conflict(intent, bot_id) or self._refusal(bot_id, intent)
        if why is not None:
            return None, why
        instrument = self._instruments.get(intent.symbol)
        if instrument is None or instrument.status != "Trading":
            return None, Refusal("symbol_blocked", f"{intent.symbol} is not listed as Trading")
        self._portfolio.look(self._account.name, bot_id)
        notional = intent.notional * self._left_of(intent, bot_id)
        sized = instrument.size_order(notional, intent.price)
        if isinstance(sized, SizeRejected):
            return None, Refusal("rounding", str(sized))
        worth = sized * intent.price
        signed = worth if intent.side == "Buy" else -worth
        entry = Entry(self._account.name, bot_id, intent.symbol, signed)
        refused = check_entry(self._risk, notional=worth) or self._portfolio.refusal(entry)
        return (None, refused) if refused else (sized, "")

    def size_multiplier(self, bot_id: str) -> Decimal:
        """What portfolio limits leave of the size of a bot's entries."""
        return self._portfolio.size_multiplier(self._account.name, bot_id)

    def _left_of(self, intent: Enter, bot_id: str) -> Decimal:
        """The part of an entry's size to take. A bot that has cut it by a rule of its own is not
        cut twice for the same loss."""
        left = self.size_multiplier(bot_id)
        if left >= ONE:
            return ONE
        try:
            own = Decimal(intent.details.get("multiplier", "1"))
        except InvalidOperation:
            own = ONE
        return min(left / own, ONE) if own.is_finite() and ZERO < own < ONE else left

    def against(self, symbol: str, bot_id: str) -> str | None:
        """Why the bot may not enter the symbol at this moment, whatever the entry is."""
        account = self._account
        if stopped := self._portfolio.stops(account.name, bot_id):
            return Refusal("risk", stopped)
        if not account.live:
            return Refusal("account", f"account {account.name} is {account.status}, expected live")
        if not self._fence.entries_allowed():
            return Refusal("ledger", "the ledger or the account's lease is away")
        blocked = account.blocked.get(symbol)
        return None if blocked is None else Refusal("symbol_blocked", blocked)

    def _conflict(self, intent: Enter, bot_id: str) -> str | None:
        """Without netting all owners of a symbol stand on one side: bots of this run, bots that
        are not part of it, and `manual`; with what they hold and with entries on their way."""
        if self._netting:
            return None
        sign = 1 if intent.side == "Buy" else -1
        book = self._account.books.get(intent.symbol)
        held = book.positions() if book is not None else {}
        for owner, position in held.items():
            if owner != bot_id and position.signed_qty * sign < 0:
                held_by = f"{owner} holds {position.signed_qty:f} {intent.symbol}"
                return Refusal("symbol_conflict", f"symbol_conflict: {held_by}")
        for row in self._account.tracker.working():
            if row.symbol != intent.symbol or row.purpose != "entry" or row.bot_id == bot_id:
                continue
            if row.side != intent.side:
                entering = f"{row.bot_id} is entering {intent.symbol} by {row.side}"
                return Refusal("symbol_conflict", f"symbol_conflict: {entering}")
        return None

    def exit(self, intent: Exit, bot_id: str) -> Sized:
        """An exit never exceeds the bot's own position less what is already closing it, nor what
        the exchange takes in one order."""
        qty, why = self.to_close(intent, bot_id)
        instrument = self._instruments.get(intent.symbol)
        if qty is None or instrument is None:
            return qty, why
        return min(qty, instrument.max_market_qty), ""

    def to_close(self, intent: Exit, bot_id: str) -> Sized:
        """What an exit is to close in all, by as many orders as it takes."""
        held = abs(self._account.position(bot_id, intent.symbol).signed_qty)
        open_qty = held - self._account.tracker.closing_qty(bot_id, intent.symbol)
        qty = open_qty if intent.qty is None else min(intent.qty, open_qty)
        instrument = self._instruments.get(intent.symbol)
        if instrument is not None:
            qty = instrument.floor_qty(qty)
        if qty <= 0:
            closing = f"{held} held, {held - open_qty} already closing"
            return None, Refusal("nothing_to_close", f"nothing to close: {closing}")
        return qty, ""

    def still_open(self, row: OrderRow) -> Decimal:
        """What an exit may close now: its bot's position less what other exits are closing."""
        tracker = self._account.tracker
        own = row.qty - tracker.executed_qty(row.client_order_id)
        known = tracker.get(row.client_order_id)
        counted = own if known is not None and not is_terminal(OrderState(known.state)) else ZERO
        others = tracker.closing_qty(row.bot_id, row.symbol) - counted
        held = self._account.position(row.bot_id, row.symbol).signed_qty
        if held == 0 or (held > 0) is not (row.side == "Sell"):
            return ZERO
        return min(own, abs(held) - others)

    def reduces_only(self, bot_id: str, symbol: str, side: Side, qty: Decimal) -> bool:
        """Whether an order that closes `qty` is reduce-only on the wire, which speaks of the
        account's net position: where the symbol has one possible owner. On a shared symbol only
        what is too small to be taken otherwise, while the net position covers it."""
        if not self._account.is_shared(symbol):
            return True
        if not self.is_small(bot_id, symbol, qty):
            return False
        event = self._account.exchange.get(symbol)
        net = event.signed_size if event is not None else ZERO
        return (net if side == "Sell" else -net) >= qty

    def is_small(self, bot_id: str, symbol: str, qty: Decimal) -> bool:
        """The exchange might not take `qty` of the bot's position unless it reduces only."""
        instrument = self._instruments.get(symbol)
        price = self._account.position(bot_id, symbol).avg_price
        if instrument is None or price is None:
            return False
        return qty * price < instrument.min_notional * SMALL
