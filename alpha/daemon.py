"""The composition root: builds every part in order, runs them, takes them down again.

Phases: data directory -> stores and lease -> exchange -> accounts live -> bots warm -> control.
No bot is shown anything before its account is reconciled. Stopping never liquidates: positions
stay open, protected by their stops on the exchange.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Iterable
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType

import aiohttp
import structlog
import uvloop

from alpha import report
from alpha.accounts import AccountOpener
from alpha.alerts import Alerts
from alpha.bybit.limiter import Address, Limiter
from alpha.bybit.rest import Rest
from alpha.clock import Clock, Randomness, SystemClock, SystemRandomness, VenueClock
from alpha.config import Config, RunOptions
from alpha.config.show import secrets_of
from alpha.control.desk import Status
from alpha.core.risk import EntryRisk
from alpha.crew import open_crew
from alpha.duties import Duties
from alpha.errors import AlphaError, TimedOut
from alpha.exchange import Venue, first_contact, market_has_ended, open_exchange
from alpha.floor import Floor
from alpha.guard import Lifeline
from alpha.installation import DataDirLock, installation_id
from alpha.ledger import registry
from alpha.ledger.alert_journal import AlertJournal
from alpha.ledger.lease import Lease, LeaseHeld
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.live import Live
from alpha.live_desk import LiveDesk
from alpha.parity.recorder import open_recorder
from alpha.risk_watch import open_risk
from alpha.rounds import Rounds
from alpha.schedule import Schedule
from alpha.serving import serve
from alpha.standby import Standby, StandbyDesk
from alpha.stores import open_stores, register_bots
from alpha.supervision import Supervisor
from alpha.syncing import Syncing
from alpha.trading.latency import Latencies
from alpha.trading.service import Tools
from alpha.trading.session import BotSession
from alpha.watchdog import Watchdog

log = structlog.get_logger(__name__)

SETTLE_S = 1.0
LOOP_CHECK_S = 1.0
TASK_LIMIT_S = 10.0
#: Tasks that write down what the others have done.
KEPT_TO_THE_END = ("ledger", "lease", "mirror")


def run(config: Config, options: RunOptions, lifeline: Lifeline | None = None) -> int:
    """Runs one daemon to its end, its guard at the other end of `lifeline`; the exit code.
    Raises AlphaError for what stops it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(config, options, lifeline, SystemClock(), SystemRandomness()))


async def _run(
    config: Config,
    options: RunOptions,
    lifeline: Lifeline | None,
    clock: Clock,
    randomness: Randomness,
) -> int:
    with DataDirLock(config.data_dir):
        async with AsyncExitStack() as stack:
            daemon = Daemon(config, options, lifeline, clock, randomness, stack)
            task = asyncio.create_task(daemon.run(), name="daemon")
            daemon.stop_on_signals(task)
            try:
                await task
            except asyncio.CancelledError:
                log.info("stopped_while_starting", why=daemon.why)
            finally:
                daemon.ending()
    return 0


