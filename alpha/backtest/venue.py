"""The exchange of a backtest, as one account sees it.

What is decided at a close fills at the open of the symbol's next bar, slippage against it. Stops
are looked at over the whole range of a bar, that of the entry included: what it reaches fills at
its trigger, or at the open if that is beyond; a stop and a profit in one bar: the stop. A taker's
fee is paid on everything. Positions are each bot's own; the wallet is the account's.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from alpha.backtest.holding import ZERO, Hit, Holding, Lot, price_of
from alpha.backtest.result import OpenPosition, Refused, Trade
from alpha.core.events import Bar, Side
from alpha.core.instruments import Instrument, SizeRejected
from alpha.core.intents import Enter, Exit, MoveStop, StopPlan
from alpha.core.records import BotPosition
from alpha.core.risk import EntryRisk, check_entry

ONE = Decimal(1)
BASIS_POINT = Decimal("0.0001")
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Terms:
    """What trading costs and permits. `slippage_bps` works against market orders only."""

    balance: Decimal = Decimal(10_000)
    slippage_bps: Decimal = ZERO
    netting: bool = False
    risk: EntryRisk = field(default_factory=EntryRisk)


class Order(msgspec.Struct):
    """A market order that waits for the open of its symbol's next bar. `stamp` is that of its
    id."""

    owner: int
    symbol: str
    side: Side
    qty: Decimal
    reason: str
    stamp: int
    decided_ms: int
    is_exit: bool
    plan: StopPlan | None = None


class Done(msgspec.Struct, frozen=True):
    """One fill, for the bot that it belongs to. `order` is None for stops."""

    owner: int
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    fee: Decimal
    reason: str
    is_exit: bool
    realised: Decimal
    position_after: Decimal
    at_ms: int
    number: int
    order: Order | None


@dataclass(slots=True)
class Book:
    """One bot's part of the account. `capital` is set for a bot with money of its own; `cash` is
    what its trading has moved. The mappings are replaced, never changed: a picture keeps them."""

    name: str
    capital: Decimal | None
    cash: Decimal = ZERO
    holdings: dict[str, Holding] = field(default_factory=dict)
    positions: Mapping[str, BotPosition] = field(default_factory=dict)
    pending_entries: frozenset[str] = NOBODY
    pending_exits: frozenset[str] = NOBODY


class Venue:
    """`told` is called with each fill of the bots that are `listening`, once it is booked."""

    #: Whether fills come from elsewhere than orders: `fill_at_open` is called at every bar then.
    fed = False

    def __init__(
        self,
        terms: Terms,
        books: Sequence[Book],
        instruments: Mapping[str, Instrument],
        told: Callable[[Done], None],
        listening: Container[int],
    ) -> None:
        self.books = books
        self.instruments = instruments
        self.pending: list[Order] = []
        self.holdings: list[Holding] = []
        self.trades: list[Trade] = []
        self.refused: list[Refused] = []
        self.wallet = terms.balance
        self.wallet_float = float(terms.balance)
        self.fees = ZERO
        self.funding = ZERO
        self._terms = terms
        self._slippage = terms.slippage_bps * BASIS_POINT
        self._told = told
        self._listening = listening
        self._fills = 0

    # -- money --------------------------------------------------------------------------------

    def money(self, owner: int) -> tuple[Decimal, Decimal]:
        """Wallet and equity of a bot at the latest closes: its own with a capital of its own,
        else the account's."""
        book = self.books[owner]
        if book.capital is None:
            wallet = equity = self.wallet
            for held in self.holdings:
                equity += Decimal(repr(held.mark)) * held.qty - held.cost
            return wallet, equity
        wallet = equity = book.capital + book.cash
        for held in book.holdings.values():
            equity += price_of(held.mark) * held.qty - held.cost
        return wallet, equity

    def equity_float(self) -> float:
        """The account's equity at the latest closes, for statistics."""
        equity = self.wallet_float
        for held in self.holdings:
            equity += held.mark * held.qty_float - held.cost_float
        return equity

    def _pay(self, owner: int, amount: Decimal) -> None:
        self.wallet += amount
        self.wallet_float = float(self.wallet)
        self.books[owner].cash += amount

    # -- what bots want -----------------------------------------------------------------------

    def enter(self, owner: int, intent: Enter, stamp: int, now_ms: int) -> str | None:
        """Takes an entry for the next open; why not, if it is refused."""
        instrument = self.instruments.get(intent.symbol)
        if instrument is None:
            return f"{intent.symbol} has no candles"
        conflict = self._conflict(owner, intent)
        if conflict is not None:
            return conflict
        qty = instrument.size_order(intent.notional, intent.price)
        if isinstance(qty, SizeRejected):
            return str(qty)
        refused = check_entry(self._terms.risk, notional=qty * intent.price)
        if refused is not None:
            return refused
        self.pending.append(
            Order(
                owner,
                intent.symbol,
                intent.side,
                qty,
                intent.reason,
                stamp,
                now_ms,
                is_exit=False,
                plan=intent.stops,
            )
        )
        book = self.books[owner]
        book.pending_entries |= {intent.symbol}
        return None

    def exit(self, owner: int, intent: Exit, stamp: int, now_ms: int) -> str | None:
        """Takes an exit for the next open: of what the bot holds, less what exits already."""
        book = self.books[owner]
        held = book.holdings.get(intent.symbol)
        if held is None:
            return "nothing to close: no position"
        closing = ZERO
        if intent.symbol in book.pending_exits:
            exits = [one for one in self.pending if one.is_exit and one.owner == owner]
            closing = sum((one.qty for one in exits if one.symbol == held.symbol), ZERO)
        left = abs(held.qty) - closing
        qty = left if intent.qty is None else min(intent.qty, left)
        qty = self.instruments[intent.symbol].floor_qty(qty)
        if qty <= ZERO:
            return f"nothing to close: {abs(held.qty)} held, {closing} already closing"
        side: Side = "Sell" if held.is_long else "Buy"
        self.pending.append(
            Order(owner, held.symbol, side, qty, intent.reason, stamp, now_ms, is_exit=True)
        )
        book.pending_exits |= {intent.symbol}
        return None

    def move_stop(self, owner: int, intent: MoveStop) -> str | None:
        """Moves the stop loss of an open position; it counts from the next bar."""
        held = self.books[owner].holdings.get(intent.symbol)
        if held is None:
            return "no position whose stop could be moved"
        held.move_stop(intent.stop_loss)
        return None

    def _conflict(self, owner: int, intent: Enter) -> str | None:
        """Without netting all bots of the account stand on one side of a symbol."""
        if self._terms.netting:
            return None
        long = intent.side == "Buy"
        for other, book in enumerate(self.books):
            held = book.holdings.get(intent.symbol)
            if other != owner and held is not None and held.is_long is not long:
                return f"symbol_conflict: {book.name} holds {held.qty} {intent.symbol}"
        for order in self.pending:
            if (
                order.owner != owner
                and order.symbol == intent.symbol
                and not order.is_exit
                and order.side != intent.side
            ):
                name = self.books[order.owner].name
                return f"symbol_conflict: {name} is entering {intent.symbol} by {order.side}"
        return None

    def _note_pending(self, owner: int) -> None:
        book = self.books[owner]
        if not self.pending:
            book.pending_entries = book.pending_exits = NOBODY
            return
        own = [order for order in self.pending if order.owner == owner]
        book.pending_entries = frozenset(one.symbol for one in own if not one.is_exit)
        book.pending_exits = frozenset(one.symbol for one in own if one.is_exit)

    # -- what the market does -----------------------------------------------------------------

    def fill_at_open(self, row: Sequence[Bar], place: Mapping[str, int]) -> None:
        """Fills the orders whose symbol has a bar in `row`, exits first."""
        orders = self.pending
        due = [one for one in orders if one.is_exit and one.symbol in place]
        due += [one for one in orders if not one.is_exit and one.symbol in place]
        self.pending = [one for one in orders if one.symbol not in place]
        for order in due:
            self._note_pending(order.owner)
        for order in due:
            bar = row[place[order.symbol]]
            price = price_of(bar.open)
            if self._slippage:
                price *= ONE + self._slippage if order.side == "Buy" else ONE - self._slippage
            self._execute(order, price, bar)

    def watch(self, row: Sequence[Bar], place: Mapping[str, int]) -> None:
        """Takes open positions through a bar: their stops, then their trailing stops' levels."""
        hit: list[tuple[Holding, Hit, Bar]] | None = None
        for held in self.holdings:
            where = place.get(held.symbol)
            if where is None:
                continue
            bar = row[where]
            held.mark = bar.close
            if bar.low <= held.low or bar.high >= held.high:
                found = held.hit(bar)
                if found is not None:
                    hit = hit or []
                    hit.append((held, found, bar))
            elif bar.high > held.best_high or bar.low < held.best_low:
                held.follow(bar)
        if hit is not None:
            for held, found, bar in hit:
                self._close(held, abs(held.qty), found.price, found.reason, bar, None)

    def pay_funding(self, symbol: str, rate: Decimal, price: Decimal) -> None:
        """Longs pay shorts at a positive rate, on what is held at that moment."""
        for held in self.holdings:
            if held.symbol == symbol:
                amount = -held.qty * price * rate
                held.funding += amount
                self.funding += amount
                self._pay(held.owner, amount)

    # -- fills --------------------------------------------------------------------------------

    def _execute(self, order: Order, price: Decimal, bar: Bar) -> None:
        held = self.books[order.owner].holdings.get(order.symbol)
        left = order.qty
        if held is not None and held.is_long is not (order.side == "Buy"):
            part = min(left, abs(held.qty))
            self._close(held, part, price, order.reason, bar, order)
            left -= part
        if left and not order.is_exit:
            self._open(order, left, price, bar)

    def _open(self, order: Order, qty: Decimal, price: Decimal, bar: Bar) -> None:
        instrument = self.instruments[order.symbol]
        fee = qty * price * instrument.taker_fee
        book = self.books[order.owner]
        held = book.holdings.get(order.symbol)
        if held is None:
            held = Holding(order.owner, order.symbol, instrument, bar.open)
            book.holdings = {**book.holdings, order.symbol: held}
            self.holdings.append(held)
        signed = qty if order.side == "Buy" else -qty
        held.enter(signed, Lot(qty, price, fee, bar.start_ms, order.reason), order.plan)
        self.fees += fee
        self._pay(order.owner, -fee)
        self._tell(order.owner, held, order.side, qty, price, fee, order.reason, ZERO, bar, order)

    def _close(
        self,
        held: Holding,
        qty: Decimal,
        price: Decimal,
        reason: str,
        bar: Bar,
        order: Order | None,
    ) -> None:
        owner, side = held.owner, held.side
        book = self.books[owner]
        fee = qty * price * self.instruments[held.symbol].taker_fee
        closed = held.exit(qty)
        worth = qty * price
        realised = closed.gross + (worth if side == "long" else -worth)
        fees = closed.entry_fee + fee
        if not held.qty:
            self.holdings.remove(held)
            book.holdings = {k: v for k, v in book.holdings.items() if v is not held}
        self.fees += fee
        self._pay(owner, realised - fee)
        self.trades.append(
            Trade(
                bot=book.name,
                symbol=held.symbol,
                side=side,
                qty=qty,
                entry_ms=closed.entry_ms,
                entry_price=closed.entry_price,
                entry_reason=closed.entry_reason,
                exit_ms=bar.start_ms,
                exit_price=price,
                exit_reason=reason,
                fees=fees,
                net_pnl=realised - fees + closed.funding,
            )
        )
        by: Side = "Sell" if side == "long" else "Buy"
        self._tell(owner, held, by, qty, price, fee, reason, realised, bar, order, is_exit=True)

    def _tell(
        self,
        owner: int,
        held: Holding,
        side: Side,
        qty: Decimal,
        price: Decimal,
        fee: Decimal,
        reason: str,
        realised: Decimal,
        bar: Bar,
        order: Order | None,
        *,
        is_exit: bool = False,
    ) -> None:
        book = self.books[owner]
        positions = {k: v for k, v in book.positions.items() if k != held.symbol}
        if held.qty:
            positions[held.symbol] = held.position()
        book.positions = positions
        self._fills += 1
        if owner not in self._listening:
            return
        self._told(
            Done(
                owner,
                held.symbol,
                side,
                qty,
                price,
                fee,
                reason,
                is_exit,
                realised,
                held.qty,
                bar.start_ms,
                self._fills,
                order,
            )
        )

    # -- at the end ---------------------------------------------------------------------------

    def open_positions(self) -> list[OpenPosition]:
        return [
            OpenPosition(
                bot=self.books[held.owner].name,
                symbol=held.symbol,
                side=held.side,
                qty=abs(held.qty),
                entry_ms=held.lots[0].entry_ms,
                entry_price=held.average,
                entry_reason=held.lots[0].reason,
                mark_price=price_of(held.mark),
                unrealised_pnl=price_of(held.mark) * held.qty - held.cost,
                fees=sum((lot.fee for lot in held.lots), ZERO),
            )
            for held in self.holdings
        ]
