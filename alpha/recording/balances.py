"""Balances of the accounts and equity of the bots, as rows over time.

A bot has a row when its equity has changed, at most once a minute, and one every five minutes
whatever happens, and one where a position of it opens or closes. An account has one for each word
of the exchange on its wallet, at most once a minute, and one every five minutes. Time is the
exchange's: in paper mode, whose market is faster, there is a row each time that is looked.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from alpha.clock import VenueClock
from alpha.core.events import WalletEvent
from alpha.core.records import Commit, PositionCycle
from alpha.ledger.pool import Connection
from alpha.ledger.recording import (
    BalanceRow,
    SnapshotType,
    cash_between,
    confirm_transfers,
    last_wallet,
    save_balances,
)
from alpha.live import Live
from alpha.recording.holdings import open_pnl
from alpha.trading.service import AccountService
from alpha.trading.session import BotSession

CHANGED_EVERY_MS = 60_000
ANYWAY_EVERY_MS = 300_000
#: Rows that wait for the database, at most; the oldest give way.
MOST_WAITING = 5_000
#: Positions of which it is remembered that they have their row.
MOST_KNOWN = 1_000
#: A wallet counts as settled when the exchange has said nothing more of it for so long.
SETTLED_MS = 30_000
#: What moves less than this was no transfer, USDT.
LEAST_TRANSFER = Decimal("0.01")


#: Of an account or one of its bots.
Key = tuple[str, str | None]


class Balances:
    """`look` is told every commit; `collect`, `write` and `forget` follow each other every few
    seconds."""

    def __init__(self, live: Live, venue: VenueClock) -> None:
        self._live = live
        self._venue = venue
        self._last: dict[Key, BalanceRow] = {}
        self._waiting: deque[BalanceRow] = deque(maxlen=MOST_WAITING)
        self._known: OrderedDict[str, None] = OrderedDict()
        #: The newest wallet that executions and known transfers explain, and when.
        self._explained: dict[str, tuple[Decimal, int]] = {}
        self._loaded = False  # what an earlier process had explained

    # -- what there is to write ---------------------------------------------------------------

    def look(self, commits: Sequence[Commit], commit_no: int) -> None:
        """Positions that have opened or closed: the bot's money as it is now."""
        for commit in commits:
            for cycle in commit.change.cycles if commit.change is not None else ():
                service = self._live.services.get(cycle.account)
                session = service.sessions.get(cycle.bot_id) if service is not None else None
                if session is not None:
                    self._note(session, cycle)

    def _note(self, session: BotSession, cycle: PositionCycle) -> None:
        kind: SnapshotType = "trade_open" if cycle.closed_at is None else "trade_close"
        position = f"{cycle.bot_id}:{cycle.symbol}:{cycle.opened_by}"
        key = f"{kind}:{position}"
        if key not in self._known:
            self._known[key] = None
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
            self._put(_of_bot(session, kind, self._venue.now_ms(), position))

    def collect(self) -> None:
        """Rows that are due by now, of every account and bot whose wallet is known."""
        now_ms = self._venue.now_ms()
        for service in self._live.services.values():
            if (row := self._of_account(service, now_ms)) is not None:
                self._put(row)
            if service.account.balance.told is None:
                continue
            for session in service.sessions.values():
                row = _of_bot(session, "periodic", now_ms)
                last = self._last.get((row.account, row.bot_id))
                if last is None or _is_due(row, last):
                    self._put(row)

    def _of_account(self, service: AccountService, now_ms: int) -> BalanceRow | None:
        account = service.account
        told, last = account.balance.told, self._last.get((account.name, None))
        if told is None:
            return None
        used = None if told.available is None else max(told.equity - told.available, Decimal(0))
        if last is None or (told.at_ms > last.at_ms and _is_due(_told(told), last)):
            return _told(told, used)
        if now_ms - last.at_ms < ANYWAY_EVERY_MS:
            return None
        wallet = account.balance.usdt
        return BalanceRow(
            account.name,
            None,
            "periodic",
            wallet,
            wallet + open_pnl(service),
            "books",
            now_ms,
            told.available,
            used,
        )

    def _put(self, row: BalanceRow) -> None:
        self._last[(row.account, row.bot_id)] = row
        self._waiting.append(row)

    # -- writing ------------------------------------------------------------------------------

    async def write(self, connection: Connection) -> int:
        """Writes what waits; how many rows. They wait on until `forget` is told of them."""
        if not self._loaded:
            for account in self._live.services:
                if (wallet := await last_wallet(connection, account)) is not None:
                    self._explained[account] = wallet
            self._loaded = True
        rows = list(self._waiting)
        await save_balances(connection, rows)
        return len(rows)

    def forget(self, rows: int) -> None:
        """The first `rows` are in the database."""
        for _ in range(min(rows, len(self._waiting))):
            self._waiting.popleft()

    # -- money from outside -------------------------------------------------------------------

    async def write_transfers(self, connection: Connection) -> dict[str, tuple[Decimal, int]]:
        """Deposits and withdrawals: what a wallet has gained or lost that no execution explains,
        once it has stood still for a while, and what the transaction log has said of them since.
        Answers what is explained now, for `explain`."""
        found: dict[str, tuple[Decimal, int]] = {}
        rows: list[BalanceRow] = []
        for name, service in self._live.services.items():
            told = service.account.balance.told
            settled = service.account.live and not service.account.waiting
            if told is None or not settled or self._venue.now_ms() - told.at_ms < SETTLED_MS:
                continue
            before = self._explained.get(name)
            found[name] = (told.wallet, told.at_ms)
            if before is None or before[1] >= told.at_ms:
                continue
            moved = await cash_between(connection, name, before[1], told.at_ms)
            # What a closing execution has won was not told: the log will say.
            amount = Decimal(0) if moved is None else told.wallet - before[0] - moved
            if moved is None or abs(amount) >= LEAST_TRANSFER:
                rows += self._transfer(service, told, amount, before[1])
        await save_balances(connection, rows)
        await confirm_transfers(connection, list(self._live.services))
        return found

    def explain(self, found: dict[str, tuple[Decimal, int]]) -> None:
        """What `write_transfers` has found stands."""
        self._explained.update(found)

    def _transfer(
        self, service: AccountService, told: WalletEvent, amount: Decimal, since_ms: int
    ) -> Iterator[BalanceRow]:
        """Of the account, and of a bot that has it alone: its equity is the account's."""
        kind: SnapshotType = "withdrawal" if amount < 0 else "deposit"
        yield replace(_told(told), kind=kind, amount=amount, since_ms=since_ms)
        for session in service.sessions.values():
            if session.owns_wallet:
                row = _of_bot(session, kind, told.at_ms)
                yield replace(row, amount=amount, since_ms=since_ms)


def _is_due(row: BalanceRow, last: BalanceRow) -> bool:
    every_ms = ANYWAY_EVERY_MS if row.equity == last.equity else CHANGED_EVERY_MS
    return row.at_ms - last.at_ms >= every_ms


def _told(told: WalletEvent, used: Decimal | None = None) -> BalanceRow:
    return BalanceRow(
        told.account,
        None,
        "wallet",
        told.wallet,
        told.equity,
        told.source,
        told.at_ms,
        told.available,
        used,
    )


def _of_bot(
    session: BotSession, kind: SnapshotType, at_ms: int, position_id: str | None = None
) -> BalanceRow:
    wallet, equity = session.money()
    return BalanceRow(
        session.account.name,
        session.bot_id,
        kind,
        wallet,
        equity,
        "books",
        at_ms,
        realised=session.realised,
        position_id=position_id,
    )
