"""What an importer found in a source: rows for the history tables, and what became of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from alpha.core.events import PositionSide, Side
from alpha.imports.rows import BadValue, Damaged, SourceRow, shown

Kind = Literal["momentum", "shortseller", "lxalgo", "platform"]
#: What may stand in a record: numbers as text, so that no digit is lost.
Plain = str | int | bool | None

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a bot's history goes: its id in the books, and its account."""

    bot_id: str
    account: str


@dataclass(frozen=True, slots=True)
class Trade:
    """A round trip. Times are Unix ms; None is what the source does not say. `net_pnl` is the
    source's own figure wherever it has one."""

    source_id: str
    home: Home
    symbol: str
    side: PositionSide
    quantity: Decimal | None
    entry_price: Decimal | None
    exit_price: Decimal | None
    entry_ms: int | None
    exit_ms: int | None
    entry_reason: str | None
    exit_reason: str | None
    gross_pnl: Decimal | None
    net_pnl: Decimal | None
    pnl_pct: Decimal | None
    quality: Literal["entry_time_approx", "estimated"] = "estimated"
    entry_fee: Decimal = ZERO
    exit_fee: Decimal = ZERO
    entry_order_id: str | None = None
    exit_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """An executed order, or a piece of one. `quality` is `exchange` for what the exchange has
    reported, `estimated` for what a bot assumed."""

    source_id: str
    home: Home
    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    fee: Decimal
    time_ms: int
    order_id: str | None
    client_order_id: str | None
    reason: str | None
    quality: Literal["exchange", "estimated"]


@dataclass(frozen=True, slots=True)
class Record:
    """A row that is neither: a signal, a balance, a day's figures, an event."""

    table: str
    source_id: str
    home: Home
    symbol: str | None
    at_ms: int | None
    values: Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not taken. `place` says where it stands in the source ("line 12")."""

    table: str
    place: str
    key: str
    reason: str


@dataclass(slots=True)
class Tally:
    """Rows and their sums; money in USDT, quantities in coins."""

    rows: int = 0
    quantity: Decimal = ZERO
    net_pnl: Decimal = ZERO
    fees: Decimal = ZERO

    def add(self, other: Tally) -> None:
        self.rows += other.rows
        self.quantity += other.quantity
        self.net_pnl += other.net_pnl
        self.fees += other.fees


def one(
    quantity: Decimal | None = None, net_pnl: Decimal | None = None, fees: Decimal | None = None
) -> Tally:
    """The sums of one row; what it does not say counts nothing."""
    return Tally(1, quantity or ZERO, net_pnl or ZERO, fees or ZERO)


@dataclass(frozen=True, slots=True)
class Figures:
    """The columns of a table that are added up."""

    quantity: str = ""
    net_pnl: str = ""
    fees: tuple[str, ...] = ()

    def of(self, row: SourceRow) -> Tally:
        """The sums of one row, of what can be read in it."""
        fees = [row.figure(name) or ZERO for name in self.fees]
        return one(row.figure(self.quantity), row.figure(self.net_pnl), sum(fees, ZERO))


@dataclass(slots=True)
class Found:
    """Every row of the source, accounted for once: it is taken, rejected or left out."""

    kind: Kind
    trades: list[Trade] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    #: rows that are kept, but are no part of a round trip
    unpaired: list[Reject] = field(default_factory=list)
    read: dict[str, Tally] = field(default_factory=dict)
    rejected: dict[str, Tally] = field(default_factory=dict)
    #: table -> reason -> sums, for rows that are not to be imported at all
    left_out: dict[str, dict[str, Tally]] = field(default_factory=dict)
    #: (table, bot as the source names it, symbol) -> sums
    by_symbol: dict[tuple[str, str, str], Tally] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    #: rows given to another bot than the source names
    moved: int = 0
    _keys: set[tuple[str, str]] = field(default_factory=set)

    def is_first(self, table: str, key: str) -> bool:
        """Whether this row's key was not in the source before."""
        if (table, key) in self._keys:
            return False
        self._keys.add((table, key))
        return True

    def homes(self) -> set[Home]:
        """The bots that something is for."""
        return {
            *(trade.home for trade in self.trades),
            *(fill.home for fill in self.fills),
            *(record.home for record in self.records),
        }

    def take(
        self,
        rows: Iterable[SourceRow],
        key: str,
        figures: Figures,
        read: Callable[[SourceRow, Tally], None],
        bot: str | None = None,
    ) -> None:
        """Accounts for each row of a dump and has it read. One with a value that says nothing is
        rejected; Damaged goes up. `key` is the column of its id, `bot` whose rows they are where
        they do not name it."""
        for row in rows:
            tally = figures.of(row)
            symbol = "" if row.text("symbol") is None else shown(row.text("symbol"))
            self.saw(row.table, bot or shown(row.text("bot_id")), symbol, tally)
            try:
                read(row, tally)
            except Damaged:
                raise
            except BadValue as error:
                self.reject(row.table, row.place, shown(row.text(key)), error.what, tally)

    def saw(self, table: str, bot: str, symbol: str, tally: Tally) -> None:
        self.read.setdefault(table, Tally()).add(tally)
        self.by_symbol.setdefault((table, bot, symbol), Tally()).add(tally)

    def reject(self, table: str, place: str, key: str, reason: str, tally: Tally) -> None:
        self.rejects.append(Reject(table, place, key, reason))
        self.rejected.setdefault(table, Tally()).add(tally)

    def leave_unpaired(self, table: str, place: str, key: str, reason: str) -> None:
        self.unpaired.append(Reject(table, place, key, reason))

    def leave_out(self, table: str, reason: str, tally: Tally) -> None:
        self.left_out.setdefault(table, {}).setdefault(reason, Tally()).add(tally)
