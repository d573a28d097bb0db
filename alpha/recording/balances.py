"""Balances of the accounts and equity of the bots, as rows over time.

A bot has a row when its equity has changed, at most once a minute, and one every five minutes
whatever happens, and one where a position of it opens or closes. An account has one for each word
of the exchange on its wallet, at most once a minute, and one every five minutes. Time is the
exchange's: in paper mode, whose market is faster, there is a row each time that is looked.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from alpha.clock import VenueClock
from alpha.core.events import WalletEvent
from alpha.core.records import Commit, PositionCycle
from alpha.ledger.pool import Connection
from alpha.ledger.recording import (
    BalanceRow,
    SettledWallet,
    SnapshotType,
    cash_between,
    confirm_transfers,
    save_balances,
    settle_wallets,
    settled_wallet,
    wallets_between,
)
from alpha.live import Live
from alpha.recording.holdings import open_pnl
from alpha.trading.account import Account
from alpha.trading.balance import Balance
from alpha.trading.service import AccountService
from alpha.trading.session import BotSession

CHANGED_EVERY_MS = 60_000
ANYWAY_EVERY_MS = 300_000
#: Rows that wait for the database, at most; the oldest give way.
MOST_WAITING = 5_000
#: Positions of which it is remembered that they have their row.
MOST_KNOWN = 1_000
#: Words on a wallet that are looked through for the moment at which money came.
MOST_WORDS = 64
#: A wallet counts as settled when the exchange has said nothing else of it for so long.
SETTLED_MS = 30_000
#: What was traded so soon after the very first word on a wallet may be in it already: REST stamps a
#: balance with a time before it was read.
UNSURE_MS = 300_000
#: What moves less than this was no transfer, USDT.
LEAST_TRANSFER = Decimal("0.01")


#: Of an account or one of its bots.
Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Written:
    """`rows` of those that waited, and what wallets are explained now, by account."""

    rows: int = 0
    explained: Mapping[str, SettledWallet] = field(default_factory=dict)


class Balances:
    """`look` is told every commit; `collect`, `write` and `written` follow each other every few
    seconds."""

    def __init__(self, live: Live, venue: VenueClock) -> None:
        self._live = live
        self._venue = venue
        self._last: dict[Key, BalanceRow] = {}
        self._waiting: deque[BalanceRow] = deque(maxlen=MOST_WAITING)
        self._known: OrderedDict[str, None] = OrderedDict()
        #: The newest wallet that executions and known transfers explain, by account.
        self._explained: dict[str, SettledWallet] = {}
        #: What the exchange has told of it, and since when, by account.
        self._words: dict[str, deque[tuple[Decimal, int]]] = {}

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
            self._put(_of_bot(session, kind, self._now_ms(session.account), position))

    def collect(self, *, ending: bool = False) -> None:
        """Rows that are due by now, of every account and bot whose wallet is known. At a clean stop
        those of every bot whose equity is another one: the registry shows it from then on."""
        for service in self._live.services.values():
            now_ms = self._now_ms(service.account)
            if (row := self._of_account(service, now_ms)) is not None:
                self._put(row)
            if service.account.balance.told is None:
                continue
            for session in service.sessions.values():
                row = _of_bot(session, "periodic", now_ms)
                last = self._last.get((row.account, row.bot_id))
                if last is None or _is_due(row, last) or (ending and row.equity != last.equity):
                    self._put(row)

    def _of_account(self, service: AccountService, now_ms: int) -> BalanceRow | None:
        account = service.account
        told, last = account.balance.told, self._last.get((account.name, None))
        if told is None:
            return None
        words = self._words.setdefault(account.name, deque(maxlen=MOST_WORDS))
        if not words or words[-1][0] != told.wallet:
            words.append((told.wallet, account.balance.stands_since_ms))
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

    def _now_ms(self, account: Account) -> int:
        """By the exchange's clock. Our idea of that is behind it: what shows a wallet is not from
        before it was that."""
        return max(self._venue.now_ms(), account.balance.stands_since_ms)

    def _put(self, row: BalanceRow) -> None:
        self._last[(row.account, row.bot_id)] = row
        self._waiting.append(row)

    # -- writing ------------------------------------------------------------------------------

    async def write(self, connection: Connection, *, transfers: bool) -> Written:
        """Writes what waits, and with `transfers` the money from outside. `written` has to be told
        once this stands, `doubted` if that is not known."""
        rows = list(self._waiting)
        await save_balances(connection, rows)
        explained = await self._begun(connection, rows)
        if transfers:
            explained.update(await self._write_transfers(connection, explained))
        await settle_wallets(connection, explained)
        return Written(len(rows), explained)

    def written(self, what: Written) -> None:
        """It is in the database."""
        for _ in range(min(what.rows, len(self._waiting))):
            self._waiting.popleft()
        self._explained.update(what.explained)

    def doubted(self) -> None:
        """Nobody knows whether it is: a commit may stand whose answer was lost. What wallets are
        explained is read again, else money from outside would be written twice."""
        self._explained.clear()

    # -- money from outside -------------------------------------------------------------------

    async def _begun(
        self, connection: Connection, rows: Sequence[BalanceRow]
    ) -> dict[str, SettledWallet]:
        """What an earlier process had explained; of an account that never had a wallet its first,
        which may be in the middle of something."""
        found: dict[str, SettledWallet] = {}
        for account in self._live.services.keys() - self._explained.keys():
            if (stored := await settled_wallet(connection, account)) is not None:
                found[account] = stored
                continue
            words = (row for row in rows if row.account == account and row.kind == "wallet")
            if (first := next(words, None)) is not None:
                found[account] = SettledWallet(first.wallet, first.at_ms, stood_still=False)
        return found

    async def _write_transfers(
        self, connection: Connection, begun: Mapping[str, SettledWallet]
    ) -> dict[str, SettledWallet]:
        """Deposits and withdrawals: what a wallet has gained or lost that no execution explains,
        once it has stood still for a while, and what the transaction log has said of them since.
        Answers what is explained now."""
        found: dict[str, SettledWallet] = {}
        rows: list[BalanceRow] = []
        for name, service in self._live.services.items():
            told = _settled(service.account.balance, self._venue.now_ms())
            before = self._explained.get(name) or begun.get(name)
            if told is None or not service.account.live or service.account.waiting:
                continue
            if before is not None and (before.at_ms, before.stood_still) >= (told.at_ms, True):
                continue
            found[name] = SettledWallet(told.wallet, told.at_ms, stood_still=True)
            if before is not None:
                rows += await self._moved(connection, service, told, before)
        await save_balances(connection, rows)
        owners = [
            (name, session.bot_id)
            for name, service in self._live.services.items()
            for session in _owners(service)
        ]
        await confirm_transfers(connection, list(self._live.services), owners, LEAST_TRANSFER)
        return found

    async def _moved(
        self,
        connection: Connection,
        service: AccountService,
        told: WalletEvent,
        before: SettledWallet,
    ) -> list[BalanceRow]:
        """What has come from outside between two wallets. Where the first of them did not stand
        still, the log's clock does not tell what came after it: then the wallets decide, unless
        something was traded that may be in both."""
        cash = await cash_between(connection, told.account, before.at_ms, told.at_ms)
        amount = None if cash is None else told.wallet - before.wallet - cash
        if amount is not None and abs(amount) < LEAST_TRANSFER:
            return []
        if not before.stood_still and told.at_ms > before.at_ms:
            unsure_ms = before.at_ms + UNSURE_MS
            if await cash_between(connection, told.account, before.at_ms, unsure_ms) != 0:
                amount = None
        if amount is None:  # or what a closing execution has won was not told: the log will say
            return list(_transfer(service, told, Decimal(0), told.at_ms, before.at_ms))
        at_ms = await self._shown_since(connection, service, told, before, amount)
        since_ms = before.at_ms if before.stood_still else None
        return list(_transfer(service, told, amount, at_ms, since_ms))

    async def _shown_since(
        self,
        connection: Connection,
        service: AccountService,
        told: WalletEvent,
        before: SettledWallet,
        amount: Decimal,
    ) -> int:
        """Since when wallets show an amount, or most of it: equity that was written down from then
        on holds it. What an earlier process has heard of them is known as far as it was written."""
        at_ms, words = told.at_ms, list(self._words.get(told.account, ()))
        written = await wallets_between(
            connection,
            told.account,
            [session.bot_id for session in _owners(service)],
            before.at_ms,
            words[0][1] if words else told.at_ms,
            MOST_WORDS,
        )
        for wallet, since_ms in [*reversed(words), *written]:
            if since_ms <= before.at_ms:
                break
            cash = await cash_between(connection, told.account, before.at_ms, since_ms)
            shown = None if cash is None else wallet - before.wallet - cash
            if shown is None or abs(shown - amount) >= abs(amount) / 2:
                break
            at_ms = since_ms
        return at_ms


def _settled(balance: Balance, now_ms: int) -> WalletEvent | None:
    """What the exchange has told last, if the wallet stands still: the newest word, or, where it
    says the same again and again, that of a moment with half of the time before and behind it."""
    told, since_ms = balance.told, balance.stands_since_ms
    if told is None or now_ms - told.at_ms >= SETTLED_MS:
        return told
    if told.at_ms - since_ms >= SETTLED_MS:
        return replace(told, at_ms=since_ms + SETTLED_MS // 2)
    return None


def _transfer(
    service: AccountService, told: WalletEvent, amount: Decimal, at_ms: int, since_ms: int | None
) -> Iterator[BalanceRow]:
    """Of the account, and of a bot that has it alone: its equity is the account's. `since_ms`:
    after when the transaction log is to be asked for it."""
    kind: SnapshotType = "withdrawal" if amount < 0 else "deposit"
    until_ms = None if since_ms is None else told.at_ms
    rows = [replace(_told(told), kind=kind, at_ms=at_ms)]
    rows += [_of_bot(session, kind, at_ms) for session in _owners(service)]
    for row in rows:
        yield replace(row, amount=amount, since_ms=since_ms, until_ms=until_ms)


def _owners(service: AccountService) -> list[BotSession]:
    """Bots whose wallet is the account's: one, where it is alone."""
    return [session for session in service.sessions.values() if session.owns_wallet]


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
