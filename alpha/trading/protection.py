"""Stops live on the exchange: this part sees to it that every position has the ones it was
opened with, anchored to its average fill price.

The stop loss and take profit travel with the entry, anchored to the signal close. Once the
entry is settled they are moved to the average fill and the trailing stop is added, through the
position's trading stop (Bybit V5, position/trading-stop, mode Full). A position whose stop is
missing for `GRACE_S`, or after `MAX_REFUSALS` definite refusals, is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import structlog

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

Key = tuple[str, str]  # bot id, symbol


@dataclass(slots=True)
class _Guarded:
    plan: StopPlan
    moved_stop: Decimal | None = None  # absolute, by the strategy (breakeven)
    placed: Levels | None = None
    refusals: int = 0
    bare_since: float | None = None


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

    def guard(self, bot_id: str, symbol: str, plan: StopPlan) -> None:
        """The plan of the newest entry holds for the whole position."""
        known = self._guarded.get((bot_id, symbol))
        if known is None or known.plan != plan:
            self._guarded[(bot_id, symbol)] = _Guarded(plan)
        self._wake.set()

    def move(self, bot_id: str, symbol: str, stop_loss: Decimal) -> None:
        """Moves the stop loss of a position to an absolute price."""
        known = self._guarded.get((bot_id, symbol))
        if known is not None:
            known.moved_stop = stop_loss
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
        for key, state in list(self._guarded.items()):
            bot_id, symbol = key
            position = self._account.position(bot_id, symbol)
            entering = symbol in self._account.tracker.pending_symbols(bot_id, "entry")
            if not position.signed_qty:
                if not entering:
                    del self._guarded[key]
                continue
            if entering or symbol in self._account.tracker.pending_symbols(bot_id, "exit"):
                continue
            await self._place(key, state, position)

    async def _place(self, key: Key, state: _Guarded, position: BotPosition) -> None:
        bot_id, symbol = key
        instrument = self._instruments.get(symbol)
        if instrument is None or position.avg_price is None or not self._may_send():
            return
        side: PositionSide = "long" if position.signed_qty > 0 else "short"
        wanted = levels(state.plan, side, position.avg_price, instrument)
        if state.moved_stop is not None:
            wanted = replace(wanted, stop_loss=instrument.round_price(state.moved_stop))
        if state.placed == wanted or state.refusals >= MAX_REFUSALS:
            self._watch_bare(key, state)
            return
        if _has(self._account.exchange.get(symbol), wanted):
            state.placed = wanted
            return
        try:
            await self._rest.trading_stop(
                TradingStop(
                    symbol=symbol,
                    stop_loss=wanted.stop_loss,
                    take_profit=wanted.take_profit,
                    trailing_stop=wanted.trailing,
                    active_price=wanted.activation,
                )
            )
        except VenueRejected as error:
            state.refusals += 1
            log.warning("stops_refused", bot=bot_id, symbol=symbol, error=str(error))
            self._watch_bare(key, state)
        except AlphaError as error:
            log.warning("stops_not_placed", bot=bot_id, symbol=symbol, error=str(error))
            await self._clock.sleep(CHECK_EVERY_S)
        else:
            state.placed = wanted
            state.refusals = 0
            state.bare_since = None
            log.info("stops_placed", bot=bot_id, symbol=symbol, stop_loss=str(wanted.stop_loss))

    def _watch_bare(self, key: Key, state: _Guarded) -> None:
        """Closes a position that stays without its stop loss while the exchange answers."""
        event = self._account.exchange.get(key[1])
        bare = (
            state.plan.stop_loss is not None
            and event is not None
            and event.signed_size != 0
            and not event.stop_loss
        )
        if not bare:
            state.bare_since = None
            return
        now = self._clock.monotonic()
        if state.bare_since is None:
            state.bare_since = now
            state.placed = None
        if state.refusals >= MAX_REFUSALS or now - state.bare_since >= GRACE_S:
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
