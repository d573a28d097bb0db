"""Trading rules of what the exchange lists, kept up to date in one mapping that all share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

import structlog

from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.instruments import Instrument
from alpha.errors import AlphaError
from alpha.ledger.pool import CONNECTION_ERRORS

log = structlog.get_logger(__name__)

EVERY_S = 4 * 3600.0
#: A refused order asks at once; the next one only after this long.
DOUBT_PAUSE_S = 10.0
RETRY_S = 5.0

_PASSING: tuple[type[BaseException], ...] = (AlphaError, *CONNECTION_ERRORS)

#: Told what is new or different, and repeated until it returns.
Changed = Callable[[Mapping[str, Instrument]], Awaitable[None]]


class Instruments:
    """`listed` is changed in place: whoever was given it sees the rules of now. What is listed no
    longer stays there for exits, with a status under which nothing is entered."""

    def __init__(
        self, public: Rest, listed: Iterable[Instrument], *, clock: Clock, changed: Changed
    ) -> None:
        self.listed = {one.symbol: one for one in listed}
        self._public = public
        self._clock = clock
        self._changed = changed
        self._doubted = asyncio.Event()
        self._untold: dict[str, Instrument] = {}
        self.refreshes = 0

    def doubt(self, symbol: str) -> None:
        """An order was refused for its quantity or price: perhaps its rules are old."""
        log.info("instrument_doubted", symbol=symbol)
        self._doubted.set()

    async def run(self) -> None:
        """Asks every four hours, and when an order was refused, until cancelled."""
        pause = EVERY_S
        while True:
            await self._wait(pause)
            self._doubted.clear()
            try:
                await self.refresh()
            except _PASSING as error:
                log.warning("instruments_not_refreshed", error=str(error), action="asks again")
                pause = RETRY_S
            else:
                pause = EVERY_S
                await self._clock.sleep(DOUBT_PAUSE_S)

    async def refresh(self) -> None:
        """Reads the rules of now and tells what has changed. Raises AlphaError."""
        found = {one.symbol: one for one in await self._public.instruments()}
        if not found:
            return  # an exchange in maintenance lists nothing; that is no news about each of them
        gone = {
            symbol: replace(one, status="Closed")
            for symbol, one in self.listed.items()
            if symbol not in found and one.status != "Closed"
        }
        news = {
            symbol: one for symbol, one in found.items() if self.listed.get(symbol) != one
        } | gone
        for symbol, one in news.items():
            log.info("instrument_changed", symbol=symbol, before=self.listed.get(symbol), now=one)
        self.listed.update(news)
        self.refreshes += 1
        self._untold |= news
        if self._untold:
            await self._changed(dict(self._untold))
            self._untold.clear()

    async def _wait(self, seconds: float) -> None:
        """Until somebody doubts, or for so long."""
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        doubting = asyncio.ensure_future(self._doubted.wait())
        try:
            await asyncio.wait({sleeping, doubting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleeping, doubting):
                task.cancel()
