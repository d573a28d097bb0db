"""Reconciling one account: hourly by itself, and when an operator asks.

A difference is explained by executions or not at all. `apply` brings executions in, however old;
what none explains is written as an adjustment of `manual`, and only then, because a person has
asked for it. Positions that agree again take entries again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import structlog

from alpha.bybit.requests import OrderTarget
from alpha.bybit.rest import WINDOW_MS, Rest
from alpha.clock import Clock, VenueClock
from alpha.core.events import ADJUSTMENT, Execution
from alpha.core.orders import SHOWN, OrderState
from alpha.errors import AlphaError, RetryLater
from alpha.trading.account import Account
from alpha.trading.differences import Difference, Key, Ours, differences
from alpha.trading.recovery import Recovery

log = structlog.get_logger(__name__)

FULL_EVERY_S = 3_600.0
RETRY_S = 30.0
#: Executions are looked for this many windows of seven days back: half a year.
WINDOWS = 26
SETTLED_WITHIN_S = 30.0

Missing = Callable[[str, Collection[Key]], Awaitable[set[Key]]]
Paid = Callable[[str, int, int], Awaitable[Mapping[Key, Decimal]]]
Drain = Callable[[float, str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Applied:
    """`found` is what there was, `left` what is there afterwards; `brought` executions were
    missing, `adjusted` symbols got an adjustment, `cancelled` orders were orphans."""

    found: tuple[Difference, ...]
    left: tuple[Difference, ...]
    brought: int
    adjusted: tuple[str, ...]
    cancelled: tuple[str, ...]


class Reconciler:
    """Of one account. `missing` and `paid` ask the database, `drain` waits for the ledger's writer,
    `may_send` is the fence for exits, `rewrite` has the live picture written again; `bots` tells
    the ids of those that run."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        recovery: Recovery,
        *,
        missing: Missing,
        paid: Paid,
        drain: Drain,
        clock: Clock,
        venue: VenueClock,
        bots: Callable[[], Collection[str]],
        may_send: Callable[[], bool],
    ) -> None:
        self._account = account
        self._rest = rest
        self._recovery = recovery
        self._missing = missing
        self._paid = paid
        self._drain = drain
        self._clock = clock
        self._venue = venue
        self._bots = bots
        self._may_send = may_send
        #: Told after each full reconciliation.
        self.done: Callable[[], None] = lambda: None
        #: What the newest one has found.
        self.last: tuple[Difference, ...] = ()

    async def run(self) -> None:
        """A full reconciliation at the start and then every hour, while the account is live."""
        while True:
            pause = FULL_EVERY_S
            while not self._account.live:
                await self._clock.sleep(1.0)
            try:
                for one in await self.differences():
                    log.warning("reconciliation_differs", **one.as_row())
                await self._cancel_orphans(self.last)
                self.done()
                log.info("reconciled", account=self._account.name, differences=len(self.last))
            except AlphaError as error:
                log.warning("not_reconciled", account=self._account.name, error=str(error))
                pause = RETRY_S
            await self._clock.sleep(pause)

    async def differences(self) -> list[Difference]:
        """What differs now, point by point; changes nothing."""
        found = await differences(self._rest, self._ours, self._clock)
        self.last = tuple(found)
        return found

    async def apply(self, operator: str) -> Applied:
        """Brings the ledger to agree with the exchange. Raises RetryLater when the account is
        not live or does not come to rest."""
        if not self._account.live:
            raise RetryLater(
                f"expected account {self._account.name} to be live, was "
                f"{self._account.status}: {self._account.why}; try again when it is"
            )
        found = await self.differences()
        brought = await self._bring_executions(found)
        left = await self.differences() if found else []
        adjusted = await self._adjust(left, operator)
        cancelled = await self._cancel_orphans(left)
        for one in left:
            if one.kind == "order":
                await self._read_order(one)
        if left:
            await self._settled()
            left = await self.differences()
        self._recovery.comparison.compare()
        self.done()
        return Applied(tuple(found), tuple(left), brought, adjusted, cancelled)

    # -- what we hold -------------------------------------------------------------------------

    async def _ours(self) -> Ours:
        account = self._account

        async def missing(keys: Collection[Key]) -> set[Key]:
            # What has just been folded is on its way to the database.
            lacking = await self._missing(account.name, keys) if keys else set()
            return {key for key in lacking if not account.knows(key)}

        return Ours(
            account=account.name,
            held={
                (bot_id, symbol): position.signed_qty
                for symbol, book in account.books.items()
                for bot_id, position in book.positions().items()
            },
            orders={row.client_order_id: row for row in account.tracker.working()},
            bots=self._bots(),
            known=account.rules.bots,
            reasons=account.rules.reasons,
            missing=missing,
            paid=partial(self._paid, account.name),
        )

    # -- bringing the two together ------------------------------------------------------------

    async def _bring_executions(self, found: Collection[Difference]) -> int:
        """Executions that the database lacks: those just found, and, while a position is not
        explained, older ones, window by window."""
        account, brought = self._account, 0
        until_ms = await self._rest.server_time() + 1_000
        unexplained = {one.symbol for one in found if one.kind == "position"}
        if not any(one.kind in ("position", "execution") for one in found):
            return 0
        for window in range(WINDOWS):
            end_ms = until_ms - window * WINDOW_MS
            rows: dict[Key, Execution] = {}
            async for page in self._rest.executions(end_ms - WINDOW_MS, end_ms):
                rows.update((row.key, row) for row in page)
            lacking = await self._missing(account.name, list(rows)) if rows else set()
            fresh = [rows[key] for key in lacking if not account.knows(key)]
            if fresh:
                brought += len(fresh)
                account.backfilled += len(fresh)
                account.receive(sorted(fresh, key=lambda row: row.ledger_key))
                await self._settled()
            if not unexplained & set(self._recovery.comparison.differing()):
                break
        if brought:
            log.warning("executions_brought", account=account.name, executions=brought)
        return brought

    async def _settled(self) -> None:
        """Everything received is folded, and in the database."""
        account = self._account
        deadline = self._clock.monotonic() + SETTLED_WITHIN_S
        while account.late or account.waiting or account.overflowed or not account.live:
            if self._clock.monotonic() > deadline:
                raise RetryLater(
                    f"expected account {account.name} at rest within {SETTLED_WITHIN_S:.0f} s, "
                    f"was {account.status}; try again"
                )
            await self._clock.sleep(0.05)
        if not await self._drain(SETTLED_WITHIN_S, account.name):
            raise RetryLater(
                f"expected the ledger to be written within {SETTLED_WITHIN_S:.0f} s; try again"
            )

    async def _adjust(self, left: Collection[Difference], operator: str) -> tuple[str, ...]:
        """Accepts what no execution explains, as a position of nobody's: only while both sides
        are still what the difference says. A symbol that moves is left for another time."""
        done = []
        for one in left:
            if one.kind != "position":
                continue
            shown = await self._rest.positions(one.symbol)
            size = sum((event.signed_size for event in shown), Decimal(0))
            held = self._account.net(one.symbol)
            same = (held, size) == (Decimal(one.ledger), Decimal(one.exchange))
            qty = size - held
            if qty and same and not self._is_moving(one.symbol):
                self._account.receive((self._adjustment(one.symbol, qty, operator),))
                done.append(one.symbol)
                self._account.alerts.tell(
                    "position_adjusted",
                    f"expected executions to explain the position of {one.symbol}, was short of "
                    f"{qty}; booked for `manual` as {operator} asked for",
                    account=self._account.name,
                    symbol=one.symbol,
                    qty=str(qty),
                    operator=operator,
                )
        return tuple(done)

    def _is_moving(self, symbol: str) -> bool:
        """An order of the symbol is under way: what differs may be its doing."""
        return any(
            row.symbol == symbol and OrderState(row.state) not in SHOWN
            for row in self._account.tracker.working()
        )

    def _adjustment(self, symbol: str, qty: Decimal, operator: str) -> Execution:
        at_ms = self._venue.now_ms()
        book = self._account.book(symbol)
        if book.newest is not None:  # after everything that it has to agree with
            at_ms = max(at_ms, book.newest[0] + 1)
        event = self._account.exchange.get(symbol)
        price = (event.entry_price or event.mark_price) if event is not None else None
        return Execution(
            account=self._account.name,
            symbol=symbol,
            exec_id=f"adjustment-{symbol}-{at_ms}",
            order_id="",
            order_link_id="",
            side="Buy" if qty > 0 else "Sell",
            exec_type=ADJUSTMENT,
            price=price or _last_price(book.rows),
            qty=abs(qty),
            value=abs(qty) * (price or _last_price(book.rows)),
            fee=Decimal(0),
            fee_currency="USDT",
            fee_rate=None,
            leaves_qty=Decimal(0),
            closed_size=None,
            is_maker=False,
            create_type=operator,
            order_type="a difference to the exchange that no execution explains",
            stop_order_type="",
            exec_time=at_ms,
            seq=0,
            source="import",
            received_ms=self._clock.now_ms(),
        )

    async def _cancel_orphans(self, found: Collection[Difference]) -> tuple[str, ...]:
        """Stops of ours without a position would open one. Other orders without a bot are only
        reported."""
        cancelled = []
        for one in found:
            if one.kind != "orphan" or "a stop of" not in one.note or not self._may_send():
                continue
            try:
                await self._rest.cancel_order(
                    OrderTarget(symbol=one.symbol, order_link_id=one.subject)
                )
            except AlphaError as error:
                log.warning("orphan_not_cancelled", order=one.subject, error=str(error))
            else:
                log.warning("orphan_cancelled", order=one.subject, symbol=one.symbol)
                cancelled.append(one.subject)
                await self._read_order(one)
        return tuple(cancelled)

    async def _read_order(self, one: Difference) -> None:
        """The final state of an order that we believe open and the exchange does not list."""
        event = await self._rest.order(one.symbol, order_link_id=one.subject)
        if event is not None:
            self._account.receive_order(event)


def _last_price(rows: Collection[Execution]) -> Decimal:
    newest = max(rows, key=lambda row: row.ledger_key, default=None)
    return newest.price if newest is not None else Decimal(1)
