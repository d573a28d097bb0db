"""The accounts of this run: books, streams and order paths, and the sessions of their bots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import aiohttp
import structlog

from alpha.alerts import Alerts
from alpha.announcements import Announcer
from alpha.bots.cursor import SavedBot
from alpha.bots.host import BotHandle
from alpha.bybit.endpoints import Endpoints
from alpha.bybit.limiter import Address, Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.bybit.stream import PrivateStream
from alpha.clock import Clock
from alpha.config import Config
from alpha.crew import Crew, past_of
from alpha.errors import AlphaError, NeedsOperator
from alpha.ledger import registry
from alpha.live import Live
from alpha.stores import Stores
from alpha.trading.account import Account
from alpha.trading.fence import LeaseFence
from alpha.trading.service import AccountService, Tools
from alpha.trading.session import BotSession
from alpha.watchdog import Watchdog

log = structlog.get_logger(__name__)

#: Each account's comparison with the exchange has to turn at least this often.
COMPARE_LIMIT_S = 10.0
#: The daemon is ready without the accounts that take longer than this to be live.
ACCOUNTS_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class AccountOpener:
    """Opens accounts into `live`. `accepts_entries` is asked before each entry; `stopped` are
    the ids of the bots that stay paused, and why."""

    config: Config
    clock: Clock
    crew: Crew
    stores: Stores
    endpoints: Endpoints
    http: aiohttp.ClientSession
    address: Address
    tools: Tools
    live: Live
    alerts: Alerts
    watchdog: Watchdog
    stopped: Mapping[str, str]
    accepts_entries: Callable[[str], bool]

    async def open(self, names: Iterable[str]) -> None:
        """Loads the accounts' pasts side by side, then starts their streams; they are not
        reconciled yet. What the first of them raises ends the others, and nothing has started then:
        NeedsOperator, which names the account, for what nobody has raised on purpose."""
        opening = [asyncio.create_task(self._loaded(name), name=f"open:{name}") for name in names]
        try:
            opened = await asyncio.gather(*opening)
        finally:
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
        for service in opened:
            self.live.add(service)
            service.start()

    async def _loaded(self, name: str) -> AccountService:
        try:
            return await self._open(name)
        except AlphaError as error:
            log.error("account_not_loaded", account=name, error=str(error))
            raise
        except Exception as error:
            log.error("account_not_loaded", account=name, exc_info=error)
            raise NeedsOperator(
                f"expected account {name} to be loaded from the database, was "
                f"{type(error).__name__}: {error}; no account has started: mend that (the log "
                f"shows where it was), then start again"
            ) from error

    async def _open(self, name: str) -> AccountService:
        settings = self.config.accounts[name]
        credentials = Credentials(
            settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()
        )
        fence = LeaseFence(self.stores.lease, lambda: self.accepts_entries(name), self.clock)
        handles = [handle for handle in self.crew.handles.values() if handle.account == name]
        service = AccountService(
            await self._account(name, handles),
            Rest(
                self.endpoints,
                credentials,
                account=name,
                clock=self.clock,
                limiter=Limiter(self.clock, address=self.address),
                session=self.http,
                may_write=fence.exits_allowed,
            ),
            PrivateStream(self.endpoints.private_ws, credentials, account=name, clock=self.clock),
            self.tools,
            fence=fence,
            netting=settings.netting,
            last_price=self._last_price,
            changed=self.live.account_changed,
            pulse=self.watchdog.pulse(f"compare:{name}", COMPARE_LIMIT_S),
        )
        service.reconciler.done = self.live.reconciled
        for handle in handles:
            service.sessions[handle.bot_id] = await self._session(handle, service)
        await service.load()
        return service

    async def until_live(self, check: Callable[[], None]) -> None:
        """Waits until every account is reconciled; `check` raises what ends the wait. An account
        whose key is refused stands still alone: AuthRejected only when no key is taken. One that
        stays away keeps the others waiting for `ACCOUNTS_WITHIN_S`."""
        deadline = self.clock.monotonic() + ACCOUNTS_WITHIN_S
        services = self.live.services
        while late := [
            name
            for name, service in services.items()
            if not service.account.live and service.recovery.refusal is None
        ]:
            check()
            if self.clock.monotonic() > deadline:
                for name in late:
                    self._say_late(name, services[name].account.why or "not")
                break
            await self.clock.sleep(0.02)
        refusals = [one.recovery.refusal for one in services.values() if one.recovery.refusal]
        if refusals and len(refusals) == len(services):
            raise refusals[0]

    def _say_late(self, name: str, why: str) -> None:
        self.alerts.tell(
            "account_not_live",
            f"expected account {name} to be reconciled within {ACCOUNTS_WITHIN_S:g} s, was {why}; "
            f"the others start, it follows by itself: see `alpha status`",
            level="ERROR",
            account=name,
        )

    async def _account(self, name: str, handles: list[BotHandle]) -> Account:
        reader = self.stores.reader
        steps = {one.symbol: one.qty_step for one in self.tools.instruments.values()}
        await registry.register_qty_steps(self.stores.pool, name, steps, self.tools.venue.now_ms())
        return Account(
            name,
            bots={h.bot_id: frozenset(s.symbol for s in h.subscriptions) for h in handles},
            known_bots=await reader.known_bots(name),
            owners=await reader.symbol_owners(name),
            ledger=self.stores.writer,
            clock=self.clock,
            qty_steps=await reader.qty_steps(name),
            overrides=await reader.overrides(name),
            reasons=self.crew.reasons,
            manual_policies={h.bot_id: self.config.bots[h.name].manual_trades for h in handles},
            alerts=self.alerts,
        )

    async def _session(self, handle: BotHandle, service: AccountService) -> BotSession:
        bot = self.config.bots[handle.name]
        reader = self.stores.reader
        saved = await reader.bot_state(handle.account, handle.bot_id)
        session = BotSession(
            handle,
            service.account,
            service.gateway,
            instruments=self.tools.instruments,
            last_close=self._last_close,
            capital=bot.capital if bot.shared_account else None,
            past=await past_of(reader, handle.bot_id, handle.account),
            clock=self.clock,
            changed=self.live.bot_changed,
            witness=self.tools.witness,
        )
        session.restore(
            SavedBot(saved.ordinal, saved.state_json, saved.last_stamp, saved.cursor_json)
            if saved is not None
            else None
        )
        service.account.listen(handle.bot_id, Announcer(session, self.live.publish))
        if handle.bot_id in self.stopped:
            handle.pause(self.stopped[handle.bot_id])
        return session

    def _last_close(self, symbol: str) -> Decimal | None:
        market = self.live.market
        return market.last_close(symbol) if market is not None else None

    def _last_price(self, symbol: str) -> Decimal | None:
        market = self.live.market
        return market.last_price(symbol) if market is not None else None
