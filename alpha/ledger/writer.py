"""The single writer: the only code that inserts into the ledger.

Callers queue a `Commit` and go on; whatever is queued is committed as soon as the previous
transaction is done, several commits in one transaction. A transaction whose outcome is unknown
is run again as it was: every statement is idempotent. One that took too long and was certainly
not committed is run again in halves. One that is slow, but answered, is no outage. With
PostgreSQL away the queue is kept and tried again for ever; what does not fit is refused, and the
caller marks a gap.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

import asyncpg
import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock
from alpha.core.reasons import BUILTIN, ReasonBook
from alpha.core.records import Commit
from alpha.errors import NeedsOperator
from alpha.ledger.batch import Batch, row_count
from alpha.ledger.beside import beside
from alpha.ledger.lease import Lease
from alpha.ledger.patience import Patience
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.ledger.transaction import Transaction

log = structlog.get_logger(__name__)

WriterState = Literal["ok", "slow", "away"]
Committed = Callable[[Sequence[Commit], int], None]

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_CONNECT_WITHIN_S = 3.0
#: While a transaction takes longer than this there are no entries ...
_SLOW_S = 2.0
#: ... and after this long PostgreSQL counts as away, and it is run again on a new connection.
_GIVE_UP_S = 5.0
#: A commit that cannot be written in halves, a book folded anew, may take so much more per row.
_PER_ROW_S = 0.002
#: A commit of more rows than this, a long book folded anew, is encoded beside the loop.
LONG_ROWS = 20_000
#: SQLSTATEs of a disk that is full or broken.
_DISK_STATES = ("53100", "58030")


class Measure(Protocol):
    """Where latencies go, in milliseconds."""

    def add(self, value: float, /) -> None: ...


class LedgerWriter:
    """`put` from anywhere in the loop, `run` as a task.

    `frame_to_commit` is given the milliseconds from the socket read to the committed
    transaction of every commit with a `frame_ns`."""

    def __init__(
        self,
        pool: Pool,
        *,
        clock: Clock,
        lease: Lease | None,
        max_queue: int = 20_000,
        max_rows: int = 2048,
        reasons: ReasonBook = BUILTIN,
        frame_to_commit: Measure | None = None,
        state_changed: Callable[[WriterState], None] | None = None,
        blocked: Callable[[str, NeedsOperator], None] | None = None,
        alerts: Alerts | None = None,
    ) -> None:
        self._alerts = alerts or Alerts(clock)
        self._pool = pool
        self._clock = clock
        self._lease = lease
        self._max_queue = max_queue
        self._max_rows = max_rows
        #: Rows of a transaction now: halved by one that took too long, doubled by one that did not.
        self._rows = max_rows
        self._reasons = reasons
        self._latency = frame_to_commit
        self._state_changed = state_changed
        self._tell_blocked = blocked
        self._queue: deque[Commit] = deque()
        self._ahead: _Work | None = None  # taken from the queue, encoded, not begun
        self._arrived = asyncio.Event()
        self._accepted = 0
        self._finished = 0  # committed, or held back with a poisoned account
        self._drains: list[tuple[int, asyncio.Future[None]]] = []
        self._connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | None = None
        self._listeners: list[Committed] = []
        self._stopped = False
        #: Accounts with a refused commit: later ones would build on what is not in the ledger.
        self._torn: set[str] = set()
        #: Accounts whose commit the database refuses, and why.
        self.poisoned: dict[str, NeedsOperator] = {}
        #: What is held back of poisoned accounts, in order, the refused commit first.
        self.held_back: dict[str, list[Commit]] = {}
        #: Since when PostgreSQL is slow or away: no entries meanwhile.
        self.degraded_since: float | None = None
        #: Why, while it is degraded; and whether the server's disk is the reason.
        self.degraded_why = ""
        self.disk_full = False
        #: It has failed, or left a transaction unanswered; False while it is merely slow.
        self.away = False
        self.commits = 0
        self.transactions = 0

    # -- the callers' side --------------------------------------------------------------------

    def put(self, commit: Commit) -> bool:
        """Queues a commit; never blocks. False: it was not taken, and neither is anything later
        of its account until `heal` says that its projections were read again from the
        database. The caller marks a gap."""
        if self._stopped or commit.account in self._torn or commit.account in self.poisoned:
            return False
        if self.queued >= self._max_queue:
            self._torn.add(commit.account)
            log.error("ledger_queue_full", account=commit.account, queued=self.queued)
            return False
        self._queue.append(commit)
        self._accepted += 1
        self._arrived.set()
        return True

    def heal(self, account: str) -> None:
        """Commits of the account are taken again: what was refused has become a gap, and
        memory was rebuilt from what the database holds."""
        self._torn.discard(account)

    def on_commit(self, callback: Committed) -> None:
        """`callback(commits, commit_no)` after each transaction, in ledger order."""
        self._listeners.append(callback)

    @property
    def queued(self) -> int:
        """Commits taken and not yet finished."""
        return self._accepted - self._finished

    @property
    def state(self) -> WriterState:
        if self.degraded_since is None:
            return "ok"
        return "away" if self.away else "slow"

    @property
    def healthy(self) -> bool:
        """PostgreSQL answers in time and no account is torn or poisoned."""
        return self.degraded_since is None and not self._torn and not self.poisoned

    def accepts(self, account: str) -> bool:
        """PostgreSQL answers in time and commits of this account are taken: it may have entries."""
        refused = account in self._torn or account in self.poisoned
        return self.degraded_since is None and not self._stopped and not refused

    @property
    def torn(self) -> frozenset[str]:
        return frozenset(self._torn)

    async def drain(self, within_s: float, account: str | None = None) -> bool:
        """Waits until everything queued before this call is committed.

        False after `within_s` seconds, or when commits are held back: those of `account`, or
        of any when it is None."""
        if self._finished < self._accepted:
            reached = asyncio.get_running_loop().create_future()
            self._drains.append((self._accepted, reached))
            try:
                async with asyncio.timeout(within_s):
                    await reached
            except TimeoutError:
                return False
        return account not in self.poisoned if account is not None else not self.poisoned

    # -- the task -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Commits until cancelled. Raises LeaseLost when another daemon owns an account now."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._queue or self._ahead is not None:
                    await self._commit_some(await self._take())
        finally:
            self._stopped = True
            self._drop_connection()

    async def _take(self) -> _Work:
        if self._ahead is None:
            return await self._made(self._next())
        work, self._ahead = self._ahead, None
        return work

    def _fitting(self) -> int:
        """How many of the next commits one transaction takes: at least one."""
        rows = 0
        for count, commit in enumerate(self._queue):
            rows += row_count(commit)
            if count and rows > self._rows:
                return count
        return len(self._queue)

    def _next(self) -> list[Commit]:
        return [self._queue.popleft() for _ in range(self._fitting())]

    async def _made(self, commits: list[Commit]) -> _Work:
        if _is_long(commits):
            return await beside(lambda: self._encoded(commits))
        return self._encoded(commits)

    def _encoded(self, commits: list[Commit]) -> _Work:
        give_up_s = _GIVE_UP_S
        if len(commits) == 1:
            give_up_s += _PER_ROW_S * row_count(commits[0])
        return _Work(commits, Transaction.of(Batch.of(commits), self._reasons), give_up_s)

    def _look_ahead(self) -> None:
        """Encodes the next transaction while PostgreSQL works at one, if it is going to be full:
        a smaller one may still grow."""
        count = self._fitting()
        if self._ahead is not None or self._stopped or count == len(self._queue):
            return
        commits = list(islice(self._queue, count))
        if _is_long(commits):
            return
        ahead = self._encoded(commits)
        # Not before: should it have failed, they are still in their place.
        for _ in ahead.commits:
            self._queue.popleft()
        self._ahead = ahead

    async def _commit_some(self, work: _Work) -> None:
        """Commits them together; if the database refuses the data, one by one."""
        for commit in [one for one in work.commits if one.account in self.poisoned]:
            self.held_back[commit.account].append(commit)
            self._finish(1)
        commits = [one for one in work.commits if one.account not in self.poisoned]
        if not commits:
            return
        if len(commits) < len(work.commits):
            work = await self._made(commits)
        try:
            refusal = await self._try_until_answered(work)
        except _TooSlow:
            self._rows = max(self._rows // 2, 1)
            half = len(commits) // 2
            await self._commit_some(await self._made(commits[:half]))
            await self._commit_some(await self._made(commits[half:]))
            return
        if refusal is None:
            self._finish(len(commits))
        elif len(commits) == 1:
            self._poison(commits[0], refusal)
            self._finish(1)
        else:
            log.error("batch_refused", commits=len(commits), error=_words(refusal))
            for commit in commits:
                await self._commit_some(await self._made([commit]))

    def _finish(self, commits: int) -> None:
        self._finished += commits
        for target, reached in self._drains:
            if target <= self._finished and not reached.done():
                reached.set_result(None)
        self._drains = [drain for drain in self._drains if not drain[1].done()]

    async def _try_until_answered(self, work: _Work) -> asyncpg.PostgresError | None:
        """Writes them, again and again while the server is away. Returns the error of a
        database that refuses the data themselves. Raises _TooSlow when several took too long
        together and nothing of them stands."""
        pause, in_doubt = _FIRST_PAUSE_S, False
        while True:
            writing = _Writing()
            try:
                commit_no = await self._write(work, writing)
            except asyncpg.PostgresError as error:
                if is_refusal(error):
                    await self._roll_back()
                    return error
                trouble: BaseException = error
            except CONNECTION_ERRORS as error:
                trouble = error
            else:
                self._committed(work.commits, commit_no)
                return None
            self._drop_connection()
            in_doubt = in_doubt or writing.committing
            if writing.stalled and _is_timeout(trouble):
                log.warning("ledger_write_again", error=_words(trouble), why="our loop stood still")
            else:
                self._become_away(trouble)
            if _is_of_the_connection(trouble):
                # Those that lie in the pool may be as dead, and each would have to be waited for.
                await self._pool.expire_connections()
            if writing.began and not in_doubt and len(work.commits) > 1 and _is_timeout(trouble):
                raise _TooSlow
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _write(self, work: _Work, writing: _Writing) -> int:
        if self._connection is None:
            self._connection = await self._connect()
        connection, writing.began = self._connection, True
        patience = Patience(_SLOW_S, work.give_up_s, self._become_slow)
        try:
            async with patience:
                number = await work.transaction.send(connection, self._lease, self._look_ahead)
                writing.committing = True
                await connection.execute("COMMIT")
                return number
        finally:
            writing.stalled = patience.stalled

    async def _connect(self) -> asyncpg.pool.PoolConnectionProxy[asyncpg.Record]:
        """Whatever keeps us from connecting is the server's matter, never the data's."""
        try:
            return await self._pool.acquire(timeout=_CONNECT_WITHIN_S)
        except asyncpg.PostgresError as error:
            raise ConnectionError(_words(error)) from error

    def _committed(self, commits: list[Commit], commit_no: int) -> None:
        self.commits += len(commits)
        self.transactions += 1
        self._rows = min(self._rows * 2, self._max_rows)
        now = self._clock.perf_ns()
        if self._latency is not None:
            for commit in commits:
                if commit.frame_ns:
                    self._latency.add((now - commit.frame_ns) / 1e6)
        if self.degraded_since is not None:
            log.info("postgres_back", seconds=self._clock.monotonic() - self.degraded_since)
            self.degraded_since, self.away = None, False
            self.degraded_why, self.disk_full = "", False
            self._change_state("ok")
        for listener in self._listeners:
            listener(commits, commit_no)

    # -- when something is wrong --------------------------------------------------------------

    def _become_away(self, error: BaseException) -> None:
        self.degraded_why = _words(error)
        self.disk_full = (
            isinstance(error, asyncpg.PostgresError) and error.sqlstate in _DISK_STATES
        ) or (isinstance(error, OSError) and error.errno == errno.ENOSPC)
        if not self.away:
            self.away = True
            self._degrade("away")
            self._alerts.tell(
                "postgres_away",
                f"expected PostgreSQL to take a commit, was {self.degraded_why}; no entries until "
                f"it does, exits go on, nothing to do here once it is back",
                level="ERROR",
                queued=self.queued,
            )

    def _become_slow(self) -> None:
        if self.degraded_since is None:
            self.degraded_why = f"a commit takes over {_SLOW_S:g} s"
            self._degrade("slow")
            log.warning("postgres_slow", over_s=_SLOW_S, queued=self.queued)

    def _degrade(self, state: WriterState) -> None:
        if self.degraded_since is None:
            self.degraded_since = self._clock.monotonic()
        self._change_state(state)

    def _change_state(self, state: WriterState) -> None:
        if self._state_changed is not None:
            self._state_changed(state)

    def _poison(self, commit: Commit, error: asyncpg.PostgresError) -> None:
        """A commit that the database refuses stops its account, never the others."""
        trouble = NeedsOperator(
            f"expected the database to take a commit of account {commit.account}, was refused: "
            f"{_words(error)}; nothing of it was stored, the account takes no more until a restart"
        )
        self.poisoned[commit.account] = trouble
        self.held_back[commit.account] = [commit]
        log.error(
            "refused_commit",
            account=commit.account,
            detail=getattr(error, "detail", None),
            row=_described(commit),
        )
        self._alerts.tell("commit_refused", str(trouble), account=commit.account)
        if self._tell_blocked is not None:
            self._tell_blocked(commit.account, trouble)

    async def _roll_back(self) -> None:
        if self._connection is not None:
            try:
                await self._connection.execute("ROLLBACK")
            except CONNECTION_ERRORS:
                self._drop_connection()

    def _drop_connection(self) -> None:
        """Closes it for good, nobody knows what state its transaction is in; the pool gets its
        place back. One that died by itself is in the pool's hands already."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(asyncpg.InterfaceError):
                connection.terminate()


