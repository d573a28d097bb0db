"""Orders whose outcome is not known, and orders that no stream has shown.

An unknown order counts as live exposure until the exchange says otherwise (Bybit V5: the order
endpoints are asynchronous, and a request that timed out may still be accepted until its receive
window is over). It is `never_accepted` only when order/realtime, order/history and
execution/list know nothing of it twice, the last time at least `SURE_AFTER_S` after sending.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from itertools import count

import structlog

from alpha.bybit.rest import Rest
from alpha.clock import Clock, VenueClock
from alpha.core.orders import OrderState, is_terminal
from alpha.core.records import Commit, OrderRow
from alpha.errors import AlphaError
from alpha.trading.account import Account

log = structlog.get_logger(__name__)

SURE_AFTER_S = 10.0
PAUSES_S = (0.3, 1.0, 2.0, 4.0)
#: An exit whose id the exchange calls used, and which it shows nowhere, is given up after this
#: many attempts: what is left is closed under a new id.
RESEND_MOST = 10
SHOWN_WITHIN_MS = 2_000
WATCH_EVERY_S = 0.5


class Outcomes:
    """`resend` sends an exit again with the same id, `ended` hears of an order given up,
    `reconnect` drops a stream that missed an order; `sending` are ids on their way just now."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        *,
        clock: Clock,
        venue: VenueClock,
        spawn: Callable[[Coroutine[object, object, None], str], object],
        resend: Callable[[OrderRow], None],
        ended: Callable[[OrderRow], None],
        sending: Collection[str],
        reconnect: Callable[[str], None],
    ) -> None:
        self._account = account
        self._rest = rest
        self._clock = clock
        self._venue = venue
        self._spawn = spawn
        self._resend = resend
        self._ended = ended
        self._sending = sending
        self._resent: dict[str, int] = {}
        self._reconnect = reconnect
        self._resolving: set[str] = set()

    def resolve_soon(self, link_id: str) -> None:
        """Starts asking for an order, unless somebody is at it or it is being sent."""
        if link_id not in self._resolving and link_id not in self._sending:
            self._resolving.add(link_id)
            self._spawn(self._resolve(link_id), f"resolve:{link_id}")

    async def _resolve(self, link_id: str) -> None:
        try:
            lost = await self._is_lost(link_id)
        finally:
            self._resolving.discard(link_id)
        row = self._account.tracker.get(link_id)
        if lost and row is not None and not self._is_known(row):
            self._never_accepted(row)

    async def _is_lost(self, link_id: str) -> bool:
        """Asks until the order is known (False), or surely absent (True). One absence is
        enough for an exit or a stop: sending it again under its id cannot trade twice."""
        absent = 0
        for attempt in count():
            await self._clock.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            row = self._account.tracker.get(link_id)
            if row is None or self._is_known(row) or link_id in self._sending:
                return False
            try:
                found = await self._ask(row)
            except AlphaError as error:
                log.warning("order_not_resolved", order=link_id, error=str(error))
                continue
            if found:
                absent = 0
                continue
            absent += 1
            if self._is_sent_again(row):
                return True
            if absent >= 2 and self._since_sent_s(row) >= SURE_AFTER_S:
                return True
        return False

    def _is_known(self, row: OrderRow) -> bool:
        return OrderState(row.state) in (OrderState.OPEN, OrderState.PARTIALLY_FILLED) or (
            is_terminal(OrderState(row.state))
        )

    def _is_sent_again(self, row: OrderRow) -> bool:
        """An exit or a stop of ours. What somebody else has placed is never ours to send."""
        return (
            row.purpose != "entry"
            and self._account.tracker.is_ours(row.client_order_id)
            and self._resent.get(row.client_order_id, 0) < RESEND_MOST
        )

    def _since_sent_s(self, row: OrderRow) -> float:
        sent = row.sent_ms if row.sent_ms is not None else row.updated_ms
        return (self._clock.now_ms() - sent) / 1000

    async def _ask(self, row: OrderRow) -> bool:
        """Asks by id in every place that could know the order; True when one does."""
        event = await self._rest.order(row.symbol, order_link_id=row.client_order_id)
        if event is not None:
            self._account.receive_order(event)
        now = self._venue.now_ms()
        executed = False
        async for page in self._rest.executions(
            now - 86_400_000, now, order_link_id=row.client_order_id
        ):
            executed = executed or bool(page)
            self._account.receive(page)
        return event is not None or executed

    def _never_accepted(self, row: OrderRow) -> None:
        link_id = row.client_order_id
        resent = self._resent.get(link_id, 0)
        log.warning("order_absent", order=link_id, purpose=row.purpose, resent=resent)
        if self._is_sent_again(row):
            self._resent[link_id] = resent + 1
            self._resend(row)
            return
        self._resent.pop(link_id, None)
        moved = self._account.tracker.move(
            link_id,
            OrderState.NEVER_ACCEPTED,
            reject_reason="absent from every endpoint",
            rejected_by="connection",
        )
        self._account.put(Commit(self._account.name, orders=(moved,)))
        self._ended(moved)

    async def watch(self) -> None:
        """Every order that was acked has to show on a stream within two seconds; else it is
        asked for by id and the socket is connected anew."""
        while True:
            await self._clock.sleep(WATCH_EVERY_S)
            limit = self._clock.now_ms() - SHOWN_WITHIN_MS
            for row in self._account.tracker.working():
                if (
                    row.state == OrderState.ACKED
                    and (row.acked_ms or limit) < limit
                    and row.client_order_id not in self._resolving
                ):
                    log.warning("order_not_on_stream", order=row.client_order_id)
                    self._reconnect(f"order {row.client_order_id} did not show within 2 s")
                    self.resolve_soon(row.client_order_id)
