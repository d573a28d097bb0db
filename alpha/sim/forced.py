"""What an exchange does to a position by itself: liquidation, deleveraging, settlement.

Codes and order of events follow Bybit's enumerations (execType, createType, cancelType): open
orders go first, then one execution closes the position, then its stops are cleared.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

from alpha.sim import positions
from alpha.sim.feeds.base import InstrumentSpec
from alpha.sim.matching import Matcher
from alpha.sim.model import ZERO, Execution, Order, Position, Refusal, WalletView, opposite
from alpha.sim.state import State
from alpha.sim.stops import Stops


class Forced:
    """Closes positions without being asked by their owner. Refuses where there is none."""

    def __init__(self, state: State, matcher: Matcher, stops: Stops) -> None:
        self._state = state
        self._matcher = matcher
        self._stops = stops

    def liquidate(self, account: str, symbol: str, ms: int) -> Execution:
        """Takes the whole position over where its own margin is used up, at the taker's fee."""
        held = self.held(account, symbol)
        self._cancel_all(account, symbol, "CancelAllBeforeLiq", ms)
        spec = self._state.books[symbol].spec
        return self._take_over(held, bankruptcy_price(held, spec.tick_size), ms)

    def liquidate_account(self, account: str, ms: int) -> list[Execution]:
        """Takes all positions over if equity is below maintenance margin; else does nothing.

        Margin is shared, so each position is taken over where its share of the equity, by
        maintenance margin, is used up: the wallet ends at zero. A loss beyond that is not the
        account's, as an insurance fund would have it.
        """
        state = self._state
        held = [one for _, one in sorted(state.positions[account].items()) if one.size > 0]
        if not held:
            return []
        wallet = state.wallet_view(account)
        if wallet.equity >= wallet.position_mm:
            return []
        self._cancel_all(account, None, "CancelAllBeforeLiq", ms)
        return [self._take_over(one, price, ms) for one, price in self._prices(held, wallet)]

    def _prices(self, held: list[Position], wallet: WalletView) -> list[tuple[Position, Decimal]]:
        found = []
        for one in held:
            spec, mark = self._state.books[one.symbol].spec, self._state.mark(one.symbol)
            margin = positions.maintenance_margin(one, mark, spec.maintenance_rate)
            share = wallet.equity * margin / wallet.position_mm
            found.append((one, exhaustion_price(one, mark, share, spec)))
        return found

    def _take_over(self, held: Position, price: Decimal, ms: int) -> Execution:
        self._announce(held, "Liq", ms)
        order = self._order(held, held.size, "CreateByTakeOver_PassThrough", ms)
        order.price = price
        fee = self._state.books[held.symbol].spec.taker_fee
        return self._stops.force(order, "BustTrade", fee, ms)

    def deleverage(self, account: str, symbol: str, qty: Decimal | None, ms: int) -> Execution:
        """Auto-deleveraging of `qty` (all, if None) at the mark price, without a fee."""
        held = self.held(account, symbol)
        step = self._state.books[symbol].spec.qty_step
        size = held.size if qty is None else qty
        if not 0 < size <= held.size or size % step != 0:
            raise Refusal(10001, f"expected a qty in steps of {step} up to {held.size}, was {size}")
        self._announce(held, "Adl", ms)
        self._cancel_active(held, "CancelAllBeforeAdl", ms)
        order = self._order(held, size, "CreateByAdl_PassThrough", ms)
        return self._stops.force(order, "AdlTrade", ZERO, ms)

    def settle(self, account: str, symbol: str, ms: int) -> Execution:
        """Closes the position at the mark price; an execution without an order, without a fee."""
        held = self.held(account, symbol)
        self._cancel_all(account, symbol, "CancelBySettle", ms)
        order = self._order(held, held.size, "CreateBySettle", ms)
        return self._stops.force(order, "Settle", ZERO, ms, told=False)

    def held(self, account: str, symbol: str) -> Position:
        """The open position; refuses where there is none."""
        held = self._state.position(account, symbol)
        if held.size == 0:
            raise Refusal(10001, f"expected an open position in {symbol}, was none")
        return held

    def _announce(self, held: Position, status: Literal["Liq", "Adl"], ms: int) -> None:
        """One position frame with the status of what comes."""
        held.status = status
        self._state.emit_position(held.account, held.symbol, ms)
        held.status = "Normal"

    def _cancel_all(self, account: str, symbol: str | None, cancel: str, ms: int) -> None:
        """A position's own stops stay: they end with the position."""
        for order in self._state.open_orders(account, symbol):
            if not order.system:
                self._matcher.close(order, ms, cancel=cancel)

    def _cancel_active(self, held: Position, cancel: str, ms: int) -> None:
        for order in self._state.open_orders(held.account, held.symbol):
            if not order.conditional:
                self._matcher.close(order, ms, cancel=cancel)

    def _order(self, held: Position, qty: Decimal, create_type: str, ms: int) -> Order:
        mark = self._state.mark(held.symbol)
        return Order(
            order_id=self._state.new_id(),
            account=held.account,
            symbol=held.symbol,
            side=opposite("Sell" if held.side == "Sell" else "Buy"),
            order_type="Market",
            qty=qty,
            price=mark,
            time_in_force="IOC",
            link_id="",
            reduce_only=True,
            create_type=create_type,
            last_price_on_created=mark,
            created_ms=ms,
            updated_ms=ms,
        )


def bankruptcy_price(held: Position, tick: Decimal) -> Decimal:
    """Where the position's own margin is used up: entry price moved by one over the leverage."""
    part = 1 / held.leverage
    price = held.cost / held.size * (1 - part if held.side == "Buy" else 1 + part)
    return max(price // tick * tick, tick)


def exhaustion_price(
    held: Position, mark: Decimal, share: Decimal, spec: InstrumentSpec
) -> Decimal:
    """Where closing the position at the taker's fee leaves nothing of `share` (of the equity at
    `mark`), rounded in the account's favour."""
    if held.side == "Buy":
        price = (mark - share / held.size) / (1 - spec.taker_fee)
        steps = (price / spec.tick_size).to_integral_value(ROUND_CEILING)
    else:
        price = (mark + share / held.size) / (1 + spec.taker_fee)
        steps = (price / spec.tick_size).to_integral_value(ROUND_FLOOR)
    return max(steps * spec.tick_size, spec.tick_size)
