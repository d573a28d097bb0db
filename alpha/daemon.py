"""The composition root: builds every part in order, runs them, takes them down again.

Phases: data directory -> stores and lease -> exchange -> accounts live -> bots warm -> control.
No bot is shown anything before its account is reconciled. Stopping never liquidates: positions
stay open, protected by their stops on the exchange.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal

import aiohttp
import structlog
import uvloop

from alpha import pictures, report
from alpha.announcements import Announcer
from alpha.bots.cursor import SavedBot
from alpha.bots.host import BotHandle
from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.bybit.stream import PrivateStream, PublicStream
from alpha.clock import Clock, Randomness, SystemClock, SystemRandomness, VenueClock
from alpha.config import Config, RunOptions
from alpha.control.desk import Status
from alpha.control.layer import Control
from alpha.control.socket import ControlServer, socket_path
from alpha.core.records import Commit
from alpha.core.risk import EntryRisk
from alpha.crew import open_crew, past_of, report_crew
from alpha.errors import AlphaError, ConfigError
from alpha.exchange import Venue, market_has_ended, open_exchange
from alpha.installation import DataDirLock, installation_id
from alpha.ledger import observations, registry
from alpha.ledger.pool import CONNECTION_ERRORS
from alpha.live_desk import LiveDesk
from alpha.market.data import MarketData
from alpha.rounds import Rounds
from alpha.state import keys
from alpha.state.mirror import Mirror
from alpha.stores import open_stores, register_bots
from alpha.supervision import Supervisor
from alpha.trading.account import Account, AccountStatus
from alpha.trading.fence import LeaseFence
from alpha.trading.service import AccountService, Tools
from alpha.trading.session import BotSession
from alpha.watchdog import Watchdog

log = structlog.get_logger(__name__)

SETTLE_S = 1.0
BEAT_EVERY_S = 5.0
LOOP_CHECK_S = 1.0
TASK_LIMIT_S = 10.0
#: Tasks that write down what the others have done.
KEPT_TO_THE_END = ("ledger", "lease", "mirror")


def run(config: Config, options: RunOptions) -> int:
    """Runs one daemon to its end; the exit code. Raises AlphaError for what stops it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(config, options, SystemClock(), SystemRandomness()))


async def _run(config: Config, options: RunOptions, clock: Clock, randomness: Randomness) -> int:
    with DataDirLock(config.data_dir):
        async with AsyncExitStack() as stack:
            daemon = Daemon(config, options, clock, randomness, stack)
            task = asyncio.create_task(daemon.run(), name="daemon")
            daemon.stop_on_signals(task)
            try:
                await task
            except asyncio.CancelledError:
                log.info("stopped_while_starting", why=daemon.why)
    return 0


