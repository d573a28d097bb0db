"""Portfolio risk of one run: opened before any account, looked at again and again, ordered about
by people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock, Randomness, VenueClock
from alpha.config import Config
from alpha.config.limits import rules_of
from alpha.config.settings import LimitSettings
from alpha.control.desk import RiskAnswer, RiskOrder, Row
from alpha.control.verbs import BadArgument, resolve_bot
from alpha.core.records import MANUAL
from alpha.core.risk import Action, Kind
from alpha.errors import AlphaError, NotFound
from alpha.ledger.pool import CONNECTION_ERRORS
from alpha.ledger.risk_journal import RiskJournal, Subject, read, save_bot_limits
from alpha.live import Live
from alpha.stores import Stores
from alpha.supervision import Supervisor
from alpha.trading.portfolio_risk import PortfolioRisk
from alpha.trading.risk_actions import RiskActions
from alpha.trading.risk_scopes import Pictures, Quote, Scope
from alpha.trading.service import AccountService

log = structlog.get_logger(__name__)

#: How long a verb waits until what it has ordered is in the database.
KEPT_WITHIN_S = 2.0
#: What limits ask of the ledger is asked again later when it takes longer.
READ_WITHIN_S = 10.0


def scopes_of(config: Config) -> list[Scope]:
    """Everything, each account, each bot of the settings, with their limits."""
    risk, unlimited = config.risk, LimitSettings()
    accounts = tuple(sorted({bot.account for bot in config.bots.values()} or {"main"}))
    everything = Subject("overall", "+".join(accounts), accounts)
    found = [Scope(everything, "everything", rules_of(risk.overall))]
    for name in accounts:
        limits = risk.accounts.get(name, unlimited)
        subject = Subject("account", name, (name,), account=name)
        found.append(Scope(subject, f"account {name}", rules_of(limits)))
    for name, bot in config.bots.items():
        limits = risk.bots.get(name, unlimited)
        subject = Subject("bot", bot.bot_id, (bot.account,), bot.account, bot.bot_id)
        found.append(Scope(subject, f"bot {name}", rules_of(limits)))
    return found


class RiskWatch:
    """`portfolio` is asked by the send path; `watch` is a duty."""

    def __init__(
        self,
        config: Config,
        stores: Stores,
        live: Live,
        *,
        clock: Clock,
        venue: VenueClock,
        randomness: Randomness,
        alerts: Alerts,
        supervisor: Supervisor,
    ) -> None:
        self._config = config
        self._stores = stores
        self._live = live
        self._clock = clock
        self._supervisor = supervisor
        self._asking: set[str] = set()
        self._reading = False
        self._asked: dict[str, float] = {}
        self.journal = RiskJournal(stores.lease, clock)
        pictures = Pictures(
            live.services,
            clock,
            quote=self._quote,
            revision=lambda: live.market.revision if live.market is not None else 0,
            fresh_s=float(config.risk.fresh_s),
        )
        self.portfolio = PortfolioRisk(
            scopes_of(config),
            pictures,
            self.journal,
            clock=clock,
            venue=venue,
            randomness=randomness,
            alerts=alerts,
        )
        self._actions = RiskActions(self.portfolio, live.services, clock)

    def _quote(self, symbol: str) -> Quote | None:
        return self._live.market.quote(symbol) if self._live.market is not None else None

    # -- again and again ----------------------------------------------------------------------

    async def watch(self) -> None:
        self.portfolio.assess()
        self._actions.step()
        self._refresh()
        if not self._reading and self.portfolio.unread():
            self._reading = True
            self._supervisor.spawn(self._read_earlier(), "risk:earlier")

    async def _read_earlier(self) -> None:
        stores = self._stores
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                await self.portfolio.read_earlier(stores.pool, self._drained)
        except CONNECTION_ERRORS as error:
            log.debug("risk_ledger_not_read", error=type(error).__name__)
        finally:
            self._reading = False

    async def _drained(self, accounts: Sequence[str]) -> bool:
        writer = self._stores.writer
        return all([await writer.drain(READ_WITHIN_S, account) for account in accounts])

    def _refresh(self) -> None:
        """Asks for what no stream tells: wallets that nothing has moved, prices of symbols that no
        bot subscribes to."""
        pictures, fresh_s = self.portfolio.pictures, float(self._config.risk.fresh_s)
        now = self._clock.monotonic()
        limited = {name for one in self.portfolio.scopes if one.rules for name in one.accounts}
        for name in limited & self._live.services.keys():
            service = self._live.services[name]
            told = pictures.wallet_at(service.account)
            is_old = told is None or now - told > fresh_s / 2
            if not service.account.live or not (is_old or pictures.unquoted.get(name)):
                continue
            if name in self._asking or now - self._asked.get(name, float("-inf")) < fresh_s / 8:
                continue
            self._asking.add(name)
            self._asked[name] = now
            self._supervisor.spawn(self._ask(service, wallet=is_old), f"risk:{name}")

    async def _ask(self, service: AccountService, *, wallet: bool) -> None:
        name, pictures = service.account.name, self.portfolio.pictures
        try:
            if wallet:
                service.account.balance.tell(await service.rest.wallet())
            if pictures.unquoted.get(name):
                for event in await service.rest.positions():
                    if event.mark_price is not None:
                        pictures.note_mark(event.symbol, event.mark_price)
        except AlphaError as error:
            log.debug("risk_data_not_asked", account=name, error=str(error))
        finally:
            self._asking.discard(name)

    # -- what people ask and say --------------------------------------------------------------

    def rows(self) -> Sequence[Row]:
        return self.portfolio.rows()

    def holds(self) -> list[Row]:
        return list(self.portfolio.holds())

    async def order(self, order: RiskOrder) -> RiskAnswer:
        """Carries out what a person wants. Raises NotFound for a scope that nobody knows."""
        portfolio = self.portfolio
        scopes = self.scopes_named(order.scope, default="all")
        before = {one.subject.key: set(one.trips) for one in scopes}
        if order.verb in ("halt", "flatten"):
            action = Action.HALT if order.verb == "halt" else Action.FLATTEN
            portfolio.order(scopes[0], action, order.operator, order.reason)
            scopes = scopes[:1]
        elif order.verb == "resume":
            portfolio.resume(scopes, order.operator)
        else:
            portfolio.reset(scopes, _kind(order.rule), order.operator)
        if order.verb == "flatten":
            self._actions.step()
        held = [one for one in portfolio.pictures.held(scopes[0]) if one.owner != MANUAL]
        changed = [
            {"scope": one.label, "limit": name, "in_force": name in one.trips}
            for one in scopes
            for name in sorted(before[one.subject.key] ^ set(one.trips))
        ]
        return {
            "verb": order.verb,
            "scope": scopes[0].label if len(scopes) == 1 else "everything, accounts and bots",
            "changed": changed,
            "in_force": list(portfolio.holds()),
            "positions": len(held),
            "kept": await self.journal.settle(KEPT_WITHIN_S),
        }

    def scopes_named(self, word: str, *, default: str) -> list[Scope]:
        """`all`: everything, then each account and each bot. `account:NAME`, `bot:NAME`, or a name
        alone: a bot's first, then an account's."""
        scopes = list(self.portfolio.scopes)
        wanted = (word or default).lower()
        if wanted in ("all", "overall", "everything"):
            return scopes
        kind, _, name = wanted.rpartition(":")
        if kind not in ("", "account", "bot"):
            raise BadArgument(f"expected all, BOT, bot:BOT or account:ACCOUNT, found {word!r}")
        accounts = [one for one in scopes if one.subject.scope == "account"]
        found = [one for one in accounts if one.subject.name == name]
        if kind != "account":
            bots = {bot: settings.bot_id for bot, settings in self._config.bots.items()}
            try:
                bot_id = bots[resolve_bot(bots, name)]
                return [one for one in scopes if one.bot_id == bot_id]
            except NotFound:
                if kind == "bot" or not found:
                    known = ", ".join(one.subject.name for one in accounts)
                    raise NotFound(
                        f"expected all, one of the bots {', '.join(sorted(bots)) or 'none'} or one "
                        f"of the accounts {known}, found {word!r}"
                    ) from None
        if not found:
            known = ", ".join(one.subject.name for one in accounts)
            raise NotFound(f"expected one of the accounts {known}, found {name!r}")
        return found


def _kind(word: str) -> Kind | None:
    if word in ("", "all"):
        return None
    if word not in set(Kind):
        names = ", ".join(kind.value for kind in Kind)
        raise BadArgument(f"expected all or one of the limits {names}, found {word!r}")
    return Kind(word)


async def open_risk(
    config: Config,
    stores: Stores,
    live: Live,
    *,
    clock: Clock,
    venue: VenueClock,
    randomness: Randomness,
    alerts: Alerts,
    supervisor: Supervisor,
) -> RiskWatch:
    """With what an earlier process has left, before anything is traded."""
    found = RiskWatch(
        config,
        stores,
        live,
        clock=clock,
        venue=venue,
        randomness=randomness,
        alerts=alerts,
        supervisor=supervisor,
    )
    everything = found.portfolio.scopes[0]
    found.portfolio.restore(await read(stores.pool, list(everything.accounts)))
    for scope in found.portfolio.scopes:
        if scope.bot_id is not None:
            await save_bot_limits(stores.pool, scope.subject, scope.rules)
    live.risk_holds, live.watch_risk = found.holds, found.watch
    supervisor.keep("risk-journal", found.journal.run, vital=False)
    return found
