"""From the market to the bots: closed bars into indicators, closes into decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from alpha.bots.barrier import Close, CloseBarrier, Step
from alpha.bots.hookspecs import Subscription
from alpha.clock import Clock
from alpha.core.events import Bar
from alpha.market.data import MarketData
from alpha.trading.session import BotSession

log = structlog.get_logger(__name__)

CHECK_EVERY_S = 0.1
#: Bars are asked for from this much further back than the warm-up needs.
SPARE_BARS = 2


class Rounds:
    """Warms bots up, replays what they missed, then hands every closed bar to whom it concerns."""

    def __init__(self, market: MarketData, clock: Clock) -> None:
        self._market = market
        self._clock = clock
        self._barriers: list[tuple[BotSession, CloseBarrier]] = []

    async def join(self, session: BotSession) -> None:
        """Brings one bot from its saved state to the present: history into its indicators, then
        the closes and fills behind its cursor, in order; from then on it is fed live."""
        handle = session.handle
        missed: dict[tuple[int, int], dict[str, Bar]] = {}
        newest: dict[Subscription, int] = {}
        for want in handle.subscriptions:
            await self._market.subscribe(want.symbol, want.interval_ms)
        now = await self._market.market_time()
        for want in handle.subscriptions:
            symbol = want.symbol if handle.per_symbol else None
            seen = handle.cursor.last_close(want.interval_ms, symbol)
            start = (seen or now) - (want.wanted_bars + SPARE_BARS) * want.interval_ms
            for bar in await self._history(want, start):
                newest[want] = bar.start_ms
                if seen is None or bar.close_ms <= seen:
                    session.bar(bar)
                else:
                    missed.setdefault((bar.close_ms, bar.interval_ms), {})[bar.symbol] = bar
        # Nothing is awaited from here to `begin`: no bar can slip through in between.
        session.replay(_closes(missed, per_symbol=handle.per_symbol))
        handle.ready()
        session.started(now)
        self._barriers.append(
            (session, CloseBarrier(handle.subscriptions, per_symbol=handle.per_symbol))
        )
        for want, last_start in newest.items():
            self._market.begin(want.symbol, want.interval_ms, last_start)

    async def _history(self, want: Subscription, start_ms: int) -> list[Bar]:
        """Closed bars from `start_ms` on, at least up to the newest that other bots have had."""
        bars: list[Bar] = []
        while True:
            now = await self._market.market_time()
            bars += await self._market.history(want.symbol, want.interval_ms, start_ms, now)
            shown = self._market.shown(want.symbol, want.interval_ms)
            if not bars or shown is None or bars[-1].start_ms >= shown:
                return bars
            start_ms = bars[-1].close_ms

    # -- live ---------------------------------------------------------------------------------

    def on_bar(self, bar: Bar, received_ns: int | None, stale: bool) -> None:
        now = self._clock.monotonic()
        for session, barrier in self._barriers:
            self._take(session, barrier.add(bar, now, received_ns=received_ns, stale=stale))

    async def run(self) -> None:
        """Cuts closes that have waited long enough."""
        while True:
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
