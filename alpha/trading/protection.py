"""Stops live on the exchange: this part sees to it that every position has the ones it was
opened with, anchored to its average fill price.

The stop loss and take profit travel with the entry, anchored to the signal close. Once the
entry is settled they are moved to the average fill and the trailing stop is added, through the
position's trading stop (Bybit V5, position/trading-stop, mode Full). A position whose stop is
missing for `GRACE_S` while the exchange answers, or after `MAX_REFUSALS` definite refusals, is
closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import structlog

from alpha.bybit.codes import ClockRefused
from alpha.bybit.requests import TradingStop
from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.events import PositionEvent, PositionSide
from alpha.core.instruments import Instrument
from alpha.core.intents import StopPlan
from alpha.core.records import BotPosition
from alpha.errors import AlphaError, VenueRejected
from alpha.trading.account import Account
from alpha.trading.levels import Levels, levels

log = structlog.get_logger(__name__)

GRACE_S = 5.0
MAX_REFUSALS = 3
CHECK_EVERY_S = 0.25
#: A trading stop that was refused, or whose outcome is unknown, is sent again after this.
RETRY_S = 0.5

Key = tuple[str, str]  # bot id, symbol


@dataclass(slots=True)
class _Guarded:
    """`planned` are the stops of entries that have not traded yet, by order id, in their order;
    one that trades gives its plan to the whole position. `opened_ms` names the position."""

    plan: StopPlan | None = None
    planned: dict[str, StopPlan] | None = None
    opened_ms: int | None = None
    moved_stop: Decimal | None = None  # absolute, by the strategy (breakeven)
    placed: Levels | None = None
    refusals: int = 0
    bare_since: float | None = None
    try_at: float = 0.0
    close_at: float = 0.0

    def renew(self, opened_ms: int | None) -> None:
        """Another position than before: nothing is known of its stops."""
        self.opened_ms = opened_ms
        self.moved_stop = self.placed = self.bare_since = None
        self.refusals, self.try_at = 0, 0.0


class Protection:
    """Stops of the positions of one account's bots. `close` is asked to close a position that
    cannot be protected; `may_send` is the fence for exits."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        *,
        clock: Clock,
        instruments: Mapping[str, Instrument],
        may_send: Callable[[], bool],
        close: Callable[[str, str, str], None],
    ) -> None:
        self._account = account
        self._rest = rest
        self._clock = clock
        self._instruments = instruments
        self._may_send = may_send
        self._close = close
        self._guarded: dict[Key, _Guarded] = {}
        self._wake = asyncio.Event()

    def guard(self, bot_id: str, symbol: str, plan: StopPlan, link_id: str) -> None:
        """An entry is on its way. Once it has traded its plan holds for the whole position, and
        a stop that the strategy had moved is anchored anew with the rest."""
        state = self._guarded.setdefault((bot_id, symbol), _Guarded())
        state.planned = {**(state.planned or {}), link_id: plan}
        self._wake.set()

    def resume(
        self, bot_id: str, symbol: str, plan: StopPlan, moved_stop: Decimal | None = None
    ) -> None:
        """A position that was open before this process started."""
        position = self._account.position(bot_id, symbol)
        state = self._guarded.setdefault((bot_id, symbol), _Guarded())
        state.renew(position.opened_ms)
        state.plan, state.moved_stop = plan, moved_stop
        self._wake.set()

    def move(self, bot_id: str, symbol: str, stop_loss: Decimal) -> None:
        """Moves the stop loss of a position to an absolute price."""
        state = self._guarded.get((bot_id, symbol))
        position = self._account.position(bot_id, symbol)
        if state is None:
            if not position.signed_qty:
                return
            state = self._guarded[(bot_id, symbol)] = _Guarded(plan=StopPlan())
        if state.opened_ms != position.opened_ms:
            state.renew(position.opened_ms)
        state.moved_stop = stop_loss
        state.refusals, state.try_at = 0, 0.0
        self._wake.set()

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
        due = [key for key in list(self._guarded) if self._is_due(key)]
        await asyncio.gather(*(self._place(key) for key in due))

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

    def _adopt_plan(self, state: _Guarded, *, entering: bool) -> None:
        for link_id, plan in list((state.planned or {}).items()):
            traded = self._account.tracker.executed_qty(link_id) > 0
            if traded:
                state.plan, state.moved_stop, state.placed = plan, None, None
                state.refusals = 0
            if (traded or not entering) and state.planned is not None:
                del state.planned[link_id]

    async def _place(self, key: Key) -> None:
        bot_id, symbol = key
        state, position = self._guarded[key], self._account.position(bot_id, symbol)
        wanted = self._wanted(state, position)
        if wanted is None:
            return
        self._watch_bare(key, state, wanted)
        now = self._clock.monotonic()
        if self._is_placed(state, symbol, wanted) or now < state.try_at:
            return
        stamp_ms = self._clock.now_ms()
        if state.refusals >= MAX_REFUSALS or not self._may_send():
            return
        state.try_at = now + RETRY_S
        request = TradingStop(
            symbol=symbol,
            stop_loss=wanted.stop_loss,
            take_profit=wanted.take_profit,
            trailing_stop=wanted.trailing,
            active_price=wanted.activation,
        )
        try:
            await self._rest.trading_stop(request, timestamp_ms=stamp_ms)
        except VenueRejected as error:
            log.warning("stops_refused", bot=bot_id, symbol=symbol, error=str(error))
            if not isinstance(error, ClockRefused):
                state.refusals += 1
                self._watch_bare(key, state, wanted)
        except AlphaError as error:
            # Nothing has happened, or nobody knows: the same levels again do no harm.
            log.warning("stops_not_placed", bot=bot_id, symbol=symbol, error=str(error))
            if state.bare_since is not None:
                state.bare_since = self._clock.monotonic()  # only while the exchange answers
        else:
            state.placed, state.refusals = wanted, 0
            log.info("stops_placed", bot=bot_id, symbol=symbol, stop_loss=str(wanted.stop_loss))

    def _wanted(self, state: _Guarded, position: BotPosition) -> Levels | None:
        instrument = self._instruments.get(position.symbol)
        if instrument is None or position.avg_price is None or state.plan is None:
            return None
        side: PositionSide = "long" if position.signed_qty > 0 else "short"
        wanted = levels(state.plan, side, position.avg_price, instrument)
        if state.moved_stop is not None:
            wanted = replace(wanted, stop_loss=instrument.round_price(state.moved_stop))
        return wanted

    def _is_placed(self, state: _Guarded, symbol: str, wanted: Levels) -> bool:
        if state.placed == wanted and state.bare_since is None:
            return True
        if _has(self._account.exchange.get(symbol), wanted):
            state.placed = wanted
            return True
        return False

    def _watch_bare(self, key: Key, state: _Guarded, wanted: Levels) -> None:
        """Closes a position that stays without its stop loss while the exchange answers, or
        whose stop it has definitely refused."""
        event = self._account.exchange.get(key[1])
        if wanted.stop_loss is None or event is None or not event.signed_size:
            state.bare_since = None
            return
        now = self._clock.monotonic()
        if event.stop_loss:
            state.bare_since = None
            looser = (wanted.stop_loss - event.stop_loss) * event.signed_size > 0
            if not looser or state.refusals < MAX_REFUSALS:
                return
        elif state.bare_since is None:
            state.bare_since = now
        bare_for = now - state.bare_since if state.bare_since is not None else 0.0
        if now >= state.close_at and (state.refusals >= MAX_REFUSALS or bare_for >= GRACE_S):
            state.close_at = now + GRACE_S
            log.critical("position_without_stop", bot=key[0], symbol=key[1], action="close")
            self._close(key[0], key[1], "risk_limit")


def _has(event: PositionEvent | None, wanted: Levels) -> bool:
    """The exchange shows exactly these levels on the position."""
    if event is None or not event.signed_size:
        return False

    def same(shown: Decimal | None, asked: Decimal | None) -> bool:
        return (shown or None) == asked

    return (
        same(event.stop_loss, wanted.stop_loss)
        and same(event.take_profit, wanted.take_profit)
        and same(event.trailing_stop, wanted.trailing)
    )
