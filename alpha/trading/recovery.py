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
from collections.abc import Callable, Coroutine
from dataclasses import replace

import structlog

from alpha.bybit.rest import Rest
from alpha.clock import Clock, VenueClock
from alpha.core.events import ADJUSTMENT, CASH_ONLY, Execution
from alpha.core.records import Commit, Override
from alpha.errors import AlphaError, AuthRejected, RetryLater
from alpha.ledger.pool import CONNECTION_ERRORS
from alpha.trading.account import Account, AccountStatus
from alpha.trading.catchup import CatchUp, Queue, Store
from alpha.trading.comparison import Comparison
from alpha.trading.sweep import FIRST_SWEEP_MS, OVERLAP_MS, Sweep

log = structlog.get_logger(__name__)

#: A sweep verifies what was complete this long (wall time) before it.
SETTLE_S = 60.0
SWEEP_EVERY_S = 60.0
#: The second sweep after a reconnect, for rows that REST served late.
SECOND_SWEEP_S = 30.0
#: The writer gets so long for each slice of what a long absence has left.
KEEP_UP_S = 2.0
#: Pause after a sweep that failed; doubled up to the second figure.
RETRY_S = 0.5
RETRY_MOST_S = 3.0
#: A key that the exchange refuses is tried again this often.
REFUSED_RETRY_S = 8.0

#: Execution types that need not come on the stream.
UNSTREAMED = CASH_ONLY | {ADJUSTMENT}
#: What REST shows first has to come on the stream within this time.
STREAM_OWES_S = 3.0
#: Sweeps before an account goes live with a difference.
SETTLE_SWEEPS = 3

#: The exchange or PostgreSQL does not answer as expected, for now.
PASSING: tuple[type[BaseException], ...] = (AlphaError, *CONNECTION_ERRORS)