class Daemon:
    """One run. `stack` closes what was opened, in reverse, however the run ends."""

    def __init__(
        self,
        config: Config,
        options: RunOptions,
        lifeline: Lifeline | None,
        clock: Clock,
        randomness: Randomness,
        stack: AsyncExitStack,
    ) -> None:
        self._config = config
        self._options = options
        self._clock = clock
        self._randomness = randomness
        self._stack = stack
        self._started = clock.monotonic()
        self._stop = asyncio.Event()
        self._serving = False
        self._ended = self._started  # when it began to leave
        self._is_open = False  # stores and lease are there
        self.why = "end of the run"
        self._supervisor = Supervisor(clock, passing=CONNECTION_ERRORS)
        self._alerts = Alerts(clock, secrets=secrets_of(config))
        self._watchdog = Watchdog(clock, os.environ, lifeline, self._alerts)
        self._lifeline = lifeline
        self._venue_clock = VenueClock(clock)
        self._joined: set[str] = set()  # names of bots that are fed

    def stop_on_signals(self, task: asyncio.Task[None]) -> None:
        """SIGTERM and SIGINT stop clean; before the daemon serves, or twice, at once."""
        loop = asyncio.get_running_loop()

        def stop(number: signal.Signals) -> None:
            self.why = number.name
            if not self._serving or self._stop.is_set():
                task.cancel()
            self._stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)

    def ending(self) -> None:
        """Whatever is left to do may take as long as it takes."""
        self._watchdog.stopping()

    # -- phases -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Starts, serves and leaves. `--for` also ends a run that is still starting."""
        try:
            async with asyncio.timeout(self._options.left_s(self._clock)) as self._start_within:
                venue = await self._start()
                self._start_within.reschedule(None)
        except TimeoutError:
            if not self._start_within.expired():
                raise
            await self._give_up_starting()
            return
        if venue is not None:
            await self._until_stopped(venue)
            await self._leave()

    async def _give_up_starting(self) -> None:
        """The time is over, and what the daemon has waited for has not come."""
        if not self._is_open:
            raise TimedOut(
                "expected PostgreSQL and the lease before the end of --for, were not there yet; "
                "give the run more time or look at the log"
            )
        log.info("alpha_stopping", why="the time is over")
        self._watchdog.stopping()
        self._ended = self._clock.monotonic()
        await self._report(self._live.status(), (), self._stores.frame_to_commit_ms)

    async def _start(self) -> Venue | None:
        """Everything up to bots that trade; None when the run has ended as a standby."""
        config = self._config
        self._supervisor.keep("loop", self._turn)
        self._supervisor.keep("watchdog", self._watchdog.run)
        if (lifeline := self._lifeline) is not None:
            self._supervisor.keep("guard", lambda: lifeline.follow(self._clock), vital=False)
            self._tell_restart(lifeline)
        self._supervisor.keep("alerts", self._alerts.run, vital=False)
        self._stack.push_async_callback(self._supervisor.cancel)
        accounts = sorted({bot.account for bot in config.bots.values()} or {"main"})
        self._crew = open_crew(config, self._clock, os.environ, self._alerts)
        stores = await open_stores(
            self._stack,
            config,
            accounts,
            installation=installation_id(config.data_dir, self._randomness),
            reasons=self._crew.reasons,
            clock=self._clock,
            alerts=self._alerts,
            stand_by=self._stand_by,
        )
        if stores is None:
            return None
        self._stores = stores
        self._journal = AlertJournal(stores.pool, self._clock)
        self._alerts.listen(self._journal.put)
        self._supervisor.keep("alert-journal", self._journal.run, vital=False)
        self._live = Live(
            config, self._clock, stores, self._crew, self._alerts, started=self._started
        )
        self._syncing = Syncing(stores, self._live, self._clock, self._alerts, self._supervisor)
        self._is_open = True
        self._stack.push_async_callback(self._take_down)
        self._supervisor.keep("ledger", stores.writer.run, restart=False)
        self._supervisor.keep("lease", stores.lease.renew)
        if stores.servers is not None:
            self._supervisor.keep("servers", stores.servers.watch, vital=False)
        stopped = await registry.paused_to_stay(stores.pool)
        await register_bots(stores.pool, config, self._crew.handles, self._crew.reasons)
        self._risk = await open_risk(
            config,
            stores,
            self._live,
            clock=self._clock,
            venue=self._venue_clock,
            randomness=self._randomness,
            alerts=self._alerts,
            supervisor=self._supervisor,
        )
        wall, venue_clock, live = self._clock, self._venue_clock, self._live
        self._duties = Duties(
            config, self._options, stores, live, self._journal, wall, venue_clock, self._syncing
        )
        await self._open_faces()
        venue = await open_exchange(self._stack, config, accounts, self._clock)
        if venue.paper is not None:
            self._supervisor.keep("paper", venue.paper.watch)
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession())
        # Streams end before the exchange does, which would be a gap.
        self._stack.push_async_callback(self._supervisor.cancel, but=KEPT_TO_THE_END)
        self._stack.push_async_exit(self._tell_end)
        address = Address()
        self._public = Rest(
            venue.endpoints,
            None,
            account="public",
            clock=self._clock,
            limiter=Limiter(self._clock, address=address),
            session=self._http,
        )
        listed = await first_contact(
            self._public,
            self._venue_clock,
            self._clock,
            check=self._raise_failure,
            say=partial(setattr, self._live, "no_exchange"),
        )
        self._floor = floor = Floor(
            self._public,
            listed,
            clock=self._clock,
            venue=self._venue_clock,
            supervisor=self._supervisor,
            stores=stores,
            live=self._live,
            alerts=self._alerts,
        )
        tools = Tools(
            self._clock,
            self._venue_clock,
            stores.writer,
            stores.reader,
            self._supervisor,
            floor.rules.listed,
            EntryRisk(max_notional=config.risk.max_notional),
            config.paper.leverage if config.mode == "paper" else None,
            floor.rules.doubt,
            await open_recorder(
                self._stack,
                config,
                self._crew.handles,
                self._clock,
                self._alerts,
                self._supervisor,
            ),
            self._risk.portfolio,
        )
        await floor.open_universe(self._crew.handles.values(), check=self._raise_failure)
        opener = AccountOpener(
            config,
            self._clock,
            self._crew,
            stores,
            venue.endpoints,
            self._http,
            address,
            tools,
            self._live,
            self._alerts,
            self._watchdog,
            stopped,
            self._may_enter,
        )
        await opener.open(accounts)
        await opener.until_live(self._raise_failure)
        pulse = self._watchdog.pulse("rounds", TASK_LIMIT_S)
        market, rounds = floor.open_market(venue.endpoints.public_ws, pulse)
        await self._live.open_mirror(market, self._randomness, self._supervisor)
        await self._join_bots(rounds)
        floor.follow_universe(self._fed, rounds)
        self._ready()
        return venue

    async def _stand_by(self, pool: Pool, lease: Lease, held: LeaseHeld) -> bool:
        def is_over() -> bool:
            return self._options.left_s(self._clock) == 0

        desk = StandbyDesk(pool, self._config, self._clock, started=self._started)
        waiting = Standby(
            self._config, self._clock, self._watchdog, desk, self._alerts, is_over=is_over
        )
        self._start_within.reschedule(None)
        if await waiting.wait(pool, lease, held):
            left = self._options.left_s(self._clock)
            if left is not None:
                self._start_within.reschedule(asyncio.get_running_loop().time() + left)
            return True
        log.info("alpha_stopping", why="the time is over")
        self._ended = self._clock.monotonic()
        await self._report(await desk.status(), (), Latencies())
        return False

    def _may_enter(self, account: str) -> bool:
        """New exposure needs the ledger, the live picture, and a daemon that is not stopping."""
        seen = self._live.is_mirrored()
        return seen and self._stores.writer.accepts(account) and not self._stop.is_set()

    async def _join_bots(self, rounds: Rounds) -> None:
        """Every bot joins as soon as its account is live. Returns when those have joined whose
        account is."""
        self._rounds = rounds
        for name, session in self._live.sessions.items():
            self._supervisor.keep(f"join:{name}", partial(self._join, name, session), vital=False)
        while any(
            session.account.live and name not in self._joined
            for name, session in self._live.sessions.items()
        ):
            self._raise_failure()
            await self._clock.sleep(0.02)

    async def _join(self, name: str, session: BotSession) -> None:
        while not session.account.live:
            await self._clock.sleep(0.1)
        await self._stores.lease.quiet()
        self._floor.hold(session)
        await self._live.services[session.account.name].prepare(session)
        await self._rounds.join(session)
        self._joined.add(name)

    def _fed(self) -> list[BotSession]:
        return [one for name, one in self._live.sessions.items() if name in self._joined]

    async def _open_faces(self) -> None:
        """From here on everybody can see the daemon and talk to it, also while it starts."""
        live = self._live

        def rejoin(name: str) -> None:
            if name in self._joined:  # one that has not joined yet is about to
                again = self._rounds.rejoin(live.sessions[name])
                self._supervisor.spawn(again, f"rejoin:{name}")

        desk = LiveDesk(
            self._stores.pool,
            self._config,
            self._clock,
            picture=live.status,
            handles=self._crew.handles,
            rejoin=rejoin,
            reconcilers=live.reconcilers,
            alerts=self._alerts,
            assign=live.assign,
            sync=self._syncing.start,
            syncing=self._syncing.busy,
            risk=lambda: self._risk,
        )
        await serve(
            self._stack,
            self._config,
            self._clock,
            self._supervisor,
            desk=desk,
            picture=live.status,
            alerts=self._alerts,
        )

    def _ready(self) -> None:
        schedule = Schedule(self._clock, self._randomness, self._supervisor, self._alerts)
        self._duties.begin(schedule)
        self._serving = True
        gc.collect()
        gc.freeze()  # what is there now stays: no full collection holds the loop up for its sake
        seconds = self._clock.monotonic() - self._started
        log.info("alpha_ready", mode=self._config.mode, seconds=seconds)
        self._watchdog.ready(f"{len(self._live.sessions)} bots, mode {self._config.mode}")

    # -- while it runs ------------------------------------------------------------------------

    async def _turn(self) -> None:
        pulse = self._watchdog.pulse("loop", TASK_LIMIT_S)
        while True:
            pulse()
            await self._clock.sleep(LOOP_CHECK_S)

    async def _until_stopped(self, venue: Venue) -> None:
        """Until a signal, the end of `--for`, the end of the market, or a failure."""
        while not self._stop.is_set():
            self._raise_failure()
            left = self._options.left_s(self._clock)
            if left is not None and left <= 0:
                self.why = "the time is over"
                return
            if venue.paper is not None and await market_has_ended(self._http, venue.endpoints.rest):
                self.why = "the market has closed"
                return
            pause = 0.5 if left is None else min(0.5, left)
            try:
                async with asyncio.timeout(pause):
                    await self._stop.wait()
            except TimeoutError:
                pass

    def _raise_failure(self) -> None:
        if self._supervisor.failed.done():
            raise self._supervisor.failed.result()

    # -- the end ------------------------------------------------------------------------------

    async def _leave(self) -> None:
        """Stops entries, lets what is under way finish, and leaves positions as they are."""
        log.info("alpha_stopping", why=self.why)
        self._ended = self._clock.monotonic()
        self._stop.set()
        self._watchdog.stopping()
        await self._supervisor.end("market", "rounds")
        await self._supervisor.settle(SETTLE_S)
        await self._live.orders_end(SETTLE_S)
        await self._supervisor.cancel(but=KEPT_TO_THE_END)
        await self._risk.journal.finish(SETTLE_S)
        drained = await self._stores.writer.drain(SETTLE_S)
        if not drained:
            log.error("ledger_not_drained", queued=self._stores.writer.queued)
        await self._duties.end(self.why)
        await self._report(
            self._live.status(),
            [service.gateway.frame_to_order_us for service in self._live.services.values()],
            self._stores.frame_to_commit_ms,
        )

    def _tell_restart(self, lifeline: Lifeline) -> None:
        if lifeline.after:
            self._alerts.tell(
                "daemon_stood_still",
                f"expected the daemon to make progress, was {lifeline.after}; its guard has "
                f"started it again, a bot that was in a hook starts as failed: see "
                f"`alpha bots list`",
            )

    async def _tell_end(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The last alert, of what ends the daemon, has a moment to get out."""
        if isinstance(error, Exception):
            self._alerts.tell(
                "daemon_failed",
                f"expected the daemon to run on, found: {str(error) or type(error).__name__}; it "
                f"has ended, its positions keep their stops: mend that, then `alpha run`",
            )
            await self._clock.sleep(SETTLE_S)

    async def _report(
        self, status: Status, orders: Iterable[Latencies], commits: Latencies
    ) -> None:
        if self._options.report is None:
            return
        since = self._clock.monotonic() - self._ended
        ledger = await report.verify_ledger(self._config.mode, self._options.config_file, since)
        seconds = self._clock.monotonic() - self._options.started
        composed = report.compose(status, seconds, ledger, orders, commits)
        report.write(composed, self._options.report)

    async def _take_down(self) -> None:
        """Ends every task and gives the lease back; runs before what they use is closed."""
        await self._supervisor.cancel()
        await self._live.close_mirror()
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._stores.lease.release()
        except (AlphaError, OSError, TimeoutError) as error:
            log.warning("lease_not_released", error=str(error))
