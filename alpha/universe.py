"""Symbols of the bots that choose their own: before their warm-up, and every 4 hours of market
time. What was chosen is logged each time; it is no saved state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog

from alpha.bots.host import BotHandle
from alpha.bybit.fields import MalformedFrame
from alpha.bybit.rest import Rest
from alpha.clock import Clock, VenueClock
from alpha.core.instruments import Instrument
from alpha.core.markets import Market
from alpha.errors import RetryLater
from alpha.rounds import Rounds
from alpha.trading.service import AccountService
from alpha.trading.session import BotSession

log = structlog.get_logger(__name__)

PERIOD_MS = 4 * 3_600_000
CHECK_EVERY_S = 0.5


class Universe:
    """`check` raises what has to end the wait for an exchange that does not answer."""

    def __init__(
        self,
        public: Rest,
        instruments: Mapping[str, Instrument],
        *,
        clock: Clock,
        venue: VenueClock,
        check: Callable[[], None],
    ) -> None:
        self._public = public
        self._instruments = instruments
        self._clock = clock
        self._venue = venue
        self._check = check
        self._period = -1
        self._markets: list[Market] = []  # the newest known

    async def open(self, handles: Sequence[BotHandle]) -> None:
        """The first choice, before anybody asks the bots for their symbols."""
        self._period = self._venue.now_ms() // PERIOD_MS
        wanting = [handle for handle in handles if handle.wants_universe]
        if not wanting:
            return
        while not await self._read_markets():
            self._check()
            await self._clock.sleep(CHECK_EVERY_S)
        now_ms = self._venue.now_ms()
        for handle in wanting:
            declared = {one.symbol for one in handle.subscriptions}
            handle.choose(now_ms, self._markets)
            self._tell(handle, now_ms, declared)

    def hold(self, session: BotSession) -> None:
        """Once a bot's account is known: it follows what it holds, chosen or not."""
        if session.handle.wants_universe:
            self._choose(session, self._venue.now_ms())

    async def run(
        self,
        sessions: Callable[[], Sequence[BotSession]],
        rounds: Rounds,
        services: Mapping[str, AccountService],
    ) -> None:
        """Has the bots that are fed choose anew at 00:00, 04:00, ... UTC."""
        while True:
            await self._clock.sleep(CHECK_EVERY_S)
            period = self._venue.now_ms() // PERIOD_MS
            wanting = [one for one in sessions() if one.handle.wants_universe]
            if period == self._period or not wanting or not await self._read_markets():
                continue
            self._period = period
            for session in wanting:
                if self._choose(session, period * PERIOD_MS):
                    await services[session.account.name].ensure_leverage(session)
                    await rounds.follow(session)

    def _choose(self, session: BotSession, now_ms: int) -> bool:
        account, handle = session.account, session.handle
        tracker = account.tracker
        held = frozenset(account.positions(session.bot_id)).union(
            tracker.pending_symbols(session.bot_id, "entry"),
            tracker.pending_symbols(session.bot_id, "exit"),
        )
        if not handle.choose(now_ms, self._markets, held):
            return False
        self._tell(handle, now_ms, frozenset())
        symbols = frozenset(one.symbol for one in handle.subscriptions)
        account.bots = {**account.bots, session.bot_id: symbols}
        return True

    async def _read_markets(self) -> bool:
        """What trades and can be sized; False when the exchange does not say."""
        try:
            turnovers = await self._public.turnovers()
        except (RetryLater, MalformedFrame) as error:
            log.warning("markets_not_read", error=str(error), action="asks again")
            return False
        known = self._instruments
        self._markets = [Market(name, one) for name, one in turnovers.items() if name in known]
        return True

    def _tell(self, handle: BotHandle, now_ms: int, declared: frozenset[str] | set[str]) -> None:
        symbols = [one.symbol for one in handle.subscriptions]
        log.info("universe", bot=handle.name, at_ms=now_ms, count=len(symbols), symbols=symbols)
        left_out = sorted(declared.difference(symbols))
        if left_out:
            log.warning(
                "symbols_not_listed",
                bot=handle.name,
                symbols=left_out,
                action="goes on without them",
            )
