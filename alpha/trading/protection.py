"""Stops live on the exchange: this part sees to it that every position has the ones it was
opened with, anchored to its average fill price.

On a symbol with one possible owner they are the position's own (`position_stops`), on one that
several bots of the account may trade conditional orders of ours (`own_stops`). A position whose
stop is missing for `GRACE_S` while the exchange answers, or after `MAX_REFUSALS` definite
refusals, is closed. So is what exits and stops have closed beyond what there was to close.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal

import structlog

from alpha.clock import Clock
from alpha.core.instruments import Instrument
from alpha.core.intents import Enter, StopPlan
from alpha.core.records import OrderRow
from alpha.core.refusals import Refusal
from alpha.trading.account import Account
from alpha.trading.guarded import Close, Guarded, Key
from alpha.trading.own_stops import MOST_PER_SYMBOL, OwnStops, legs_of
from alpha.trading.position_stops import PositionStops

log = structlog.get_logger(__name__)

CHECK_EVERY_S = 0.25
#: What was closed too much is closed again after this, if it still is there.
OVERSHOT_AGAIN_S = 2.0
ZERO = Decimal(0)


class Protection:
    """Stops of the positions of one account's bots. `close` is asked to close a position that
    cannot be protected."""

    def __init__(
        self,
        account: Account,
        position_stops: PositionStops,
        own_stops: OwnStops,
        *,
        clock: Clock,
        instruments: Mapping[str, Instrument],
        close: Close,
    ) -> None:
        self._account = account
        self._position_stops = position_stops
        self._own_stops = own_stops
        self._clock = clock
        self._instruments = instruments
        self._close = close
        self._guarded: dict[Key, Guarded] = {}
        self._overshot_at: dict[Key, float] = {}
        self._wake = asyncio.Event()

    def guard(self, bot_id: str, symbol: str, plan: StopPlan, link_id: str) -> None:
        """An entry is on its way. Once it has traded its plan holds for the whole position, and
        a stop that the strategy had moved is anchored anew with the rest."""
        state = self._guarded.setdefault((bot_id, symbol), Guarded())
        state.planned = {**(state.planned or {}), link_id: plan}
        self._wake.set()

    def resume(
        self, bot_id: str, symbol: str, plan: StopPlan, moved_stop: Decimal | None = None
    ) -> None:
        """A position that was open before this process started."""
        position = self._account.position(bot_id, symbol)
        state = self._guarded.setdefault((bot_id, symbol), Guarded())
        state.renew(position.opened_ms)
        state.plan, state.moved_stop = plan, moved_stop
        self._wake.set()

    def move(self, bot_id: str, symbol: str, stop_loss: Decimal) -> Refusal | None:
        """Moves the stop loss of a position to an absolute price; or why there is none."""
        state = self._guarded.get((bot_id, symbol))
        position = self._account.position(bot_id, symbol)
        if state is None:
            if not position.signed_qty:
                return Refusal("nothing_to_close", f"no position in {symbol} to protect")
            state = self._guarded[(bot_id, symbol)] = Guarded(plan=StopPlan())
        if state.opened_ms != position.opened_ms:
            state.renew(position.opened_ms)
        state.moved_stop = stop_loss
        state.refusals, state.try_at = 0, 0.0
        self._wake.set()
        return None

    def wake(self) -> None:
        """Something about an order or a position has changed."""
        self._wake.set()

    def unprotected(self) -> list[Key]:
        """Positions that should have a stop loss and, as far as is known, have none."""
        return [key for key, state in self._guarded.items() if state.bare_since is not None]

    async def run(self) -> None:
        """Checks on every change, and every quarter second for what no event announces."""
        while True:
            await self.check()
            try:
                async with asyncio.timeout(CHECK_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def check(self) -> None:
        """Looks at every guarded position once. One whose request hangs does not hold up the
        others."""
        stopped = {(row.bot_id, row.symbol) for row in self._own_stops.working()}
        for _, symbol in stopped:
            self._account.share(symbol)
        self._close_overshot()
        due = []
        for key in list(self._guarded.keys() | stopped):
            if self._account.is_shared(key[1]):
                self._settle(key)
            elif self._is_due(key):
                due.append(key)
        symbols = {symbol for _, symbol in self._guarded if self._is_handed_over(symbol)}
        await asyncio.gather(
            *(self._place(key) for key in due),
            *(self._position_stops.clear(symbol) for symbol in symbols),
        )

    # -- one owner ----------------------------------------------------------------------------

    def _is_due(self, key: Key) -> bool:
        """Settles what is guarded; whether its stops are to be looked at now."""
        bot_id, symbol = key
        state = self._guarded[key]
        position = self._account.position(bot_id, symbol)
        tracker = self._account.tracker
        entering = symbol in tracker.pending_symbols(bot_id, "entry")
        self._adopt_plan(state, entering=entering)
        if not position.signed_qty:
            if not entering:
                del self._guarded[key]
            return False
        if state.opened_ms != position.opened_ms:
            state.renew(position.opened_ms)
        return not entering and symbol not in tracker.pending_symbols(bot_id, "exit")

    def _adopt_plan(self, state: Guarded, *, entering: bool) -> None:
        for link_id, plan in list((state.planned or {}).items()):
            traded = self._account.tracker.executed_qty(link_id) > 0
            if traded:
                state.plan, state.moved_stop, state.placed = plan, None, None
                state.refusals = 0
            if (traded or not entering) and state.planned is not None:
                del state.planned[link_id]

    async def _place(self, key: Key) -> None:
        state = self._guarded[key]
        wanted = state.wanted(self._account.position(*key), self._instruments)
        if wanted is not None:
            await self._position_stops.place(key, state, wanted)

    # -- several owners -----------------------------------------------------------------------

    def entry_refusal(self, bot_id: str, intent: Enter) -> str | None:
        """Why the stops of an entry would find no room among the symbol's conditional orders."""
        symbol, plan = intent.symbol, intent.stops
        if plan is None or not self._account.is_shared(symbol):
            return None
        bots = {owner for owner, name in self._guarded if name == symbol}
        taken = sum(
            row.symbol == symbol and row.trigger_price is not None and row.bot_id not in bots
            for row in self._account.tracker.working()
        )
        for (owner, name), state in self._guarded.items():
            if name == symbol and owner != bot_id:
                plans = [*(state.planned or {}).values(), *([state.plan] if state.plan else [])]
                taken += max((legs_of(one) for one in plans), default=0)
        if taken + legs_of(plan) <= MOST_PER_SYMBOL:
            return None
        return Refusal(
            "stop_limit",
            f"{symbol} has {taken} conditional orders of others, the stops need {legs_of(plan)}, "
            f"expected at most {MOST_PER_SYMBOL} in all",
        )

    def send_again(self, row: OrderRow) -> None:
        """A stop that the exchange never accepted, under the same id."""
        self._own_stops.send(row, self._guarded.get((row.bot_id, row.symbol)))

    def _settle(self, key: Key) -> None:
        bot_id, symbol = key
        position = self._account.position(bot_id, symbol)
        entering = symbol in self._account.tracker.pending_symbols(bot_id, "entry")
        state = self._guarded.get(key)
        if state is None:
            state = Guarded(opened_ms=position.opened_ms)
            if position.signed_qty and not self._own_stops.working(key):
                return
        self._adopt_plan(state, entering=entering)
        if position.signed_qty and state.opened_ms != position.opened_ms:
            state.renew(position.opened_ms)
        self._own_stops.settle(key, state, position, entering=entering)
        if not position.signed_qty and not entering:
            self._guarded.pop(key, None)

    def _is_handed_over(self, symbol: str) -> bool:
        """Every bot's stop loss is a conditional order: the position's own stops may go."""
        if not self._account.is_shared(symbol):
            return False
        return all(
            self._own_stops.is_covered(key)
            for key in self._guarded
            if key[1] == symbol and self._account.position(*key).signed_qty
        )

    def _close_overshot(self) -> None:
        """An exit and a stop that both went through have opened what neither was meant to:
        closed at once, as soon as the exchange's own position confirms it."""
        account, now = self._account, self._clock.monotonic()
        if not account.live:
            return
        for symbol, book in account.books.items():
            for bot_id, qty in book.overshot(account.rules).items():
                event = account.exchange.get(symbol)
                if event is None or event.signed_size != book.net() or self._is_counting(symbol):
                    continue
                open_qty = qty - account.tracker.closing_qty(bot_id, symbol)
                if open_qty <= 0 or now < self._overshot_at.get((bot_id, symbol), 0.0):
                    continue
                self._overshot_at[(bot_id, symbol)] = now + OVERSHOT_AGAIN_S
                account.alerts.tell(
                    "position_overshot",
                    f"expected an exit and its stop to close the position once, was {open_qty} "
                    f"{symbol} too much; that is being closed, nothing to do if it stays flat",
                    account=account.name,
                    bot_id=bot_id,
                    symbol=symbol,
                    qty=str(open_qty),
                )
                self._close(bot_id, symbol, "risk_limit", open_qty)

    def _is_counting(self, symbol: str) -> bool:
        """An order has traded more than has arrived."""
        tracker = self._account.tracker
        return any(
            row.symbol == symbol and tracker.executed_qty(row.client_order_id) < row.filled_qty
            for row in tracker.working()
        )
