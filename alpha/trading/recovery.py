"""Gap -> backfill: the one way back to the truth, whatever went wrong.

Start, reconnect, a full queue, a silent socket, a database that was away: each is a gap, closed
by asking REST for everything since the `verified` mark, folding what is missing, releasing what
the stream has brought meanwhile (Bybit pushes no snapshot and replays nothing after a
reconnect), and comparing the whole window with the database.

The exchange's part of a sweep needs no database: exits go on without it. The ledger's part
waits for it, and an account is live only after both.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Protocol, TypeVar

import structlog

from alpha.bybit.rest import Rest
from alpha.clock import Clock, VenueClock
from alpha.core.book import BEGINNING_MS
from alpha.core.events import Execution, PositionEvent
from alpha.core.orders import OrderState
from alpha.core.records import Commit, OrderTag
from alpha.errors import AlphaError, AuthRejected, NeedsOperator, RetryLater
from alpha.ledger.pool import CONNECTION_ERRORS
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
#: Pause after a sweep that failed; doubled up to the second figure.
RETRY_S = 0.5
RETRY_MOST_S = 5.0
#: PostgreSQL answers a question of the recovery within this time, or is away.
ANSWER_S = 5.0
DRAIN_S = 10.0
#: Sizes differ this long, with nothing in flight, before it is a mismatch.
MISMATCH_S = 2.0

#: The exchange or PostgreSQL does not answer as expected, for now.
PASSING: tuple[type[BaseException], ...] = (AlphaError, *CONNECTION_ERRORS)

T = TypeVar("T")


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


class Queue(Protocol):
    """What recovery asks of the ledger writer."""

    degraded_since: float | None
    poisoned: dict[str, NeedsOperator]

    async def drain(self, within_s: float, account: str | None = None) -> bool: ...

    def heal(self, account: str) -> None: ...


class Recovery:
    """Keeps one account `live`. `resolve` asks for an order by id, `changed` is told when the
    account's status may have changed."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        store: Store,
        queue: Queue,
        *,
        clock: Clock,
        venue: VenueClock,
        resolve: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._account = account
        self._rest = rest
        self._store = store
        self._queue = queue
        self._clock = clock
        self._venue = venue
        self._resolve = resolve
        self._changed = changed
        self._stamps: deque[tuple[float, int]] = deque(maxlen=240)
        self._wanted = asyncio.Event()
        self._why = "start"
        self._connected = False
        self._holds = 0
        self._sweep_at: float | None = None
        self._differs_since: dict[str, float] = {}
        account.wake = self._ask

    # -- what the stream and the ledger tell --------------------------------------------------

    def connected(self) -> None:
        """Every subscription is acknowledged: frames are held back until the gap is closed."""
        self._hold()
        self._connected = True
        self._ask("connected")

    def _hold(self) -> None:
        """What a sweep that has begun before this brings does not close the gap."""
        self._holds += 1
        self._account.hold()

    def disconnected(self, why: str) -> None:
        """Frames that come before the gap is closed are held back, also those of the first
        subscriptions of the next connection. Only the loss of a live stream is a gap."""
        self._hold()
        if self._connected:
            self._account.gaps += 1
        self._connected = False
        self._become(AccountStatus.STALE, why)

    def gap(self, why: str) -> None:
        """Something may be missing: sweep again."""
        self._account.gaps += 1
        self._ask(why)

    def watch_ledger(self) -> None:
        """Called about once a second: an account whose ledger is away is not live."""
        account, poison = self._account, self._queue.poisoned.get(self._account.name)
        if poison is not None:
            self._become(AccountStatus.HALTED, str(poison))
        elif account.live and self._queue.degraded_since is not None:
            account.gaps += 1
            self._become(AccountStatus.STALE, "PostgreSQL is away")
            self._ask("PostgreSQL was away")

    def _become(self, status: AccountStatus, why: str) -> None:
        if self._account.status is not AccountStatus.HALTED:
            self._account.become(status, why)
        self._changed()

    def _ask(self, why: str) -> None:
        self._why = why
        self._wanted.set()

    # -- the loop -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Closes gaps as they are reported and sweeps every minute. The exchange or PostgreSQL
        being away is no failure: it is tried again until they are back."""
        pause = RETRY_S
        while True:
            await self._wait(self._until_sweep())
            if not self._connected:
                self._wanted.clear()
                continue
            try:
                await self.close_gap()
            except AuthRejected:
                raise
            except PASSING as error:
                log.warning(
                    "sync_failed",
                    account=self._account.name,
                    error=str(error) or type(error).__name__,
                )
                # A reconnect is not kept waiting: bots are told nothing until its sweep.
                await self._wait(pause)
                self._wanted.set()
                pause = min(pause * 2, RETRY_MOST_S)
            else:
                pause = RETRY_S

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            pass

    def _until_sweep(self) -> float:
        if self._sweep_at is None:
            return SWEEP_EVERY_S
        return max(self._sweep_at - self._clock.monotonic(), 0.05)

    async def close_gap(self) -> None:
        """One sweep. Raises AlphaError or a connection error when it could not be finished;
        what it has found until then stays folded."""
        self._wanted.clear()
        account = self._account
        first = not account.live
        if first:
            self._become(AccountStatus.SYNCING, self._why)
        began = self._clock.monotonic()
        swept = await self._exchange_part(began)
        if account.status is AccountStatus.HALTED:
            self._sweep_at = self._clock.monotonic() + SWEEP_EVERY_S
            return
        await self._or_wanted(self._ledger_part(swept, began - SETTLE_S))
        if not self._connected or account.overflowed or account.late:
            return
        self._become(AccountStatus.LIVE, "gap closed" if first else "swept")
        self._sweep_at = self._clock.monotonic() + (SECOND_SWEEP_S if first else SWEEP_EVERY_S)

    async def _exchange_part(self, began: float) -> dict[tuple[str, str], Execution]:
        """Executions, orders, positions and wallet as the exchange has them; the executions of
        the window by key."""
        account = self._account
        holds = self._holds
        until_ms = await self._rest.server_time()
        self._venue.observe(until_ms)
        swept = await self._executions(until_ms)
        self._stamps.append((began, until_ms))
        if holds != self._holds:
            raise RetryLater("expected the stream to last for a sweep, was lost; again")
        account.release()
        await self._orders_behind(swept.values())
        await self._orders()
        await self._positions()
        account.receive_wallet(await self._rest.wallet())
        return swept

    async def _or_wanted(self, work: Coroutine[object, object, None]) -> None:
        """Does the work, or gives it up when the next gap is reported meanwhile."""
        working = asyncio.ensure_future(work)
        wanted = asyncio.ensure_future(self._wanted.wait())
        try:
            await asyncio.wait({working, wanted}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise RetryLater("expected a sweep to end, was overtaken by the next gap")
        finally:
            wanted.cancel()
            if not working.done():
                working.cancel()
            await asyncio.gather(working, wanted, return_exceptions=True)
        working.result()

    # -- executions ---------------------------------------------------------------------------

    async def _executions(self, until_ms: int) -> dict[tuple[str, str], Execution]:
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
        account.receive(sorted(fresh, key=lambda row: row.ledger_key))
        return rows

    # -- the ledger's part --------------------------------------------------------------------

    async def _ledger_part(
        self, swept: Mapping[tuple[str, str], Execution], horizon: float
    ) -> None:
        """Brings the database up to what the exchange and memory hold, then moves `verified`."""
        account = self._account
        if account.overflowed:
            await self._heal()
        await self._late()
        await self._drain()
        missing = await self._answer(
            self._store.missing_exec_ids(account.name, list(swept)) if swept else _nothing()
        )
        if missing and not account.overflowed:
            log.error("executions_not_stored", account=account.name, executions=len(missing))
            await self._bring({symbol for symbol, _ in missing}, [swept[key] for key in missing])
            await self._drain()
        self._finish_sweep(horizon)

    async def _drain(self) -> None:
        if not await self._queue.drain(DRAIN_S, self._account.name):
            raise RetryLater(f"expected the ledger to be written within {DRAIN_S:.0f} s")

    async def _answer(self, question: Awaitable[T]) -> T:
        async with asyncio.timeout(ANSWER_S):
            return await question

    async def _heal(self) -> None:
        """The ledger has refused commits, so its projections lack what later ones build on:
        every book is read again, and what memory holds beyond it is put once more."""
        account = self._account
        await self._drain()
        await self._bring(set(account.books), [], heal=True)
        log.info("ledger_healed", account=account.name)

    async def _late(self) -> None:
        """Rows older than a book's checkpoint: the book is read again from its last flat
        moment before them, and folded to the present."""
        account = self._account
        if not account.late:
            return
        rows = list(account.late)
        await self._drain()
        await self._bring({row.symbol for row in rows}, rows)
        account.late = [row for row in account.late if row not in rows]
        log.warning("late_executions", account=account.name, rows=len(rows))

    async def _bring(
        self, symbols: Collection[str], rows: Collection[Execution], *, heal: bool = False
    ) -> None:
        """Reads the books of these symbols from the database, folds `rows` and what memory
        alone holds into them, and queues them whole. Nothing is awaited between the first book
        that is replaced and the last; bots hear of it only where a position differs."""
        account = self._account
        stored = [(s, *await self._stored(s, rows)) for s in sorted(symbols)]
        parts = [(self._held(s), s, flat_ms, found) for s, flat_ms, found in stored]
        if account.overflowed is not heal or any(
            row.exec_time <= flat_ms
            for held, _, flat_ms, _ in parts
            if flat_ms is not None
            for row in held
        ):
            raise RetryLater("expected books to stay as they were while read, did not; again")
        if heal:
            self._queue.heal(account.name)
            account.overflowed = False
        for held, symbol, flat_ms, found in parts:
            more = [row for row in rows if row.symbol == symbol]
            self._replace(symbol, flat_ms, [*found, *held, *more])
        if heal:
            account.put_refused()

    def _held(self, symbol: str) -> list[Execution]:
        known = self._account.books.get(symbol)
        return list(known.rows) if known is not None else []

    def _replace(self, symbol: str, flat_ms: int | None, rows: Collection[Execution]) -> None:
        account = self._account
        known = account.books.get(symbol)
        before = known.positions() if known is not None else {}
        book = account.new_book(symbol, flat_ms)
        change = book.add(rows, account.rules)
        account.books[symbol] = book
        for row in rows:
            account.remember([row.key], row.exec_time)
        everything = BEGINNING_MS if flat_ms is None else flat_ms
        account.commit_change(replace(change, replaced_after_ms=everything))
        account.tell_differences(book, before)

    async def _stored(
        self, symbol: str, rows: Collection[Execution]
    ) -> tuple[int | None, list[Execution]]:
        """A flat moment before everything that memory holds of a symbol and `rows` bring, and
        what the database has after it."""
        account = self._account
        times = [row.exec_time for row in (*self._held(symbol), *rows) if row.symbol == symbol]
        # A book refuses rows at its checkpoint.
        before_ms = min(times) - 1 if times else None
        flat_ms = await self._answer(self._store.last_flat_ms(account.name, symbol, before_ms))
        tags = await self._answer(self._store.order_tags(account.name, symbol))
        account.tracker.tags.update(tags)
        after = self._store.executions_since(account.name, symbol, flat_ms)
        return flat_ms, await self._answer(after)

    # -- orders, positions --------------------------------------------------------------------

    async def _orders(self) -> None:
        """Open orders as the exchange has them; ours that it does not list are asked by id."""
        listed = set()
        for event in await self._rest.open_orders():
            listed.add(event.order_link_id or event.order_id)
            self._account.receive_order(event)
        for row in self._account.tracker.working():
            if row.client_order_id in listed:
                continue
            if row.purpose != "stop":
                self._resolve(row.client_order_id)
            elif row.exchange_order_id is not None:
                ended = await self._rest.order(row.symbol, order_id=row.exchange_order_id)
                if ended is not None:
                    self._account.receive_order(ended)

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

    async def _positions(self) -> None:
        shown = await self._rest.positions()
        for event in shown:
            self._account.receive_position(event)
        listed = {event.symbol for event in shown}
        for symbol, known in list(self._account.exchange.items()):
            if symbol not in listed and known.signed_size:
                for event in await self._rest.positions(symbol):
                    self._account.receive_position(event)

    def _finish_sweep(self, horizon: float) -> None:
        """Advances `verified`: everything that the sweep has found is committed."""
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
        # Resting orders and untriggered stops change nothing by themselves.
        busy = {row.symbol for row in account.tracker.working() if row.state != OrderState.OPEN}
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


async def _nothing() -> set[tuple[str, str]]:
    return set()
