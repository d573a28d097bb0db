"""The ledger's part of a sweep: bringing the database up to what the exchange and memory hold.

Backfilled rows are compared with the database, never with memory, and what is missing is folded
from the last flat moment before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import structlog

from alpha.core.book import BEGINNING_MS, Book
from alpha.core.effects import Effects, flows
from alpha.core.events import Execution
from alpha.core.records import AttributionRules, BookChange, Flow, OrderTag, Override, Tally
from alpha.errors import NeedsOperator, RetryLater
from alpha.ledger.beside import beside
from alpha.trading.account import Account

log = structlog.get_logger(__name__)

#: PostgreSQL answers a question of the recovery within this time, or is away.
ANSWER_S = 5.0
DRAIN_S = 10.0

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

    async def count_since(self, account: str, symbol: str, after_ms: int | None) -> int: ...

    async def order_tags(
        self, account: str, symbol: str | None = None
    ) -> Mapping[str, OrderTag]: ...


class Queue(Protocol):
    """What recovery asks of the ledger writer."""

    degraded_since: float | None
    away: bool
    commits: int
    poisoned: dict[str, NeedsOperator]

    async def drain(self, within_s: float, account: str | None = None) -> bool: ...

    def heal(self, account: str) -> None: ...


class CatchUp:
    """Compares and writes for one account. An answer of the database is waited for `answer_s`, one
    more commit of the queue `drain_s`, in seconds. `alone`: nobody else folds into these books or
    changes their rules, so that they may be folded beside the loop, however long that takes."""

    def __init__(
        self,
        account: Account,
        store: Store,
        queue: Queue,
        *,
        answer_s: float = ANSWER_S,
        drain_s: float = DRAIN_S,
        alone: bool = False,
    ) -> None:
        self._account = account
        self._store = store
        self._queue = queue
        self._answer_s = answer_s
        self._drain_s = drain_s
        self._alone = alone

    async def run(self, swept: Mapping[tuple[str, str], Execution]) -> None:
        """Afterwards the database holds `swept` and what memory holds. Raises RetryLater or a
        connection error when it could not be reached."""
        account = self._account
        await account.settle(swept.keys())
        if account.overflowed:
            await self._heal()
        await self._late()
        await self.drain()
        missing = await self._answer(
            self._store.missing_exec_ids(account.name, list(swept)) if swept else _nothing()
        )
        if missing and not account.overflowed:
            account.alerts.tell(
                "executions_not_stored",
                f"expected the database to hold every execution, {len(missing)} were missing; they "
                f"are being brought in: see `alpha ledger verify`",
                level="ERROR",
                account=account.name,
                executions=len(missing),
            )
            await self._bring({symbol for symbol, _ in missing}, [swept[key] for key in missing])
            await self.drain()

    async def assign(self, override: Override, exec_time: int) -> None:
        """Gives a stored execution to another bot. The override, and everything that it changes in
        the books of the symbol, are one transaction; bots are told where a position differs.
        Raises RetryLater, with nothing done, when the ledger takes no commits."""
        account, symbol = self._account, override.symbol
        await self.drain()
        book = account.books.get(symbol)
        if book is None or override.exec_id not in book:
            flat_ms, found = await self._stored(symbol, exec_time)
            held = self._held(symbol)
            if flat_ms is not None and any(row.exec_time <= flat_ms for row in held):
                raise RetryLater("expected the book to stay as it was while read; again")
        self._expect_ledger()
        if book is not None and override.exec_id in book:
            account.reassign(override)
        else:
            before = replace(account.rules, overrides=dict(account.rules.overrides))
            account.overrule(override)
            await self._replace(symbol, flat_ms, [*found, *held], (override,), before)
        await self.drain()

    async def bring(self, rows: Collection[Execution]) -> None:
        """Folds executions that nobody has brought, wherever they lie. Afterwards the database
        holds them. Raises RetryLater or a connection error when it could not be reached; the next
        sweep then goes on with them."""
        await self.drain()
        self._expect_ledger()
        by_symbol: dict[str, list[Execution]] = {}
        for row in rows:
            by_symbol.setdefault(row.symbol, []).append(row)
        for symbol, some in by_symbol.items():
            if not await self._appended(symbol, some):
                self._account.receive_late(some)
        await self._late()
        await self.drain()

    async def _appended(self, symbol: str, rows: Collection[Execution]) -> bool:
        """Folds them if they come after everything known of the symbol: nothing that is stored
        changes then, however much it is."""
        account, book = self._account, await self._book(symbol)
        fresh = [row for row in rows if not account.knows(row.key)]
        if not fresh:
            return True
        if not self._is_end(book, min(fresh, key=lambda row: row.ledger_key)):
            return False
        before = book.positions()

        def fold() -> tuple[BookChange, tuple[Flow, ...]]:
            change = book.add(fresh, account.rules)
            return change, flows((Effects(change.fills, change.funding),))

        change, moved = await self._folded(fold)
        for row in fresh:
            account.remember([row.key], row.exec_time)
        account.commit_change(change)
        account.corrected(moved)
        account.tell_tallies(change.tallies)
        account.tell_differences(book, before)
        return True

    async def _book(self, symbol: str) -> Book:
        """The book in memory; where there is none it is read from the database."""
        account = self._account
        if symbol not in account.books:
            flat_ms, found = await self._stored(symbol, None)
            if symbol not in account.books:  # the stream may have been quicker
                book = account.new_book(symbol, flat_ms)
                await self._folded(lambda: book.add(found, account.rules))
                account.books[symbol] = book
                for row in found:
                    account.remember([row.key], row.exec_time)
        return account.books[symbol]

    @staticmethod
    def _is_end(book: Book, row: Execution) -> bool:
        newest = book.newest
        return row.exec_time > book.after_ms and (newest is None or row.ledger_key > newest)

    async def rewritten(self, oldest: Execution) -> int:
        """How many rows of the ledger bringing this one, and later ones, would fold anew."""
        symbol = oldest.symbol
        if self._is_end(await self._book(symbol), oldest):
            return 0
        flat_ms = await self._flat_before(symbol, oldest.exec_time)
        return await self._answer(self._store.count_since(self._account.name, symbol, flat_ms))

    async def put_before(self, symbol: str, rows: Sequence[Execution]) -> None:
        """Writes history from before everything known of the symbol: in ledger order, from a
        moment at which everybody was flat to another one, so that nothing that follows changes.
        The bots' sums gain it. Raises RetryLater, with nothing done, when the ledger takes no
        commits or knows of something in between, ValueError when it does not end flat."""
        account = self._account
        account.tracker.tags.update(
            await self._answer(self._store.order_tags(account.name, symbol))
        )
        self._expect_ledger()
        book = account.new_book(symbol, None)

        def fold() -> tuple[BookChange, tuple[Flow, ...]]:
            return book.add(rows, account.rules), book.moved_beyond(book.anew())

        change, moved = await self._folded(fold)
        if book.positions():
            raise ValueError(f"expected history that ends flat, was {book.positions()}")
        known = account.books.get(symbol)
        if known is not None:
            if known.rows and known.rows[0].exec_time <= rows[-1].exec_time:
                raise RetryLater(
                    f"expected history of {symbol} before what is known, was not; again"
                )
            known.begin_after(rows[-1].exec_time)
        for row in rows:
            account.remember([row.key], row.exec_time)
        account.commit_change(change)
        account.corrected(moved)
        account.tell_tallies(change.tallies)

    def _expect_ledger(self) -> None:
        if self._account.overflowed or self._queue.degraded_since is not None:
            raise RetryLater("expected the ledger to take commits, it does not; ask again later")

    async def drain(self) -> None:
        """Waits as long as it gets on: what an outage has left may take its time."""
        written = -1
        while written != self._queue.commits:
            written = self._queue.commits
            if await self._queue.drain(self._drain_s, self._account.name):
                return
        raise RetryLater(
            f"expected the ledger to be written, nothing was for {self._drain_s:.0f} s"
        )

    async def _folded(self, work: Callable[[], T]) -> T:
        """The result of a fold. Nothing is awaited where others fold into the same books."""
        return await beside(work) if self._alone else work()

    async def _answer(self, question: Awaitable[T]) -> T:
        async with asyncio.timeout(self._answer_s):
            return await question

    async def _heal(self) -> None:
        """The ledger has refused commits, so its projections lack what later ones build on:
        every book is read again, and what memory holds beyond it is put once more."""
        account = self._account
        await self.drain()
        await self._bring(set(account.books), [], heal=True)
        log.info("ledger_healed", account=account.name)

    async def _late(self) -> None:
        """Rows older than a book's checkpoint: the book is read again from its last flat
        moment before them, and folded to the present."""
        account = self._account
        if not account.late:
            return
        rows = list(account.late)
        await self.drain()
        await self._bring({row.symbol for row in rows}, rows)
        brought = {row.key for row in rows}
        account.late = [row for row in account.late if row.key not in brought]
        log.warning("late_executions", account=account.name, rows=len(rows))

    async def _bring(
        self, symbols: Collection[str], rows: Collection[Execution], *, heal: bool = False
    ) -> None:
        """Reads the books of these symbols from the database, folds `rows` and what memory
        alone holds into them, and queues them whole. Nobody folds in between the first book
        that is replaced and the last; bots hear of it only where a position differs."""
        account = self._account
        stored = []
        for symbol in sorted(symbols):
            oldest_ms = min((row.exec_time for row in rows if row.symbol == symbol), default=None)
            stored.append((symbol, *await self._stored(symbol, oldest_ms)))
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
            await self._replace(symbol, flat_ms, [*found, *held, *more])
        if heal:
            account.put_refused()

    def _held(self, symbol: str) -> list[Execution]:
        known = self._account.books.get(symbol)
        return list(known.rows) if known is not None else []

    async def _replace(
        self,
        symbol: str,
        flat_ms: int | None,
        rows: Collection[Execution],
        overrides: tuple[Override, ...] = (),
        rules_before: AttributionRules | None = None,
    ) -> None:
        account = self._account
        known = account.books.get(symbol)
        before = known.positions() if known is not None else {}
        book, past = account.new_book(symbol, flat_ms), account.new_book(symbol, flat_ms)
        # The bots' sums hold everything that was folded before, under the rules of then.
        late = {row.key for row in account.late}

        def fold() -> tuple[BookChange, tuple[Flow, ...], tuple[Tally, ...]]:
            change = book.add(rows, account.rules)
            past.add([row for row in rows if row.key not in late], rules_before or account.rules)
            return change, book.moved_beyond(past), book.added_to(past)

        change, moved, tallies = await self._folded(fold)
        account.books[symbol] = book
        for row in rows:
            account.remember([row.key], row.exec_time)
        everything = BEGINNING_MS if flat_ms is None else flat_ms
        account.commit_change(replace(change, replaced_after_ms=everything), overrides=overrides)
        account.corrected(moved)
        account.tell_tallies(tallies)
        account.tell_differences(book, before)

    async def _stored(
        self, symbol: str, oldest_ms: int | None
    ) -> tuple[int | None, list[Execution]]:
        """A flat moment before everything that memory holds of a symbol and before `oldest_ms`,
        and what the database has after it."""
        account = self._account
        flat_ms = await self._flat_before(symbol, oldest_ms)
        tags = await self._answer(self._store.order_tags(account.name, symbol))
        account.tracker.tags.update(tags)
        after = self._store.executions_since(account.name, symbol, flat_ms)
        return flat_ms, await self._answer(after)

    async def _flat_before(self, symbol: str, oldest_ms: int | None) -> int | None:
        times = [row.exec_time for row in self._held(symbol)]
        times += [oldest_ms] if oldest_ms is not None else []
        # A book refuses rows at its checkpoint.
        before_ms = min(times) - 1 if times else None
        return await self._answer(self._store.last_flat_ms(self._account.name, symbol, before_ms))


async def _nothing() -> set[tuple[str, str]]:
    return set()
