"""Who a portfolio limit speaks of, and what it sees of the accounts: positions at fresh prices,
entries on their way, equity.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from alpha.clock import Clock
from alpha.core.earlier import Earlier
from alpha.core.risk import (
    MINUTE_MS,
    ZERO,
    Action,
    Anchors,
    Entry,
    Exposure,
    Held,
    Kind,
    Rule,
    Trip,
)
from alpha.ledger.risk_journal import Subject
from alpha.trading.account import Account
from alpha.trading.balance import average_gap

#: A price and when it was heard (monotonic).
Quote = tuple[Decimal, float]


class Purse(Protocol):
    """What is asked of a bot."""

    @property
    def wallet(self) -> Decimal: ...

    @property
    def owns_wallet(self) -> bool: ...


class Site(Protocol):
    """What is asked of an account at work; bots by id."""

    @property
    def account(self) -> Account: ...

    @property
    def sessions(self) -> Mapping[str, Purse]: ...


@dataclass(slots=True)
class Scope:
    """One bot, one account, or everything. `bots` are the ids of the bots that it speaks of; None:
    all of its accounts. `label` is for people."""

    subject: Subject
    label: str
    rules: tuple[Rule, ...]
    anchors: Anchors | None = None
    #: What of the ledger is from before the anchors began; None: nobody has looked yet.
    earlier: Earlier | None = None
    #: What has come to it since, and has not shifted the anchors yet. `reread`: `earlier` has to
    #: be read again before anchors are written, else both together would not be of one moment.
    since: Earlier = field(default_factory=Earlier)
    reread: bool = False
    trips: dict[str, Trip] = field(default_factory=dict)
    #: Why it cannot be judged now; empty while it can.
    blind: str = ""
    stops: str | None = None
    reduces: bool = False
    counts_entries: bool = False
    #: Losses that make entries smaller.
    shrinking: tuple[Rule, ...] = ()
    _entries: deque[int] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.counts_entries = any(one.kind is Kind.ORDERS_PER_MINUTE for one in self.rules)
        self.shrinking = tuple(
            one for one in self.rules if one.is_loss and one.action is Action.REDUCE
        )

    @property
    def accounts(self) -> tuple[str, ...]:
        return self.subject.accounts

    @property
    def bot_id(self) -> str | None:
        return self.subject.bot_id

    def rule(self, kind: Kind | None) -> Rule | None:
        return next((rule for rule in self.rules if rule.kind is kind), None)

    @property
    def unread(self) -> bool:
        """Whether the ledger has to be asked what is from before the anchors began, and can be."""
        unknown = self.reread or self.earlier is None
        return self.anchors is not None and unknown and self.since.is_nothing

    def covers(self, account: str, owner: str) -> bool:
        return account in self.accounts and self.bot_id in (None, owner)

    def note_trips(self) -> None:
        """To be called when a trip has begun or ended."""
        stopping = [trip for trip in self.trips.values() if trip.stops_entries]
        why = "; ".join(f"{trip.action.value} by {trip.why}" for trip in stopping)
        self.stops = f"risk limit of {self.label}: {why}" if stopping else None
        self.reduces = any(trip.action is Action.REDUCE for trip in self.trips.values())

    def count_entry(self, at_ms: int) -> None:
        self._entries.append(at_ms)

    def entries(self, now_ms: int) -> int:
        """Taken within the last minute."""
        if not self._entries:
            return 0
        while self._entries and self._entries[0] <= now_ms - MINUTE_MS:
            self._entries.popleft()
        return len(self._entries)


_NEVER = float("-inf")
#: Symbol, and by owner: its name, signed quantity, cost, average price.
_Holding = tuple[str, list[tuple[str, Decimal, Decimal, Decimal]]]
#: What positions, open PnL and prices depend on.
_Key = tuple[int, int, int]


@dataclass(slots=True, eq=False)
class Picture:
    """One account as of its books, orders and the newest prices. By owner: open PnL, and the
    symbol whose price is the oldest, with when it was heard (monotonic)."""

    key: _Key
    orders_key: int
    held: list[Held]
    open_pnl: dict[str, Decimal]
    heard: dict[str, tuple[float, str]]
    pending: list[Held]
    leaving: set[tuple[str, str, str]]  # places that exits on their way close whole
    gap: Decimal  # what the exchange has open beyond all of `open_pnl`
    _by_owner: dict[str | None, Exposure] = field(default_factory=dict)

    def exposure(self, owner: str | None) -> Exposure:
        """Of one owner, or of all."""
        known = self._by_owner.get(owner)
        if known is None:
            known = self._by_owner[owner] = Exposure()
            for one in self.held:
                if owner in (None, one.owner):
                    known.hold((one.account, one.owner, one.symbol), one.value)
            known.leaving = {one for one in self.leaving if owner in (None, one[1])}
            for one in self.pending:
                if owner in (None, one.owner):
                    known.enter((one.account, one.owner, one.symbol), one.value)
        return known

    def take(self, entry: Entry) -> None:
        """An entry that is planned next, which is the next thing that happens to orders: what
        is known of the others stays true."""
        self.pending.append(Held(entry.account, entry.owner, entry.symbol, ZERO, entry.value))
        self.orders_key += 1
        for owner in (None, entry.owner):
            known = self._by_owner.get(owner)
            if known is not None:
                known.enter(entry.place, entry.value)


class Pictures:
    """Pictures of accounts, made anew when something has changed."""

    def __init__(
        self,
        services: Mapping[str, Site],
        clock: Clock,
        *,
        quote: Callable[[str], Quote | None],
        revision: Callable[[], int],
        fresh_s: float,
    ) -> None:
        self._services = services
        self._clock = clock
        self._quote = quote
        self._revision = revision
        self._fresh_s = fresh_s
        self._pictures: dict[str, Picture] = {}
        self._marks: dict[str, Quote] = {}
        self._marks_revision = 0
        self._horizons: dict[tuple[str, str], tuple[tuple[Picture, ...], tuple[float, str]]] = {}
        self._books: dict[str, tuple[int, list[_Holding]]] = {}
        self._wallets: dict[str, tuple[object, float]] = {}
        #: Symbols whose price is asked for, by account: nobody streams it.
        self.unquoted: dict[str, set[str]] = {}

    def note_mark(self, symbol: str, price: Decimal) -> None:
        """A price that was asked for."""
        self._marks[symbol] = (price, self._clock.monotonic())
        self._marks_revision += 1

    def price(self, symbol: str) -> Quote | None:
        """The newest of what is streamed and what was asked for."""
        streamed, asked = self._quote(symbol), self._marks.get(symbol)
        if streamed is None or (asked is not None and asked[1] > streamed[1]):
            return asked
        return streamed

    def of(self, name: str) -> Picture:
        account = self._services[name].account
        prices = self._revision() + self._marks_revision
        key, orders_key = (
            (account.revision, prices, account.balance.revision),
            account.tracker.revision,
        )
        known = self._pictures.get(name)
        if known is None or known.key != key:
            seen = self._held(account)
            orders = self._on_their_way(account, seen[0])
            known = Picture(key, orders_key, *seen, *orders, self._gap(account))
        elif known.orders_key != orders_key:
            orders = self._on_their_way(account, known.held)
            known = Picture(
                key, orders_key, known.held, known.open_pnl, known.heard, *orders, known.gap
            )
        self._pictures[name] = known
        return known

    def _held(
        self, account: Account
    ) -> tuple[list[Held], dict[str, Decimal], dict[str, tuple[float, str]]]:
        held: list[Held] = []
        open_pnl: dict[str, Decimal] = {}
        heard: dict[str, tuple[float, str]] = {}
        unquoted = self.unquoted[account.name] = set()
        late = self._clock.monotonic() - self._fresh_s / 2
        name = account.name
        for symbol, owners in self._holdings(account):
            quote = self.price(symbol)
            price, at = quote if quote is not None else (None, _NEVER)
            if at < late:
                unquoted.add(symbol)
            for owner, qty, cost, entry in owners:
                value = qty * (price if price is not None else entry)
                held.append(Held(name, owner, symbol, qty, value))
                open_pnl[owner] = open_pnl.get(owner, ZERO) + value - cost
                oldest = heard.get(owner)
                if oldest is None or at < oldest[0]:
                    heard[owner] = (at, symbol)
        return held, open_pnl, heard

    def _gap(self, account: Account) -> Decimal:
        total = ZERO
        for symbol, owners in self._holdings(account):
            net = sum((qty for _, qty, _, _ in owners), ZERO)
            cost = sum((cost for _, _, cost, _ in owners), ZERO)
            total += average_gap(net, cost, account.exchange.get(symbol))
        return total

    def _holdings(self, account: Account) -> list[_Holding]:
        """By symbol: owner, signed quantity, what it has cost, average price."""
        known = self._books.get(account.name)
        if known is not None and known[0] == account.revision:
            return known[1]
        found: list[_Holding] = []
        for symbol, book in account.books.items():
            owners = [
                (owner, at.signed_qty, book.cost(owner), at.avg_price or ZERO)
                for owner, at in book.positions().items()
            ]
            if owners:
                found.append((symbol, owners))
        self._books[account.name] = (account.revision, found)
        return found

    def _on_their_way(
        self, account: Account, held: list[Held]
    ) -> tuple[list[Held], set[tuple[str, str, str]]]:
        """Entries of bots that may still trade: pending, sent, open, unknown; and the places
        that exits close whole."""
        found = []
        closing: dict[tuple[str, str], Decimal] = {}
        tracker = account.tracker
        for row in tracker.working():
            left = row.qty - tracker.executed_qty(row.client_order_id)
            if row.purpose == "exit":
                owned = (row.bot_id, row.symbol)
                closing[owned] = closing.get(owned, ZERO) + left
            if row.purpose != "entry":
                continue
            quote = self.price(row.symbol)
            price = quote[0] if quote is not None else row.price
            if left > 0 and price is not None:
                signed = left if row.side == "Buy" else -left
                found.append(Held(account.name, row.bot_id, row.symbol, signed, signed * price))
        leaving = {
            (one.account, one.owner, one.symbol)
            for one in held
            if closing and closing.get((one.owner, one.symbol), ZERO) >= abs(one.signed_qty)
        }
        return found, leaving

    # -- freshness ----------------------------------------------------------------------------

    def all_of(self, scope: Scope) -> tuple[Picture, ...]:
        """Of the accounts of a scope, as far as they are open."""
        if len(scope.accounts) == 1 and scope.accounts[0] in self._services:
            return (self.of(scope.accounts[0]),)
        return tuple(self.of(name) for name in scope.accounts if name in self._services)

    def stale(self, scope: Scope, pictures: tuple[Picture, ...]) -> str:
        """What is too old, or not known, to judge the scope by; empty when all is fresh."""
        for name in scope.accounts:
            site = self._services.get(name)
            if site is None or not site.account.live:
                return f"account {name} is not live"
            if scope.bot_id is not None and scope.bot_id not in site.sessions:
                return "the bot is not part of this run"  # its wallet is not known
        at, what = self._oldest(scope, pictures)
        oldest = self._clock.monotonic() - self._fresh_s
        return f"{what} is older than {self._fresh_s:g} s" if at < oldest else ""

    def is_live(self, scope: Scope) -> bool:
        """Whether the books of all its accounts are those of the exchange and in the ledger."""
        sites = [self._services.get(name) for name in scope.accounts]
        return all(site is not None and site.account.live for site in sites)

    def fresh_price(self, symbol: str) -> Decimal | None:
        quote = self.price(symbol)
        return None if quote is None or self.stale_price(symbol) else quote[0]

    def stale_price(self, symbol: str) -> str:
        """The same of the price of a symbol that is about to be entered."""
        quote = self.price(symbol)
        if quote is None or quote[1] < self._clock.monotonic() - self._fresh_s:
            return f"the price of {symbol} is older than {self._fresh_s:g} s"
        return ""

    def _oldest(self, scope: Scope, pictures: tuple[Picture, ...]) -> tuple[float, str]:
        """When the oldest of what a scope is judged by was heard, and what that is."""
        known = self._horizons.get(scope.subject.key)
        if known is not None and known[0] == pictures:
            return known[1]
        found = (float("inf"), "")
        for name, picture in zip(scope.accounts, pictures, strict=True):
            wallet = self.wallet_at(self._services[name].account)
            at = wallet if wallet is not None else _NEVER
            found = min(found, (at, f"the wallet of account {name}"))
            for owner, (heard, held) in picture.heard.items():
                if scope.covers(name, owner):
                    found = min(found, (heard, f"the price of {held}"))
        self._horizons[scope.subject.key] = (pictures, found)
        return found

    def wallet_at(self, account: Account) -> float | None:
        """When the wallet was told (monotonic), as far as it was noticed."""
        told = account.balance.told
        if told is None:
            return None
        known = self._wallets.get(account.name)
        if known is None or known[0] is not told:
            known = self._wallets[account.name] = (told, self._clock.monotonic())
        return known[1]

    # -- money --------------------------------------------------------------------------------

    def money(self, scope: Scope) -> tuple[Decimal, Decimal]:
        """Equity and result in USDT, of a scope that is not `stale`. The result is what trades,
        fees and funding have moved since the ledger began, with open PnL: no transfer changes it.
        """
        equity = result = ZERO
        for name in scope.accounts:
            service, picture = self._services[name], self.of(name)
            account = service.account
            if scope.bot_id is None:
                open_pnl = sum(picture.open_pnl.values(), ZERO)
                wallet = account.balance.usdt + picture.gap
                cash = sum(account.balance.cash.values(), ZERO)
            else:
                open_pnl = picture.open_pnl.get(scope.bot_id, ZERO)
                purse = service.sessions[scope.bot_id]
                wallet = purse.wallet + (picture.gap if purse.owns_wallet else ZERO)
                cash = account.balance.cash.get(scope.bot_id, ZERO)
            equity += wallet + open_pnl
            result += cash + open_pnl
        return equity, result

    def exposure(self, scope: Scope) -> Exposure:
        if len(scope.accounts) == 1:
            return self.of(scope.accounts[0]).exposure(scope.bot_id)
        total = Exposure()
        for name in scope.accounts:
            one = self.of(name).exposure(None)
            total.gross += one.gross
            total.net += one.net
            total.buying += one.buying
            total.selling += one.selling
            for symbol, size in one.by_symbol.items():
                total.by_symbol[symbol] = total.by_symbol.get(symbol, ZERO) + size
            total.places |= one.places
            total.leaving |= one.leaving
        return total

    def held(self, scope: Scope) -> list[Held]:
        return [
            one
            for name in scope.accounts
            if name in self._services
            for one in self.of(name).held
            if scope.covers(name, one.owner)
        ]

    def pending(self, scope: Scope) -> list[Held]:
        return [
            one
            for name in scope.accounts
            if name in self._services
            for one in self.of(name).pending
            if scope.covers(name, one.owner)
        ]
