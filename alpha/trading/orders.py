"""Every order of one account: what was decided, sent, answered, filled.

The tracker is memory only; whoever changes it queues the returned rows to the ledger. States
move by `alpha.core.orders.advance`, so any order of acks, stream frames, REST answers and
executions ends in the same row.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from alpha.clock import Clock
from alpha.core.book import Book
from alpha.core.events import Execution, OrderEvent
from alpha.core.ids import parse
from alpha.core.orders import FROM_EXCHANGE, OrderState, advance, is_terminal
from alpha.core.reasons import ReasonBook, from_exchange
from alpha.core.records import (
    MANUAL,
    AttributionRules,
    BookChange,
    OrderPurpose,
    OrderRow,
    OrderTag,
)
from alpha.core.refusals import RejectedBy

ZERO = Decimal(0)
#: Finished orders kept in memory, so that late frames find their row.
KEEP_FINISHED = 20_000


class OrderTracker:
    """Orders by wire id. `bots` are the ids whose orders are ours."""

    def __init__(
        self, account: str, clock: Clock, bots: Iterable[str], reasons: ReasonBook
    ) -> None:
        self.account = account
        self._clock = clock
        self._bots = frozenset(bots)
        self._reasons = reasons
        self._rows: OrderedDict[str, OrderRow] = OrderedDict()
        self._live: dict[str, None] = {}
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._link_by_id: dict[str, str] = {}
        self._executed: dict[str, Decimal] = {}
        #: Orders that an earlier process has written down and that may be over, by wire id.
        self.known_before: set[str] = set()
        self.revision = 0  # another one whenever an order has changed, or traded
        #: Exchange order id -> owner, for the fold's attribution.
        self.tags: dict[str, OrderTag] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, link_id: str) -> OrderRow | None:
        return self._rows.get(link_id)

    def restore(self, rows: Iterable[OrderRow]) -> None:
        """Takes over rows of an earlier process, unchanged."""
        for row in rows:
            self._store(row)

    def plan(self, row: OrderRow) -> bool:
        """Adds a decided order. False when the id is known: the decision is a repetition."""
        if row.client_order_id in self._rows:
            return False
        self._store(row)
        return True

    # -- what our own sending learns --------------------------------------------------------

    def move(
        self,
        link_id: str,
        state: OrderState,
        *,
        exchange_order_id: str | None = None,
        reject_code: int | None = None,
        reject_reason: str | None = None,
        rejected_by: RejectedBy | None = None,
    ) -> OrderRow:
        """Proposes a state; returns the row after it (perhaps unchanged)."""
        row = self._rows[link_id]
        now = self._clock.now_ms()
        after = advance(OrderState(row.state), state)
        row = replace(
            row,
            state=after.value,
            exchange_order_id=exchange_order_id or row.exchange_order_id,
            reject_code=reject_code if reject_code is not None else row.reject_code,
            reject_reason=reject_reason or row.reject_reason,
            sent_ms=now if state is OrderState.SENT else row.sent_ms,
            acked_ms=now if state is OrderState.ACKED and row.acked_ms is None else row.acked_ms,
            terminal_ms=now if is_terminal(after) and row.terminal_ms is None else row.terminal_ms,
            updated_ms=now,
            retries=row.retries + (state is OrderState.SENT and row.sent_ms is not None),
            rejected_by=rejected_by or row.rejected_by,
        )
        self._store(row)
        return row

    # -- what the exchange tells ------------------------------------------------------------

    def observe(self, event: OrderEvent, holder: str | None = None) -> OrderRow | None:
        """Folds an order row of the stream or of REST; the changed row, or None. `holder` owns the
        position that a stop of the exchange's own making closes, if anybody does."""
        link_id = event.order_link_id or self._link_by_id.get(event.order_id) or event.order_id
        before = self._rows.get(link_id)
        row = before or self._foreign(event, link_id)
        state = FROM_EXCHANGE.get(event.status)
        if state is OrderState.OPEN and event.cum_exec_qty > 0:
            state = OrderState.PARTIALLY_FILLED
        after = advance(OrderState(row.state), state) if state else OrderState(row.state)
        now = self._clock.now_ms()
        row = replace(
            row,
            state=after.value,
            exchange_order_id=event.order_id,
            exchange_status=event.status if state is after else row.exchange_status,
            filled_qty=max(row.filled_qty, event.cum_exec_qty),
            avg_fill_price=event.avg_price or row.avg_fill_price,
            reject_reason=row.reject_reason or _refusal(event, after),
            trigger_price=event.trigger_price or row.trigger_price,
            qty=event.qty if row.purpose == "stop" else row.qty,
            terminal_ms=now if is_terminal(after) and row.terminal_ms is None else row.terminal_ms,
            parent_client_order_id=event.parent_link_id or row.parent_client_order_id,
            rejected_by=_rejected_by(row, after),
        )
        if holder is not None and not self._names_its_bot(row):
            row = replace(row, bot_id=holder)
        if row == before:
            return None
        row = replace(row, updated_ms=now)
        self._store(row)
        return row

    def owned_by(self, change: BookChange) -> tuple[OrderRow, ...]:
        """Stops without an id of ours belong to whoever the books say their fills belong to; the
        rows that change."""
        owners: dict[str, set[str]] = {}
        for fill in change.fills:
            if fill.attribution != "id":
                owners.setdefault(fill.order_id, set()).add(fill.bot_id)
        found = (
            self._belongs(order_id, next(iter(bots)))
            for order_id, bots in owners.items()
            if len(bots) == 1
        )
        return tuple(row for row in found if row is not None)

    def _belongs(self, order_id: str, bot_id: str) -> OrderRow | None:
        row = self._rows.get(self._link_by_id.get(order_id, ""))
        if row is None or row.purpose != "stop" or row.bot_id == bot_id:
            return None
        if self._names_its_bot(row):
            return None
        row = replace(row, bot_id=bot_id, updated_ms=self._clock.now_ms())
        self._store(row)
        return row

    def executed(self, execution: Execution) -> None:
        """Counts an execution for its order; funding and strangers without a row are ignored."""
        link_id = execution.order_link_id or self._link_by_id.get(execution.order_id)
        if link_id is None or not execution.signed_qty:
            return
        self._executed[link_id] = self._executed.get(link_id, ZERO) + execution.qty
        self.revision += 1
        row = self._rows.get(link_id)
        if row is not None and self.is_settled(row):
            self._retire(row)

    def executed_before(self, link_id: str, qty: Decimal) -> None:
        """What the ledger holds of an order that was restored: all of it, not in addition."""
        self._executed[link_id] = qty
        self.revision += 1
        row = self._rows.get(link_id)
        if row is not None and self.is_settled(row):
            self._retire(row)

    # -- questions --------------------------------------------------------------------------

    def is_ours(self, link_id: str) -> bool:
        """The id is one that a bot of this account has given."""
        own = parse(link_id, self._reasons) if link_id else None
        return own is not None and own.bot_id in self._bots

    def knows_order(self, order_id: str) -> bool:
        """Its row has been seen: whose it is, or that it names nobody of ours."""
        return order_id in self._link_by_id

    def executed_qty(self, link_id: str) -> Decimal:
        return self._executed.get(link_id, ZERO)

    def is_settled(self, row: OrderRow) -> bool:
        """Finished, and every execution that its last frame counted has arrived."""
        return is_terminal(OrderState(row.state)) and (
            self.executed_qty(row.client_order_id) >= row.filled_qty
        )

    def working(self, bot_id: str | None = None) -> list[OrderRow]:
        """Orders that are not settled: live, unknown, or with executions still missing."""
        return [
            self._rows[link_id]
            for link_id in self._live
            if bot_id is None or self._rows[link_id].bot_id == bot_id
        ]

    def pending_symbols(self, bot_id: str, purpose: OrderPurpose) -> frozenset[str]:
        return frozenset(row.symbol for row in self.working(bot_id) if row.purpose == purpose)

    def is_own_stop(self, row: OrderRow) -> bool:
        """A conditional order of ours, under an id of ours; not one that the exchange keeps for
        a position."""
        return row.purpose == "stop" and self.is_ours(row.client_order_id)

    def is_fired(self, row: OrderRow) -> bool:
        """An own stop whose trigger was met: it trades like an exit from then on."""
        if not self.is_own_stop(row):
            return False
        traded = row.filled_qty > 0 or self.executed_qty(row.client_order_id) > 0
        return traded or row.exchange_status not in (None, "Untriggered")

    def closing_qty(self, bot_id: str, symbol: str) -> Decimal:
        """What exits that are sent, open or unknown may still close, and stops that fired."""
        return sum(
            (
                row.qty - self.executed_qty(row.client_order_id)
                for row in self.working(bot_id)
                if row.symbol == symbol and (row.purpose == "exit" or self.is_fired(row))
            ),
            ZERO,
        )

    # -- inside -----------------------------------------------------------------------------

    def _names_its_bot(self, row: OrderRow) -> bool:
        """Its own id or its parent's says whose it is: evidence for the books. Whoever else a
        row is shown for, the books have told it, and it must not tell them."""
        own = parse(row.client_order_id, self._reasons)
        parent = parse(row.parent_client_order_id or "", self._reasons)
        return any(one is not None and one.bot_id == row.bot_id for one in (own, parent))

    def _foreign(self, event: OrderEvent, link_id: str) -> OrderRow:
        """A row for an order that this process did not plan: an adopted one of ours, a system
        child of one (parent link id), or a stranger's."""
        own = parse(event.order_link_id, self._reasons) if event.order_link_id else None
        parent = parse(event.parent_link_id, self._reasons) if event.parent_link_id else None
        owner = own or parent
        known = owner is not None and owner.bot_id in self._bots
        if event.stop_order_type and (known or not event.order_link_id):
            purpose: OrderPurpose = "stop"
        else:
            purpose = "exit" if event.reduce_only else "entry"
        return OrderRow(
            account=self.account,
            client_order_id=link_id,
            bot_id=owner.bot_id if known and owner is not None else MANUAL,
            symbol=event.symbol,
            side=event.side,
            purpose=purpose,
            reason=(own.reason if own is not None else None)
            or from_exchange("Trade", event.create_type, event.stop_order_type)
            or "",
            order_type=event.order_type,
            qty=event.qty,
            price=event.price,
            trigger_price=event.trigger_price,
            reduce_only=event.reduce_only,
            state=OrderState.SENT.value,
            exchange_order_id=event.order_id,
            exchange_status=None,
            filled_qty=ZERO,
            avg_fill_price=None,
            reject_code=None,
            reject_reason=None,
            decided_ms=own.unix_ms if own is not None else event.created_ms,
            sent_ms=None,
            acked_ms=None,
            terminal_ms=None,
            updated_ms=self._clock.now_ms(),
            parent_client_order_id=event.parent_link_id or None,
        )

    def _store(self, row: OrderRow) -> None:
        self.revision += 1
        self._rows[row.client_order_id] = row
        if row.exchange_order_id:
            self._link_by_id[row.exchange_order_id] = row.client_order_id
            if self._names_its_bot(row):
                self.tags[row.exchange_order_id] = OrderTag(
                    row.bot_id, row.reason, "parent" if row.parent_client_order_id else "order"
                )
        if self.is_settled(row):
            self._retire(row)
        elif row.client_order_id not in self._finished:
            self._live[row.client_order_id] = None

    def _retire(self, row: OrderRow) -> None:
        self._live.pop(row.client_order_id, None)
        self._finished[row.client_order_id] = None
        self._finished.move_to_end(row.client_order_id)
        while len(self._finished) > KEEP_FINISHED:
            oldest, _ = self._finished.popitem(last=False)
            gone = self._rows.pop(oldest, None)
            self._executed.pop(oldest, None)
            if gone is not None and gone.exchange_order_id:
                self._link_by_id.pop(gone.exchange_order_id, None)
                self.tags.pop(gone.exchange_order_id, None)


