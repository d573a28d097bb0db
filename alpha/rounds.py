"""From the market to the bots: closed bars into indicators, closes into decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from alpha.bots.barrier import Close, CloseBarrier, Step
from alpha.bots.hookspecs import Subscription
from alpha.clock import Clock
from alpha.core.events import Bar
from alpha.errors import RetryLater, VenueRejected
from alpha.market.data import MarketData
from alpha.market.histories import Histories
from alpha.trading.session import BotSession

log = structlog.get_logger(__name__)

CHECK_EVERY_S = 0.1
#: Bars are asked for from this much further back than the warm-up needs.
SPARE_BARS = 2
HISTORY_RETRY_S = 0.5
#: Histories that are asked for at once: a bot of hundreds of symbols joins in seconds.
SIDE_BY_SIDE = 8


#: A bar as it was handed on: with perf_ns of the socket read, and whether it is too old to trade.
Handed = tuple[Bar, int | None, bool]


class Rounds:
    """Warms bots up, replays what they missed, then hands every closed bar to whom it concerns.
    `pulse` is called as often as waiting closes are looked at."""

    def __init__(
        self, market: MarketData, clock: Clock, pulse: Callable[[], None] = lambda: None
    ) -> None:
        self._market = market
        self._pulse = pulse
        self._clock = clock
        self._barriers: list[tuple[BotSession, CloseBarrier]] = []
        #: Bars handed on while a bot joins, kept for it.
        self._joining: dict[str, list[Handed]] = {}
        self._shared = Histories(market)

    async def join(self, session: BotSession) -> None:
        """Brings one bot from its saved state to the present: history into its indicators, then
        the closes and fills behind its cursor, in order; from then on it is fed live. The
        exchange being away delays it."""
        handle = session.handle
        kept = self._joining[session.bot_id] = []
        try:
            horizon_ms, history = await self._until_answered(handle.subscriptions, session)
        finally:
            self._has_joined(session)
        # Nothing is awaited from here on: no bar can slip through in between.
        session.joins()
        missed: dict[tuple[int, int], dict[str, Bar]] = {}
        later: list[Handed] = []
        for want, bars in history.items():
            symbol = want.symbol if handle.per_symbol else None
            seen = session.last_close(want.interval_ms, symbol)
            for bar in bars:
                if bar.close_ms > horizon_ms:
                    later.append((bar, None, bar is not bars[-1]))
                elif seen is None or bar.close_ms <= seen:
                    session.bar(bar)
                else:
                    missed.setdefault((bar.close_ms, bar.interval_ms), {})[bar.symbol] = bar
        session.replay(_closes(missed, per_symbol=handle.per_symbol))
        handle.ready()
        session.started(horizon_ms)
        barrier = CloseBarrier(handle.subscriptions, per_symbol=handle.per_symbol)
        barrier.follow(
            {
                want: _shown_until(bars, horizon_ms) + want.interval_ms
                for want, bars in history.items()
            }
            | {want: 0 for want in handle.subscriptions if want not in history}
        )
        self._barriers.append((session, barrier))
        newest = {
            (want.symbol, want.interval_ms): bars[-1].start_ms
            if bars
            else (horizon_ms // want.interval_ms - 1) * want.interval_ms
            for want, bars in history.items()
        }
        later += [
            one
            for one in kept
            if one[0].start_ms > newest.get((one[0].symbol, one[0].interval_ms), -1)
        ]
        for bar, received_ns, stale in sorted(later, key=lambda one: one[0].close_ms):
            self._give(session, barrier, bar, received_ns, stale)
        for key, last_start in newest.items():
            self._market.begin(*key, last_start)

    async def rejoin(self, session: BotSession) -> None:
        """A bot that had failed and was started again: as after a restart."""
        self._barriers = [pair for pair in self._barriers if pair[0] is not session]
        session.fall_behind()
        await self.join(session)

    async def follow(self, session: BotSession) -> None:
        """A bot that is fed has chosen other symbols: brings history into the indicators of the
        new ones, and forgets those that are gone."""
        barrier = next(one for other, one in self._barriers if other is session)
        wanted = session.handle.subscriptions
        before = barrier.subscribed
        new = [one for one in wanted if (one.symbol, one.interval_ms) not in before]
        kept = self._joining[session.bot_id] = []
        try:
            horizon_ms, history = await self._until_answered(new, session)
        finally:
            self._has_joined(session)
        # Nothing is awaited from here on: no bar can slip through in between.
        newest: dict[tuple[str, int], int] = {}
        first = dict.fromkeys(wanted, 0)
        for want, bars in history.items():
            interval_ms = want.interval_ms
            for bar in bars:
                session.bar(bar)
            last_start = (
                bars[-1].start_ms if bars else (horizon_ms // interval_ms - 1) * interval_ms
            )
            newest[want.symbol, interval_ms] = last_start
            first[want] = last_start + 2 * interval_ms
        self._take(session, barrier.follow(first))
        for bar, received_ns, stale in kept:
            last = newest.get((bar.symbol, bar.interval_ms))
            if last is not None and bar.start_ms > last:
                self._give(session, barrier, bar, received_ns, stale)
        for key, last_start in newest.items():
            self._market.begin(*key, last_start)
        for key in before - {key for _, one in self._barriers for key in one.subscribed}:
            await self._market.unsubscribe(*key)

    def _has_joined(self, session: BotSession) -> None:
        del self._joining[session.bot_id]
        if not self._joining:
            self._shared.clear()

    # -- history ------------------------------------------------------------------------------

    async def _until_answered(
        self, wanted: Sequence[Subscription], session: BotSession
    ) -> tuple[int, dict[Subscription, list[Bar]]]:
        while True:
            try:
                return await self._histories(wanted, session)
            except RetryLater as error:
                log.warning("history_waits", bot=session.handle.name, error=str(error))
                await self._clock.sleep(HISTORY_RETRY_S)

    async def _histories(
        self, wanted: Sequence[Subscription], session: BotSession
    ) -> tuple[int, dict[Subscription, list[Bar]]]:
        """Closed bars of every subscription, and the moment up to which all of them are whole.
        A close at or before it has all its bars; what a series has beyond it is no close yet."""
        await self._market.subscribe((want.symbol, want.interval_ms) for want in wanted)
        horizon_ms = await self._market.market_time()
        history: dict[Subscription, list[Bar]] = {}
        left = iter(wanted)

        async def ask() -> None:
            for want in left:
                bars = await self._history_of(want, session, horizon_ms)
                if bars is not None:
                    history[want] = bars

        asking = [asyncio.ensure_future(ask()) for _ in range(SIDE_BY_SIDE)]
        try:
            await asyncio.gather(*asking)
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return horizon_ms, {want: history[want] for want in wanted if want in history}

    async def _history_of(
        self, want: Subscription, session: BotSession, horizon_ms: int
    ) -> list[Bar] | None:
        """What one subscription needs of bars up to now; None for a symbol nobody knows."""
        handle = session.handle
        seen = session.last_close(want.interval_ms, want.symbol if handle.per_symbol else None)
        first_ms = (seen or horizon_ms) - (want.wanted_bars + SPARE_BARS) * want.interval_ms
        try:
            return await self._history(want, first_ms, horizon_ms)
        except VenueRejected as error:
            session.account.alerts.tell(
                "no_such_market",
                f"expected candles of {want.symbol}, was {error}; bot {handle.name} goes on "
                f"without: correct its settings",
                level="ERROR",
                account=handle.account,
                bot_id=handle.bot_id,
                symbol=want.symbol,
            )
            return None

    async def _history(self, want: Subscription, first_ms: int, until_ms: int) -> list[Bar]:
        """Closed bars from `first_ms` to `until_ms`, and to the newest that other bots had had
        when they were asked for: later ones are kept for the bot that joins."""
        shown = self._market.shown(want.symbol, want.interval_ms)
        bars: list[Bar] = []
        while True:
            bars += await self._shared.get(
                want.symbol, want.interval_ms, first_ms, until_ms, venue_ms=until_ms
            )
            if not bars or shown is None or bars[-1].start_ms >= shown:
                return bars
            first_ms, until_ms = bars[-1].close_ms, await self._market.market_time()

    # -- live ---------------------------------------------------------------------------------

    def on_bar(self, bar: Bar, received_ns: int | None, stale: bool) -> None:
        for kept in self._joining.values():
            kept.append((bar, received_ns, stale))
        for session, barrier in self._barriers:
            self._give(session, barrier, bar, received_ns, stale)

    def _give(
        self,
        session: BotSession,
        barrier: CloseBarrier,
        bar: Bar,
        received_ns: int | None,
        stale: bool,
    ) -> None:
        now = self._clock.monotonic()
        self._take(session, barrier.add(bar, now, received_ns=received_ns, stale=stale))

    async def run(self) -> None:
        """Cuts closes that have waited long enough."""
        while True:
            self._pulse()
            await self._clock.sleep(CHECK_EVERY_S)
            now = self._clock.monotonic()
            for session, barrier in self._barriers:
                self._take(session, barrier.due(now))

    def _take(self, session: BotSession, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Close):
                session.close(
                    step.interval_ms,
                    step.close_ms,
                    step.bars,
                    step.received_ns,
                    stale=step.stale,
                )
            else:
                session.bar(step)


def _shown_until(bars: Sequence[Bar], horizon_ms: int) -> int:
    """The newest close of a history that is not beyond the moment at which all are whole."""
    return next((bar.close_ms for bar in reversed(bars) if bar.close_ms <= horizon_ms), 0)


def _closes(
    missed: Mapping[tuple[int, int], Mapping[str, Bar]], *, per_symbol: bool
) -> list[tuple[int, int, Mapping[str, Bar]]]:
    """(interval, close_ms, bars) in the order of event time."""
    closes: list[tuple[int, int, Mapping[str, Bar]]] = []
    for (close_ms, interval_ms), bars in sorted(missed.items()):
        if per_symbol:
            closes += [(interval_ms, close_ms, {s: bar}) for s, bar in sorted(bars.items())]
        else:
            closes.append((interval_ms, close_ms, bars))
    return closes
