"""The leverage of an account's symbols: the highest that one of its bots declares, set once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from decimal import Decimal

import structlog

from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.errors import AlphaError, VenueRejected
from alpha.trading.account import Account

log = structlog.get_logger(__name__)

RETRY_S = 5.0


class Leverage:
    """`spawn` starts a task that the daemon supervises."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        *,
        clock: Clock,
        spawn: Callable[[Coroutine[object, object, None], str], object],
    ) -> None:
        self._account = account
        self._rest = rest
        self._clock = clock
        self._spawn = spawn
        self._wanted: dict[str, Decimal] = {}
        self._done: dict[str, Decimal] = {}

    async def ensure(self, symbol: str, leverage: Decimal) -> None:
        """Sets the symbol's leverage once; the highest that a bot of the account declares. The
        symbol takes no entries until the exchange has it."""
        self._wanted[symbol] = max(self._wanted.get(symbol, leverage), leverage)
        if not await self._set(symbol):
            self._spawn(self._keep_setting(symbol), f"leverage:{symbol}")

    async def _keep_setting(self, symbol: str) -> None:
        while True:
            await self._clock.sleep(RETRY_S)
            if await self._set(symbol):
                return

    async def _set(self, symbol: str) -> bool:
        """False: worth another attempt."""
        leverage, blocked = self._wanted[symbol], self._account.blocked
        if self._done.get(symbol) == leverage:
            return True
        try:
            await self._rest.set_leverage(symbol, leverage)
        except AlphaError as error:
            refused = isinstance(error, VenueRejected)
            say = log.warning if refused else log.info  # what has not arrived is tried again
            say("leverage_not_set", symbol=symbol, leverage=str(leverage), error=str(error))
            blocked[symbol] = f"leverage {leverage} could not be set: {error}"
            return refused
        self._done[symbol] = leverage
        if blocked.get(symbol, "").startswith("leverage"):
            del blocked[symbol]
        return True