class Daemon:
    """One run. `stack` closes what was opened, in reverse, however the run ends."""

    def __init__(
        self,
        config: Config,
        options: RunOptions,
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
        self.why = "end of the run"
        self._supervisor = Supervisor(clock, passing=CONNECTION_ERRORS)
        self._watchdog = Watchdog(clock, os.environ)
        self._venue_clock = VenueClock(clock)
        self._services: dict[str, AccountService] = {}
        self._sessions: dict[str, BotSession] = {}
        self._names: dict[str, str] = {}  # bot id -> name in the settings
        self._mirror: Mirror | None = None
        self._commit_no: dict[str, int] = {}  # account -> its newest commit
        self._market: MarketData | None = None

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

    # -- phases -------------------------------------------------------------------------------

    async def run(self) -> None:
        config = self._config
        accounts = sorted({bot.account for bot in config.bots.values()} or {"main"})
        self._crew = open_crew(config, self._clock, os.environ)
        stores = await open_stores(
            self._stack,
            config,
            accounts,
            installation=installation_id(config.data_dir, self._randomness),
            reasons=self._crew.reasons,
            clock=self._clock,
        )
        self._stores = stores
        self._stack.push_async_callback(self._take_down)
        self._supervisor.keep("ledger", stores.writer.run, restart=False)
        self._supervisor.keep("lease", stores.lease.renew)
        if stores.servers is not None:
            self._supervisor.keep("servers", stores.servers.watch, vital=False)
        self._stopped = await registry.stopped_by_operator(stores.pool)
        await register_bots(stores.pool, config, self._crew.handles, self._crew.reasons)
        venue = await open_exchange(self._stack, config, accounts, self._clock)
        if venue.paper is not None:
            self._supervisor.keep("paper", venue.paper.watch)
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession())
        # Streams end before the exchange does, which would be a gap.
        self._stack.push_async_callback(self._supervisor.cancel, but=KEPT_TO_THE_END)
        self._public = Rest(
            venue.endpoints,
            None,
            account="public",
            clock=self._clock,
            limiter=Limiter(self._clock),
            session=self._http,
        )
        self._venue_clock.observe(await self._public.server_time())
        listed = await self._public.instruments()
        instruments = {one.symbol: one for one in listed}
        tools = Tools(
            self._clock,
            self._venue_clock,
            stores.writer,
            stores.reader,
            self._supervisor,
            instruments,
            EntryRisk(max_notional=config.risk.max_notional),
            config.paper.leverage if config.mode == "paper" else None,
        )
        await registry.register_instruments(stores.pool, {i.symbol: i.qty_step for i in listed})
        for name in accounts:
            await self._open_account(name, venue, tools)
        await self._accounts_live()
        market, rounds = self._open_market(venue)
        await self._open_mirror(market)
        await self._join_bots(rounds)
        await self._serve(rounds)
        await self._until_stopped(venue)
        await self._leave()

    async def _open_account(self, name: str, venue: Venue, tools: Tools) -> None:
        """Books, stream and order path of one account, with the sessions of its bots."""
        config, reader = self._config, self._stores.reader
        settings = config.accounts[name]
        credentials = Credentials(
            settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()
        )
        handles = [handle for handle in self._crew.handles.values() if handle.account == name]
        account = Account(
            name,
            bots={h.bot_id: frozenset(s.symbol for s in h.subscriptions) for h in handles},
            known_bots=await reader.known_bots(name),
            owners=await reader.symbol_owners(name),
            ledger=self._stores.writer,
            clock=self._clock,
            instruments=tools.instruments,
            overrides=await reader.overrides(name),
            reasons=self._crew.reasons,
        )
        rest = Rest(
            venue.endpoints,
            credentials,
            account=name,
            clock=self._clock,
            limiter=Limiter(self._clock),
            session=self._http,
        )
        service = AccountService(
            account,
            rest,
            PrivateStream(venue.endpoints.private_ws, credentials, account=name, clock=self._clock),
            tools,
            fence=LeaseFence(self._stores.lease, lambda: self._may_enter(name), self._clock),
            netting=settings.netting,
            changed=self._account_changed,
            pulse=self._watchdog.pulse(f"compare:{name}", TASK_LIMIT_S),
        )
        self._services[name] = service
        for handle in handles:
            await self._open_session(handle, service, tools)
        await service.load()
        service.start()

    async def _open_session(self, handle: BotHandle, service: AccountService, tools: Tools) -> None:
        bot = self._config.bots[handle.name]
        reader = self._stores.reader
        saved = await reader.bot_state(handle.account, handle.bot_id)
        session = BotSession(
            handle,
            service.account,
            service.gateway,
            instruments=tools.instruments,
            last_close=self._last_close,
            capital=bot.capital if bot.shared_account else None,
            past=await past_of(reader, handle.bot_id, handle.account),
            clock=self._clock,
            changed=self._bot_changed,
        )
        session.restore(
            SavedBot(saved.ordinal, saved.state_json, saved.last_stamp, saved.cursor_json)
            if saved is not None
            else None
        )
        service.account.listen(handle.bot_id, Announcer(session, self._publish))
        if handle.bot_id in self._stopped:
            handle.pause(registry.OPERATOR_STOP)
        service.sessions[handle.bot_id] = session
        self._sessions[handle.name] = session
        self._names[handle.bot_id] = handle.name

    def _may_enter(self, account: str) -> bool:
        """New exposure needs the ledger, the live picture, and a daemon that is not stopping."""
        seen = self._mirror is not None and self._mirror.healthy
        return seen and self._stores.writer.accepts(account) and not self._stop.is_set()

    def _last_close(self, symbol: str) -> Decimal | None:
        return self._market.last_close(symbol) if self._market is not None else None

    async def _accounts_live(self) -> None:
        """Waits until every account is reconciled; a key that is refused ends the run."""
        while not all(service.account.live for service in self._services.values()):
            self._raise_failure()
            await self._clock.sleep(0.02)

    def _open_market(self, venue: Venue) -> tuple[MarketData, Rounds]:
        market = MarketData(
            self._public,
            PublicStream(venue.endpoints.public_ws, clock=self._clock),
            clock=self._clock,
            venue=self._venue_clock,
            spawn=self._supervisor.spawn,
        )
        self._market = market
        rounds = Rounds(market, self._clock, self._watchdog.pulse("rounds", TASK_LIMIT_S))
        self._supervisor.keep("market", lambda: market.run(rounds.on_bar))
        self._supervisor.keep("rounds", rounds.run)
        return market, rounds

    async def _join_bots(self, rounds: Rounds) -> None:
        for session in self._sessions.values():
            await self._services[session.account.name].prepare(session)
            await rounds.join(session)
            self._raise_failure()

    async def _serve(self, rounds: Rounds) -> None:
        """Control socket, Telegram, the terminal."""
        config = self._config

        def rejoin(name: str) -> None:
            self._supervisor.spawn(rounds.rejoin(self._sessions[name]), f"rejoin:{name}")

        desk = LiveDesk(
            self._stores.pool,
            config,
            self._clock,
            picture=self.status,
            handles=self._crew.handles,
            rejoin=rejoin,
        )
        control = Control(desk, self._clock)
        server = ControlServer(control, socket_path(config.data_dir))
        await server.start()
        self._stack.push_async_callback(server.stop)
        if config.telegram.token.get_secret_value():
            from alpha.telegram.c2 import TelegramC2

            center = TelegramC2(
                control,
                token=config.telegram.token.get_secret_value(),
                admin_ids=config.telegram.admin_ids,
                base_url=config.telegram.base_url,
                state_file=config.data_dir / "telegram.offset",
                clock=self._clock,
            )
            self._supervisor.keep("telegram", center.run, vital=False)
        from alpha.cli.live import LiveView

        self._supervisor.keep("terminal", LiveView(self.status, self._clock).run, vital=False)
        self._supervisor.keep("heartbeat", self._beat, vital=False)
        self._supervisor.keep("loop", self._turn)
        self._supervisor.keep("watchdog", self._watchdog.run)
        self._serving = True
        log.info("alpha_ready", mode=config.mode, seconds=self._clock.monotonic() - self._started)
        self._watchdog.ready(f"{len(self._sessions)} bots, mode {config.mode}")

    async def _open_mirror(self, market: MarketData) -> None:
        bots = {s.bot_id: self._config.bots[n].redis_db for n, s in self._sessions.items()}
        mirror = Mirror(
            self._stores.redis_url,
            mode=self._config.mode,
            token=self._randomness.token(),
            bots=bots,
            clock=self._clock,
            pictures=lambda bot_id: pictures.bot_picture(
                self._sessions[self._names[bot_id]],
                redis_db=bots[bot_id],
                mode=self._config.mode,
                commit_no=self._shown_commit(bot_id),
            ),
            market=lambda: pictures.market_picture(market),
        )
        self._mirror = mirror
        self._stores.writer.on_commit(self._committed)
        await mirror.connect()

        async def mirroring() -> None:
            try:
                await mirror.run()
            except ConfigError as error:  # a Redis that came late is another mode's
                self._supervisor.stop_daemon(error)

        self._supervisor.keep("mirror", mirroring, vital=False)

    def _committed(self, commits: Sequence[Commit], commit_no: int) -> None:
        """The mirror says which commit it shows, so that a verification can compare the two."""
        for account in {commit.account for commit in commits}:
            self._commit_no[account] = commit_no
            for bot_id in self._services[account].sessions:
                self._bot_changed(bot_id)

    def _shown_commit(self, bot_id: str) -> int | None:
        """The ledger's commit that memory shows; None while something waits to be committed."""
        if self._stores.writer.queued:
            return None
        return self._commit_no.get(self._sessions[self._names[bot_id]].account.name)

    # -- while it runs ------------------------------------------------------------------------

    def _bot_changed(self, bot_id: str) -> None:
        if self._mirror is not None:
            self._mirror.mark(bot_id)

    def _publish(self, channel: str, message: Mapping[str, object]) -> None:
        if self._mirror is not None:
            self._mirror.publish(channel, message)

    def _account_changed(self, name: str) -> None:
        """Bots of an account that is not live take no entries."""
        service = self._services[name]
        status = service.account.status.value
        self._publish(keys.EVENTS, {"event": "account_status", "account": name, "status": status})
        for session in service.sessions.values():
            if service.account.status is AccountStatus.LIVE:
                session.handle.lift()
            else:
                session.handle.reduce_only(f"account {name} is {service.account.status}")
            self._bot_changed(session.bot_id)

    async def _beat(self) -> None:
        """Process and strategy heartbeats, states and equity, into the database."""
        while True:
            await self._report_crew()
            await self._clock.sleep(BEAT_EVERY_S)

    async def _report_crew(self, *, stopped: bool = False) -> None:
        try:
            await report_crew(self._stores.pool, self._sessions, stopped=stopped)
            for service in self._services.values():
                await observations.save_positions(
                    self._stores.pool, service.account.exchange.values()
                )
        except CONNECTION_ERRORS as error:
            log.debug("heartbeat_not_written", error=type(error).__name__)

    async def _turn(self) -> None:
        pulse = self._watchdog.pulse("loop", TASK_LIMIT_S)
        while True:
            pulse()
            await self._clock.sleep(LOOP_CHECK_S)

    def status(self) -> Status:
        """The live picture, from memory alone."""
        writer, mirror = self._stores.writer, self._mirror
        postgres = "ok" if writer.degraded_since is None else "away"
        redis = "ok" if mirror is None or mirror.healthy else "away"
        heard = self._market.heard_at if self._market is not None else None
        return pictures.status(
            self._services,
            self._sessions,
            pictures.idle_bots(self._config, self._crew.handles, self._services),
            pictures.Health(postgres, redis, self._degraded()),
            mode=self._config.mode,
            clock=self._clock,
            started=self._started,
            data_age_s=None if heard is None else self._clock.monotonic() - heard,
            pid=os.getpid(),
        )

    def _degraded(self) -> tuple[str, ...]:
        now = self._clock.monotonic()
        found = []
        writer, mirror = self._stores.writer, self._mirror
        if writer.degraded_since is not None:
            found.append(f"PostgreSQL away for {now - writer.degraded_since:.0f} s")
        if mirror is not None and mirror.away_since is not None:
            found.append(f"Redis away for {now - mirror.away_since:.0f} s")
        return tuple(found)

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
        self._stop.set()
        self._watchdog.stopping()
        await self._supervisor.settle(SETTLE_S)
        await self._supervisor.cancel(but=KEPT_TO_THE_END)
        drained = await self._stores.writer.drain(SETTLE_S)
        if not drained:
            log.error("ledger_not_drained", queued=self._stores.writer.queued)
        await self._report_crew(stopped=True)
        if self._options.report is not None:
            ledger = await report.verify_ledger(self._config.mode, self._options.config_file)
            composed = report.compose(
                self.status(),
                self._clock.monotonic() - self._options.started,
                ledger,
                [service.gateway.frame_to_order_us for service in self._services.values()],
                self._stores.frame_to_commit_ms,
            )
            report.write(composed, self._options.report)

    async def _take_down(self) -> None:
        """Ends every task and gives the lease back; runs before what they use is closed."""
        await self._supervisor.cancel()
        if self._mirror is not None:
            await self._mirror.close()
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._stores.lease.release()
        except (AlphaError, OSError, TimeoutError) as error:
            log.warning("lease_not_released", error=str(error))
