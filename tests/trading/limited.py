"""Bots on one account under portfolio limits, driven by hand; what a life leaves in the database is
found by the next one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

from alpha.alerts import Alert, Alerts
from alpha.clock import ManualClock, SystemClock, SystemRandomness, VenueClock
from alpha.core.intents import Enter, Exit, StopPlan
from alpha.core.risk import Action, Kind, Rule
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Pool
from alpha.ledger.risk_journal import RiskJournal, Subject, read
from alpha.trading.portfolio_risk import PortfolioRisk
from alpha.trading.risk_actions import RiskActions
from alpha.trading.risk_scopes import Pictures, Quote, Scope
from alpha.trading.service import AccountService
from tests.trading.exchange import HandExchange
from tests.trading.life import ACCOUNT, STOPS, Beat, Life

D = Decimal
BTC, ETH = "BTCUSDT", "ETHUSDT"
ONE, TWO = "one_001", "two_001"
FRESH_S = 120.0
LEASE = "a test"
#: A stop that no test reaches.
WIDE = StopPlan(stop_loss=D("0.9"))


def rule(kind: Kind, limit: str, action: Action = Action.BLOCK_ENTRIES) -> Rule:
    return Rule(kind, D(limit), action)


class Limited:
    """`rules` are by scope: `overall`, `account`, or a bot's id."""

    def __init__(
        self,
        exchange: HandExchange,
        pool: Pool,
        clock: ManualClock,
        rules: Mapping[str, tuple[Rule, ...]],
        *,
        netting: bool = False,
    ) -> None:
        self.exchange = exchange
        self.pool = pool
        self.clock = clock
        self.rules = rules
        self.netting = netting
        self.alerts: list[Alert] = []
        self.price_age_s = 0.0
        self._place = 0
        self._ticks = 0

    async def start(self) -> None:
        self.venue = VenueClock(self.clock)
        self.venue.observe(self.exchange.now_ms)
        self.services: dict[str, AccountService] = {}
        self.lease = Lease(self.pool, [ACCOUNT], LEASE, installation=LEASE, clock=SystemClock())
        await self.lease.acquire(take_over=True)
        self.journal = RiskJournal(self.lease, self.clock)
        pictures = Pictures(
            self.services,
            self.clock,
            quote=self._quote,
            revision=lambda: self._ticks,
            fresh_s=FRESH_S,
        )
        alerts = Alerts(self.clock)
        alerts.listen(self.alerts.append)
        self.risk = PortfolioRisk(
            self._scopes(),
            pictures,
            self.journal,
            clock=self.clock,
            venue=self.venue,
            randomness=SystemRandomness(7 + self._place),
            alerts=alerts,
        )
        self.actions = RiskActions(self.risk, self.services, self.clock)
        self.risk.restore(await read(self.pool, [ACCOUNT]))
        beats = {bot: Beat(idle=True) for bot in (ONE, TWO)}
        self.life = Life(
            self.exchange,
            self.pool,
            self.clock,
            bots=beats,
            netting=self.netting,
            portfolio=self.risk,
        )
        await self.life.start()
        self.services[ACCOUNT] = self.life.service
        await self.hear()

    def _scopes(self) -> list[Scope]:
        account = (ACCOUNT,)
        return [
            Scope(
                Subject("overall", ACCOUNT, account), "everything", self.rules.get("overall", ())
            ),
            Scope(
                Subject("account", ACCOUNT, account, ACCOUNT),
                f"account {ACCOUNT}",
                self.rules.get("account", ()),
            ),
            *(
                Scope(
                    Subject("bot", bot, account, ACCOUNT, bot),
                    f"bot {bot}",
                    self.rules.get(bot, ()),
                )
                for bot in (ONE, TWO)
            ),
        ]

    def _quote(self, symbol: str) -> Quote | None:
        return self.exchange.price(symbol), self.clock.monotonic() - self.price_age_s

    def fresh_prices(self, *, age_s: float = 0.0) -> None:
        """Every price comes anew; so old it is."""
        self.price_age_s = age_s
        self._ticks += 1

    def scope(self, name: str) -> Scope:
        return next(
            one for one in self.risk.scopes if name in (one.subject.scope, one.subject.name)
        )

    # -- what happens -------------------------------------------------------------------------

    def plan(
        self,
        bot: str,
        side: str = "Buy",
        *,
        symbol: str = BTC,
        notional: str = "450",
        stops: StopPlan | None = STOPS,
        details: Mapping[str, str] | None = None,
    ) -> int:
        """Decides to enter, without waiting for anything; how many orders come of it."""
        return self.decide(
            bot, self.entry(side, symbol=symbol, notional=notional, stops=stops, details=details)
        )

    def entry(
        self,
        side: str = "Buy",
        *,
        symbol: str = BTC,
        notional: str = "450",
        stops: StopPlan | None = STOPS,
        details: Mapping[str, str] | None = None,
    ) -> Enter:
        return Enter(
            symbol=symbol,
            side="Buy" if side == "Buy" else "Sell",
            notional=D(notional),
            price=self.exchange.price(symbol),
            reason="entry",
            leverage=D(5),
            stops=stops,
            details=dict(details or {}),
        )

    def decide(self, bot: str, *intents: Enter | Exit) -> int:
        self._place += 1
        session = self.life.sessions[bot]
        decision = session.handle.plan(list(intents), f"test:{self._place}", self.exchange.now_ms)
        assert decision is not None
        return self.life.service.gateway.carry_out(decision, session)

    async def enter(
        self, bot: str, side: str = "Buy", *, symbol: str = BTC, notional: str = "450"
    ) -> int:
        count = self.plan(bot, side, symbol=symbol, notional=notional)
        await self.hear()
        return count

    async def leave(self, bot: str, *, symbol: str = BTC) -> int:
        count = self.decide(bot, Exit(symbol=symbol, reason="time_exit"))
        await self.hear()
        return count

    async def tick(self, price: str, *, symbol: str = BTC, after_ms: int = 1_000) -> None:
        at_ms = self.exchange.now_ms + after_ms
        await self.exchange.tick(symbol, D(price), at_ms)
        self.clock.advance(min(after_ms, 1_000))
        self.venue.observe(at_ms)
        self._ticks += 1
        await self.hear()

    async def look(self) -> None:
        """One turn of the watch."""
        self.risk.assess()
        self.actions.step()
        await self.risk.read_earlier(self.pool, self._drained)
        await self.hear()

    async def _drained(self, accounts: Sequence[str]) -> bool:
        assert accounts
        await self.life.stored()
        return True

    async def hear(self) -> None:
        for _ in range(30):
            frames = self.exchange.take_frames()
            for frame in frames:
                self.life.hear(frame)
            await self.life.service.protection.check()
            await self.life.quiet()
            if not frames and not self.exchange.ear.frames:
                return
        raise AssertionError("expected the account to come to rest")

    def held(self, bot: str, symbol: str = BTC) -> Decimal:
        return self.life.account.position(bot, symbol).signed_qty

    async def why(self) -> str:
        """Why the newest intent was refused, as it was recorded."""
        await self.life.stored()
        row = await self.pool.fetchrow(
            "SELECT rejection_reason, rejected_by FROM trading.signals "
            "ORDER BY created_at DESC LIMIT 1"
        )
        assert row is not None and row["rejected_by"] == "risk"
        return str(row["rejection_reason"])

    def kinds(self) -> list[str]:
        return [alert.kind for alert in self.alerts]

    # -- its end ------------------------------------------------------------------------------

    async def restart(self) -> None:
        """The process is gone without a word; what was written is all that is left."""
        await self.life.stored()
        await self.life.kill()
        self.exchange.take_frames()
        await self.start()


#: Starts bots under the limits that it is given.
Start = Callable[..., Awaitable[Limited]]


async def hold(crew: Limited) -> None:
    """4.5 coins at 100."""
    assert crew.plan(ONE, stops=WIDE) == 1
    await crew.hear()
    assert crew.held(ONE) == D("4.5")
