"""The exchange as one pure object: market ticks and requests in, changes out.

No input or output, no asyncio, no clock: whoever drives it says what time it is. The wire
server plays a feed into it in real time; a backtest may play the same feed as fast as it can.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from alpha.sim.feeds.base import InstrumentSpec
from alpha.sim.forced import Forced
from alpha.sim.margin import MarginCheck, margin_check
from alpha.sim.matching import Matcher
from alpha.sim.model import (
    PLACES,
    ZERO,
    Account,
    Amendment,
    Execution,
    Order,
    OrderRequest,
    Position,
    Refusal,
    Side,
    StopRequest,
    Transfer,
)
from alpha.sim.orders import OrderDesk
from alpha.sim.state import Changes, State
from alpha.sim.stops import Stops


class Exchange:
    """Accounts that trade linear perpetuals against a fed market.

    `salt` names this exchange: ids and drawn behaviour depend on it and on nothing else.
    Every call takes market time in ms; `take_changes` hands over what has happened since.
    """

    def __init__(self, specs: Iterable[InstrumentSpec], salt: str) -> None:
        self.state = State(specs, salt)
        matcher = Matcher(self.state)
        self._stops = Stops(self.state, matcher)
        self._desk = OrderDesk(self.state, matcher, self._stops)
        self._forced = Forced(self.state, matcher, self._stops)
        self.closed = False

    # -- the market -----------------------------------------------------------------------

    def tick(
        self, symbol: str, price: Decimal, qty: Decimal, side: Side, *, gap: bool, ms: int
    ) -> None:
        """One public trade; `gap` = the price jumped here (a new bar) and did not walk."""
        self._stops.walk(symbol, price, qty, side, gap=gap, ms=ms)

    def funding(self, symbol: str, rate: Decimal, ms: int) -> list[Execution]:
        """Settles funding at the mark price: longs pay a positive rate, shorts receive it."""
        self._known(symbol)
        positions = [held.get(symbol) for held in self.state.positions.values()]
        return [self._fund(held, rate, ms) for held in positions if held and held.size > 0]

    def transfer(self, account: str, change: Decimal, ms: int) -> Transfer:
        """Moves cash into the account, or out of it: never more than is there."""
        held = self.state.accounts[account]
        if change == 0 or held.balance + change < 0 or change != change.quantize(PLACES):
            raise Refusal(
                10001, f"expected an amount that leaves 0 or more of {held.balance}, was {change}"
            )
        held.balance += change
        transfer = Transfer(
            account=account,
            transfer_id=self.state.new_id(),
            change=change,
            balance_after=held.balance,
            at_ms=ms,
        )
        self.state.put_account(held)
        self.state.put_transfer(transfer)
        self.state.emit_wallet(account, ms)
        return transfer

    def _fund(self, held: Position, rate: Decimal, ms: int) -> Execution:
        state = self.state
        mark = state.mark(held.symbol)
        side: Side = "Sell" if held.side == "Sell" else "Buy"
        signed_rate = rate if side == "Buy" else -rate
        value = held.size * mark
        fee = (value * signed_rate).quantize(PLACES)
        account = state.accounts[held.account]
        account.balance -= fee
        account.cum_realised -= fee
        held.realised -= fee
        held.cum_realised -= fee
        held.seq = state.next_seq(held.symbol)
        held.updated_ms = ms
        execution = Execution(
            account=held.account,
            symbol=held.symbol,
            exec_id=state.new_id(),
            exec_type="Funding",
            order_id=state.new_id(),
            link_id="",
            side=side,
            order_type="UNKNOWN",
            stop_type="UNKNOWN",
            create_type="",
            order_price=ZERO,
            order_qty=ZERO,
            leaves_qty=ZERO,
            price=mark,
            qty=held.size,
            value=value,
            fee=fee,
            fee_rate=signed_rate,
            pnl=ZERO,
            closed_size=ZERO,
            is_maker=False,
            mark_price=mark,
            exec_ms=ms,
            seq=held.seq,
            balance_after=account.balance,
            position_after=held.signed,
        )
        state.put_execution(execution)
        state.put_position(held)
        state.put_account(account)
        state.emit(held.account, "execution", ms, [execution])
        state.emit_position(held.account, held.symbol, ms)
        state.emit_wallet(held.account, ms)
        return execution

    def liquidations(self, ms: int) -> list[Execution]:
        """Liquidates the accounts whose equity has fallen below their maintenance margin."""
        return [
            execution
            for account in self.state.accounts
            for execution in self._forced.liquidate_account(account, ms)
        ]

    def held(self, account: str, symbol: str) -> Position:
        """The account's open position; refuses where there is none."""
        self._known(symbol)
        return self._forced.held(account, symbol)

    def liquidate(self, account: str, symbol: str, ms: int) -> Execution:
        self._known(symbol)
        return self._forced.liquidate(account, symbol, ms)

    def deleverage(self, account: str, symbol: str, qty: Decimal | None, ms: int) -> Execution:
        self._known(symbol)
        return self._forced.deleverage(account, symbol, qty, ms)

    def settle(self, account: str, symbol: str, ms: int) -> Execution:
        self._known(symbol)
        return self._forced.settle(account, symbol, ms)

    def close_market(self) -> None:
        """The end of the data: nothing trades any more, what is open stays as it is."""
        self.closed = True

    # -- requests -------------------------------------------------------------------------

    def create(self, account: str, request: OrderRequest, ms: int) -> Order:
        self._known(request.symbol)
        self._trading(request.symbol)
        return self._desk.create(account, request, ms)

    def pre_check(self, account: str, request: OrderRequest, ms: int) -> MarginCheck:
        """What an order would do to the account's margin; it is checked and not placed."""
        self._known(request.symbol)
        self._trading(request.symbol)
        if request.trigger_price is not None:
            raise Refusal(10001, "params error: conditional order is not supported")
        order = self._desk.checked(account, request, ms)
        order.order_id = self.state.new_id()
        return margin_check(self.state, order)

    def amend(
        self, account: str, symbol: str, order_id: str, link_id: str, new: Amendment, ms: int
    ) -> Order:
        self._known(symbol)
        self._trading(symbol)
        return self._desk.amend(account, symbol, order_id, link_id, new, ms)

    def cancel(self, account: str, symbol: str, order_id: str, link_id: str, ms: int) -> Order:
        self._known(symbol)
        return self._desk.cancel(account, symbol, order_id, link_id, ms)

    def cancel_all(
        self, account: str, symbol: str | None, which: str, stop_type: str, ms: int
    ) -> list[Order]:
        if symbol is not None:
            self._known(symbol)
        return self._desk.cancel_all(account, symbol, which, stop_type, ms)

    def disconnected(self, account: str, ms: int) -> list[Order]:
        """Cancels the active orders of an account that nobody listens for; stops stay."""
        return self._desk.cancel_all(account, None, "Order", "", ms, "CancelByDCP")

    def trading_stop(self, account: str, request: StopRequest, ms: int) -> None:
        self._known(request.symbol)
        self._trading(request.symbol)
        self._desk.trading_stop(account, request, ms)

    def set_leverage(self, account: str, symbol: str, leverage: Decimal, ms: int) -> None:
        self._known(symbol)
        self._desk.set_leverage(account, symbol, leverage, ms)

    def set_dcp(self, account: str, seconds: int) -> None:
        """After how long without a listening socket the account's orders go."""
        owner = self.state.accounts[account]
        owner.dcp_s = seconds
        self.state.put_account(owner)

    def set_far_prices(self, account: str, *, refused: bool) -> None:
        """Whether limit prices outside the band are refused or moved to its edge."""
        owner = self.state.accounts[account]
        owner.refuses_far = refused
        self.state.put_account(owner)

    def _known(self, symbol: str) -> None:
        if symbol not in self.state.books:
            raise Refusal(10001, f"params error: symbol invalid {symbol}")

    def _trading(self, symbol: str) -> None:
        if self.closed or not self.state.books[symbol].priced:
            raise Refusal(110074, "This contract is not live")

    # -- storage --------------------------------------------------------------------------

    def add_account(self, key: str, number: int, balance: Decimal) -> None:
        self.state.add_account(Account(key=key, number=number, balance=balance))

    def take_changes(self) -> Changes:
        return self.state.take_changes()
