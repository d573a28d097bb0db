"""The wallet audit of one account: the ledger's cash against the exchange's, to the last digit.

From one audit to the next: the exchange's balance then, what the ledger's executions have moved
since, and what the transaction log says has moved cash beside them, is the balance now. Each row of
the log is compared with its execution, so that a difference has a name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

import structlog

from alpha.alerts import Alerts
from alpha.bybit.account_rows import Transaction
from alpha.bybit.rest import Rest
from alpha.bybit.rows import LINEAR
from alpha.clock import Clock, iso
from alpha.core.cash import AverageCost, Cash
from alpha.core.events import ADJUSTMENT, CASH_ONLY, Execution
from alpha.ledger.wallet_audits import Audit, AuditBase, AuditStore, Movement
from alpha.sync.windows import windows
from alpha.trading.catchup import CatchUp

log = structlog.get_logger(__name__)

ZERO = Decimal(0)
Key = tuple[str, str]
#: The cut lies so far from anything that has happened: the two sides' stamps may differ a little.
QUIET_MS = 2_000
_REACH_MS = 3_600_000
#: The exchange's average price has digits that it does not show: a row may be off by this.
ROUNDING = Decimal("0.000001")
_LOOKS = 4
_LOOK_AGAIN_S = 1.0
_SLICE = 500


@dataclass(slots=True)
class _Sums:
    """What the two sides have come to so far."""

    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    moved: Decimal = ZERO
    rounding: Decimal = ZERO
    changed: Decimal = ZERO  # by the log alone
    compared: int = 0
    #: One side of each is here; what is matched is gone.
    executions: dict[Key, tuple[int, Cash]] = field(default_factory=dict)
    log_rows: dict[Key, tuple[int, str, Cash]] = field(default_factory=dict)
    differences: list[tuple[int, str]] = field(default_factory=list)
    opening: Decimal | None = None
    #: Balances that the rows of the newest moment have left, as the exchange tells them.
    newest: tuple[int, tuple[Decimal, ...]] = (0, ())

    def difference(self, at_ms: int, words: str) -> None:
        self.differences.append((at_ms, words))


class WalletAudit:
    """`run` reads both sides and writes one row of `trading.wallet_audits`."""

    def __init__(
        self,
        account: str,
        rest: Rest,
        catch_up: CatchUp,
        store: AuditStore,
        clock: Clock,
        alerts: Alerts,
    ) -> None:
        self._account = account
        self._rest = rest
        self._catch_up = catch_up
        self._store = store
        self._clock = clock
        self._alerts = alerts

    async def run(self, limit_ms: int) -> Audit | None:
        """Up to `limit_ms` (the exchange's clock), up to which the ledger was brought. None where
        it has nothing new. Raises AlphaError or a connection error when one
        of the sides could not be asked."""
        await self._catch_up.drain()
        first_ms = await self._store.first_ms(self._account)
        if first_ms is None:
            return None
        base = await self._store.base(self._account)
        since_ms = base.until_ms if base is not None else first_ms - 1
        until_ms = await self._cut(limit_ms)
        if until_ms <= since_ms:
            return None
        costs = AverageCost(base.open_costs if base is not None else None)
        sums = _Sums(opening=base.balance if base is not None else None)
        for window in windows(since_ms, until_ms):
            await self._read_log(sums, window.start_ms, window.end_ms)
            await self._read_ledger(sums, costs, window.start_ms, window.end_ms)
        await self._compare_books(sums, since_ms, until_ms)
        self._tell_unmatched(sums)
        audit = await self._closed(sums, costs, base, since_ms, until_ms)
        await self._store.put(audit)
        self._say(audit)
        return audit

    async def _cut(self, limit_ms: int) -> int:
        """The newest moment, not later than that, with nothing near it."""
        span = limit_ms - _REACH_MS, limit_ms + QUIET_MS
        shown = await self._rest.transactions(*span)
        booked = await self._store.ledger_rows(self._account, *span)
        times = {row.at_ms for row in shown} | {row.exec_time for row in booked}
        cut_ms = limit_ms
        for at_ms in sorted(times, reverse=True):
            if at_ms < cut_ms - QUIET_MS:
                break
            if at_ms <= cut_ms + QUIET_MS:
                cut_ms = at_ms - QUIET_MS - 1
        return cut_ms

    # -- the two sides ------------------------------------------------------------------------

    async def _read_log(self, sums: _Sums, after_ms: int, until_ms: int) -> None:
        shown = await self._rest.transactions(after_ms, until_ms)
        rows = [row for row in reversed(shown) if after_ms < row.at_ms <= until_ms]
        movements = []
        for row in rows:
            if sums.opening is None and row.balance is not None:
                sums.opening = row.balance - row.change - sums.changed
            sums.changed += row.change
            if row.balance is not None:
                at_ms, known = sums.newest
                kept = known if at_ms == row.at_ms else ()
                sums.newest = row.at_ms, (*kept, row.balance)
            if is_of_ledger(row):
                self._match_log(sums, row)
            else:
                sums.moved += row.change
                movements.append(movement(row))
        if movements:
            await self._store.put_movements(self._account, movements)

    async def _read_ledger(
        self, sums: _Sums, costs: AverageCost, after_ms: int, until_ms: int
    ) -> None:
        rows = await self._store.ledger_rows(self._account, after_ms, until_ms)
        for count, row in enumerate(rows):
            cash = costs.take(row)
            sums.realised += cash.realised
            if row.exec_type in CASH_ONLY:
                sums.funding -= cash.paid
            else:
                sums.fees += cash.paid
            if row.exec_type != ADJUSTMENT:
                self._match_execution(sums, row, cash)
            if count % _SLICE == 0:
                await self._clock.sleep(0)

    def _match_log(self, sums: _Sums, row: Transaction) -> None:
        key = row.symbol, row.trade_id
        cash = Cash(row.realised, row.paid)
        if row.change != cash.change:
            other = row.change - cash.change
            words = f"{row.kind} {row.trade_id} of {row.symbol} at {iso(row.at_ms)}: the exchange"
            sums.difference(row.at_ms, f"{words} booked {other:f} beside result, fee and funding")
        before = sums.log_rows.pop(key, None)
        if before is not None:  # an execution may have several rows
            cash = Cash(before[2].realised + cash.realised, before[2].paid + cash.paid)
        sums.log_rows[key] = row.at_ms, row.kind, cash
        self._match(sums, key)

    def _match_execution(self, sums: _Sums, row: Execution, cash: Cash) -> None:
        sums.executions[row.key] = row.exec_time, cash
        self._match(sums, row.key)

    def _match(self, sums: _Sums, key: Key) -> None:
        if key not in sums.executions or key not in sums.log_rows:
            return
        _, ours = sums.executions.pop(key)
        at_ms, kind, theirs = sums.log_rows.pop(key)
        sums.compared += 1
        where = f"{kind} {key[1]} of {key[0]} at {iso(at_ms)}"
        if ours.paid != theirs.paid:
            sums.difference(
                at_ms,
                f"{where}: the ledger paid {ours.paid:f}, the exchange charged {theirs.paid:f}",
            )
        off = theirs.realised - ours.realised
        if abs(off) <= ROUNDING:
            sums.rounding += off
        else:
            sums.difference(
                at_ms,
                f"{where}: the ledger realised {ours.realised:f}, the exchange {theirs.realised:f}",
            )

    # -- what they come to --------------------------------------------------------------------

    async def _compare_books(self, sums: _Sums, since_ms: int, until_ms: int) -> None:
        """The bots' books together hold what the executions have cost."""
        fees, funding = await self._store.booked(self._account, since_ms, until_ms)
        for name, ours, booked in (("fees", sums.fees, fees), ("funding", sums.funding, funding)):
            if ours != booked:
                sums.difference(
                    until_ms,
                    f"the executions' {name} are {ours:f}, the books hold {booked:f}: see "
                    f"`alpha ledger verify`",
                )

    def _tell_unmatched(self, sums: _Sums) -> None:
        for (symbol, trade_id), (at_ms, kind, cash) in sums.log_rows.items():
            sums.difference(
                at_ms,
                f"{kind} {trade_id} of {symbol} at {iso(at_ms)}: the ledger has no such execution, "
                f"the exchange booked {cash.change:f}",
            )
        for (symbol, exec_id), (at_ms, cash) in sums.executions.items():
            if cash.change:
                sums.difference(
                    at_ms,
                    f"{exec_id} of {symbol} at {iso(at_ms)}: the ledger booked {cash.change:f}, "
                    f"the exchange's log has no such row",
                )

    async def _closed(
        self,
        sums: _Sums,
        costs: AverageCost,
        base: AuditBase | None,
        since_ms: int,
        until_ms: int,
    ) -> Audit:
        opening = sums.opening
        if opening is None:  # nothing has ever moved
            opening = (await self._rest.wallet()).wallet
        expected = opening + sums.changed
        _, newest = sums.newest
        log_balance = expected if not newest or expected in newest else newest[-1]
        differences = [words for _, words in sorted(sums.differences)]
        wallet = await self._wallet_at(until_ms, log_balance)
        audit = Audit(
            account=self._account,
            since_ms=since_ms,
            until_ms=until_ms,
            opening=opening,
            realised=sums.realised,
            fees=sums.fees,
            funding=sums.funding,
            moved=sums.moved,
            rounding=sums.rounding,
            log_balance=log_balance,
            wallet=wallet,
            compared=sums.compared,
            differing=len(differences),
            first_difference=differences[0] if differences else "",
            executions=await self._store.executions_until(self._account, until_ms),
            open_costs=costs.open_costs(),
        )
        if audit.difference and not differences:
            return _named(audit, expected)
        return audit

    async def _wallet_at(self, until_ms: int, log_balance: Decimal) -> Decimal:
        """The wallet at the cut: that of now, less what has moved it since. It is read while it
        may move: any balance that one of the newest rows has left will do."""
        wallet, later = ZERO, list[Transaction]()
        for look in range(_LOOKS):
            if look:
                await self._clock.sleep(_LOOK_AGAIN_S)
            wallet = (await self._rest.wallet()).wallet
            now_ms = await self._rest.server_time()
            later = [
                row
                for first, last in windows(until_ms, now_ms + 1_000)
                for row in await self._rest.transactions(first, last)
                if row.at_ms > until_ms
            ]
            if wallet == log_balance or wallet in [row.balance for row in later]:
                return log_balance
        return wallet - sum((row.change for row in later), ZERO)

    def _say(self, audit: Audit) -> None:
        if not audit.difference and not audit.differing:
            log.info("wallet_agrees", account=self._account, balance=str(audit.wallet))
            return
        self._alerts.tell(
            "wallet_differs",
            f"expected the ledger's cash {audit.ledger_balance:f} USDT to be the exchange's, was "
            f"{audit.wallet:f} at {iso(audit.until_ms)}; the first of {audit.differing} that "
            f"differ: {audit.first_difference}; see `alpha sync status`, `alpha reconcile`",
            account=self._account,
            ledger=format(audit.ledger_balance, "f"),
            exchange=format(audit.wallet, "f"),
            difference=format(audit.difference, "f"),
        )


def _named(audit: Audit, expected: Decimal) -> Audit:
    """A difference that no row of the log shows lies between the log and the wallet."""
    if audit.wallet != audit.log_balance:
        left = f"{audit.log_balance:f}"
        words = f"the wallet is {audit.wallet:f}, the newest row of the log has left {left}"
    else:
        words = f"the log's rows come to {expected:f}, its newest has left {audit.log_balance:f}"
    return replace(audit, differing=1, first_difference=words)


def is_of_ledger(row: Transaction) -> bool:
    """An execution of perpetuals stands behind it; everything else moves cash beside the ledger."""
    return bool(row.trade_id) and row.category in (LINEAR, "")


def movement(row: Transaction) -> Movement:
    return Movement(
        id=row.entry_id or f"{row.kind}-{row.at_ms}",
        kind=row.kind,
        trade_id=row.trade_id,
        category=row.category,
        symbol=row.symbol,
        change=row.change,
        balance=row.balance,
        at_ms=row.at_ms,
    )
