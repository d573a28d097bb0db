"""What limits and people want closed, closed: exits like any other, one at a time per position.

Called again and again until everything is flat, or within its limit. What exits are closing
already is taken off first, so that calling it twice closes nothing twice. Stops stay until a
position is flat; what `manual` holds is nobody's here to close.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from typing import NamedTuple

import structlog

from alpha.clock import Clock
from alpha.core.records import MANUAL
from alpha.core.risk import EXPOSURES, ONE, Action, Held, Trip, cuts
from alpha.trading.portfolio_risk import PortfolioRisk
from alpha.trading.risk_scopes import Scope
from alpha.trading.service import AccountService

log = structlog.get_logger(__name__)

LIMIT_REASON = "risk_limit"
#: A person has said so, by a verb.
OPERATOR_REASON = "manual_exit"
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


class _Try(NamedTuple):
    """An exit was sent while `qty` was held; the next one not before `until` (monotonic)."""

    qty: Decimal
    until: float
    pause: float


class RiskActions:
    """Closes for `portfolio` through the services of its accounts."""

    def __init__(
        self,
        portfolio: PortfolioRisk,
        services: Mapping[str, AccountService],
        clock: Clock,
    ) -> None:
        self._portfolio = portfolio
        self._services = services
        self._clock = clock
        self._tried: dict[tuple[str, str, str], _Try] = {}
        self._done: set[str] = set()  # breach ids whose positions are flat
        portfolio.act = self.step

    def step(self) -> None:
        for scope in self._portfolio.scopes:
            for trip in list(scope.trips.values()):
                if trip.action is Action.FLATTEN:
                    self._flatten(scope, trip)
                elif trip.action is Action.REDUCE and trip.kind in EXPOSURES:
                    self._reduce(scope, trip)

    def _flatten(self, scope: Scope, trip: Trip) -> None:
        reason = OPERATOR_REASON if trip.kind is None else LIMIT_REASON
        held = [one for one in self._portfolio.pictures.held(scope) if one.owner != MANUAL]
        closed = sum(self._close(one, reason, None) for one in held)
        if closed:
            self._done.discard(trip.event_id)
            self._portfolio.tell(scope, trip, "action", positions=closed, notes="closing")
        elif not held and trip.event_id not in self._done:
            self._done.add(trip.event_id)
            log.info("risk_flat", scope=scope.label, limit=trip.name)

    def _reduce(self, scope: Scope, trip: Trip) -> None:
        rule = scope.rule(trip.kind)
        pictures = self._portfolio.pictures
        if rule is None or pictures.stale(scope, pictures.all_of(scope)):
            return
        equity, _ = self._portfolio.pictures.money(scope)
        left = [self._left(one) for one in self._portfolio.pictures.held(scope)]
        mine = [one for one in left if one.owner != MANUAL]
        fixed = [one for one in left if one.owner == MANUAL]
        closed = sum(
            self._close(cut.held, LIMIT_REASON, cut.fraction)
            for cut in cuts(rule, equity, mine, fixed)
        )
        if closed:
            self._portfolio.tell(scope, trip, "action", positions=closed, notes="reducing")

    def _left(self, held: Held) -> Held:
        """What is left of a position once the exits on their way have traded."""
        closing = self._closing(held)
        if not closing:
            return held
        part = max(ONE - closing / abs(held.signed_qty), Decimal(0))
        return held._replace(signed_qty=held.signed_qty * part, value=held.value * part)

    def _closing(self, held: Held) -> Decimal:
        tracker = self._services[held.account].account.tracker
        return tracker.closing_qty(held.owner, held.symbol)

    def _close(self, held: Held, reason: str, fraction: Decimal | None) -> int:
        """Closes a position, or a part of it rounded up to what the exchange takes; 0 where an
        exit is under way, or nothing can be sent yet."""
        service = self._services[held.account]
        if self._closing(held) > 0:
            return 0
        session = service.sessions.get(held.owner)
        ready = service.account.live if session is None else session.caught_up
        if not ready or service.gateway.is_following(held.owner, held.symbol):
            return 0
        if not self._may_try(held):
            return 0
        qty = None
        if fraction is not None and fraction < ONE:
            qty = abs(held.signed_qty) * fraction
            instrument = service.instruments.get(held.symbol)
            if instrument is not None:
                step = instrument.qty_step
                qty = (qty / step).to_integral_value(ROUND_UP) * step
        service.close(held.owner, held.symbol, reason, qty)
        return 1

    def _may_try(self, held: Held) -> bool:
        """As long as closing does not change what is held, less and less often."""
        now, place = self._clock.monotonic(), (held.account, held.owner, held.symbol)
        last = self._tried.get(place)
        pause = FIRST_PAUSE_S
        if last is not None and last.qty == held.signed_qty and now < last.until + LONGEST_PAUSE_S:
            if now < last.until:
                return False
            pause = min(last.pause * 2, LONGEST_PAUSE_S)
        self._tried[place] = _Try(held.signed_qty, now + pause, pause)
        return True
