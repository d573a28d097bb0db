"""Gap -> backfill: the one way back to the truth, whatever went wrong.

Start, reconnect, a full queue, a silent socket, a database that was away: each is a gap, closed
by asking REST for everything since the `verified` mark, comparing it with the database, folding
what is missing, and then releasing what the stream has brought meanwhile (Bybit pushes no
snapshot and replays nothing after a reconnect).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

import structlog

from alpha.bybit.rest import Rest
from alpha.clock import Clock, VenueClock
from alpha.core.events import Execution, PositionEvent
from alpha.core.orders import OrderState
from alpha.core.records import Commit, OrderTag
from alpha.errors import AlphaError
from alpha.trading.account import Account, AccountStatus

log = structlog.get_logger(__name__)

#: Executions are asked for again from this far behind the verified mark.
OVERLAP_MS = 300_000
#: An account that has never been swept starts here: Bybit's default window.
FIRST_SWEEP_MS = 7 * 86_400_000
#: A sweep verifies what was complete this long (wall time) before it.
SETTLE_S = 60.0
SWEEP_EVERY_S = 60.0
#: The second sweep after a reconnect, for rows that REST served late.
SECOND_SWEEP_S = 30.0
RETRY_S = 1.0
#: Sizes differ this long, with nothing in flight, before it is a mismatch.
MISMATCH_S = 2.0


class Store(Protocol):
    """What recovery asks of the database."""

    async def missing_exec_ids(
        self, account: str, keys: Collection[tuple[str, str]]
    ) -> set[tuple[str, str]]: ...

    async def last_flat_ms(
        self, account: str, symbol: str, before_ms: int | None = None
    ) -> int | None: ...

    async def executions_since(
        self, account: str, symbol: str, after_ms: int | None
    ) -> list[Execution]: ...

    async def order_tags(
        self, account: str, symbol: str | None = None
    ) -> Mapping[str, OrderTag]: ...


class Recovery:
    """Keeps one account `live`. `drain` waits until everything queued is committed."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        store: Store,
        *,
        clock: Clock,
        venue: VenueClock,
        drain: Callable[[], Awaitable[None]],
        resolve: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._account = account
        self._rest = rest
        self._store = store
        self._clock = clock
        self._venue = venue
        self._drain = drain
        self._resolve = resolve
        self._changed = changed
        self._stamps: deque[tuple[float, int]] = deque(maxlen=240)
        self._wanted = asyncio.Event()
        self._why = "start"
        self._connected = False
        self._sweep_at: float | None = None
        self._differs_since: dict[str, float] = {}

    # -- what the stream tells ----------------------------------------------------------------

    def connected(self) -> None:
        """Every subscription is acknowledged: frames are held back until the gap is closed."""
        self._account.hold()
        self._connected = True
        self._ask("connected")

    def disconnected(self, why: str) -> None:
        self._connected = False
        if self._account.status is not AccountStatus.STARTING:
            self._account.gaps += 1
        self._account.become(AccountStatus.STALE, why)
        self._changed()

    def gap(self, why: str) -> None:
        """Something may be missing: sweep again."""
        self._account.gaps += 1
        self._ask(why)

    def _ask(self, why: str) -> None:
        self._why = why
        self._wanted.set()

    # -- the loop -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Closes gaps as they are reported and sweeps every minute."""
        while True:
            try:
                async with asyncio.timeout(self._until_sweep()):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            if not self._connected:
                continue
            try:
                await self._close_gap()
            except AlphaError as error:
                log.warning("sync_failed", account=self._account.name, error=str(error))
                await self._clock.sleep(RETRY_S)
                self._wanted.set()

    def _until_sweep(self) -> float:
        if self._sweep_at is None:
            return SWEEP_EVERY_S
        return max(self._sweep_at - self._clock.monotonic(), 0.05)

    async def _close_gap(self) -> None:
        account = self._account
        first = not account.live
        if first:
            account.become(AccountStatus.SYNCING, self._why)
            self._changed()
        swept_to = await self._server_time()
        await self._executions(swept_to)
        account.release()
        await self._late()
        await self._orders()
        await self._positions()
        account.receive_wallet(await self._rest.wallet())
        await self._finish_sweep()
        if not self._connected:
            return
        account.overflowed = False
        account.become(AccountStatus.LIVE, "gap closed" if first else "swept")
        self._sweep_at = self._clock.monotonic() + (SECOND_SWEEP_S if first else SWEEP_EVERY_S)
        self._changed()

    async def _server_time(self) -> int:
        now = await self._rest.server_time()
        self._venue.observe(now)
        self._stamps.append((self._clock.monotonic(), now))
        return now

    # -- executions ---------------------------------------------------------------------------

    async def _executions(self, until_ms: int) -> None:
        """Every page of every window since the verified mark, then folded oldest first."""
        verified = self._account.marks.verified_ms
        since = verified - OVERLAP_MS if verified else until_ms - FIRST_SWEEP_MS
        rows: dict[tuple[str, str], Execution] = {}
        async for page in self._rest.executions(since, until_ms + 1_000):
            rows.update((row.key, row) for row in page)
        unknown = [key for key in rows if not self._account.knows(key)]
        missing = await self._store.missing_exec_ids(self._account.name, unknown)
        fresh = sorted((rows[key] for key in missing), key=lambda row: row.ledger_key)
        if fresh and self._account.status is not AccountStatus.STARTING:
            self._account.backfilled += len(fresh)
            log.info("backfilled", account=self._account.name, executions=len(fresh))
        self._account.receive(fresh)

    async def _late(self) -> None:
        """Rows older than a book's checkpoint: the book is read again from its last flat
        moment before them, and folded to the present."""
        while self._account.late:
            rows, self._account.late = self._account.late, []
            await self._drain()
            for symbol in {row.symbol for row in rows}:
                await self._reload(symbol, [row for row in rows if row.symbol == symbol])

    async def _reload(self, symbol: str, rows: Sequence[Execution]) -> None:
        account = self._account
        before = min(row.exec_time for row in rows) - 1  # a book refuses rows at its checkpoint
        flat_ms = await self._store.last_flat_ms(account.name, symbol, before)
        account.tracker.tags.update(await self._store.order_tags(account.name, symbol))
        book = account.new_book(symbol, flat_ms)
        stored = await self._store.executions_since(account.name, symbol, flat_ms)
        book.add(stored, account.rules)
        change = book.add(rows, account.rules)
        account.books[symbol] = book
        account.commit_change(change)
        log.warning("late_executions", account=account.name, symbol=symbol, rows=len(rows))

    # -- orders, positions --------------------------------------------------------------------

    async def _orders(self) -> None:
        """Open orders as the exchange has them; ours that it does not list are asked by id."""
        listed = set()
        for event in await self._rest.open_orders():
            listed.add(event.order_link_id or event.order_id)
            self._account.receive_order(event)
        for row in self._account.tracker.working():
            if row.client_order_id in listed or row.purpose == "stop":
                continue
            if row.exchange_order_id is None and row.state == OrderState.PENDING:
                self._account.tracker.move(row.client_order_id, OrderState.UNKNOWN)
            self._resolve(row.client_order_id)

    async def _positions(self) -> None:
        shown = await self._rest.positions()
        for event in shown:
            self._account.receive_position(event)
        listed = {event.symbol for event in shown}
        for symbol, known in list(self._account.exchange.items()):
            if symbol not in listed and known.signed_size:
                for event in await self._rest.positions(symbol):
                    self._account.receive_position(event)

    async def _finish_sweep(self) -> None:
        """Advances `verified`, once everything found is committed."""
        await self._drain()
        horizon = self._clock.monotonic() - SETTLE_S
        settled = [stamp for at, stamp in self._stamps if at <= horizon]
        marks = self._account.marks
        if settled and settled[-1] > marks.verified_ms:
            marks = replace(marks, verified_ms=settled[-1])
        elif not marks.verified_ms:
            marks = replace(marks, verified_ms=self._stamps[0][1] - FIRST_SWEEP_MS)
        if marks != self._account.marks:
            self._account.marks = marks
            self._account.put(Commit(self._account.name, marks=marks))
            self._account.forget(marks.verified_ms - 2 * OVERLAP_MS)

    # -- reconciliation -----------------------------------------------------------------------

    def compare(self) -> None:
        """Compares virtual positions with the exchange's; called about once a second. A
        difference that lasts is a gap first, and blocks the symbol's entries if it stays."""
        account = self._account
        if not account.live:
            self._differs_since.clear()
            return
        if account.unexplained:
            symbols = ", ".join(sorted(account.unexplained))
            account.unexplained.clear()
            self.gap(f"an execution of an unknown type in {symbols}")
        now = self._clock.monotonic()
        busy = {row.symbol for row in account.tracker.working()}
        for symbol in set(account.exchange) | set(account.books):
            ours, theirs = account.net(symbol), _size(account.exchange.get(symbol))
            if ours == theirs or symbol in busy:
                self._differs_since.pop(symbol, None)
                if ours == theirs and account.blocked.get(symbol, "").startswith("position"):
                    del account.blocked[symbol]
                    log.info("position_agrees", account=account.name, symbol=symbol)
                continue
            since = self._differs_since.setdefault(symbol, now)
            if now - since >= MISMATCH_S and symbol not in account.blocked:
                account.blocked[symbol] = (
                    f"position differs: the ledger holds {ours}, the exchange {theirs}"
                )
                log.critical(
                    "position_mismatch",
                    account=account.name,
                    symbol=symbol,
                    ledger=str(ours),
                    exchange=str(theirs),
                )
                self.gap(f"{symbol}: ledger {ours}, exchange {theirs}")


def _size(event: PositionEvent | None) -> Decimal:
    return event.signed_size if event is not None else Decimal(0)
