"""The market side of one run: trading rules, the symbols that bots choose, bars and their store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from alpha.alerts import Alerts
from alpha.bots.host import BotHandle
from alpha.bybit.rest import Rest
from alpha.bybit.stream import PublicStream
from alpha.candles.files import interval_name
from alpha.clock import Clock, VenueClock, iso
from alpha.core.events import Bar
from alpha.core.instruments import Instrument
from alpha.ledger import registry
from alpha.live import Live
from alpha.market.archive import MarketArchive
from alpha.market.data import MarketData
from alpha.market.instruments import Instruments
from alpha.market.intervals import IntervalCheck
from alpha.rounds import Rounds
from alpha.stores import Stores
from alpha.supervision import Supervisor
from alpha.trading.session import BotSession
from alpha.universe import Universe


class Floor:
    """Opened in parts, as the daemon comes up: rules, universe, market."""

    def __init__(
        self,
        public: Rest,
        listed: Iterable[Instrument],
        *,
        clock: Clock,
        venue: VenueClock,
        supervisor: Supervisor,
        stores: Stores,
        live: Live,
        alerts: Alerts,
    ) -> None:
        self._public = public
        self._clock = clock
        self._venue = venue
        self._supervisor = supervisor
        self._stores = stores
        self._live = live
        self._alerts = alerts
        self.rules = Instruments(public, listed, clock=clock, changed=self._rules_changed)

    async def open_universe(
        self, handles: Iterable[BotHandle], *, check: Callable[[], None]
    ) -> None:
        """The bots' first choice of symbols, before anybody asks for them."""
        self._universe = Universe(
            self._public,
            self.rules.listed,
            clock=self._clock,
            venue=self._venue,
            check=check,
        )
        await self._universe.open(list(handles))

    def hold(self, session: BotSession) -> None:
        """A bot whose account is known now, before it is fed."""
        self._universe.hold(session)

    def open_market(self, stream_url: str, pulse: Callable[[], None]) -> tuple[MarketData, Rounds]:
        """Bars, from the stream to the bots, into the database, and compared with each other."""
        writer = self._stores.writer
        archive = MarketArchive(
            self._stores.pool,
            self._clock,
            is_busy=lambda: writer.queued > 0,
            is_away=lambda: writer.state != "ok",
        )
        market = MarketData(
            self._public,
            PublicStream(stream_url, clock=self._clock),
            clock=self._clock,
            venue=self._venue,
            spawn=self._supervisor.spawn,
            archive=archive.keep,
            intervals=IntervalCheck(self._bars_differ),
        )
        self._live.market = market
        self._live.candles_waiting = lambda: archive.waiting
        rounds = Rounds(market, self._clock, pulse)

        def on_bar(bar: Bar, received_ns: int | None, stale: bool) -> None:
            rounds.on_bar(bar, received_ns, stale)
            self._live.bar_shown(bar)

        self._supervisor.keep("market", lambda: market.run(on_bar))
        self._supervisor.keep("rounds", rounds.run)
        self._supervisor.keep("archive", archive.run, vital=False)
        self._supervisor.keep("instruments", self.rules.run, vital=False)
        return market, rounds

    def follow_universe(self, sessions: Callable[[], Sequence[BotSession]], rounds: Rounds) -> None:
        """Has bots choose anew from time to time."""
        self._supervisor.keep(
            "universe",
            lambda: self._universe.run(sessions, rounds, self._live.services),
            vital=False,
        )

    async def _rules_changed(self, changed: Mapping[str, Instrument]) -> None:
        """Quantity steps decide about shares of what happens from now on."""
        steps = {symbol: one.qty_step for symbol, one in changed.items()}
        at_ms = self._venue.now_ms()
        for name, service in self._live.services.items():
            await registry.register_qty_steps(self._stores.pool, name, steps, at_ms)
            service.learn_steps(await self._stores.reader.qty_steps(name))

    def _bars_differ(self, bar: Bar, shorter_ms: int, what: str) -> None:
        length, shorter = interval_name(bar.interval_ms), interval_name(shorter_ms)
        self._alerts.tell(
            "candles_differ",
            f"expected the {length} candle of {bar.symbol} at {iso(bar.start_ms)} to agree with "
            f"its {shorter} candles, was {what}; bots go on with what the exchange told: compare "
            f"with `alpha data download`",
            level="ERROR",
            symbol=bar.symbol,
        )
