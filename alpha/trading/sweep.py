"""What the exchange has of an account: executions, orders, positions, wallet, asked over REST.

Everything goes through the account as if a stream had brought it. No database is needed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import structlog

from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.events import Execution
from alpha.core.orders import SHOWN, OrderState
from alpha.core.records import Commit, OrderRow
from alpha.trading.account import Account

log = structlog.get_logger(__name__)

#: Executions are asked for again from this far behind the verified mark.
OVERLAP_MS = 300_000
#: An account that has never been swept starts here: Bybit's default window.
FIRST_SWEEP_MS = 7 * 86_400_000
#: An open order that no endpoint has known for this long is over.
SURE_AFTER_S = 10.0
#: What a long absence has left is folded in slices of so many executions.
SLICE = 500
#: The first sweeps of a process look for orders of which a crash has erased the row. More than
#: one: the history may show an order late.
_LOOKS_BEHIND = 2


class Sweep:
    """Asks for one account. `resolve` asks for an order by id, `keep_up` lets everything else run
    and the ledger's queue empty itself."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        resolve: Callable[[str], None],
        clock: Clock,
        keep_up: Callable[[], Awaitable[None]],
    ) -> None:
        self._account = account
        self._rest = rest
        self._resolve = resolve
        self._clock = clock
        self._keep_up = keep_up
        self._absent: dict[str, float] = {}  # open orders not found, by id: since when
        self._looks_behind = _LOOKS_BEHIND

    async def executions(self, until_ms: int) -> dict[tuple[str, str], Execution]:
        """Every page of every window since the verified mark, then folded oldest first. What
        memory knows is not folded again; whether it is stored is asked later."""
        account = self._account
        verified = account.marks.verified_ms
        since = verified - OVERLAP_MS if verified else until_ms - FIRST_SWEEP_MS
        rows: dict[tuple[str, str], Execution] = {}
        async for page in self._rest.executions(since, until_ms + 1_000):
            rows.update((row.key, row) for row in page)
        fresh = [row for key, row in rows.items() if not account.knows(key)]
        if fresh:
            account.backfilled += len(fresh)
            log.info("backfilled", account=account.name, executions=len(fresh))
        fresh.sort(key=lambda row: row.ledger_key)
        # Bots that run already must not act on positions of some time in between.
        some = max(len(fresh), 1) if account.been_live else SLICE
        for begin in range(0, len(fresh), some):
            if begin:
                await self._keep_up()
            account.receive(fresh[begin : begin + some])
        return rows

    async def state(self, swept: Collection[Execution], until_ms: int) -> None:
        """Orders, positions and wallet as they are now; `swept` are the executions just asked."""
        await self._orders_behind(swept)
        if self._looks_behind:
            await self._orders_without_row(until_ms)
            self._looks_behind -= 1
        await self._orders()
        await self._positions()
        self._account.balance.tell(await self._rest.wallet())

    async def _orders(self) -> None:
        """Open orders as the exchange has them; ours that it does not list are asked by id."""
        listed = set()
        for event in await self._rest.open_orders():
            listed.add(event.order_link_id or event.order_id)
            self._account.receive_order(event)
        for row in self._account.tracker.working():
            if row.client_order_id in listed:
                continue
            if OrderState(row.state) in SHOWN or row.purpose == "stop":
                await self._ended(row)
            else:
                self._resolve(row.client_order_id)

    async def _ended(self, row: OrderRow) -> None:
        """An order that was open and is not listed any more. One of which no endpoint knows
        anything, twice within `SURE_AFTER_S`, is over: what it has traded, executions tell."""
        link_id, own = row.client_order_id, self._account.tracker.is_ours(row.client_order_id)
        event = await self._rest.order(
            row.symbol,
            order_id=row.exchange_order_id,
            order_link_id=link_id if own else None,
        )
        if event is not None:
            self._absent.pop(link_id, None)
            self._account.receive_order(event)
            return
        if OrderState(row.state) not in SHOWN:
            if own:
                self._resolve(link_id)
            return
        now = self._clock.monotonic()
        if now - self._absent.setdefault(link_id, now) < SURE_AFTER_S:
            return
        del self._absent[link_id]
        tracker = self._account.tracker
        whole = tracker.executed_qty(link_id) >= row.qty
        log.warning("order_forgotten", order=link_id, executed=str(tracker.executed_qty(link_id)))
        ended = tracker.move(
            link_id,
            OrderState.FILLED if whole else OrderState.DEACTIVATED,
            reject_reason=None if whole else "absent from every endpoint",
        )
        self._account.put(Commit(self._account.name, orders=(ended,)))
        self._account.tell_order(ended)

    async def _orders_behind(self, executions: Collection[Execution]) -> None:
        """Orders of ours that have traded and that nobody remembers: their decision was lost
        in a crash, and being finished they are not listed."""
        account, asked = self._account, set[str]()
        for row in executions:
            link_id = row.order_link_id
            if row.order_id in account.tracker.tags or link_id in asked:
                continue
            if account.tracker.is_ours(link_id) and account.tracker.get(link_id) is None:
                asked.add(link_id)
                event = await self._rest.order(row.symbol, order_link_id=link_id)
                if event is not None:
                    account.receive_order(event)

    async def _orders_without_row(self, until_ms: int) -> None:
        """Orders of ours that are over without a trade, and whose decision was lost in a crash:
        neither an open order nor an execution names them."""
        tracker = self._account.tracker
        since = max(self._account.marks.verified_ms - OVERLAP_MS, until_ms - FIRST_SWEEP_MS)
        for event in await self._rest.ended_orders(since, until_ms):
            link_id = event.order_link_id
            if link_id in tracker.known_before or tracker.get(link_id) is not None:
                continue
            if tracker.is_ours(link_id):
                log.info("order_without_row", account=self._account.name, order=link_id)
                self._account.receive_order(event)

    async def _positions(self) -> None:
        shown = await self._rest.positions()
        for event in shown:
            self._account.receive_position(event)
        listed = {event.symbol for event in shown}
        account = self._account
        held = {symbol for symbol, known in account.exchange.items() if known.signed_size}
        # Also where bots' positions cancel each other out.
        held.update(symbol for symbol, book in account.books.items() if book.positions())
        for symbol in sorted(held - listed):  # flat ones are left out of the list
            for event in await self._rest.positions(symbol):
                self._account.receive_position(event)