class Recovery:
    """Keeps one account `live`. `resolve` asks for an order by id, `changed` is told when the
    account's status may have changed, `reconnect` drops a stream that has missed something."""

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
        reconnect: Callable[[str], None],
    ) -> None:
        self._account = account
        self._rest = rest
        self._queue = queue
        self._sweep = Sweep(account, rest, resolve, clock, self._keep_up)
        self.catch_up = CatchUp(account, store, queue)
        self.comparison = Comparison(account, clock=clock, gap=self.gap, ask=self._ask)
        self._reconnect = reconnect
        self._clock = clock
        self._venue = venue
        self._changed = changed
        self._stamps: deque[tuple[float, int]] = deque(maxlen=240)
        self._wanted = asyncio.Event()
        self._why = "start"
        self._connected = False
        #: The exchange refuses the key, and says why.
        self.refusal: AuthRejected | None = None
        self._failing = ""  # what the last sweep failed of
        self._connected_ms = 0  # venue time
        self._ledger_away = False
        #: Since when (wall ms) the exchange has not answered this account, and why.
        self.unanswered: tuple[int, str] | None = None
        self._unsettled = 0  # sweeps in a row that have left a difference
        self._holds = 0
        self._sweep_at: float | None = None
        account.wake = self._ask

    # -- what the stream and the ledger tell --------------------------------------------------

    def connected(self) -> None:
        """Every subscription is acknowledged: frames are held back until the gap is closed."""
        self._hold()
        self._connected = True
        self._connected_ms = self._venue.now_ms() if self._venue.anchored else 0
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
        self._unanswered_for(why)
        self._become(AccountStatus.STALE, why)

    def _unanswered_for(self, why: str) -> None:
        since_ms = self.unanswered[0] if self.unanswered is not None else self._clock.now_ms()
        self.unanswered = since_ms, why

    def refused(self, error: AuthRejected) -> None:
        """The exchange refuses the key: the account stands still until it is taken again."""
        if self.refusal is None:
            self._account.gaps += 1
            self._account.alerts.tell(
                "key_refused",
                f"expected the exchange to take the account's API key, was refused: {error}; the "
                f"account stands still, renew the key or its rights, it is tried again by itself",
                account=self._account.name,
            )
        self.refusal = error
        self._become(AccountStatus.HALTED, str(error))

    def gap(self, why: str) -> None:
        """Something may be missing: sweep again."""
        self._account.gaps += 1
        self._ask(why)

    def watch_ledger(self) -> None:
        """Called about once a second: an account whose ledger is away is not live. One that is
        slow, but answers, takes no entries meanwhile, and that is all."""
        account = self._account
        if account.name in self._queue.poisoned:
            if account.status is not AccountStatus.HALTED:
                self._become(AccountStatus.HALTED, "")
        elif self._queue.away:
            self._ledger_away = True
            if account.live:
                account.gaps += 1
                self._become(AccountStatus.STALE, "PostgreSQL is away")
                self._ask("PostgreSQL was away")
        elif self._ledger_away:
            self._ledger_away = False
            self._ask("PostgreSQL is back")

    def watch_stream(self) -> None:
        """Called about once a second: a socket that answers pings and brings no executions is
        found out by what REST has brought instead, and made anew. Cash that is only booked need
        not show on it."""
        now = self._clock.monotonic()
        for key, (since, row) in list(self._account.owed.items()):
            if now - since < STREAM_OWES_S:
                continue
            del self._account.owed[key]
            if row.exec_type not in UNSTREAMED and row.exec_time > self._connected_ms:
                log.error("execution_not_on_stream", account=self._account.name, exec_id=key[1])
                self._reconnect(f"execution {key[1]} did not show within {STREAM_OWES_S:g} s")
                return

    def _become(self, status: AccountStatus, why: str) -> None:
        trouble = self._queue.poisoned.get(self._account.name) or self.refusal
        if trouble is not None:
            status, why = AccountStatus.HALTED, str(trouble)
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
            except AuthRejected as error:
                self.refused(error)
                await self._clock.sleep(REFUSED_RETRY_S)
                self._wanted.set()
            except PASSING as error:
                self._say_failed(error)
                # A reconnect is not kept waiting: bots are told nothing until its sweep.
                await self._wait(pause)
                self._wanted.set()
                pause = min(pause * 2, RETRY_MOST_S)
            else:
                pause = RETRY_S
                self._failing = ""

    def _say_failed(self, error: BaseException) -> None:
        """Once per kind of failure: an exchange that is away for an hour fills no log."""
        known, self._failing = self._failing, type(error).__name__
        say = log.debug if known == self._failing else log.warning
        words = str(error) or self._failing
        say("sync_failed", account=self._account.name, error=words, again_within_s=RETRY_MOST_S)
        if not self._account.live and self.refusal is None:
            self._account.why = words

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

    async def assign(self, override: Override, exec_time: int) -> None:
        """Gives a stored execution to another bot: `CatchUp.assign`."""
        await self.catch_up.assign(override, exec_time)

    async def close_gap(self) -> None:
        """One sweep. Raises AlphaError or a connection error when it could not be finished;
        what it has found until then stays folded."""
        self._wanted.clear()
        account = self._account
        first = not account.live
        if first:
            self._become(AccountStatus.SYNCING, self._why)
        began = self._clock.monotonic()
        try:
            swept = await self._exchange_part(began)
        except AlphaError as error:
            self._unanswered_for(str(error))
            raise
        self.refusal, self.unanswered = None, None  # it has answered everything we ask
        if account.name in self._queue.poisoned:
            self._sweep_at = self._clock.monotonic() + SWEEP_EVERY_S
            return
        await self._or_wanted(self.catch_up.run(swept))
        self._finish_sweep(began - SETTLE_S)
        if not self._connected or account.overflowed or account.late:
            return
        if first:
            self._settle()
        self._become(AccountStatus.LIVE, "gap closed" if first else "swept")
        self._sweep_at = self._clock.monotonic() + (SECOND_SWEEP_S if first else SWEEP_EVERY_S)

    def _settle(self) -> None:
        """REST may show an execution late: before the account is live a difference is asked for
        again, a few times. One that stays blocks its symbol."""
        found = self.comparison.settle()
        if found and self._unsettled < SETTLE_SWEEPS:
            self._unsettled += 1
            raise RetryLater(f"expected positions that executions explain, was not so in {found}")
        self._unsettled = 0
        for symbol in found:
            self.comparison.block(symbol)

    async def _exchange_part(self, began: float) -> dict[tuple[str, str], Execution]:
        """Executions, orders, positions and wallet as the exchange has them; the executions of
        the window by key."""
        account = self._account
        holds = self._holds
        until_ms = await self._rest.server_time()
        self._venue.observe(until_ms)
        swept = await self._sweep.executions(until_ms)
        self._stamps.append((began, until_ms))
        if holds != self._holds:
            raise RetryLater("expected the stream to last for a sweep, was lost; again")
        account.release()
        await self._sweep.state(swept.values(), until_ms)
        return swept

    async def _keep_up(self) -> None:
        """Gives the writer time, as long as it takes commits: its queue is bounded, and what does
        not fit would have to be folded anew. Without the ledger a sweep goes on."""
        await self._clock.sleep(0)
        if self._queue.degraded_since is None:
            await self._queue.drain(KEEP_UP_S, self._account.name)

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
