"""What a running daemon tells its sink, when one is configured."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from alpha.clock import Clock, VenueClock
from alpha.config import Config
from alpha.live import Live
from alpha.schedule import Duty, Every, Schedule
from alpha.sinks.influx import InfluxSink
from alpha.sinks.points import Points
from alpha.stores import Stores

FLUSH_EVERY_S = 1.0
EQUITY_EVERY_S = 10.0
#: What the last points of a daemon may take.
END_WITHIN_S = 1.0


class Measuring:
    """Nothing, unless `[sinks.influx] url` is set."""

    def __init__(
        self, config: Config, stores: Stores, live: Live, clock: Clock, venue: VenueClock
    ) -> None:
        self._live = live
        self._venue = venue
        self._sink: InfluxSink | None = None
        settings = config.sinks.influx
        if not settings.url:
            return
        self._sink = InfluxSink(
            settings.url,
            token=settings.token.get_secret_value(),
            org=settings.org,
            bucket=settings.bucket,
            clock=clock,
            alerts=live.alerts,
        )
        self._points = Points(self._sink, config.mode)
        stores.writer.on_commit(self._points.committed)
        live.bar_shown = self._points.bar

    def begin(self, schedule: Schedule) -> None:
        if self._sink is not None:
            schedule.add(Duty("influx", Every(FLUSH_EVERY_S), self._sink.flush))
            schedule.add(Duty("influx-equity", Every(EQUITY_EVERY_S), self.measure))

    async def measure(self) -> None:
        """Equity and PnL of every bot and account whose wallet is known."""
        if self._sink is None or not self._venue.anchored:
            return
        at_ms = self._venue.now_ms()
        for name, service in self._live.services.items():
            told = service.account.balance.told
            if told is None:
                continue
            self._points.account(name, wallet=told.wallet, equity=told.equity, at_ms=at_ms)
            for session in service.sessions.values():
                wallet, equity = session.money()
                values = session.exposures().values()
                self._points.bot(
                    session.bot_id,
                    name,
                    wallet=wallet,
                    equity=equity,
                    realised=session.realised,
                    exposure=sum((abs(value) for value in values), equity * 0),
                    positions=len(values),
                    at_ms=at_ms,
                )

    async def end(self) -> None:
        """The last points."""
        if self._sink is not None:
            await self.measure()
            with suppress(TimeoutError):
                async with asyncio.timeout(END_WITHIN_S):
                    await self._sink.flush()