@dataclass(frozen=True, slots=True)
class _Work:
    """Commits of one transaction, what is sent for them, and for how long it is waited for."""

    commits: list[Commit]
    transaction: Transaction
    give_up_s: float


class _TooSlow(Exception):
    """Several commits took too long in one transaction, which was not committed."""


@dataclass(slots=True)
class _Writing:
    """How far one attempt has come: statements were sent, COMMIT was sent, our loop stood still."""

    began: bool = False
    committing: bool = False
    stalled: bool = False


def _is_long(commits: Sequence[Commit]) -> bool:
    """Only one that is alone in its transaction can be."""
    return len(commits) == 1 and row_count(commits[0]) > LONG_ROWS


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, (TimeoutError, asyncpg.QueryCanceledError))


def _is_of_the_connection(error: BaseException) -> bool:
    """Not the answer of a server: there was none, or the connection is gone."""
    answered = isinstance(error, asyncpg.PostgresError)
    return not answered or isinstance(error, asyncpg.PostgresConnectionError)


def is_refusal(error: asyncpg.PostgresError) -> bool:
    """The database refuses what it was given, and would again: SQLSTATE classes 22 (data), 23
    (constraints), 42 (no such table or right), 44 and P0 (a guard). Anything else passes."""
    return (error.sqlstate or "")[:2] in ("22", "23", "42", "44", "P0")


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _described(commit: Commit) -> Mapping[str, object]:
    """What identifies a commit in the log: ids and counts, no bot state."""
    change = commit.change
    return {
        "symbol": change.symbol if change else None,
        "executions": [row.exec_id for row in change.executions] if change else [],
        "bots": sorted({row.bot_id for row in change.fills}) if change else [],
        "orders": [row.client_order_id for row in commit.orders],
        "decisions": [(row.bot_id, row.ordinal) for row in commit.decisions],
    }
