"""Stops of a symbol with one possible owner: they travel with the entry, and are moved through
the position's trading stop (Bybit V5, position/trading-stop, mode Full)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import structlog

from alpha.bybit.codes import ClockRefused
from alpha.bybit.requests import TradingStop
from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.events import PositionEvent
from alpha.errors import AlphaError, VenueRejected
from alpha.trading.account import Account
from alpha.trading.guarded import MAX_REFUSALS, RETRY_S, Close, Guarded, Key
from alpha.trading.levels import Levels

log = structlog.get_logger(__name__)

ZERO = Decimal(0)


class PositionStops:
    """The exchange's own stops over a whole net position."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        *,
        clock: Clock,
        may_send: Callable[[], bool],
        close: Close,
    ) -> None:
        self._account = account
        self._rest = rest
        self._clock = clock
        self._may_send = may_send
        self._close = close

    async def place(self, key: Key, state: Guarded, wanted: Levels) -> None:
        """Brings the position's stops to the levels that are wanted, one request at a time."""
        bot_id, symbol = key
        self._watch_bare(key, state, wanted)
        now = self._clock.monotonic()
        if self._is_placed(state, symbol, wanted) or now < state.try_at:
            return
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
            await self._rest.trading_stop(request)
        except VenueRejected as error:
            log.warning("stops_refused", bot=bot_id, symbol=symbol, error=str(error))
            if not isinstance(error, ClockRefused):
                state.refusals += 1
                self._watch_bare(key, state, wanted)
        except AlphaError as error:
            # Nothing has happened, or nobody knows: the same levels again do no harm.
            log.warning("stops_not_placed", bot=bot_id, symbol=symbol, error=str(error))
            state.unanswered(self._clock.monotonic())
        else:
            state.placed, state.refusals = wanted, 0
            log.info("stops_placed", bot=bot_id, symbol=symbol, **wanted.shown())

    async def clear(self, symbol: str) -> None:
        """Takes the position's own stops away, where conditional orders have taken over."""
        event = self._account.exchange.get(symbol)
        if event is None or not (event.stop_loss or event.take_profit or event.trailing_stop):
            return
        if not event.signed_size or not self._may_send():
            return
        request = TradingStop(symbol=symbol, stop_loss=ZERO, take_profit=ZERO, trailing_stop=ZERO)
        try:
            await self._rest.trading_stop(request)
        except AlphaError as error:
            log.warning("stops_not_cleared", symbol=symbol, error=str(error))

    def _is_placed(self, state: Guarded, symbol: str, wanted: Levels) -> bool:
        if state.placed == wanted and state.bare_since is None:
            return True
        if _has(self._account.exchange.get(symbol), wanted):
            state.placed = wanted
            return True
        return False

    def _watch_bare(self, key: Key, state: Guarded, wanted: Levels) -> None:
        """Closes a position that stays without its stop loss while the exchange answers, or
        whose stop it has definitely refused."""
        event = self._account.exchange.get(key[1])
        if wanted.stop_loss is None or event is None or not event.signed_size:
            state.bare_since = None
            return
        now = self._clock.monotonic()
        if not event.stop_loss:
            state.bare(key, now, self._account, self._close)
            return
        state.bare_since = None
        looser = (wanted.stop_loss - event.stop_loss) * event.signed_size > 0
        if looser:
            state.close_if_lost(key, now, self._account, self._close, bare_for=0.0)


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
