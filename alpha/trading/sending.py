"""One order on its way: sent until the exchange has answered, or nobody knows.

An entry is tried once, an exit or a stop until it is taken: always under its id, which cannot
trade twice (Bybit V5: 110072 for an orderLinkId that was used before).
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from alpha.bybit.codes import ClockRefused, DuplicateOrder, Throttled, doubts_rules
from alpha.bybit.limiter import EntryDropped
from alpha.bybit.requests import CreateOrder
from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.orders import OrderState
from alpha.core.records import Commit, OrderRow
from alpha.core.refusals import RejectedBy, rejected_by
from alpha.errors import OutcomeUnknown, RetryLater, VenueRejected
from alpha.trading.account import Account
from alpha.trading.latency import Latencies
from alpha.trading.sizing import Fence

log = structlog.get_logger(__name__)

#: How long an exit that the exchange refused waits before it is tried again.
EXIT_RETRY_S = 1.0
#: How often an exit asks whether the lease is held again.
FENCE_RETRY_S = 0.1

#: The order as it is to go out now; None when nothing is left to do.
Wanted = Callable[[], CreateOrder | None]
#: Why an entry must not leave any more; None while it may.
Against = Callable[[], str | None]


class Sender:
    """Sends for one account. `unknown` is told of orders whose outcome nobody knows, `answered`
    when the exchange has taken one, `doubt` of a symbol whose rules may be others by now;
    `sending` holds the ids on their way."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        *,
        fence: Fence,
        clock: Clock,
        unknown: Callable[[str], None],
        answered: Callable[[], None],
        sending: set[str],
        doubt: Callable[[str], None] = lambda symbol: None,
    ) -> None:
        self._account = account
        self._rest = rest
        self._fence = fence
        self._clock = clock
        self._unknown = unknown
        self._answered = answered
        self._sending = sending
        self._doubt = doubt
        self.frame_to_order_us = Latencies()

    async def send(
        self,
        row: OrderRow,
        wanted: Wanted,
        received_ns: int | None = None,
        against: Against = lambda: None,
    ) -> VenueRejected | None:
        """Returns the refusal of an order that the exchange has definitely refused. `against` is
        asked as the bytes of an entry leave, which may have queued for its turn."""
        link_id = row.client_order_id
        if link_id in self._sending:
            return None
        self._sending.add(link_id)
        refusal: VenueRejected | None = None
        try:
            while True:
                try:
                    pause = await self._try(row, wanted, received_ns, against)
                except VenueRejected as error:
                    refusal = error
                    self._refused(row, error)
                    break
                if pause is None:
                    break
                await self._clock.sleep(pause)
        finally:
            self._sending.discard(link_id)
        known = self._account.tracker.get(link_id)
        if known is not None and known.state == OrderState.UNKNOWN:
            self._unknown(link_id)
        return refusal

    async def _try(
        self, row: OrderRow, wanted: Wanted, received_ns: int | None, against: Against
    ) -> float | None:
        """One attempt. Seconds until the next one; None when there is nothing more to do.
        Raises VenueRejected for a definite refusal."""
        tracker, link_id = self._account.tracker, row.client_order_id
        if not self._may_send(row):
            if row.purpose != "entry":
                return FENCE_RETRY_S
            lease = f"expected the lease of account {row.account} to be held"
            self._dropped(row, "ledger", lease)
            return None
        request = wanted()
        if request is None:
            self._dropped(row, "nothing_to_close", "nothing is left to close")
            return None
        tracker.move(link_id, OrderState.SENT)

        held_back: list[str] = []

        def refusal() -> str | None:
            why = against()
            held_back[:] = [] if why is None else [why]
            return why

        def sent(at_ns: int) -> None:
            if received_ns:
                self.frame_to_order_us.add((at_ns - received_ns) / 1000)

        try:
            ack = await self._rest.create_order(
                request,
                on_sent=sent,
                refusal=refusal if row.purpose == "entry" else None,
            )
        except OutcomeUnknown as error:
            log.warning("order_outcome_unknown", order=link_id, error=str(error))
            self._moved(tracker.move(link_id, OrderState.UNKNOWN))
        except DuplicateOrder:
            # The exchange has it from an earlier attempt: sent once, which is what was asked.
            # Its frames may be long past, so it is asked for.
            log.info("order_already_sent", order=link_id)
            self._moved(tracker.move(link_id, OrderState.UNKNOWN))
        except (ClockRefused, RetryLater) as error:
            if row.purpose == "entry":
                by = rejected_by(held_back[0]) if held_back else _cause(error)
                self._dropped(row, by, str(error))
                return None
            log.warning("exit_delayed", order=link_id, why=str(error))
            return min(getattr(error, "after_s", EXIT_RETRY_S), EXIT_RETRY_S)
        else:
            self._moved(
                tracker.move(link_id, OrderState.ACKED, exchange_order_id=ack.order_id or None)
            )
            self._answered()
        return None

    def _may_send(self, row: OrderRow) -> bool:
        if row.purpose == "entry":
            return self._fence.entries_allowed()
        return self._fence.exits_allowed()

    def _refused(self, row: OrderRow, error: VenueRejected) -> None:
        link_id = row.client_order_id
        log.warning("order_rejected", order=link_id, code=error.code, message=error.message)
        if doubts_rules(error.code, error.message):
            self._doubt(row.symbol)
        rejected = self._account.tracker.move(
            link_id,
            OrderState.REJECTED,
            reject_code=error.code,
            reject_reason=error.message,
            rejected_by="exchange",
        )
        self._moved(rejected)
        self._account.tell_order(rejected)

    def _dropped(self, row: OrderRow, by: RejectedBy, why: str) -> None:
        """Nothing has left, or nothing has arrived: the order is over."""
        log.warning("order_not_sent", order=row.client_order_id, why=why)
        dropped = self._account.tracker.move(
            row.client_order_id,
            OrderState.NEVER_ACCEPTED,
            reject_reason=why,
            rejected_by=by,
        )
        self._moved(dropped)
        self._account.tell_order(dropped)

    def _moved(self, row: OrderRow) -> None:
        self._account.put(Commit(self._account.name, orders=(row,)))


def _cause(error: ClockRefused | RetryLater) -> RejectedBy:
    if isinstance(error, EntryDropped | Throttled):
        return "rate_limit"
    return "exchange" if isinstance(error, ClockRefused) else "connection"