def position_owner(event: OrderEvent, book: Book | None, rules: AttributionRules) -> str | None:
    """Whose position a stop of the exchange's own making closes: as the books have it, else as
    they would have it now. None: nobody's, or the order is of another kind."""
    if book is None or not is_made_for_position(event):
        return None
    owners = book.owners_of(event.order_id)
    if not owners:
        closing = [
            bot_id
            for bot_id, at in book.positions().items()
            if (at.signed_qty > 0) is (event.side == "Sell")
        ]
        owner = rules.owners.get(event.symbol)
        owners = frozenset(closing if len(closing) == 1 or owner is None else (owner,))
    return next(iter(owners)) if len(owners) == 1 else None


def is_made_for_position(event: OrderEvent) -> bool:
    """A stop that the exchange has made of a position's stop loss, take profit or trailing stop,
    without a parent that would say whose: docs of Bybit V5, parentOrderLinkId."""
    return (
        not event.order_link_id
        and bool(event.stop_order_type)
        and from_exchange("Trade", event.create_type, event.stop_order_type) is not None
    )


def _rejected_by(row: OrderRow, state: OrderState) -> str | None:
    """An order that shows itself after all was rejected by nobody."""
    if state is OrderState.REJECTED:
        return row.rejected_by or "exchange"
    return row.rejected_by if state is OrderState.NEVER_ACCEPTED else None


def _refusal(event: OrderEvent, state: OrderState) -> str | None:
    """The exchange's reason where an order ended without filling as asked."""
    if not is_terminal(state) or state is OrderState.FILLED:
        return None
    words = [w for w in (event.reject_reason, event.cancel_type) if w not in ("", "UNKNOWN")]
    words = [w for w in words if w != "EC_NoError"]
    return ", ".join(words) or None
