"""One exchange account in memory: executions folded into books, orders, wallet, positions.

Everything that arrives, from the stream or from REST, comes through `receive`; everything that
it changes is queued to the ledger as one unit and told to the bots at once. The memory set of
execution keys only prevents a second fold; whether a row is stored is the database's answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock
from alpha.core.attribution import is_forced
from alpha.core.book import Book
from alpha.core.events import Execution, OrderEvent, PositionEvent
from alpha.core.reasons import BUILTIN, ReasonBook
from alpha.core.records import (
    AttributionRules,
    BookChange,
    BotPosition,
    Commit,
    Correction,
    Fill,
    Flow,
    Marks,
    OrderRow,
    Override,
    Tally,
)
from alpha.core.steps import NO_STEPS, QtySteps
from alpha.trading.balance import Balance
from alpha.trading.manual import ManualPolicy, ManualTrades
from alpha.trading.orders import OrderTracker, position_owner
from alpha.trading.refused import Refused
from alpha.trading.waiting import WAIT_S, Waiting, WaitingRows

log = structlog.get_logger(__name__)


class AccountStatus(StrEnum):
    STARTING = "starting"
    SYNCING = "syncing"  # connected, closing its gap
    LIVE = "live"
    STALE = "stale"  # the stream is lost or a row may be missing
    HALTED = "halted"  # an operator has to act


class Ledger(Protocol):
    """What the account needs of the ledger writer."""

    def put(self, commit: Commit) -> bool: ...


class BotListener(Protocol):
    """What a bot is told, in ledger order, after the fold."""

    def told_fill(self, fill: Fill, received_ns: int) -> None: ...

    def told_tally(self, tally: Tally) -> None: ...

    def told_correction(self, correction: Correction) -> None: ...

    def told_order(self, row: OrderRow) -> None: ...


class Account:
    """`bots` maps the ids of the bots that trade here to their symbols, `known_bots` are all that
    ever did, `owners` maps a symbol to the bot that owns what carries no id of ours."""

    def __init__(
        self,
        name: str,
        *,
        bots: Mapping[str, frozenset[str]],
        known_bots: Iterable[str],
        owners: Mapping[str, str],
        ledger: Ledger,
        clock: Clock,
        qty_steps: Mapping[str, QtySteps],
        overrides: Mapping[str, str],
        reasons: ReasonBook = BUILTIN,
        manual_policies: Mapping[str, ManualPolicy] | None = None,
        alerts: Alerts | None = None,
    ) -> None:
        self.name = name
        self.alerts = alerts or Alerts(clock)
        self.bots = bots
        self.status = AccountStatus.STARTING
        self.been_live = False  # then bots have seen it, and act on what they see
        self.since_ms = clock.now_ms()
        self.why = ""  # it is not live
        self.gaps = 0
        self.backfilled = 0
        self.marks = Marks(name, 0, 0)
        self.balance = Balance()
        self.exchange: dict[str, PositionEvent] = {}
        self._shared: set[str] = set()
        self.blocked: dict[str, str] = {}  # symbol -> why it takes no entries
        self.tracker = OrderTracker(name, clock, frozenset(known_bots) | frozenset(bots), reasons)
        self._overrides = dict(overrides)
        self.rules = AttributionRules(
            account=name,
            bots=frozenset(bots) | frozenset(known_bots),
            owners=dict(owners),
            orders=self.tracker.tags,
            overrides=self._overrides,
            reasons=reasons,
        )
        self.manual = ManualTrades(name, clock, bots, self.alerts, manual_policies)
        self.books: dict[str, Book] = {}
        self.revision = 0  # another one with every change of books and orders
        self._ledger = ledger
        self._clock = clock
        self.qty_steps = qty_steps
        self._seen: dict[tuple[str, str], int] = {}  # execution key -> exec_time
        self._listeners: dict[str, BotListener] = {}
        self._held: list[Execution] | None = []  # rows waiting for the end of a sync
        #: Executions that REST has brought in the middle of a session, and since when (monotonic):
        #: the stream owes them.
        self.owed: dict[tuple[str, str], tuple[float, Execution]] = {}
        self.waiting = WaitingRows()
        #: Told that rows wait for their order; without anybody who seeks it, none waits.
        self.seek: Callable[[], None] | None = None
        self._newest_ms = 0
        #: Rows older than a book's checkpoint: the recovery reads their symbols again.
        self.late: list[Execution] = []
        #: Told what a correction has moved, at whatever time, right before the bots' sums gain it.
        self.corrected: Callable[[Iterable[Flow]], None] = lambda flows: None
        #: Symbols with an execution of a type that is not known: their position is asked anew.
        self.unexplained: set[str] = set()
        #: True when the ledger has refused something: the recovery has to put it there again.
        self.overflowed = False
        self._refused = Refused()
        #: Told why the recovery has work to do.
        self.wake: Callable[[str], None] = lambda why: None

    # -- status -----------------------------------------------------------------------------

    def become(self, status: AccountStatus, why: str = "") -> None:
        self.why = "" if status is AccountStatus.LIVE else why
        if status is self.status:
            return
        log.info("account_status", account=self.name, before=self.status, after=status, why=why)
        self.status = status
        self.been_live = self.been_live or self.live
        self.since_ms = self._clock.now_ms()

    @property
    def live(self) -> bool:
        return self.status is AccountStatus.LIVE

    def listen(self, bot_id: str, listener: BotListener) -> None:
        self._listeners[bot_id] = listener

    # -- what arrives -----------------------------------------------------------------------

    def hold(self) -> None:
        """Keeps streamed executions back until `release`: a gap is being closed by REST."""
        self.owed.clear()
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Folds what was held; the rows REST has brought meanwhile are known and ignored."""
        held, self._held = self._held or [], None
        self.receive(held)

    def receive(self, rows: Sequence[Execution], received_ns: int | None = None) -> None:
        """Folds executions that are not known yet, queues the result, tells the bots."""
        if self._held is not None and rows and rows[0].source == "stream":
            self._held.extend(rows)
            return
        fresh = []
        for row in rows:
            if row.source == "stream":
                self.owed.pop(row.key, None)
            elif self._held is None and row.key not in self._seen:
                self.owed[row.key] = (self._clock.monotonic(), row)
            if row.key not in self._seen:
                self._seen[row.key] = row.exec_time
                fresh.append(row)
        if len(fresh) > 1:
            fresh.sort(key=lambda row: row.ledger_key)
        self._fold([row for row in fresh if not self._waits(row, received_ns)], received_ns)

    def receive_late(self, rows: Iterable[Execution]) -> None:
        """Keeps what nobody has brought for the catch-up, which folds it as a correction."""
        for row in rows:
            if row.key not in self._seen:
                self._seen[row.key] = row.exec_time
                self.late.append(row)

    def _fold(self, rows: Sequence[Execution], received_ns: int | None) -> None:
        """`rows` in ledger order."""
        for row in rows:
            self.tracker.executed(row)
        self._fold_late(rows, received_ns)
        for row in rows:
            book = self.book(row.symbol)
            if row.exec_id not in book and row.exec_time > book.after_ms:
                adopted = self._adopted(row)
                self._take(book.add((row,), self.rules), received_ns, adopted)

    # -- rows whose order is not known yet ----------------------------------------------------

    def _waits(self, row: Execution, received_ns: int | None) -> bool:
        """Puts a row aside that waits for its order, or for one before it that does."""
        unowned = self.seek is not None and self._needs_order(row)
        if not unowned and not self.waiting.stands_before(row):
            return False
        now = self._clock.monotonic()
        newest = self.book(row.symbol).newest
        late = newest is not None and row.ledger_key < newest
        until = now + WAIT_S if unowned else None
        self.waiting.put(Waiting(row, received_ns, now, until, late))
        if unowned and self.seek is not None:
            self.seek()
        return True

    def _needs_order(self, row: Execution) -> bool:
        """Several bots could own it, and an order row could say which. What the exchange forces
        or pays has no order."""
        return (
            len(self.rules.bots) > 1
            and row.exec_type == "Trade"
            and not is_forced(row)
            and not self.tracker.is_ours(row.order_link_id)
            and not self.tracker.knows_order(row.order_id)
            and row.order_id not in self.rules.orders
            and row.exec_id not in self.rules.overrides
        )

    def fold_settled(self) -> None:
        """Folds what has waited long enough, or whose order has become known."""
        now = self._clock.monotonic()
        for symbol in self.waiting.symbols:
            self._fold_waiting(
                symbol,
                lambda one: (one.until or now) <= now or not self._needs_order(one.row),
            )

    def fold_waiting(self, keys: Collection[tuple[str, str]] | None = None) -> None:
        """Folds rows that wait with what is known, and those behind them: of these keys, or all."""
        for symbol in self.waiting.symbols:
            self._fold_waiting(symbol, lambda one: keys is None or one.row.key in keys)

    def _fold_waiting(self, symbol: str, is_settled: Callable[[Waiting], bool]) -> None:
        for entry in self.waiting.take(symbol, is_settled):
            self._fold((entry.row,), entry.received_ns)

    async def settle(self, keys: Collection[tuple[str, str]]) -> None:
        """Returns when none of these executions waits any longer: after two seconds at most."""
        until = self._clock.monotonic() + WAIT_S
        while any(one.row.key in keys for one in self.waiting.rows()):
            if self._clock.monotonic() >= until:
                self.fold_waiting()
                return
            await self._clock.sleep(0.02)

    def remember(self, keys: Iterable[tuple[str, str]], at_ms: int) -> None:
        """Executions that the database holds; `at_ms` is not later than any of them."""
        for key in keys:
            self._seen.setdefault(key, at_ms)

    def forget(self, before_ms: int) -> None:
        """Drops what no sweep can bring again: the database knows it."""
        for book in self.books.values():
            book.trim(before_ms)
        self._seen = {key: at for key, at in self._seen.items() if at >= before_ms}

    def knows(self, key: tuple[str, str]) -> bool:
        return key in self._seen

    def receive_order(self, event: OrderEvent) -> OrderRow | None:
        """Folds an order row; a tag learned late re-attributes the executions of its order."""
        tag_before = self.tracker.tags.get(event.order_id)
        row = self.tracker.observe(
            event, position_owner(event, self.books.get(event.symbol), self.rules)
        )
        if row is None:
            return None
        change: BookChange | None = None
        if self.tracker.tags.get(event.order_id) != tag_before and event.symbol in self.books:
            change = self.books[event.symbol].reattribute(self.rules, event.order_id)
            if change.is_empty:
                change = None
        self.put(Commit(self.name, change=change, orders=(row,)))
        if change is not None:
            self.tell_corrections(change)
        self.tell_order(row)
        if self.waiting:
            self.fold_settled()
        return row

    def tell_order(self, row: OrderRow) -> None:
        """Tells the order's bot of its new state."""
        listener = self._listeners.get(row.bot_id)
        if listener is not None:
            listener.told_order(row)

    def receive_position(self, event: PositionEvent) -> None:
        known = self.exchange.get(event.symbol)
        if known is None or (event.seq, event.updated_ms) >= (known.seq, known.updated_ms):
            self.exchange[event.symbol] = event

    # -- whose it is, decided from outside --------------------------------------------------

    def overrule(self, override: Override) -> None:
        """From now on the execution belongs to the bot; the book does not know it yet, or is read
        again by the caller."""
        self._overrides[override.exec_id] = override.bot_id

    def reassign(self, override: Override) -> None:
        """The same for an execution that its book holds: override and refold are one commit."""
        self.overrule(override)
        change = self.books[override.symbol].reattribute(self.rules)
        self.commit_change(change, orders=self.tracker.owned_by(change), overrides=(override,))
        self.tell_corrections(change)

    # -- the fold ---------------------------------------------------------------------------

    def book(self, symbol: str) -> Book:
        if symbol not in self.books:
            self.books[symbol] = self.new_book(symbol, None)
        return self.books[symbol]

    def new_book(self, symbol: str, checkpoint_ms: int | None) -> Book:
        steps = self.qty_steps.get(symbol, NO_STEPS)
        return Book(self.name, symbol, checkpoint_ms=checkpoint_ms, qty_steps=steps)

    def _fold_late(self, fresh: Sequence[Execution], received_ns: int | None) -> None:
        """Rows that belong further back than what is folded: a correction, all at once. Those
        at the end are folded and told one by one, however they were split on their way here."""
        late: dict[str, list[Execution]] = {}
        for row in fresh:
            book = self.book(row.symbol)
            if row.exec_time <= book.after_ms:
                self.late.append(row)
                self.wake(f"an execution of {row.symbol} is older than what is in memory")
            elif book.newest is not None and row.ledger_key <= book.newest:
                late.setdefault(row.symbol, []).append(row)
        for symbol, rows in late.items():
            adopted = tuple(override for row in rows for override in self._adopted(row))
            self._take(self.book(symbol).add(rows, self.rules), received_ns, adopted)

    def _adopted(self, row: Execution) -> tuple[Override, ...]:
        override = self.manual.adoption(row, self.book(row.symbol), self.rules)
        if override is None:
            return ()
        self.overrule(override)
        return (override,)

    def _take(
        self, change: BookChange, received_ns: int | None, adopted: tuple[Override, ...]
    ) -> None:
        for row in change.quarantined:
            self.alerts.tell(
                "unknown_execution_type",
                f"expected an execution type that is known, was {row.exec_type!r}; it is left out "
                f"of the positions until the exchange was asked: see `alpha reconcile`",
                account=self.name,
                symbol=change.symbol,
                exec_type=row.exec_type,
                exec_id=row.exec_id,
            )
            self.unexplained.add(change.symbol)
        self.balance.move(change)
        self.commit_change(change, received_ns, self.tracker.owned_by(change), adopted)
        if self.marks.verified_ms:  # else it is from before the account was ours to watch
            self.manual.seen(change, self.rules)
        if change.replaced_after_ms is not None:
            self.tell_corrections(change)
            return
        self.tell_tallies(change.tallies)
        for fill in change.fills:
            listener = self._listeners.get(fill.bot_id)
            if listener is not None:
                listener.told_fill(fill, received_ns or 0)

    def commit_change(
        self,
        change: BookChange,
        received_ns: int | None = None,
        orders: tuple[OrderRow, ...] = (),
        overrides: tuple[Override, ...] = (),
    ) -> None:
        """Queues a step of the fold together with the newest `seen` mark, which stays behind
        what waits for its order."""
        self._newest_ms = max(self._newest_ms, *(row.exec_time for row in change.executions), 0)
        oldest = self.waiting.oldest_ms()
        seen = self._newest_ms if oldest is None else min(self._newest_ms, oldest - 1)
        if seen > self.marks.seen_ms:
            self.marks = replace(self.marks, seen_ms=seen)
        self.put(
            Commit(
                self.name,
                change=change,
                orders=orders,
                overrides=overrides,
                marks=self.marks,
                frame_ns=received_ns,
            )
        )

    def put(self, commit: Commit) -> None:
        """Queues to the ledger. What it refuses is a gap: bots go on from memory, and the
        recovery brings the ledger up to it once commits are taken again."""
        self.revision += 1
        if self._ledger.put(commit):
            return
        self._refused.keep(commit)
        if not self.overflowed:
            self.overflowed = True
            self.gaps += 1
            self.alerts.tell(
                "ledger_refuses",
                "expected the ledger to take a commit, was refused; the account takes no entries "
                "until it is brought up to date: see `alpha status` for PostgreSQL",
                account=self.name,
            )
            # Once: every further word would only interrupt the healing.
            self.wake("the ledger has refused commits")
        if self.status is not AccountStatus.HALTED:
            self.become(AccountStatus.STALE, "the ledger takes no commits")

    def put_refused(self) -> None:
        """Queues what was refused, as it is now, and goes on as usual."""
        self.overflowed = False
        for commit in list(self._refused.take(self.name, self.tracker.get)):
            self.put(commit)

    def tell_tallies(self, tallies: Iterable[Tally]) -> None:
        """What the bots' sums have gained, or lost to a correction."""
        for one in tallies:
            self.balance.count(one)
            listener = self._listeners.get(one.bot_id)
            if listener is not None:
                listener.told_tally(one)

    def tell_corrections(self, change: BookChange) -> None:
        self.corrected(change.flows)
        self.tell_tallies(change.tallies)
        for correction in change.corrections:
            listener = self._listeners.get(correction.bot_id)
            if listener is not None:
                listener.told_correction(correction)

    def tell_differences(self, book: Book, before: Mapping[str, BotPosition]) -> None:
        """A book was read again: bots whose position is another one now are told so."""
        for bot_id, listener in self._listeners.items():
            was = before.get(bot_id, BotPosition.flat(book.symbol))
            now = book.position(bot_id)
            if was != now:
                listener.told_correction(Correction(bot_id, was, now))

    # -- questions --------------------------------------------------------------------------

    def position(self, bot_id: str, symbol: str) -> BotPosition:
        book = self.books.get(symbol)
        return BotPosition.flat(symbol) if book is None else book.position(bot_id)

    def positions(self, bot_id: str) -> dict[str, BotPosition]:
        """The bot's open positions by symbol."""
        found = {symbol: book.position(bot_id) for symbol, book in self.books.items()}
        return {symbol: position for symbol, position in found.items() if position.signed_qty}

    def net(self, symbol: str) -> Decimal:
        return self.books[symbol].net() if symbol in self.books else Decimal(0)

    def share(self, symbol: str) -> None:
        """The symbol has more owners than the bots of this run: until its end it is shared."""
        self._shared.add(symbol)

    def is_shared(self, symbol: str) -> bool:
        """More than one bot of the account may trade the symbol, by configuration; or one that
        is not part of this run still holds some of it."""
        if symbol in self._shared:
            return True
        return sum(1 for symbols in self.bots.values() if symbol in symbols) > 1
