"""The trade sync of one account.

Executions first: what the ledger lacks goes the way of all executions: account, fold, writer.
Closed PnL and the transaction log come after them, as control totals: nothing of the books is
computed from either.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Protocol

import asyncpg
import structlog

from alpha.bybit.closings import closings
from alpha.bybit.fields import without_secrets
from alpha.bybit.rest import Rest
from alpha.clock import Clock, iso
from alpha.core.book import is_known
from alpha.core.events import Execution
from alpha.errors import AlphaError, RetryLater
from alpha.ledger.pool import CONNECTION_ERRORS
from alpha.ledger.stored import trimmed
from alpha.ledger.syncs import ClosedRow, Kind, Run, SyncStore
from alpha.ledger.wallet_audits import AuditStore
from alpha.sync.audit import WalletAudit, is_of_ledger, movement
from alpha.sync.history import Cycles, past_of
from alpha.sync.totals import compare_totals
from alpha.sync.windows import Window, count_windows, windows
from alpha.trading.account import Account
from alpha.trading.catchup import CatchUp

log = structlog.get_logger(__name__)

DAY_MS = 86_400_000
#: What is younger than this, by the wall clock, may still be missing from the exchange's lists.
SETTLE_S = 5.0
#: Lists are asked again from this far behind what was asked completely.
OVERLAP_MS = 2 * 3_600_000
#: A first sync begins here, like the recovery's first sweep.
FIRST_MS = 7 * DAY_MS
#: The exchange keeps executions and closed PnL for two years, less what a run takes.
RETENTION_MS = 730 * DAY_MS - 3_600_000
MONTH_MS = 365 * DAY_MS // 12
#: More executions than this are too many to be folded and written in one transaction while bots
#: trade: nothing else would be written meanwhile.
MOST_ROWS = 3_000
#: What was missed enters the books in portions of so many executions, a transaction for each.
PORTION = 500
#: Folding history lets everything else run after so many rows.
_SLICE = 100
_TRIES = 5
_LIVE_WITHIN_S = 60.0
ZERO = Decimal(0)
_LOOK_AGAIN_S = 1.0
#: A note for each of so many executions.
_NAMED = 20
#: A database that is away does not keep a process that ends.
_LAST_WORD_S = 5.0
_CUT_OFF = "ended on its way; what has come stays, the next one goes on from there"

PASSING: tuple[type[BaseException], ...] = (
    AlphaError,
    *CONNECTION_ERRORS,
    asyncpg.PostgresError,
    ValueError,  # something was not as expected; asyncpg's own of data is one
)
Key = tuple[str, str]
Rows = tuple[Execution, ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """What is put aside of a symbol: `old` lies before everything that the ledger has of it,
    `missed` within. `before` is the account's real position between the two, `adjusted` what
    adjustments have added since."""

    old: Rows
    missed: Rows
    before: Decimal
    adjusted: Decimal


class Ledger(Protocol):
    """What is asked of the ledger's reader."""

    async def missing_exec_ids(self, account: str, keys: Collection[Key]) -> set[Key]: ...


