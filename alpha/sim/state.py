"""Everything the exchange knows, what changed since the last commit, and what is to be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import msgspec

from alpha.sim import positions
from alpha.sim.book import Book
from alpha.sim.feeds.base import InstrumentSpec
from alpha.sim.model import (
    ZERO,
    Account,
    Emission,
    Execution,
    Kind,
    Order,
    Position,
    PositionView,
    Row,
    Transfer,
    WalletView,
    truncated,
)

DEFAULT_LEVERAGE = Decimal(10)
LINK_ID_LENGTH = 36
FIRST_SEQ = 9_000_000_000


class Changes(msgspec.Struct, frozen=True):
    """What one step did: rows to store first, then frames to send."""

    emissions: list[Emission]
    orders: list[Order]
    positions: list[Position]
    accounts: list[Account]
    executions: list[Execution]
    transfers: list[Transfer]
    issued: int
    sequences: dict[str, int]

    @property
    def empty(self) -> bool:
        return not (self.orders or self.positions or self.accounts or self.executions)


class State:
    """The exchange's memory. Only the matching modules change it, through the methods here."""

    def __init__(self, specs: Iterable[InstrumentSpec], salt: str) -> None:
        self.salt = salt
        self.link_id_length = LINK_ID_LENGTH
        self.books = {spec.symbol: Book(spec) for spec in specs}
        self.accounts: dict[str, Account] = {}
        self.positions: dict[str, dict[str, Position]] = {}
        self.orders: dict[str, dict[str, Order]] = {symbol: {} for symbol in self.books}
        self.links: dict[str, set[str]] = {}
        self.sequences: dict[str, int] = {symbol: FIRST_SEQ for symbol in self.books}
        self.just_filled: dict[str, Order] = {}
        self.issued = 0
        self.queued = 0
        self._emissions: list[Emission] = []
        self._orders: dict[str, Order] = {}
        self._positions: dict[tuple[str, str], Position] = {}
        self._accounts: dict[str, Account] = {}
        self._executions: list[Execution] = []
        self._transfers: list[Transfer] = []

    # -- identity -------------------------------------------------------------------------

    def new_id(self) -> str:
        """A fresh id shaped as a uuid; the count behind it is stored with what it names."""
        self.issued += 1
        digest = sha256(f"{self.salt}|{self.issued}".encode()).digest()
        return str(UUID(bytes=digest[:16], version=4))

    def next_seq(self, symbol: str) -> int:
        self.sequences[symbol] += 1
        return self.sequences[symbol]

    # -- access ---------------------------------------------------------------------------

    def add_account(self, account: Account) -> None:
        self.accounts[account.key] = account
        self.positions.setdefault(account.key, {})
        self.links.setdefault(account.key, set())
        self._accounts[account.key] = account

    def position(self, account: str, symbol: str) -> Position:
        held = self.positions[account].get(symbol)
        if held is None:
            held = Position(account=account, symbol=symbol, leverage=self.leverage(symbol))
            self.positions[account][symbol] = held
        return held

    def leverage(self, symbol: str) -> Decimal:
        return min(DEFAULT_LEVERAGE, self.books[symbol].spec.max_leverage)

    def open_orders(self, account: str, symbol: str | None = None) -> Iterator[Order]:
        """Open orders of an account, oldest first within a symbol; safe while they change."""
        for name in (symbol,) if symbol is not None else tuple(self.orders):
            for order in tuple(self.orders.get(name, {}).values()):
                if order.account == account:
                    yield order

    def find_order(self, account: str, symbol: str, order_id: str, link_id: str) -> Order | None:
        """The open order with that id, or else that link id; the order id wins."""
        if order_id:
            order = self.orders.get(symbol, {}).get(order_id)
            return order if order is not None and order.account == account else None
        for order in self.open_orders(account, symbol):
            if link_id and order.link_id == link_id:
                return order
        return None

    # -- changes --------------------------------------------------------------------------

    def put_order(self, order: Order, ms: int) -> None:
        """Takes note of a new or changed order; a closed one leaves the memory."""
        order.updated_ms = ms
        self._orders[order.order_id] = order
        there = self.orders[order.symbol]
        if order.open:
            if order.order_id not in there:
                self.queued += 1
                order.queued = self.queued
            there[order.order_id] = order
        else:
            there.pop(order.order_id, None)
            if order.status == "Filled" and order.order_type == "Limit":
                self.just_filled[order.account] = order

    def put_position(self, position: Position) -> None:
        self._positions[position.account, position.symbol] = position

    def put_account(self, account: Account) -> None:
        self._accounts[account.key] = account

    def put_execution(self, execution: Execution) -> None:
        self._executions.append(execution)

    def put_transfer(self, transfer: Transfer) -> None:
        self._transfers.append(transfer)

    def take_changes(self) -> Changes:
        """Hands over what happened since the last call and forgets it."""
        changes = Changes(
            emissions=self._emissions,
            orders=list(self._orders.values()),
            positions=list(self._positions.values()),
            accounts=list(self._accounts.values()),
            executions=self._executions,
            transfers=self._transfers,
            issued=self.issued,
            sequences=dict(self.sequences),
        )
        self._emissions = []
        self._executions = []
        self._transfers = []
        self._orders = {}
        self._positions = {}
        self._accounts = {}
        return changes

    # -- telling --------------------------------------------------------------------------

    def emit(self, account: str, kind: Kind, ms: int, rows: list[Row]) -> None:
        self._emissions.append(Emission(account, kind, ms, rows))

    def emit_order(self, order: Order, ms: int) -> None:
        self.put_order(order, ms)
        self.emit(order.account, "order", ms, [msgspec.structs.replace(order)])

    def emit_position(self, account: str, symbol: str, ms: int) -> None:
        self.emit(account, "position", ms, [self.position_view(account, symbol)])

    def emit_wallet(self, account: str, ms: int) -> None:
        self.emit(account, "wallet", ms, [self.wallet_view(account)])

    # -- views ----------------------------------------------------------------------------

    def mark(self, symbol: str) -> Decimal:
        """The mark price: the last price, there is no index behind this market."""
        return self.books[symbol].last

    def position_view(self, account: str, symbol: str) -> PositionView:
        held = self.position(account, symbol)
        wallet = self.wallet_view(account)
        spare = wallet.equity - wallet.position_mm
        return positions.view(held, self.mark(symbol), self.books[symbol].spec, spare)

    def wallet_view(self, account: str) -> WalletView:
        gain = im = mm = ZERO
        for held in self.positions[account].values():
            if held.size > 0:
                mark = self.mark(held.symbol)
                rate = self.books[held.symbol].spec.maintenance_rate
                gain += positions.unrealised(held, mark)
                im += positions.initial_margin(held, mark)
                mm += positions.maintenance_margin(held, mark, rate)
        return WalletView(
            account=msgspec.structs.replace(self.accounts[account]),
            unrealised=truncated(gain),
            position_im=im,
            position_mm=mm,
            order_im=self._orders_im(account),
        )

    def _orders_im(self, account: str) -> Decimal:
        total = ZERO
        for order in self.open_orders(account):
            if not order.conditional and not order.reduce_only:
                total += self.required_margin(order, order.leaves, order.price)
        return truncated(total)

    def required_margin(self, order: Order, qty: Decimal, price: Decimal) -> Decimal:
        """Initial margin and both fees for the part of an order that opens or adds."""
        leverage = self.position(order.account, order.symbol).leverage
        fee = self.books[order.symbol].spec.taker_fee
        return self.added(order, qty) * price * (1 / leverage + 2 * fee)

    def added(self, order: Order, qty: Decimal) -> Decimal:
        """How much of an order's quantity opens or adds to the position."""
        held = self.position(order.account, order.symbol)
        if held.size > 0 and held.side != order.side:
            return max(qty - held.size, ZERO)
        return qty

    def affordable(self, order: Order, qty: Decimal, price: Decimal) -> bool:
        needed = self.required_margin(order, qty, price)
        return needed == 0 or needed <= self.wallet_view(order.account).available