class AccountSync:
    """`waits_until_live`: another part keeps the account's books at the present, and nothing is
    brought before they are. `most_rows` are folded anew in one transaction at the most; None: as
    many as there are, where no bot has to wait for it."""

    def __init__(
        self,
        account: Account,
        rest: Rest,
        catch_up: CatchUp,
        ledger: Ledger,
        store: SyncStore,
        audits: AuditStore,
        clock: Clock,
        *,
        waits_until_live: bool,
        most_rows: int | None = MOST_ROWS,
        settle_s: float = SETTLE_S,
    ) -> None:
        self.account = account
        self.name = account.name
        self._rest = rest
        self._catch_up = catch_up
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._waits_until_live = waits_until_live
        self._most_rows = most_rows
        self._settle_s = settle_s
        self._audits = audits
        self._wallet = WalletAudit(self.name, rest, catch_up, audits, clock, account.alerts)
        self._one_at_a_time = asyncio.Lock()

    async def sync(self, kind: Kind, *, audit: bool = False) -> Run:
        """What has happened since the watermarks; with `audit` the wallet afterwards. Never raises
        what passes by itself: the run says how far it came."""
        async with self._one_at_a_time:
            until_ms = await self._upper_time()
            mark = await self._store.watermark(self.name, "executions")
            start_ms = mark.high_ms - OVERLAP_MS if mark else until_ms - FIRST_MS
            start_ms = min(start_ms, until_ms)
            count = count_windows(start_ms, until_ms)
            run = await self._store.begin(self.name, kind, start_ms, until_ms, count)

            async def work(run: Run) -> AsyncIterator[Run]:
                async for step in self._sync(run):
                    yield step
                if audit:
                    await self._wallet.run(run.end_ms)

            return await self._carried_out(run, work)

    async def backfill(self, months: int) -> Run:
        """Everything of the last `months` months. One that was interrupted goes on where it was."""
        async with self._one_at_a_time:
            until_ms = await self._upper_time()
            start_ms = until_ms - min(months * MONTH_MS, RETENTION_MS)
            begun = await self._store.watermark(self.name, "backfill")
            done_ms = start_ms
            if begun is not None:
                known = _bounds(begun.cursor)
                if known is not None and known.start_ms <= start_ms:
                    start_ms, until_ms = max(known.start_ms, until_ms - RETENTION_MS), known.end_ms
                    done_ms = max(begun.high_ms, start_ms)
                else:
                    await self._store.clear_aside(self.name)
                    await self._store.forget_watermark(self.name, "backfill")
            count = count_windows(start_ms, until_ms)
            run = await self._store.begin(self.name, "backfill", start_ms, until_ms, count)
            if done_ms > start_ms:
                run = run.noting(f"resumed at {iso(done_ms)}")
            run = replace(run, windows_done=count - count_windows(done_ms, until_ms))

            async def work(run: Run) -> AsyncIterator[Run]:
                async for step in self._backfill(run, done_ms):
                    yield step

            return await self._carried_out(run, work)

    async def not_begun(self, kind: Kind, error: BaseException) -> Run:
        """A run that found no exchange to ask, or an account that is not live."""
        now_ms = self._clock.now_ms()
        run = await self._store.begin(self.name, kind, now_ms, now_ms, 0)
        run = replace(run, status="failed", error=without_secrets(str(error)))
        await self._store.update(run)
        log.warning("sync_not_begun", account=self.name, kind=kind, error=run.error)
        return run

    async def _upper_time(self) -> int:
        """Raises when the exchange cannot be asked: there is no run then."""
        await self._until_live()
        await self._store.end_interrupted(self.name)
        until_ms = await self._rest.server_time()
        await self._clock.sleep(self._settle_s)
        return until_ms

    async def _until_live(self) -> None:
        if not self._waits_until_live:
            return
        deadline = self._clock.monotonic() + _LIVE_WITHIN_S
        while not self.account.live:
            if self._clock.monotonic() > deadline:
                raise RetryLater(
                    f"expected account {self.name} to be live, was {self.account.status}: "
                    f"{self.account.why}; it is synced when it is"
                )
            await self._clock.sleep(0.2)

    async def _carried_out(self, run: Run, work: Callable[[Run], AsyncIterator[Run]]) -> Run:
        """Keeps what each step has come to; the end of it is always written, unless the database
        is gone or the process is killed."""
        try:
            async for step in work(run):
                run = step
                await self._store.update(run)
            run = replace(run, status="completed")
        except PASSING as error:
            run = _ended(run, without_secrets(str(error) or type(error).__name__))
            log.warning("sync_failed", account=self.name, kind=run.kind, error=run.error)
        except asyncio.CancelledError:
            await self._end(_ended(run, _CUT_OFF), tries=1)
            raise
        await self._end(run)
        return run

    async def _end(self, run: Run, tries: int = _TRIES) -> None:
        """What has ended the run may have ended other connections as well."""
        for left in reversed(range(tries)):
            try:
                async with asyncio.timeout(_LAST_WORD_S):
                    return await self._store.update(run)
            except PASSING as error:
                log.debug("sync_status_not_written", error=type(error).__name__)
            if left:
                await self._clock.sleep(_LOOK_AGAIN_S)

    # -- since the watermarks -----------------------------------------------------------------

    async def _sync(self, run: Run) -> AsyncIterator[Run]:
        out = set[str]()
        for window in windows(run.start_ms, run.end_ms):
            rows = await self._executions(window)
            run = replace(run, seen=run.seen + len(rows))
            async for step in self._bring(run, rows, out):
                run = step
                yield run
            if not out:  # else the next run finds them again
                await self._store.advance(self.name, "executions", window.end_ms)
            run = replace(run, windows_done=run.windows_done + 1)
            yield run
        async for step in self._controls(run, run.start_ms):
            yield step

    async def _executions(self, window: Window) -> dict[Key, Execution]:
        """All pages, or none: they come newest first."""
        rows: dict[Key, Execution] = {}
        async for page in self._rest.executions(window.start_ms, window.end_ms):
            rows.update((row.key, row) for row in page)
        return rows

    async def _lacking(self, rows: dict[Key, Execution]) -> list[Execution]:
        """Those that neither the database nor the memory on its way there holds."""
        if not rows:
            return []
        missing = await self._ledger.missing_exec_ids(self.name, list(rows))
        return [rows[key] for key in missing if not self.account.knows(key)]

    async def _bring(
        self, run: Run, rows: dict[Key, Execution], out: set[str]
    ) -> AsyncIterator[Run]:
        """What the ledger lacks of them, oldest first, a portion at a time. A symbol of which too
        much would have to be folded anew in one transaction stays `out`, with a note, and all that
        follows of it: a later row must not be appended over the hole. Where nothing is too much,
        what is folded anew is so once, with all of the symbol."""
        lacking = sorted(await self._lacking(rows), key=lambda row: row.ledger_key)
        for begin in range(0, len(lacking), PORTION):
            by_symbol: dict[str, list[Execution]] = {}
            for row in lacking[begin : begin + PORTION]:
                if not self.account.knows(row.key):
                    by_symbol.setdefault(row.symbol, []).append(row)
            for symbol in [symbol for symbol in by_symbol if symbol not in out]:
                oldest, some = by_symbol[symbol][0], len(by_symbol[symbol])
                anew = await self._catch_up.rewritten(oldest)
                if anew and self._most_rows is None:
                    by_symbol[symbol] = [row for row in lacking[begin:] if row.symbol == symbol]
                elif self._is_too_much(some + anew):
                    out.add(symbol)
                    run = run.noting(self._too_much(run, oldest, some + anew))
            entering = [r for s, some in by_symbol.items() if s not in out for r in some]
            if entering:
                await self._persist(partial(self._catch_up.bring, entering))
                self.account.backfilled += len(entering)
            left = sum(len(some) for symbol, some in by_symbol.items() if symbol in out)
            run = replace(run, new=run.new + len(entering), left=run.left + left)
            yield run

    async def _persist(self, work: Callable[[], Awaitable[None]]) -> None:
        """What moves while it is read is read again, a few times."""
        for left in reversed(range(_TRIES)):
            try:
                return await work()
            except RetryLater:
                if not left:
                    raise
                await self._clock.sleep(_LOOK_AGAIN_S)

    # -- further back -------------------------------------------------------------------------

    async def _backfill(self, run: Run, done_ms: int) -> AsyncIterator[Run]:
        cursor = f"{run.start_ms}..{run.end_ms}"
        for window in windows(done_ms, run.end_ms):
            rows = await self._executions(window)
            lacking = await self._lacking(rows)
            await self._store.put_aside(self.name, lacking, window.end_ms, cursor)
            run = replace(run, seen=run.seen + len(rows), windows_done=run.windows_done + 1)
            yield run
        for symbol in await self._store.aside_symbols(self.name):
            run = await self._enter(run, symbol)
            await self._store.clear_aside(self.name, symbol)
            yield run
        await self._store.forget_watermark(self.name, "backfill")
        if not run.left:  # else it stays within what the next sync asks for
            await self._store.advance(self.name, "executions", run.end_ms)
        async for step in self._controls(run, run.start_ms):
            yield step

    async def _enter(self, run: Run, symbol: str) -> Run:
        """Puts the executions of a symbol that were fetched into the books."""
        await self._until_live()
        look = await self._look(symbol)
        old, missed, before, adjusted = look.old, look.missed, look.before, look.adjusted
        past = past_of(old, before)
        entering, left = past.rows, past.left
        if adjusted and before:
            entering, left = (), tuple(old)
            run = run.noting(
                f"{symbol}: an adjustment of {trimmed(adjusted):f} stands for {len(old)} "
                f"executions of the exchange's history; they stay out"
            )
        elif left:
            run = run.noting(past.words)
        open_end, too_long = await self._put_before(symbol, entering)
        for rows_left in too_long:
            left = (*left, *rows_left)
            run = run.noting(
                f"{symbol}: expected a position of at most {self._most_rows} executions, was one "
                f"of {len(rows_left)} from {iso(rows_left[0].exec_time)}; it stays out: "
                f"{_way_in(run)}"
            )
        rest = [*open_end, *missed]
        if rest:
            oldest = min(rest, key=lambda row: row.ledger_key)
            count = len(rest) + await self._catch_up.rewritten(oldest)
            if self._is_too_much(count):
                left = (*left, *rest)
                run = run.noting(self._too_much(run, oldest, count))
            else:
                await self._persist(lambda: self._catch_up.bring(rest))
        await self._catch_up.drain()
        new = len(old) + len(missed) - len(left)
        self.account.backfilled += new
        return replace(run, new=run.new + new, left=run.left + len(left))

    async def _look(self, symbol: str) -> _Look:
        """Both sides move while they are read: two looks in a row have to show the same."""
        known: _Look | None = None
        for _ in range(4 * _TRIES):
            await self._catch_up.drain()
            aside = await self._store.aside(self.name, symbol)
            rows = [row for row in aside if not self.account.knows(row.key)]
            sums = await self._store.symbol_sums(self.name, symbol)
            shown = await self._rest.positions()
            size = sum((one.signed_size for one in shown if one.symbol == symbol), ZERO)
            first_ms = sums.first_ms
            old = [row for row in rows if first_ms is None or row.exec_time < first_ms]
            missed = rows[len(old) :]
            moved = sum((row.signed_qty for row in missed if is_known(row)), sums.net)
            look = _Look(tuple(old), tuple(missed), size - moved, sums.adjusted)
            if look == known:
                return look
            known = look
            await self._clock.sleep(_LOOK_AGAIN_S)
        raise RetryLater(f"expected {symbol} to come to rest, did not; the backfill goes on later")

    async def _put_before(self, symbol: str, rows: Sequence[Execution]) -> tuple[Rows, list[Rows]]:
        """Writes what goes from flat to flat; returns the rest, which leads into what is known,
        and positions of too many executions for one transaction."""
        account, too_long = self.account, list[Rows]()
        cycles = Cycles(account.new_book(symbol, None), account.rules)

        async def write(done: Rows) -> None:
            if self._is_too_much(len(done)):
                too_long.append(done)
            elif done:
                await self._persist(lambda: self._catch_up.put_before(symbol, done))
                await self._catch_up.drain()

        for count, row in enumerate(rows):
            for done in cycles.take(row):
                await write(done)
            if count % _SLICE == 0:
                await self._clock.sleep(0)
        done, open_end = cycles.end()
        await write(done)
        if self._is_too_much(len(open_end)):
            too_long.append(open_end)
            open_end = ()
        return open_end, too_long

    def _is_too_much(self, count: int) -> bool:
        return self._most_rows is not None and count > self._most_rows

    def _too_much(self, run: Run, oldest: Execution, count: int) -> str:
        return (
            f"{oldest.symbol}: expected at most {self._most_rows} executions to fold anew from "
            f"{iso(oldest.exec_time)}, were {count}; what was missed since then stays out: "
            f"{_way_in(run)}"
        )

    # -- control totals -----------------------------------------------------------------------

    async def _controls(self, run: Run, since_ms: int) -> AsyncIterator[Run]:
        """Closed PnL since its own watermark, or since `since_ms` if that is earlier, and what the
        round trips make of it."""
        mark = await self._store.watermark(self.name, "closed_pnl")
        start_ms = min(mark.high_ms - OVERLAP_MS, since_ms) if mark else since_ms
        for window in windows(start_ms, run.end_ms):
            found = 0
            async for page in closings(self._rest, window.start_ms, window.end_ms):
                found += len(page)
                await self._store.put_closings(
                    self.name,
                    [
                        ClosedRow(
                            one.symbol,
                            one.order_id,
                            one.side,
                            one.size,
                            one.entry_price,
                            one.exit_price,
                            one.pnl,
                            one.open_fee,
                            one.close_fee,
                            one.created_ms,
                            one.updated_ms,
                        )
                        for one in page
                    ],
                )
            await self._store.advance(self.name, "closed_pnl", window.end_ms)
            run = replace(run, closings=run.closings + found)
            yield run
        await self._catch_up.drain()
        differing = await compare_totals(self._store, self.name, start_ms, run.end_ms)
        run = run.noting(*differing)
        yield run
        async for step in self._cash(run, since_ms):
            yield step

    async def _cash(self, run: Run, since_ms: int) -> AsyncIterator[Run]:
        """The transaction log: every execution in it has to be in the ledger, and what moved cash
        beside executions is kept."""
        mark = await self._store.watermark(self.name, "transactions")
        start_ms = min(mark.high_ms - OVERLAP_MS, since_ms) if mark else since_ms
        for window in windows(start_ms, run.end_ms):
            rows = await self._rest.transactions(window.start_ms, window.end_ms)
            others = [movement(row) for row in rows if not is_of_ledger(row)]
            if others:
                await self._audits.put_movements(self.name, others)
            named = {(row.symbol, row.trade_id): row for row in rows if is_of_ledger(row)}
            if named and run.kind != "backfill":  # which may have left some out, and said so
                lacking = await self._ledger.missing_exec_ids(self.name, list(named))
                run = run.noting(
                    *(
                        f"{symbol}: the transaction log names {exec_id}, which the ledger lacks"
                        for symbol, exec_id in sorted(lacking)[:_NAMED]
                        if not self.account.knows((symbol, exec_id))
                    )
                )
            await self._store.advance(self.name, "transactions", window.end_ms)
            run = replace(run, cash_rows=run.cash_rows + len(rows))
            yield run


def _ended(run: Run, why: str) -> Run:
    return replace(run, status="partial" if run.windows_done else "failed", error=why)


def _way_in(run: Run) -> str:
    verb = "alpha sync backfill" if run.kind == "backfill" else "alpha sync run"
    return f"`{verb}` brings it in while no daemon runs"


def _bounds(cursor: str) -> Window | None:
    first, _, last = cursor.partition("..")
    if not (first.isdigit() and last.isdigit()):
        return None
    return Window(int(first), int(last))
